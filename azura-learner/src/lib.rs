#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod callbacks;
pub mod config;
mod cx;
pub mod data;
mod error;
pub mod files;
mod history;
mod init;
mod layers;
mod learner;
mod loader;
pub mod loss;
pub mod metrics;
mod module;
mod optim;
mod pipeline;
pub mod pipelines;
mod prefetch;
pub mod report;
pub mod results;
mod rng;
mod snapshot;
mod state;
mod summary;

pub use callbacks::{
    BestCheckpoint, Callback, CallbackError, CallbackState, Checkpoint, ClipGradients, CsvLog, EarlyStopping,
    Event, Flow, FromFn, GradientStats, JsonLog, LrSchedule, Outcome, Progress, ProgressBar, ProgressEvent,
    Publish, TerminateOnNan, TrainCx, from_fn,
};
pub use cx::Cx;
pub use error::{Error, Result};
pub use history::{History, Metrics};
pub use init::Init;
pub use layers::{
    AttentionMask, AvgPool2d, BatchNorm1d, BatchNorm2d, Conv2d, Dropout, Elu, Embedding, Flatten, Gelu,
    GeluTanh, Gru, GruRun, LayerNorm, LeakyRelu, Linear, Lstm, LstmRun, MaxPool2d, MultiHeadAttention,
    PositionalEncoding, Relu, Residual, SelfAttention, Sequential, Sigmoid, Silu, Softmax, Stack, Tanh,
    TransformerEncoderLayer,
};
pub use learner::{Evaluation, Fit, Learner};
pub use loader::{Batch, Batches, DataLoader, Dataset, TensorDataset};
pub use module::{Module, Parameters, parameters};
pub use optim::{Adam, AdamW, Optimizer, OptimizerState, Plateau, RmsProp, Schedule, Sgd};
pub use pipeline::{
    Choices, ConfigError, Pipeline, PipelineError, PipelineInfo, Prediction, Registry, RunCx, SavedRun,
    Sources,
};
pub use pipelines::{
    csv_forecaster::CsvForecaster, image_classifier::ImageClassifier, stock_predictor::StockPredictor,
    voice_generator::VoiceGenerator, weather_forecaster::WeatherForecaster,
};
pub use prefetch::Prefetch;
pub use rng::{Rng, seeded};
pub use snapshot::{Difference, Newest, Snapshot, SnapshotError};
pub use state::{StateDict, StateError};
pub use summary::{Row, Summary, summary};

/// The tensor library under this one, so that users take the same version.
pub use azura_core;
