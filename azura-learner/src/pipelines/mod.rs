//! The pipelines of this crate.

mod course;
pub mod csv_forecaster;
pub mod stock_predictor;
mod training;
pub mod weather_forecaster;

pub use training::{EarlyStopping as EarlyStoppingParams, OptimizerKind, ScheduleKind, TrainingParams};
