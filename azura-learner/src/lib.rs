#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod callbacks;
pub mod config;
pub mod data;
mod error;
pub mod files;
mod history;
mod layers;
mod learner;
mod loader;
pub mod metrics;
mod module;
mod optim;
mod pipeline;
pub mod pipelines;
mod prefetch;
pub mod report;
pub mod results;
mod rng;
mod state;

pub use callbacks::{
    BestCheckpoint, Callback, CallbackError, EarlyStopping, Event, Flow, Outcome, Progress, ProgressBar,
    ProgressEvent, Publish, TrainCx,
};
pub use error::{Error, Result};
pub use history::{History, Metrics};
pub use layers::{Dropout, Linear, Lstm, Relu, Sequential, Sigmoid, Tanh};
pub use learner::{Evaluation, Fit, Learner};
pub use loader::{Batch, Batches, DataLoader, Dataset, TensorDataset};
pub use module::{Cx, Module, Parameters, parameters};
pub use optim::{Adam, Optimizer, OptimizerState, Sgd};
pub use pipeline::{ConfigError, Pipeline, PipelineError, PipelineInfo, Registry, RunCx, Sources};
pub use pipelines::csv_forecaster::CsvForecaster;
pub use prefetch::Prefetch;
pub use rng::{Rng, seeded};
pub use state::{StateDict, StateError};

/// The tensor library under this one, so that users take the same version.
pub use azura_core;
