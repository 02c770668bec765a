//! The commands.

mod config;
mod pipelines;
mod place;
mod predict;
mod queue;
mod serve;
mod signals;
mod train;
mod worker;

use std::{error::Error, io::IsTerminal as _, process::ExitCode, time::Duration};

use azura_learner::config::Invalid;
use config::{Cli, Command};
use tracing_subscriber::EnvFilter;

/// What keeps a command from ending well, for the user to read.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// A figure for the terminal; one with many digits is written with its magnitude.
fn figure(x: f64) -> String {
    if x == 0.0 || (1e-4..1e9).contains(&x.abs()) { format!("{x:.4}") } else { format!("{x:.4e}") }
}

/// What is wrong with a config or a request, a line for each problem.
fn unusable(what: &str, invalid: &Invalid) -> Failure {
    const MOST: usize = 20;
    format!("the {what} cannot be used:\n  {}", invalid.first(MOST, "\n  ")).into()
}

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
    let level = cli.log.as_deref().unwrap_or(match cli.command {
        Command::Serve(_) | Command::Worker(_) => "warn,azura_server=info",
        _ => "warn",
    });
    let filter = match EnvFilter::try_new(level) {
        Ok(filter) => filter,
        Err(error) => {
            eprintln!("error: --log {level}: {error}");
            return Ok(ExitCode::from(2));
        }
    };
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    log.with_ansi(std::io::stderr().is_terminal()).init();
    if let Some(threads) = cli.threads {
        rayon::ThreadPoolBuilder::new().num_threads(threads.into()).build_global()?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let code = match cli.command {
        Command::Serve(args) => runtime.block_on(serve::run(args)),
        Command::Train(args) => runtime.block_on(train::run(args)),
        Command::Worker(args) => runtime.block_on(worker::run(args)),
        Command::Queue(args) => runtime.block_on(queue::run(args)),
        Command::Predict(args) => predict::run(args),
        Command::Pipelines(args) => pipelines::run(&args),
    };
    // A handler that does not stop is not waited for.
    runtime.shutdown_timeout(Duration::from_secs(1));
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        assert_eq!(
            [0.0, 12.5, -1_234_567.891, 0.00012].map(figure),
            ["0.0000", "12.5000", "-1234567.8910", "0.0001"]
        );
        assert_eq!([1e139, -2.5e-9].map(figure), ["1.0000e139", "-2.5000e-9"]);
    }
}
