//! What can go wrong with a queue, whatever is behind it.

use crate::{IllegalTransition, State, TaskId};

/// The result of everything a queue does.
pub type Result<T, E = QueueError> = std::result::Result<T, E>;

/// Why a queue refused, or could not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// There is no task of this id: it never was, or it was deleted.
    #[error("there is no task {0}")]
    NotFound(TaskId),
    /// The lease no longer stands: the task went to another attempt, or ended. Whoever holds it must stop.
    #[error("attempt {attempt} of task {id} no longer holds the lease")]
    StaleLease {
        /// The task.
        id: TaskId,
        /// The attempt that was fenced off.
        attempt: u32,
    },
    /// The worker waits for this attempt no longer: it took too long, or the worker shuts down. Whatever else its handler does goes unheard.
    #[error("the attempt is over: its worker does not wait for it any more")]
    AttemptOver,
    /// A task was submitted with the id of one that exists.
    #[error("there already is a task {0}")]
    Duplicate(TaskId),
    /// A task was submitted with a unique key that another one has.
    #[error("the key {key:?} is taken by task {by}")]
    NotUnique {
        /// The key.
        key: String,
        /// The task that has it.
        by: TaskId,
    },
    /// A task was to be requeued that is no dead letter.
    #[error("task {0} is no dead letter")]
    NotDead(TaskId),
    /// A task was to be deleted that has not ended.
    #[error("task {id} is {state}: it has not ended")]
    NotFinished {
        /// The task.
        id: TaskId,
        /// Where it stands.
        state: State,
    },
    /// A change of state that is not in the table.
    #[error(transparent)]
    IllegalTransition(#[from] IllegalTransition),
    /// A listing was to go on from a cursor that no page gave out.
    #[error("{0:?} is no cursor of a page")]
    InvalidCursor(String),
    /// The storage cannot be reached at the moment; the same call may succeed later.
    #[error("the queue cannot be reached: {0}")]
    Unavailable(String),
    /// The storage answered what it should not; trying again will not help.
    #[error("the queue's storage failed: {0}")]
    Storage(String),
}

impl QueueError {
    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}
