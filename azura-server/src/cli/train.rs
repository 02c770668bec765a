//! `azura train`: the server's own way of running, with a terminal instead of HTTP.

use std::{
    fs,
    io::{self, IsTerminal as _, Write as _},
    path::Path,
    process::ExitCode,
    sync::Arc,
};

use azura_learner::{ProgressBar, Registry, Sources, config::Invalid};
use azura_queue::{MemoryQueue, State};
use azura_server::{App, AppError, Run, Runs};
use futures_util::StreamExt as _;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{
    Failure,
    config::{Assignment, TrainArgs},
    figure,
    place::{Place, Start, quoted, resumable},
    signals, unusable,
};

pub(crate) async fn run(args: TrainArgs) -> Result<ExitCode, Failure> {
    let stop = signals::token()?;
    // Bundled data sets, the files that a config names, and what may be fetched.
    let sources = args.fetch.add(Sources::default().allow_files(), &args.data)?;
    let experiments = args.data.experiments()?;
    let (start, place) = if let Some(run) = &args.resume {
        Place::of_run(run, &experiments, args.out.as_deref())?
    } else {
        let mut config = read(args.config.as_deref().unwrap_or(Path::new("-")))?;
        args.set.iter().cloned().try_for_each(|assignment| set(&mut config, assignment))?;
        // Before anything is made or touched.
        Registry::builtin().check(&config, &sources).map_err(|error| explain(error.into()))?;
        (Start::New(config), args.out.as_deref().map_or(Ok(Place::among(experiments)), Place::out)?)
    };
    let flags = args.fetch.again();
    let trained = train(start, sources, &place, flags, &stop).await;
    let folder = place.settle(trained.as_ref().ok())?;
    tell(&trained?, folder.as_deref(), flags)
}

/// Runs a config as the server would, perhaps from a checkpoint on.
async fn train(
    start: Start,
    sources: Sources,
    place: &Place,
    flags: &str,
    stop: &CancellationToken,
) -> Result<Run, Failure> {
    let root = place.root();
    let runs = Runs::open(root).map_err(|error| format!("{} cannot be used: {error}", root.display()))?;
    let queue = Arc::new(MemoryQueue::new());
    let app = Arc::new(App::new(Registry::builtin(), sources, queue, runs));
    let id = match start {
        Start::New(config) => app.submit_one(config).await,
        Start::Unfinished(record) => app.go_on(&record).await,
        Start::Ended(folder) => app.resume_from(&folder).await,
    };
    let id = id.map_err(explain)?.to_string();
    let folder = place.folder(&app.find(&id).await?);
    eprintln!("Should it be interrupted: azura train --resume {}{flags}", quoted(&folder));
    let worker = azura_server::worker_with(&app, |cx| cx.callback(ProgressBar::new()));
    let worker = tokio::spawn(worker.run(app.shutdown().clone()));
    let mut events = app.follow(&id, 0).await?;
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(event) => drop(event?),
                None => break,
            },
            () = stop.cancelled() => {
                app.cancel(&id).await?;
                while events.next().await.transpose()?.is_some() {}
                break;
            }
        }
    }
    app.shutdown().cancel();
    worker.await?;
    if io::stderr().is_terminal() {
        // The bar leaves the cursor at its end.
        eprintln!();
    }
    Ok(app.find(&id).await?)
}

pub(super) fn read(path: &Path) -> Result<Value, Failure> {
    let (name, text) = if path == Path::new("-") {
        ("standard input".to_owned(), io::read_to_string(io::stdin()))
    } else {
        (path.display().to_string(), fs::read_to_string(path))
    };
    let text = text.map_err(|error| format!("{name} cannot be read: {error}"))?;
    serde_json::from_str(&text).map_err(|error| format!("{name} is not JSON: {error}").into())
}

/// Puts a value into a config, with the objects on the way to it.
pub(super) fn set(config: &mut Value, Assignment { path, value }: Assignment) -> Result<(), String> {
    let mut place = config;
    for key in &path {
        if place.is_null() {
            *place = Value::Object(serde_json::Map::new());
        }
        let object = place
            .as_object_mut()
            .ok_or_else(|| format!("--set {}: the config has no keys there", path.join(".")))?;
        place = object.entry(key).or_insert(Value::Null);
    }
    *place = value;
    Ok(())
}

fn explain(error: AppError) -> Failure {
    let AppError::Config(error) = error else { return error.into() };
    unusable("config", &Invalid(error.problems()))
}

/// Says what came of it, where it is, and how to go on with what can be gone on with.
fn tell(run: &Run, folder: Option<&Path>, flags: &str) -> Result<ExitCode, Failure> {
    let code = match (run.record.state, &run.record.error) {
        (State::Success, _) => {
            let mut out = io::stdout().lock();
            metrics(&mut out, run.results.as_deref().unwrap_or(&Value::Null))?;
            if let Some(folder) = folder {
                writeln!(out, "Files: {}", folder.display())?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        (_, Some(failure)) => {
            eprintln!("error: {} ({})", failure.message, failure.code);
            ExitCode::FAILURE
        }
        (_, None) => {
            eprintln!("cancelled");
            ExitCode::from(130)
        }
    };
    match folder {
        Some(folder) if resumable(folder) => {
            eprintln!("What was learned so far is in {}", folder.display());
            eprintln!("To go on: azura train --resume {}{flags}", quoted(folder));
        }
        _ => eprintln!("There was no checkpoint yet to go on from."),
    }
    Ok(code)
}

/// A table of the figures on the test part, beside those of simple forecasts.
fn metrics(out: &mut impl io::Write, results: &Value) -> io::Result<()> {
    let none = serde_json::Map::new();
    let baselines = results["baselines"].as_object().unwrap_or(&none);
    let width = |name: &str| name.len().max(10) + 2;
    write!(out, "{:<18}{:>12}", "test part", "model")?;
    baselines.keys().try_for_each(|name| write!(out, "{name:>0$}", width(name)))?;
    writeln!(out)?;
    for (name, value) in results["metrics"].as_object().unwrap_or(&none) {
        let Some(value) = value.as_f64() else { continue };
        write!(out, "{name:<18}{:>12}", figure(value))?;
        for (baseline_name, baseline) in baselines {
            let text = baseline[name].as_f64().map_or_else(String::new, figure);
            write!(out, "{text:>0$}", width(baseline_name))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_set_where_they_belong() {
        let mut config = json!({"pipeline_name": "p", "training_params": {"lr": 0.1}});
        let assign =
            |path: &[&str], value| Assignment { path: path.iter().map(ToString::to_string).collect(), value };
        set(&mut config, assign(&["training_params", "epochs"], json!(5))).unwrap();
        set(&mut config, assign(&["model_params", "hidden_size"], json!(8))).unwrap();
        assert_eq!(
            config,
            json!({"pipeline_name": "p", "training_params": {"lr": 0.1, "epochs": 5}, "model_params": {"hidden_size": 8}})
        );
        assert!(set(&mut config, assign(&["pipeline_name", "x"], json!(1))).is_err());
    }
}
