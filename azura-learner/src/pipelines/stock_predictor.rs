//! Forecasts a share's price: the pipeline `csv_forecaster` on a bundled share, with an interval.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    TrainingParams,
    csv_forecaster::{self, FeatureEngineering, ModelParams},
};
use crate::{
    Choices, Pipeline, PipelineError, Prediction, RunCx, SavedRun, Sources, config::Problem, results::Results,
};

/// The next prices of a share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "Stock predictor")]
#[non_exhaustive]
pub struct Config {
    /// Which share.
    pub data_sourcing: DataSourcing,
    /// What is forecast, and from what.
    pub feature_engineering: FeatureEngineering,
    /// The model.
    pub model_params: ModelParams,
    /// How it is trained.
    pub training_params: TrainingParams,
}

/// Which share.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "Data")]
#[non_exhaustive]
pub struct DataSourcing {
    /// The share's symbol.
    #[schemars(title = "Ticker")]
    pub ticker: Ticker,
}

/// A share whose prices are bundled, March 2000 to March 2013.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum Ticker {
    /// Apple.
    #[default]
    Aapl,
    /// Microsoft.
    Msft,
}

impl Default for Config {
    fn default() -> Self {
        let mut config = Self {
            data_sourcing: DataSourcing::default(),
            feature_engineering: FeatureEngineering::default(),
            model_params: ModelParams::default(),
            training_params: TrainingParams::default(),
        };
        // The plain close halves at each split, which no model can foresee.
        config.feature_engineering.target_col = Some("Adj Close".into());
        config.model_params.interval = Some(0.8);
        config
    }
}

impl Config {
    /// The same, as the config of the pipeline that does the work.
    pub fn to_csv(&self) -> csv_forecaster::Config {
        let dataset = match self.data_sourcing.ticker {
            Ticker::Aapl => "stock-aapl",
            Ticker::Msft => "stock-msft",
        };
        csv_forecaster::Config {
            data_sourcing: csv_forecaster::DataSourcing { dataset: dataset.into(), ..Default::default() },
            feature_engineering: self.feature_engineering.clone(),
            model_params: self.model_params.clone(),
            training_params: self.training_params.clone(),
        }
    }
}

/// [`CsvForecaster`](crate::CsvForecaster) on the prices of a share, with an interval of 80 %.
///
/// A share's price is close to a random walk: expect it to be no better than persistence, and its report to say so.
#[derive(Debug, Clone, Copy, Default)]
pub struct StockPredictor;

impl Pipeline for StockPredictor {
    type Config = Config;
    const NAME: &'static str = "stock_predictor";
    const DESCRIPTION: &'static str =
        "Forecasts the next prices of a share, with an interval, and says how that compares with no change.";

    fn check(&self, config: &Config, sources: &Sources) -> Vec<Problem> {
        let problems = csv_forecaster::check_data(&config.to_csv(), &sources.datasets, false);
        let here = |mut problem: Problem| {
            if problem.pointer == "/data_sourcing/dataset" {
                problem.pointer = "/data_sourcing/ticker".into();
            }
            problem
        };
        problems.into_iter().map(here).collect()
    }

    fn choices(&self, config: &Config, sources: &Sources) -> Choices {
        let mut choices = csv_forecaster::choices(&config.to_csv(), &sources.datasets, false);
        // Its data set is named by the ticker, its time column by the data set.
        choices.retain(|place, _| !place.starts_with("/data_sourcing"));
        choices
    }

    fn run(&self, config: Config, cx: &mut RunCx<'_>) -> Result<Results, PipelineError> {
        let shown = csv_forecaster::json_of(&config)?;
        csv_forecaster::run(Self::NAME, &config.to_csv(), &shown, &cx.sources().datasets, cx)
    }

    fn predict(
        &self,
        config: Config,
        run: &SavedRun<'_>,
        request: &Value,
    ) -> Result<Prediction, PipelineError> {
        csv_forecaster::predict(&config.to_csv(), run, request)
    }
}
