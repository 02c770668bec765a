//! `azura predict`: the model of a run, asked without a server.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use azura_learner::{
    ConfigError, PipelineError, Prediction, Registry, SavedRun, Sources, files::write_atomic,
};
use serde_json::{Map, Value, json};

use super::{
    Failure,
    config::PredictArgs,
    figure,
    place::none_of,
    train::{read, set},
    unusable,
};

pub(crate) fn run(args: PredictArgs) -> Result<ExitCode, Failure> {
    let mut request = args.request.as_deref().map_or_else(|| Ok(json!({})), read)?;
    args.set.into_iter().try_for_each(|assignment| set(&mut request, assignment))?;
    if let (Some(steps), Some(request)) = (args.steps, request.as_object_mut()) {
        request.insert("prediction_steps".into(), steps.into());
    }
    let folder = folder(&args.run, &args.data.experiments()?)?;
    let sources = Sources::default();
    let answer = Registry::builtin().predict(&SavedRun::new(folder, &sources), &request).map_err(explain)?;
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&answer.values)?)?;
    } else {
        tell(&mut out, &answer)?;
    }
    if !answer.files.is_empty() {
        fs::create_dir_all(&args.out).map_err(|error| format!("--out {}: {error}", args.out.display()))?;
    }
    for (name, bytes) in &answer.files {
        let path = free(&args.out, Path::new(name));
        write_atomic(&path, bytes)?;
        writeln!(out, "{}", path.display())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The folder of a run that is named by it, or by its id.
fn folder(run: &str, experiments: &Path) -> Result<PathBuf, Failure> {
    let known = [PathBuf::from(run), experiments.join(run)];
    let found = known.iter().find(|folder| folder.join("config.json").is_file());
    found.cloned().ok_or_else(|| format!("there is no run {run:?}: {}", none_of(&known)).into())
}

/// A path for a file in a folder where nothing is yet: `sound.wav`, `sound-2.wav`, ..
fn free(folder: &Path, name: &Path) -> PathBuf {
    let [stem, ending] = [name.file_stem(), name.extension()].map(|part| part.unwrap_or_default().display());
    let numbered = (2_u64..).map(|n| folder.join(format!("{stem}-{n}.{ending}")));
    let mut paths = std::iter::once(folder.join(name)).chain(numbered);
    paths.find(|path| !path.exists()).unwrap_or_else(|| folder.join(name))
}

fn explain(error: PipelineError) -> Failure {
    match error {
        PipelineError::Request(invalid) => unusable("request", &invalid),
        PipelineError::Config(ConfigError::Invalid(invalid)) => unusable("run's config.json", &invalid),
        _ => error.into(),
    }
}

/// A forecast as a table; any other answer as it is.
fn tell(out: &mut impl io::Write, answer: &Prediction) -> io::Result<()> {
    let series = |key: &str| answer.values.get(key).and_then(Value::as_object);
    let Some(forecast) = series("forecasted_series") else {
        return writeln!(out, "{}", serde_json::to_string_pretty(&answer.values)?);
    };
    let target = answer.values.get("target_col").and_then(Value::as_str).unwrap_or("forecast");
    let borders = [("lower", series("forecast_lower")), ("upper", series("forecast_upper"))];
    let borders: Vec<_> = borders.into_iter().filter_map(|(name, series)| Some((name, series?))).collect();
    write!(out, "{:<20}{target:>16}", "time")?;
    borders.iter().try_for_each(|(name, _)| write!(out, "{name:>14}"))?;
    writeln!(out)?;
    let number = |series: &Map<String, Value>, time: &str, width: usize| match series
        .get(time)
        .and_then(Value::as_f64)
    {
        Some(value) => format!("{:>width$}", figure(value)),
        None => format!("{:>width$}", ""),
    };
    for time in forecast.keys() {
        write!(out, "{time:<20}{}", number(forecast, time, 16))?;
        borders.iter().try_for_each(|(_, series)| write!(out, "{}", number(series, time, 14)))?;
        writeln!(out)?;
    }
    Ok(())
}
