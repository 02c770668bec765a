//! The config of the pipeline `csv_forecaster`, with the ranges and defaults from which its form is made.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    data::{DatasetKind, Missing, ScalerKind, Transform, examples},
    pipelines::training::TrainingParams,
};

/// Forecasts the next values of one column of a table with a time column.
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
    #[schemars(title = "Data set", length(min = 1, max = 200), extend("examples" = examples(DatasetKind::Table)))]
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
    /// What is learned of it: its values, their logarithm, or their changes. Figures are in its own units all the same. Empty: what is
    /// best for the data set's default target, or the values.
    #[schemars(title = "Target transform")]
    pub target_col_transform: Option<Transform>,
    /// The columns to forecast from. The target's own past is always one of them. Empty: all numeric columns.
    #[schemars(title = "Feature columns", length(max = 1000))]
    pub feature_cols: Option<Vec<String>>,
    /// Adds where each row stands in the year, the week and the day.
    #[schemars(title = "Calendar features")]
    pub calendar: bool,
    /// Rows in a cycle, for the forecast that the last cycle comes again. Empty: the data set's, or the usual one for the distance
    /// of rows (24 hours, 7 days, 5 working days, 52 weeks, 12 months).
    #[schemars(title = "Season", range(min = 1, max = 1_000_000))]
    pub season: Option<usize>,
    /// How columns are scaled; fitted on the training part only.
    #[schemars(title = "Scaling")]
    pub scaler: ScalerKind,
}

/// The model: what reads the window, and a linear layer behind it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "Model")]
#[non_exhaustive]
pub struct ModelParams {
    /// What reads the window.
    #[schemars(title = "Kind")]
    pub kind: ModelKind,
    /// Rows that the model looks back.
    #[schemars(title = "Sequence length", range(min = 1, max = 10_000))]
    pub sequence_length: usize,
    /// Rows that are forecast at once.
    #[schemars(title = "Horizon", range(min = 1, max = 1000))]
    pub horizon: usize,
    /// Units of each layer.
    #[schemars(title = "Hidden units", range(min = 1, max = 2048))]
    pub hidden_size: usize,
    /// Layers, one on the other.
    #[schemars(title = "Layers", range(min = 1, max = 16))]
    pub num_layers: usize,
    /// Heads of a transformer's attention; they share the hidden units evenly.
    #[schemars(title = "Heads", range(min = 1, max = 64))]
    pub num_heads: usize,
    /// Share of the layers' outputs that are dropped at random while training.
    #[schemars(title = "Dropout", range(min = 0.0, max = 0.9))]
    pub dropout: f64,
    /// How many of the true values are to lie within the interval around the forecast: 0.8 for 80 %. Empty: there is no interval.
    #[schemars(title = "Interval", range(min = 0.5, max = 0.99))]
    pub interval: Option<f64>,
}

/// What reads the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ModelKind {
    /// Long short-term memory, row by row.
    #[default]
    Lstm,
    /// Gated recurrent units, row by row.
    Gru,
    /// Dense layers over the whole window.
    Mlp,
    /// Self-attention of the rows to each other.
    Transformer,
}

impl Default for DataSourcing {
    fn default() -> Self {
        Self { dataset: "seattle-weather".into(), file: None, time_col: None, missing: None }
    }
}

impl Default for FeatureEngineering {
    fn default() -> Self {
        Self {
            target_col: None,
            target_col_transform: None,
            feature_cols: None,
            calendar: true,
            season: None,
            scaler: ScalerKind::default(),
        }
    }
}

impl Default for ModelParams {
    fn default() -> Self {
        Self {
            kind: ModelKind::default(),
            sequence_length: 20,
            horizon: 1,
            hidden_size: 64,
            num_layers: 1,
            num_heads: 4,
            dropout: 0.1,
            interval: None,
        }
    }
}

impl ModelParams {
    /// Numbers that the model gives for a window: a point for each step, with an interval also its lower and upper end.
    pub fn outputs(&self) -> usize {
        self.horizon * if self.interval.is_some() { 3 } else { 1 }
    }
}
