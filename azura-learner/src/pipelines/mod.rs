//! The pipelines of this crate.

pub mod csv_forecaster;
