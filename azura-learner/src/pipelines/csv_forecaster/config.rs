//! The config of the pipeline `csv_forecaster`, with the ranges and defaults from which its form is made.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data::{Missing, ScalerKind};

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

/// How the model is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "Training")]
#[non_exhaustive]
pub struct TrainingParams {
    /// How often the training part is gone through.
    #[schemars(title = "Epochs", range(min = 1, max = 100_000))]
    pub epochs: usize,
    /// Step size of the optimizer.
    #[schemars(title = "Learning rate", range(max = 10.0), extend("exclusiveMinimum" = 0))]
    pub lr: f64,
    /// The rule by which weights follow their gradients.
    #[schemars(title = "Optimizer")]
    pub optimizer: Optimizer,
    /// Windows in a step.
    #[schemars(title = "Batch size", range(min = 1, max = 65_536))]
    pub batch_size: usize,
    /// Share of the rows, the newest, by which the model is judged.
    #[schemars(title = "Test share", range(max = 0.5), extend("exclusiveMinimum" = 0))]
    pub test_size: f64,
    /// Share of the rows, those before the test part, by which the training is watched; 0 for none.
    #[schemars(title = "Validation share", range(min = 0.0, max = 0.4))]
    pub validation_size: f64,
    /// Epochs from one validation to the next.
    #[schemars(title = "Validate every", range(min = 1, max = 100_000))]
    pub validate_every: usize,
    /// Fixes all that is random: equal seeds give equal results.
    #[schemars(title = "Seed", range(min = 0, max = 9_007_199_254_740_991_u64))]
    pub seed: u64,
    /// Stops when the validation loss no longer falls. Off where empty.
    #[schemars(title = "Early stopping")]
    pub early_stopping: Option<EarlyStopping>,
}

/// The rule by which weights follow their gradients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Optimizer {
    /// Adam: each weight has a step size of its own.
    #[default]
    Adam,
    /// Plain stochastic gradient descent.
    Sgd,
}

/// When to stop before the last epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "Early stopping")]
#[non_exhaustive]
pub struct EarlyStopping {
    /// Validations without improvement that are waited for.
    #[schemars(title = "Patience", range(min = 1, max = 100_000))]
    pub patience: usize,
    /// What the loss must fall by to count as improved.
    #[schemars(title = "Least improvement", range(min = 0.0, max = 1e6))]
    pub min_delta: f64,
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

impl Default for TrainingParams {
    fn default() -> Self {
        Self {
            epochs: 40,
            lr: 0.003,
            optimizer: Optimizer::default(),
            batch_size: 32,
            test_size: 0.2,
            validation_size: 0.1,
            validate_every: 1,
            seed: 42,
            early_stopping: None,
        }
    }
}

impl Default for EarlyStopping {
    fn default() -> Self {
        Self { patience: 10, min_delta: 0.0 }
    }
}
