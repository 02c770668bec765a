//! The pipelines of this crate.

mod about;
mod course;
pub mod csv_forecaster;
pub mod image_classifier;
pub mod stock_predictor;
mod training;
pub mod voice_generator;
pub mod weather_forecaster;

pub use training::{EarlyStopping as EarlyStoppingParams, OptimizerKind, ScheduleKind, TrainingParams};
