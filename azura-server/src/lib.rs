#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod app;
mod attempt;
mod body;
mod checkpoints;
mod clients;
mod clock;
mod compress;
mod dashboard;
mod environment;
mod error;
mod etag;
mod fetch;
mod form;
mod guard;
mod handler;
mod headers;
mod names;
mod open_meteo;
mod predict;
mod presence;
mod report;
mod routes;
mod runs;
mod series;
mod serve;
mod views;
mod ws;

pub use app::{App, AppError, Course, News, Notes, Progress, RunQuery, StoredFile, Submission};
pub use guard::{Access, Origin, ParseOriginError};
pub use handler::{TASK, worker, worker_with};
pub use open_meteo::OpenMeteo;
pub use predict::{PREDICT_QUEUE, PREDICT_TASK, predictor};
pub use routes::{protect, routes};
pub use runs::{EXPERIMENT_ID, Run, Runs};
pub use serve::serve;

/// The HTTP library of the routes, so that users take the same version.
pub use poem;

/// The version of this crate.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
