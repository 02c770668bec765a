//! The config of the pipeline `csv_forecaster`, with the ranges and defaults from which its form is made.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    data::{Missing, ScalerKind},
    pipelines::training::TrainingParams,
};

/// Forecasts the next value of one column of a table with a time column.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "CSV forecaster")]
#[non_exhaustive]
pub struct Config {
    /// Where the table comes from.
    pub data_sourcing: DataSourcing,
    /// What is forecast, and from what.
    pub feature_engineering: FeatureEngineering,
    /// The model.
    pub model_params: ModelParams,
    /// How it is trained.
    pub training_params: TrainingParams,
}

/// Where the table comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "Data")]
#[non_exhaustive]
pub struct DataSourcing {
    /// The id of a data set.
    #[schemars(title = "Data set", length(min = 1, max = 200))]
    pub dataset: String,
    /// A CSV file to read instead of a data set. On the command line only.
    #[schemars(title = "CSV file", length(min = 1, max = 4096))]
    pub file: Option<String>,
    /// The column with dates or times. Empty: the first one that holds such.
    #[schemars(title = "Time column", length(min = 1, max = 1000))]
    pub time_col: Option<String>,
    /// What becomes of cells without a value. Empty: what the data set says, or an error that names the first of them.
    #[schemars(title = "Missing values")]
    pub missing: Option<Missing>,
}

/// What is forecast, and from what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "Features")]
#[non_exhaustive]
pub struct FeatureEngineering {
    /// The column to forecast. Empty: the data set's default, or the only numeric column.
    #[schemars(title = "Target column", length(min = 1, max = 1000))]
    pub target_col: Option<String>,
    /// The columns to forecast from. The target's own past is always one of them. Empty: all numeric columns.
    #[schemars(title = "Feature columns", length(max = 1000))]
    pub feature_cols: Option<Vec<String>>,
    /// Adds where each row stands in the year, the week and the day.
    #[schemars(title = "Calendar features")]
    pub calendar: bool,
    /// How columns are scaled; fitted on the training part only.
    #[schemars(title = "Scaling")]
    pub scaler: ScalerKind,
}

/// The model: an LSTM over the window, dropout, a linear layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "Model")]
#[non_exhaustive]
pub struct ModelParams {
    /// Rows that the model looks back.
    #[schemars(title = "Sequence length", range(min = 1, max = 10_000))]
    pub sequence_length: usize,
    /// Units of the LSTM.
    #[schemars(title = "Hidden units", range(min = 1, max = 2048))]
    pub hidden_size: usize,
    /// Share of the LSTM's outputs that are dropped at random while training.
    #[schemars(title = "Dropout", range(min = 0.0, max = 0.9))]
    pub dropout: f64,
}

impl Default for DataSourcing {
    fn default() -> Self {
        Self { dataset: "seattle-weather".into(), file: None, time_col: None, missing: None }
    }
}

impl Default for FeatureEngineering {
    fn default() -> Self {
        Self { target_col: None, feature_cols: None, calendar: true, scaler: ScalerKind::default() }
    }
}

impl Default for ModelParams {
    fn default() -> Self {
        Self { sequence_length: 30, hidden_size: 64, dropout: 0.1 }
    }
}
