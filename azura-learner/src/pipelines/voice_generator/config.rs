//! The config of the pipeline `voice_generator`, with the ranges and defaults from which its form is made.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pipelines::TrainingParams;

/// Learns from a recording to make sound like it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "Voice generator")]
#[non_exhaustive]
pub struct Config {
    /// Where the sound comes from.
    pub data_sourcing: DataSourcing,
    /// The model.
    pub model_params: ModelParams,
    /// How it is trained.
    pub training_params: TrainingParams,
    /// The sound that it makes when it is trained, and by default when it is asked.
    pub generation: Generation,
}

/// Where the sound comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "Data")]
#[non_exhaustive]
pub struct DataSourcing {
    /// The id of a data set that is a WAV file. Empty: a melody that is made by the program.
    #[schemars(title = "Data set", length(min = 1, max = 200))]
    pub dataset: Option<String>,
    /// A WAV file to read instead. On the command line only.
    #[schemars(title = "WAV file", length(min = 1, max = 4096))]
    pub file: Option<String>,
    /// How long the melody is, or how much of a recording is used at most.
    #[schemars(title = "Seconds", range(min = 0.1, max = 600.0))]
    pub seconds: f64,
    /// Samples a second that the model hears and makes; a recording of another rate is resampled.
    #[schemars(title = "Sample rate (Hz)", range(min = 1000, max = 48_000))]
    pub sample_rate: u32,
}

/// The model: an embedding of 256 levels, an LSTM, and a linear layer to the next level.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "Model")]
#[non_exhaustive]
pub struct ModelParams {
    /// Samples of a piece that is learned in one go.
    #[schemars(title = "Sequence length", range(min = 1, max = 10_000))]
    pub sequence_length: usize,
    /// Numbers that stand for a level.
    #[schemars(title = "Embedding size", range(min = 1, max = 1024))]
    pub embedding_size: usize,
    /// Units of each layer of the LSTM.
    #[schemars(title = "Hidden units", range(min = 1, max = 2048))]
    pub hidden_size: usize,
    /// Layers of the LSTM.
    #[schemars(title = "Layers", range(min = 1, max = 8))]
    pub num_layers: usize,
    /// Share of the outputs between layers that are dropped at random while training.
    #[schemars(title = "Dropout", range(min = 0.0, max = 0.9))]
    pub dropout: f64,
}

/// The sound that a trained model makes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "Generated sound")]
#[non_exhaustive]
pub struct Generation {
    /// How long it is.
    #[schemars(title = "Seconds", range(min = 0.001, max = 60.0))]
    pub seconds: f64,
    /// How freely samples are drawn: the scores are divided by it. 1 as the model thinks, less for what is likelier, 0 for always the likeliest.
    #[schemars(title = "Temperature", range(min = 0.0, max = 10.0))]
    pub temperature: f64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_sourcing: DataSourcing::default(),
            model_params: ModelParams::default(),
            training_params: TrainingParams {
                epochs: 20,
                lr: 0.005,
                clip_norm: Some(1.0),
                batch_size: 16,
                ..TrainingParams::default()
            },
            generation: Generation::default(),
        }
    }
}

impl Default for DataSourcing {
    fn default() -> Self {
        Self { dataset: None, file: None, seconds: 24.0, sample_rate: 8000 }
    }
}

impl Default for ModelParams {
    fn default() -> Self {
        Self { sequence_length: 200, embedding_size: 32, hidden_size: 128, num_layers: 1, dropout: 0.0 }
    }
}

impl Default for Generation {
    fn default() -> Self {
        Self { seconds: 2.0, temperature: 0.8 }
    }
}
