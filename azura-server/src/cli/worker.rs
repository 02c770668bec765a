//! `azura worker`.

use std::{
    io::{self, Write as _},
    process::ExitCode,
    sync::Arc,
};

use azura_learner::{Registry, Sources};
use azura_server::{App, Runs};

use super::{Failure, config::WorkerArgs, queue, serve::GRACE, signals};

pub(crate) async fn run(args: WorkerArgs) -> Result<ExitCode, Failure> {
    if args.queue.url == "memory" {
        eprintln!(
            "error: a queue in memory is in one process only; give `azura serve` more `--workers` instead"
        );
        return Ok(ExitCode::from(2));
    }
    let stop = signals::token()?;
    let experiments = args.data.experiments()?;
    let runs = Runs::open(&experiments)
        .map_err(|error| format!("{} cannot be used: {error}", experiments.display()))?;
    let Some(queue) = queue::open(&args.queue, &args.data.folder()?, &stop).await? else {
        return Ok(ExitCode::SUCCESS);
    };
    let sources = args.fetch.add(Sources::default(), &args.data)?;
    let app = Arc::new(App::new(Registry::builtin(), sources, queue, runs));
    writeln!(io::stdout(), "AzuraForge works on {}", queue::place(&args.queue, &args.data.folder()?))?;
    writeln!(io::stdout(), "Runs are kept in {}", experiments.display())?;
    let ending = async {
        stop.cancelled().await;
        app.shutdown().cancel();
    };
    let worker = azura_server::worker(&app).slots(args.concurrency.into()).grace(GRACE);
    let predictor = azura_server::predictor(&app).grace(GRACE);
    let stopped = app.shutdown();
    tokio::join!(ending, app.tend(), worker.run(stopped.clone()), predictor.run(stopped.clone()));
    Ok(ExitCode::SUCCESS)
}
