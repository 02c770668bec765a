//! What is submitted, what is recorded, and how a task fails.

use std::{collections::BTreeMap, fmt, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Retry, Schedule, State, TaskId, Unique, WorkerId, clock};

/// The queue of tasks that name no other.
pub const DEFAULT_QUEUE: &str = "celery";

/// Short texts by which tasks are found.
pub type Labels = BTreeMap<String, String>;

/// A task to be submitted.
///
/// ```
/// # use azura_queue::NewTask;
/// # use serde_json::json;
/// let task = NewTask::new("resize").arg(json!({"width": 640})).label("album", "summer").queue("pictures");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[must_use = "a task does nothing until it is submitted"]
#[non_exhaustive]
pub struct NewTask {
    /// What is to be done: workers look up their handler by it.
    pub name: String,
    /// The queue it waits in.
    pub queue: String,
    /// What the handler is given.
    pub args: Vec<Value>,
    /// What the handler is given by name.
    pub kwargs: Map<String, Value>,
    /// A given id; `None` asks for a random one.
    pub id: Option<TaskId>,
    /// What it can be found by.
    pub labels: Labels,
    /// When and how often it runs.
    pub schedule: Schedule,
    /// How far its work is safe before it begins, because it goes on from another task's: its first attempt begins behind that.
    #[serde(default)]
    pub checkpoint: u64,
}

impl NewTask {
    /// A task of the given name, without arguments and labels, for the [`DEFAULT_QUEUE`].
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            queue: DEFAULT_QUEUE.to_owned(),
            args: Vec::new(),
            kwargs: Map::new(),
            id: None,
            labels: Labels::new(),
            schedule: Schedule::default(),
            checkpoint: 0,
        }
    }

    /// The same task once more, under a new id: what a dead letter is requeued as.
    pub fn again(record: &TaskRecord) -> Self {
        Self {
            name: record.name.clone(),
            queue: record.queue.clone(),
            args: record.args.clone(),
            kwargs: record.kwargs.clone(),
            id: None,
            labels: record.labels.clone(),
            schedule: Schedule { eta: None, expires: None, ..record.schedule.clone() },
            checkpoint: 0,
        }
    }

    /// Adds an argument.
    pub fn arg(mut self, value: impl Into<Value>) -> Self {
        self.args.push(value.into());
        self
    }

    /// Adds a label, or replaces the one of the same key.
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }

    /// Names the queue.
    pub fn queue(mut self, queue: impl Into<String>) -> Self {
        self.queue = queue.into();
        self
    }

    /// Sets how urgent it is: 0 comes first, [`LEAST_URGENT`](crate::LEAST_URGENT) last. The default is 0.
    pub fn priority(mut self, priority: u8) -> Self {
        self.schedule.priority = priority.min(crate::LEAST_URGENT);
        self
    }

    /// Not before this moment.
    pub fn eta(mut self, eta: Timestamp) -> Self {
        self.schedule.eta = Some(eta);
        self
    }

    /// Not before `delay` has passed from now on.
    pub fn delay(self, delay: Duration) -> Self {
        self.eta(clock::timestamp_after(delay))
    }

    /// If it still waits at this moment, it is `REVOKED`.
    pub fn expires(mut self, expires: Timestamp) -> Self {
        self.schedule.expires = Some(expires);
        self
    }

    /// Tries it again after failures that may pass.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.schedule.retry = retry;
        self
    }

    /// Gives it a key that no other task may have meanwhile.
    pub fn unique(mut self, unique: Unique) -> Self {
        self.schedule.unique = Some(unique);
        self
    }

    /// Asks an attempt to stop after so long; the task then fails with [`TaskFailure::TIME_LIMIT`].
    pub fn soft_limit(mut self, limit: Duration) -> Self {
        self.schedule.limits.soft = Some(limit);
        self
    }

    /// Fails an attempt after so long, whatever its handler does.
    pub fn hard_limit(mut self, limit: Duration) -> Self {
        self.schedule.limits.hard = Some(limit);
        self
    }

    /// Says how far its work is safe already.
    pub fn checkpoint(mut self, epoch: u64) -> Self {
        self.checkpoint = epoch;
        self
    }

    /// Gives the id instead of having one made.
    pub fn id(mut self, id: TaskId) -> Self {
        self.id = Some(id);
        self
    }
}

