//! The commands.

mod config;
mod pipelines;
mod serve;
mod signals;
mod train;

use std::{error::Error, process::ExitCode, time::Duration};

use config::{Cli, Command};
use tracing_subscriber::EnvFilter;

/// What keeps a command from ending well, for the user to read.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// Does what the command line says. A failure is 1, a command line that cannot be used is 2.
pub(crate) fn run() -> ExitCode {
    let cli = match config::parse() {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    match start(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start(cli: Cli) -> Result<ExitCode, Failure> {
    let filter = EnvFilter::try_new(&cli.log)?;
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    if let Some(threads) = cli.threads {
        rayon::ThreadPoolBuilder::new().num_threads(threads.get()).build_global()?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let code = match cli.command {
        Command::Serve(args) => runtime.block_on(serve::run(args)),
        Command::Train(args) => runtime.block_on(train::run(args)),
        Command::Pipelines(args) => pipelines::run(&args),
    };
    // A handler that does not stop is not waited for.
    runtime.shutdown_timeout(Duration::from_secs(1));
    code
}
