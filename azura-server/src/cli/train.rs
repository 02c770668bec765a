//! `azura train`: the server's own way of running, with a terminal instead of HTTP.

use std::{
    fmt::Display,
    fs,
    io::{self, IsTerminal as _, Read as _, Write as _},
    path::{self, Path, PathBuf},
    process::{self, ExitCode},
    sync::Arc,
};

use azura_learner::{ProgressBar, Registry, Snapshot, Sources};
use azura_queue::{MemoryQueue, State};
use azura_server::{App, AppError, Run, Runs};
use futures_util::StreamExt as _;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{
    Failure,
    config::{Assignment, TrainArgs},
    signals,
};

pub(crate) async fn run(args: TrainArgs) -> Result<ExitCode, Failure> {
    let (mut config, snapshot) = match (&args.resume, &args.config) {
        (Some(folder), _) => (read(&folder.join("config.json"))?, Some(checkpoint(folder)?)),
        (None, config) => (read(config.as_deref().unwrap_or(Path::new("-")))?, None),
    };
    args.set.into_iter().try_for_each(|assignment| set(&mut config, assignment))?;
    let stop = signals::token()?;
    // Bundled data sets, the files that a config names, and what may be fetched.
    let sources = args.fetch.add(Sources::default().allow_files(), &args.data)?;
    // Before anything is made or touched.
    Registry::builtin().check(&config, &sources).map_err(|error| explain(error.into()))?;
    let (root, out) = match args.out {
        Some(out) => beside(&out).map(|(root, out)| (root, Some(out)))?,
        None => (args.data.experiments()?, None),
    };
    let trained = train(config, snapshot, sources, &root, &stop).await;
    let Some(out) = out else {
        let run = trained?;
        return Ok(tell(&run, &root.join(run.experiment_id()))?);
    };
    if let Ok(run) = &trained
        && run.record.state == State::Success
    {
        let kept = root.join(run.experiment_id());
        // An empty folder may be there, and nothing else.
        let _ = fs::remove_dir(&out);
        fs::rename(&kept, &out).map_err(|error| {
            format!("{} cannot be made: {error}; the run is kept in {}", out.display(), kept.display())
        })?;
    }
    // What is left is of no use, and an error of the training is the one to tell of.
    let _ = fs::remove_dir_all(&root);
    Ok(tell(&trained?, &out)?)
}

/// The newest checkpoint of the run in this folder.
fn checkpoint(folder: &Path) -> Result<Snapshot, Failure> {
    let newest = Snapshot::newest(&folder.join("checkpoints"))?;
    newest.damaged.iter().for_each(|error| eprintln!("warning: {error}; an older checkpoint is taken"));
    newest.snapshot.ok_or_else(|| format!("{} has no checkpoint to go on from", folder.display()).into())
}

/// Runs a config as the server would, perhaps from a checkpoint on, with runs kept below `root`.
async fn train(
    config: Value,
    snapshot: Option<Snapshot>,
    sources: Sources,
    root: &Path,
    stop: &CancellationToken,
) -> Result<Run, Failure> {
    let runs = Runs::open(root).map_err(|error| format!("{} cannot be used: {error}", root.display()))?;
    let queue = Arc::new(MemoryQueue::new());
    let app = Arc::new(App::new(Registry::builtin(), sources, queue, runs));
    let id = app.submit(config).await.map_err(explain)?.to_string();
    let worker = azura_server::worker_with(&app, move |cx| {
        let cx = cx.callback(ProgressBar::new());
        if snapshot.is_some() { cx.resume(snapshot.clone()) } else { cx }
    });
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
    let mut text = String::new();
    if path == Path::new("-") {
        io::stdin().read_to_string(&mut text)?;
    } else {
        text = fs::read_to_string(path)
            .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    }
    serde_json::from_str(&text).map_err(|error| format!("{} is not JSON: {error}", path.display()).into())
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

/// A folder for the runs of this one command, and the full path of `out`, to which a run can be renamed from there.
fn beside(out: &Path) -> Result<(PathBuf, PathBuf), Failure> {
    let refuse = |why: &dyn Display| Failure::from(format!("--out {}: {why}", out.display()));
    let full = match fs::canonicalize(out) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && !out.is_symlink() => path::absolute(out),
        full => full,
    };
    let full = full.map_err(|error| refuse(&error))?;
    match fs::read_dir(&full).map(|mut entries| entries.next()) {
        Ok(Some(_)) => {
            return Err(refuse(&"the folder is not empty; one that is, or does not exist, is wanted"));
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(refuse(&error)),
        _ => {}
    }
    let parent = full.parent().ok_or_else(|| refuse(&"this folder cannot be a run"))?;
    let root = parent.join(format!(".azura-train-{}", process::id()));
    fs::create_dir_all(&root).map_err(|error| refuse(&error))?;
    Ok((root, full))
}

fn explain(error: AppError) -> Failure {
    let AppError::Config(error) = error else { return error.into() };
    let lines: Vec<_> = error.problems().iter().map(ToString::to_string).collect();
    format!("the config cannot be used:\n  {}", lines.join("\n  ")).into()
}

/// Says what came of it, and where it is.
fn tell(run: &Run, folder: &Path) -> io::Result<ExitCode> {
    match (run.record.state, &run.record.error) {
        (State::Success, _) => {
            let mut out = io::stdout().lock();
            metrics(&mut out, run.results.as_deref().unwrap_or(&Value::Null))?;
            writeln!(out, "Files: {}", folder.display())?;
            return Ok(ExitCode::SUCCESS);
        }
        (_, Some(failure)) => eprintln!("error: {} ({})", failure.message, failure.code),
        (_, None) => {
            eprintln!("cancelled");
            return Ok(ExitCode::from(130));
        }
    }
    Ok(ExitCode::FAILURE)
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
        write!(out, "{name:<18}{value:>12.4}")?;
        for (baseline_name, baseline) in baselines {
            let text = baseline[name].as_f64().map_or_else(String::new, |value| format!("{value:.4}"));
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
