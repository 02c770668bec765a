//! The config of the pipeline `image_classifier`, with the ranges and defaults from which its form is made.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    data::{Augment, DatasetKind, examples},
    pipelines::{ScheduleKind, TrainingParams},
};

/// Says of pictures which class they are of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "Image classifier")]
#[non_exhaustive]
pub struct Config {
    /// Where the pictures come from.
    pub data_sourcing: DataSourcing,
    /// How they are changed at random while training.
    pub augmentation: Augment,
    /// The model.
    pub model_params: ModelParams,
    /// How it is trained.
    pub training_params: TrainingParams,
}

/// Where the pictures come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "Data")]
#[non_exhaustive]
pub struct DataSourcing {
    /// The id of a data set.
    #[schemars(title = "Data set", length(min = 1, max = 200), extend("examples" = examples(DatasetKind::Images)))]
    pub dataset: String,
    /// A folder of class folders, a zip of such, or a CSV file of pixels, to read instead of a data set. On the command line only.
    #[schemars(title = "File or folder", length(min = 1, max = 4096))]
    pub file: Option<String>,
    /// Rows of pixels: to this height pictures are resized, or, in a CSV file, this is their height. Empty: that of the first, or square.
    #[schemars(title = "Height", range(min = 1, max = 1024))]
    pub height: Option<usize>,
    /// Pixels of a row, likewise.
    #[schemars(title = "Width", range(min = 1, max = 1024))]
    pub width: Option<usize>,
}

/// What kind of model looks at a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ModelKind {
    /// Convolutions of 3 by 3, each followed by a halving of height and width, then dense layers.
    #[default]
    Cnn,
    /// Dense layers alone.
    Mlp,
}

/// The model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "Model")]
#[non_exhaustive]
pub struct ModelParams {
    /// What kind of model it is.
    #[schemars(title = "Kind")]
    pub kind: ModelKind,
    /// Channels of each convolution, of a CNN.
    #[schemars(title = "Channels", length(min = 1, max = 10), inner(range(min = 1, max = 1024)))]
    pub channels: Vec<usize>,
    /// Units of each dense layer before the last, which has one for each class.
    #[schemars(title = "Hidden units", length(max = 10), inner(range(min = 1, max = 4096)))]
    pub hidden_sizes: Vec<usize>,
    /// Share of the hidden layers' outputs that are dropped at random while training.
    #[schemars(title = "Dropout", range(min = 0.0, max = 0.9))]
    pub dropout: f64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_sourcing: DataSourcing::default(),
            augmentation: Augment { crop: 0.85, ..Augment::default() },
            model_params: ModelParams::default(),
            training_params: TrainingParams {
                epochs: 30,
                lr: 0.004,
                lr_schedule: ScheduleKind::OneCycle,
                ..TrainingParams::default()
            },
        }
    }
}

impl Default for DataSourcing {
    fn default() -> Self {
        Self { dataset: "digits".into(), file: None, height: None, width: None }
    }
}

impl Default for ModelParams {
    fn default() -> Self {
        Self { kind: ModelKind::default(), channels: vec![16, 32], hidden_sizes: vec![64], dropout: 0.4 }
    }
}
