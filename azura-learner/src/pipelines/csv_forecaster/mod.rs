//! Forecasts the next values of one column of a table with a time column.

mod baselines;
mod config;
mod figures;
mod forecast;
mod importance;
mod inputs;
mod last_rows;
mod network;
mod predict;
mod prepare;
mod report;

pub(super) use self::predict::predict;
pub use config::{Config, DataSourcing, FeatureEngineering, ModelKind, ModelParams};
pub use forecast::{Forecast, ValidationData};
pub use inputs::{InputColumn, Inputs};
pub use last_rows::LastRows;
pub use prepare::{Prepared, prepare};
pub(super) use prepare::{check_data, choices};

use super::{TrainingParams, training::keep};
use crate::{
    Batch, Choices, Dataset, History, Learner, Pipeline, PipelineError, Prediction, Publish, Result, RunCx,
    SavedRun, Sequential, Sources,
    config::Problem,
    data::{Datasets, Windows},
    loader::gather,
    pipeline::ConfigError,
    results::Results,
};
use azura_core::Tensor;
use serde_json::{Value, json};
use std::sync::Arc;

/// Points of a validation that watchers are shown.
const VALIDATION_POINTS: usize = 500;
/// Validations of a training that watchers are shown.
const VALIDATION_VIEWS: usize = 200;

/// A model over windows of a table, and a linear layer: CSV in, forecast, figures and report out.
///
/// The series is split by time into training, validation and test part; scaling is fitted on the training part alone.
/// The weights that were best on validation are judged on the test part, beside forecasts that know nothing: that the next
/// value equals the last, that the last season comes again, that the line from the first value to the last goes on.
///
/// A run that has ended well is asked for `{"prediction_steps": 1..=1000, "data": [rows, if not its newest ones]}` and answers
/// `{"prediction", "target_col", "actual_history", "forecasted_series"}`, with an interval also `forecast_lower` and
/// `forecast_upper` for the steps of the horizon. Beyond the horizon the forecast is fed with itself: calendar features advance, and all
/// columns but the target keep their last value. (A request is checked like a config, and holds at most 10 000 values in all.)
///
/// ```
/// use azura_learner::{Registry, RunCx, SavedRun, Sources};
/// use serde_json::json;
///
/// let (out, sources) = (tempfile::tempdir().unwrap(), Sources::default());
/// let config = json!({
///     "pipeline_name": "csv_forecaster",
///     "data_sourcing": {"dataset": "sunspots"},
///     "model_params": {"kind": "gru", "hidden_size": 8, "horizon": 2},
///     "training_params": {"epochs": 2},
/// });
/// let registry = Registry::builtin();
/// registry.run(&config, &mut RunCx::new(out.path(), &sources))?;
///
/// let run = SavedRun::new(out.path(), &sources);
/// let answer = registry.predict(&run, &json!({"prediction_steps": 3}))?;
/// let years: Vec<_> = answer.values["forecasted_series"].as_object().unwrap().keys().collect();
/// assert_eq!(years, ["2009-01-01", "2010-01-01", "2011-01-01"]);
/// # Ok::<(), azura_learner::PipelineError>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct CsvForecaster;

impl Pipeline for CsvForecaster {
    type Config = Config;
    const NAME: &'static str = "csv_forecaster";
    const DESCRIPTION: &'static str = "Forecasts the next values of a column of a table: LSTM, GRU, dense or transformer, judged beside simple forecasts.";

    fn check(&self, config: &Config, sources: &Sources) -> Vec<Problem> {
        check_data(config, &sources.datasets, sources.allow_files)
    }

    fn choices(&self, config: &Config, sources: &Sources) -> Choices {
        choices(config, &sources.datasets, sources.allow_files)
    }

    fn run(&self, config: Config, cx: &mut RunCx<'_>) -> Result<Results, PipelineError> {
        let shown = json_of(&config)?;
        run(Self::NAME, &config, &shown, &cx.sources().datasets, cx)
    }

