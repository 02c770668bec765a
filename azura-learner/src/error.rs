//! What can go wrong in training.

use crate::{snapshot::SnapshotError, state::StateError};

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of a model, a data set or the training loop.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A tensor operation refused its input.
    #[error(transparent)]
    Tensor(#[from] azura_core::Error),
    /// A callback failed.
    #[error("callback {callback}: {source}")]
    Callback {
        /// The callback's name.
        callback: String,
        /// What it returned.
        source: crate::CallbackError,
    },
    /// A callback watches a metric that this training never produces.
    #[error("callback {callback} monitors `{metric}`, but this training has only: {known}")]
    UnknownMetric {
        /// The callback's name.
        callback: String,
        /// The metric it asks for.
        metric: String,
        /// The metrics there are.
        known: String,
    },
    /// A loss became infinite or not a number.
    #[error(
        "the {what} became {loss} in epoch {epoch}, batch {batch}; a smaller learning rate or clipped gradients may help"
    )]
    NonFinite {
        /// Which loss: that of the batch (`loss`), or that of the validation after it (`validation loss`).
        what: &'static str,
        /// Epoch, from 1.
        epoch: usize,
        /// Batch within the epoch, from 1.
        batch: usize,
        /// The loss.
        loss: f64,
    },
    /// A data set that gives no batch.
    #[error("no data: {0}")]
    NoData(String),
    /// Somebody asked to cancel. [`Learner::fit`](crate::Learner::fit) makes an outcome of it.
    #[error("cancelled")]
    Cancelled,
    /// A state dict that does not fit.
    #[error(transparent)]
    State(#[from] StateError),
    /// A checkpoint from which a training cannot go on.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// An argument outside of what is allowed.
    #[error("{0}")]
    Argument(String),
}