/// Everything that is known of a task, kept until it is deleted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TaskRecord {
    /// Its id.
    pub id: TaskId,
    /// What is to be done.
    pub name: String,
    /// The queue it was submitted to.
    pub queue: String,
    /// What the handler is given.
    pub args: Vec<Value>,
    /// What the handler is given by name.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub kwargs: Map<String, Value>,
    /// When and how often it runs. While it waits for another try, `eta` is when that is due.
    #[serde(default)]
    pub schedule: Schedule,
    /// Where it stands.
    pub state: State,
    /// How many times it was claimed; 0 before the first time.
    pub attempt: u32,
    /// How far its work is safe, as its worker has [said](crate::Broker::checkpoint): the next attempt begins behind that.
    #[serde(default)]
    pub checkpoint: u64,
    /// How many of its attempts since then ended because nothing was heard of the worker any more.
    pub lost_leases: u32,
    /// How many of its attempts ended in a failure.
    #[serde(default)]
    pub failures: u32,
    /// Whether it is a dead letter: it failed although it was to be tried again, and nobody has requeued it.
    #[serde(default)]
    pub dead: bool,
    /// What it can be found by.
    pub labels: Labels,
    /// When it was submitted.
    pub created_at: Timestamp,
    /// When the newest attempt began; `None` while it waits.
    pub started_at: Option<Timestamp>,
    /// When it came to its terminal state.
    pub finished_at: Option<Timestamp>,
    /// What came out, in `SUCCESS`. Meant to be small: what is large belongs into files.
    pub result: Option<Value>,
    /// What went wrong, in `FAILURE`.
    pub error: Option<TaskFailure>,
    /// Whether somebody asked to cancel it.
    pub cancel_requested: bool,
    /// Who holds the newest attempt; `None` while it waits.
    pub worker: Option<WorkerId>,
}

impl TaskRecord {
    /// The record of a task just submitted: `PENDING`, attempt 0.
    pub fn new(id: TaskId, task: NewTask, created_at: Timestamp) -> Self {
        Self {
            id,
            name: task.name,
            queue: task.queue,
            args: task.args,
            kwargs: task.kwargs,
            schedule: task.schedule,
            state: State::Pending,
            attempt: 0,
            checkpoint: task.checkpoint,
            lost_leases: 0,
            failures: 0,
            dead: false,
            labels: task.labels,
            created_at,
            started_at: None,
            finished_at: None,
            result: None,
            error: None,
            cancel_requested: false,
            worker: None,
        }
    }
}

/// Why a task failed: a code for programs, a message for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TaskFailure {
    /// What kind of failure, in capitals and underscores.
    #[serde(rename = "error_code")]
    pub code: String,
    /// What happened, in a sentence.
    pub message: String,
    /// Where it happened, in technical terms. Kept in the record, not told to watchers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceback: Option<String>,
    /// Whether it may pass, so that another try is worth while.
    #[serde(skip)]
    pub transient: bool,
}

impl TaskFailure {
    /// The code of [tracked](crate::track) work that ended without saying how.
    pub const ABANDONED: &'static str = "ABANDONED";
    /// The code of a handler that stopped because it was asked to.
    pub const CANCELLED: &'static str = "CANCELLED";
    /// The code of a task that succeeded, but whose events the log refused.
    pub const EVENTS_LOST: &'static str = "EVENTS_LOST";
    /// The code of a handler that panicked.
    pub const PANICKED: &'static str = "TASK_PANICKED";
    /// The code of a task that no handler of its worker answers to.
    pub const UNKNOWN_TASK: &'static str = "UNKNOWN_TASK";
    /// The code of a task that took longer than it may.
    pub const TIME_LIMIT: &'static str = "TIME_LIMIT_EXCEEDED";
    /// The code of a task that lost [`MAX_LOST_LEASES`](crate::MAX_LOST_LEASES) workers.
    pub const WORKER_LOST: &'static str = "WORKER_LOST";

    /// A failure with a code and a message.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), traceback: None, transient: false }
    }

    /// What a handler returns that [was asked to stop](crate::TaskContext::cancelled) and did.
    /// The worker then revokes or releases the task, whichever was asked for.
    pub fn cancelled() -> Self {
        Self::new(Self::CANCELLED, "the task was cancelled")
    }

    /// Says that it may pass: the task is tried again if its [`Retry`] allows.
    #[must_use]
    pub fn transient(mut self) -> Self {
        self.transient = true;
        self
    }

    /// Adds where it happened.
    #[must_use]
    pub fn traceback(mut self, traceback: impl Into<String>) -> Self {
        self.traceback = Some(traceback.into());
        self
    }

    /// Whether this is [`TaskFailure::cancelled`].
    pub fn is_cancelled(&self) -> bool {
        self.code == Self::CANCELLED
    }
}

impl fmt::Display for TaskFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for TaskFailure {}

/// Sets the labels that have a value here, and removes those that have none.
pub(crate) fn relabel(labels: &mut Labels, changes: &BTreeMap<String, Option<String>>) {
    for (key, value) in changes {
        match value {
            Some(value) => labels.insert(key.clone(), value.clone()),
            None => labels.remove(key),
        };
    }
}
