//! `azura serve`.

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use azura_learner::{Registry, Sources};
use azura_server::{Access, App, AppError, Runs};
use tokio::net::TcpListener;

use super::{Failure, config::ServeArgs, queue, signals};

/// How long a run may take to stop when the server ends.
pub(super) const GRACE: Duration = Duration::from_secs(8);

pub(crate) async fn run(args: ServeArgs) -> Result<ExitCode, Failure> {
    if !args.bind.ip().is_loopback() {
        eprintln!("error: {}", exposed(args.bind));
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
    let restore = async || match app.restore().await {
        Err(AppError::Queue(error)) => Err(error),
        restored => Ok(restored),
    };
    let Some(restored) = queue::reach(&args.queue, &stop, restore).await? else {
        return Ok(ExitCode::SUCCESS);
    };
    restored?;
    // Not before there is somebody to answer.
    let listener = TcpListener::bind(args.bind).await.map_err(|error| unbound(&error, args.bind))?;

    let access = args.allow_origin.into_iter().fold(Access::loopback(), Access::allow);
    writeln!(io::stdout(), "AzuraForge is listening on http://{}", listener.local_addr()?)?;
    writeln!(io::stdout(), "Runs are kept in {}", experiments.display())?;
    if args.queue.url == "memory" {
        writeln!(
            io::stdout(),
            "When this process ends, runs that wait are gone, and those that train have failed and can be resumed."
        )?;
    }
    if args.workers == 0 {
        let memory = args.queue.url == "memory";
        let until = if memory { "for ever, since nobody else can" } else { "for an `azura worker`" };
        writeln!(io::stdout(), "Nobody works here: runs wait {until}.")?;
    }

    let ending = async {
        stop.cancelled().await;
        app.shutdown().cancel();
    };
    let working = async {
        if args.workers > 0 {
            let trainer = azura_server::worker(&app).slots(args.workers).grace(GRACE);
            let predictor = azura_server::predictor(&app).grace(GRACE);
            tokio::join!(trainer.run(app.shutdown().clone()), predictor.run(app.shutdown().clone()));
        }
    };
    let serving = async {
        let served = azura_server::serve(&app, listener, azura_server::routes(&app, access)).await;
        stop.cancel();
        served
    };
    let ((), (), (), served) = tokio::join!(ending, working, app.tend(), serving);
    Ok(served.map(|()| ExitCode::SUCCESS)?)
}

fn exposed(bind: SocketAddr) -> String {
    let port = bind.port();
    format!(
        "{bind} would let other machines in, and there are no accounts yet to tell who may start runs.\n\
         Listen on this machine only:\n\n    azura serve --bind 127.0.0.1:{port}\n\n\
         and reach it from another one through a tunnel:\n\n    ssh -L {port}:127.0.0.1:{port} {}",
        "user@this-machine"
    )
}

fn unbound(error: &io::Error, bind: SocketAddr) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "port {} is in use, perhaps by another azura; choose another one, as in `azura serve --bind {}:{}`",
            bind.port(),
            bind.ip(),
            bind.port().checked_add(1).unwrap_or(8001),
        ),
        _ => format!("cannot listen on {bind}: {error}"),
    }
}
