//! What is told of runs while they are watched.

use azura_queue::TaskId;
use poem_openapi::Object;

use crate::{Progress, VERSION};

/// An epoch of a run that is worked on.
#[derive(Object)]
pub(crate) struct ProgressView {
    /// The number of its event.
    seq: u64,
    epoch: u64,
    total_epochs: u64,
    /// Null if it is no number.
    loss: Option<f64>,
    #[oai(skip_serializing_if_is_none)]
    val_loss: Option<f64>,
    #[oai(skip_serializing_if_is_none)]
    lr: Option<f64>,
}

/// The beginning of the news.
#[derive(Object)]
pub(crate) struct HelloView {
    version: String,
}

/// A run has come further.
#[derive(Object)]
pub(crate) struct RunningView {
    experiment_id: String,
    task_id: String,
    attempt: u32,
    #[oai(flatten)]
    progress: ProgressView,
}

/// A run is deleted.
#[derive(Object)]
pub(crate) struct DeletedView {
    experiment_id: Option<String>,
    task_id: String,
}

impl From<Progress> for ProgressView {
    fn from(progress: Progress) -> Self {
        let Progress { seq, epoch, total_epochs, loss, val_loss, lr, .. } = progress;
        Self { seq, epoch, total_epochs, loss, val_loss, lr }
    }
}

impl HelloView {
    pub(crate) fn this() -> Self {
        Self { version: VERSION.into() }
    }
}

impl RunningView {
    pub(crate) fn new(experiment_id: String, task: TaskId, progress: Progress) -> Self {
        let attempt = progress.attempt;
        Self { experiment_id, task_id: task.to_string(), attempt, progress: progress.into() }
    }
}

impl DeletedView {
    pub(crate) fn new(experiment_id: Option<String>, task: TaskId) -> Self {
        Self { experiment_id, task_id: task.to_string() }
    }
}
