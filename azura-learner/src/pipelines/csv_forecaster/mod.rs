//! Forecasts the next value of one column of a table with a time column.

mod config;
mod prepare;
mod report;

pub use config::{Config, DataSourcing, FeatureEngineering, ModelParams};
pub use prepare::{Forecast, InputColumn, Inputs, Prepared, ValidationData, prepare};

use super::TrainingParams;
use crate::{
    Batch, DataLoader, Dataset, Dropout, Linear, Lstm, Pipeline, PipelineError, Publish, Result, RunCx,
    Sequential, Sources, StateDict, config::Problem, data::Windows, loader::gather, parameters,
    pipeline::ConfigError, results::Results, seeded,
};
use azura_core::Tensor;
use std::sync::Arc;

/// Points of a validation that watchers are shown.
const VALIDATION_POINTS: usize = 500;
/// Validations of a training that watchers are shown.
const VALIDATION_VIEWS: usize = 200;

/// An LSTM over windows of a table, dropout, and a linear layer: CSV in, forecast, figures and report out.
///
/// The series is split by time into training, validation and test part; scaling is fitted on the training part alone.
/// The weights that were best on validation are judged on the test part, beside the persistence forecast, which says
/// that the next value equals the last.
#[derive(Debug, Clone, Copy, Default)]
pub struct CsvForecaster;

impl Pipeline for CsvForecaster {
    type Config = Config;
    const NAME: &'static str = "csv_forecaster";
    const DESCRIPTION: &'static str = "Forecasts the next value of a column of a table: LSTM, dropout, linear layer, judged beside persistence.";

    fn check(&self, config: &Config, sources: &Sources) -> Vec<Problem> {
        prepare::check_data(config, &sources.datasets, sources.allow_files)
    }

    fn run(&self, config: Config, cx: &mut RunCx<'_>) -> Result<Results, PipelineError> {
        let sources = cx.sources();
        let prepared = prepare(&config, &sources.datasets, sources.allow_files).map_err(ConfigError::from)?;
        let prepared = Arc::new(prepared);
        let publisher = publisher(cx, &prepared, &config.training_params);

        let training = &config.training_params;
        let mut train = DataLoader::new(prepared.train.clone(), training.batch_size).shuffle(training.seed);
        let mut validation =
            prepared.validation.clone().map(|windows| DataLoader::new(windows, training.batch_size));
        let validation = validation.as_mut().map(|loader| loader as &mut dyn crate::Batches);
        let network = network(&config, &prepared)?;
        let (mut learner, history) =
            training.train(cx, publisher, network, crate::loss::mse, &mut train, validation)?;

        let mut test = DataLoader::new(prepared.test.clone(), training.batch_size);
        let judged = learner.evaluate(&mut test, true)?;
        if !judged.loss.is_finite() {
            let message = format!("the test loss is {}, so that the model cannot be judged", judged.loss);
            return Err(PipelineError::Execution(message));
        }
        let output = judged.output.map(|output| output.to_vec()).unwrap_or_default();
        let results = prepared.results(history, &output).map_err(|error| unserialisable(&error))?;
        cx.write("model.safetensors", &StateDict::of(&parameters(learner.model_mut())).to_bytes())?;
        cx.write_json("inputs.json", &prepared.inputs)?;
        let report = report::report(&config, &sources.datasets, &prepared, &results)
            .map_err(|error| unserialisable(&error))?;
        report.write(cx)?;
        Ok(results)
    }
}

fn unserialisable(error: &serde_json::Error) -> PipelineError {
    PipelineError::Execution(error.to_string())
}

/// Shows watchers the forecast of the validation part, in real units. A long training shows some of them only: each is kept as long as the
/// run is, and is a hundred times as long as everything else that an epoch has to tell.
fn publisher(cx: &RunCx<'_>, prepared: &Arc<Prepared>, training: &TrainingParams) -> Publish {
    let publisher = cx.publisher(CsvForecaster::NAME);
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

fn network(config: &Config, prepared: &Prepared) -> Result<Sequential> {
    let model = &config.model_params;
    let rng = &mut seeded(config.training_params.seed);
    Ok(Sequential::new()
        .push(Lstm::new(prepared.inputs.width(), model.hidden_size, rng).last_step())
        .push(Dropout::new(model.dropout)?)
        .push(Linear::new(model.hidden_size, 1, rng)))
}

/// Windows `[batch, time, features]` and the target's next value `[batch, 1]`.
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
            y: gather(&[len, 1], y, |into| self.gather_targets(indices, into)),
            len,
        })
    }
}
