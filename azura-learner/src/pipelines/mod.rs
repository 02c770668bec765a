//! The pipelines of this crate.

mod course;
pub mod csv_forecaster;
mod training;

pub use training::{EarlyStopping as EarlyStoppingParams, OptimizerKind, ScheduleKind, TrainingParams};