    fn predict(
        &self,
        config: Config,
        run: &SavedRun<'_>,
        request: &Value,
    ) -> Result<Prediction, PipelineError> {
        predict(&config, run, request)
    }
}

/// Trains and judges a forecaster for the pipeline of that name, whose config is `shown` in the report.
pub(super) fn run(
    name: &str,
    config: &Config,
    shown: &Value,
    datasets: &Datasets,
    cx: &mut RunCx<'_>,
) -> Result<Results, PipelineError> {
    let training = &config.training_params;
    let (prepared, mut learner, history) = train(name, config, datasets, cx)?;
    let judged = training.judge(&learner, &prepared.test, true)?;
    let output = judged.output.map(|output| output.to_vec()).unwrap_or_default();
    let importance = importance::importance(&prepared, &learner, training.batch_size, training.seed)?;
    let results = prepared.results(history, &output)?.with(&json!({ "feature_importance": importance }))?;
    cx.write_json("last_rows.json", &prepared.last_rows)?;
    let report = report::report(config, shown, datasets, &prepared, &results)?;
    keep(cx, learner.model_mut(), &prepared.inputs, &report)?;
    Ok(results)
}

/// The data of a config, and a model trained on them.
fn train(
    name: &str,
    config: &Config,
    datasets: &Datasets,
    cx: &mut RunCx<'_>,
) -> Result<(Arc<Prepared>, Learner<Sequential>, History), PipelineError> {
    let prepared = prepare(config, datasets, cx.sources().allow_files).map_err(ConfigError::from)?;
    let prepared = Arc::new(prepared);
    let training = &config.training_params;
    let publisher = publisher(cx, name, &prepared, training);
    let network = network::network(config, prepared.inputs.width())?;
    let loss = network::loss(&config.model_params);
    let (train, validation) = (&prepared.train, prepared.validation.as_ref());
    let (learner, history) = training.train(cx, publisher, network, loss, train, validation)?;
    Ok((prepared, learner, history))
}

/// A config as its report shows it.
pub(super) fn json_of(config: &impl serde::Serialize) -> Result<Value, PipelineError> {
    Ok(serde_json::to_value(config)?)
}

/// Shows watchers the forecast of the validation part, in real units. A long training shows some of them only: each is kept as long as the
/// run is, and is a hundred times as long as everything else that an epoch has to tell.
fn publisher(cx: &RunCx<'_>, name: &str, prepared: &Arc<Prepared>, training: &TrainingParams) -> Publish {
    let publisher = cx.publisher(name);
    let prepared = Arc::clone(prepared);
    let planned = training.epochs.div_ceil(training.validate_every);
    let step = planned.div_ceil(VALIDATION_VIEWS).max(1);
    let mut count = 0;
    publisher.validation_view(move |output| {
        count += 1;
        if count % step != 0 && count != 1 && count != planned {
            return None;
        }
        let windows = prepared.validation.as_ref()?;
        let forecast = prepared.forecast(windows, &output.to_vec());
        serde_json::to_value(forecast.thinned(VALIDATION_POINTS)).ok()
    })
}

/// Windows `[batch, time, features]` and the target's next values `[batch, horizon]`.
impl Dataset for Windows {
    type X = Tensor;
    type Y = Tensor;

    fn len(&self) -> usize {
        Self::len(self)
    }

    fn batch(&self, indices: &[usize], last: Option<Batch>) -> Result<Batch> {
        let (x, y) = last.map_or((None, None), |last| (Some(last.x), Some(last.y)));
        let len = indices.len();
        Ok(Batch {
            x: gather(&[len, self.length(), self.features()], x, |into| self.gather(indices, into)),
            y: gather(&[len, self.targets()], y, |into| self.gather_targets(indices, into)),
            len,
        })
    }
}

#[cfg(test)]
#[cfg(feature = "datasets")]
mod tests;
