//! The two traits that make something a queue.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Change, Entry, Keep, Labels, ListQuery, NewEvent, NewTask, Page, Result, Seq, State, TaskFailure, TaskId,
    TaskRecord, WorkerId, WorkerInfo,
};

/// A task that loses this many leases is given up: `FAILURE` with the code [`TaskFailure::WORKER_LOST`].
pub const MAX_LOST_LEASES: u32 = 10;

/// Tasks and leases.
///
/// Every change of a task's state and the event that tells of it are one atomic step: no reader of the [`EventLog`] sees one without
/// the other. All methods may fail with [`QueueError::Unavailable`](crate::QueueError::Unavailable), and those that name a task with
/// [`QueueError::NotFound`](crate::QueueError::NotFound).
///
/// A [`Worker`](crate::Worker) does all of this; by hand it is:
///
/// ```
/// # use azura_queue::{Broker, Finish, MemoryQueue, NewTask, QueueError, State};
/// # use std::time::Duration;
/// # #[tokio::main]
/// # async fn main() -> azura_queue::Result<()> {
/// let (queue, ttl) = (MemoryQueue::new(), Duration::from_secs(15));
/// let id = queue.submit(NewTask::new("add").arg(1).arg(2)).await?;
///
/// let lease = queue.claim(&"by hand".into(), &["celery".into()], ttl, Duration::ZERO).await?.expect("it waits");
/// assert_eq!(queue.get(&id).await?.state, State::Started);
/// queue.heartbeat(&lease, ttl).await?; // from time to time, while it is worked on
/// queue.finish(&lease, Finish::Succeeded(3.into())).await?;
/// assert_eq!(queue.get(&id).await?.result, Some(3.into()));
///
/// // The lease is over, and whoever still has it can do no harm.
/// let late = queue.finish(&lease, Finish::Released).await;
/// assert!(matches!(late, Err(QueueError::StaleLease { .. })));
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait Broker: Send + Sync + 'static {
    /// Records a task as `PENDING` and lets workers have it. When this returns, the event `PENDING` is number 1 of its log.
    ///
    /// Whoever gives the id may repeat a submission whose answer was lost: if it had arrived, the answer is `Duplicate`, even if the task has
    /// a unique key, and whoever has that by now.
    ///
    /// # Errors
    /// [`QueueError::Duplicate`](crate::QueueError::Duplicate) if the given id is taken, otherwise
    /// [`QueueError::NotUnique`](crate::QueueError::NotUnique) if the task's unique key is.
    async fn submit(&self, task: NewTask) -> Result<TaskId>;

    /// Records again a task that has ended, with what is left of its log: for a storage that does not have it any more, or never had.
    ///
    /// Its stored events are numbered anew, and the terminal one is made from the record, whether `log` has it or not.
    ///
    /// # Errors
    /// [`QueueError::Duplicate`](crate::QueueError::Duplicate) if there is a task of this id,
    /// [`QueueError::NotFinished`](crate::QueueError::NotFinished) if the record's state is not terminal.
    async fn restore(&self, record: TaskRecord, log: Vec<Entry>) -> Result<()>;

    /// What is known of a task.
    ///
    /// # Errors
    /// [`QueueError::NotFound`](crate::QueueError::NotFound).
    async fn get(&self, id: &TaskId) -> Result<TaskRecord>;

    /// A page of the tasks that the query asks for, the newest by their `created_at` first.
    ///
    /// # Errors
    /// [`QueueError::InvalidCursor`](crate::QueueError::InvalidCursor) if the query's cursor is from no earlier page.
    async fn list(&self, query: &ListQuery) -> Result<Page<TaskRecord>>;

    /// Takes, for `ttl`, the most urgent task that waits in any of `queues`; if there is none, waits for up to `wait`. Of those of one queue
    /// that are equally urgent, what has come back comes first, and then what was submitted first. A backend tells apart at least the priorities
    /// 0, 3, 6 and 9, and may take those between for the next lower one. Tasks that are not due yet and those of paused queues are passed over.
    /// The task becomes `STARTED` under a new attempt. `None` means that nothing came.
    ///
    /// The future may be dropped: a task that it had taken by then is at worst a lease that expires.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`](crate::QueueError::Unavailable).
    async fn claim(
        &self,
        worker: &WorkerId,
        queues: &[String],
        ttl: Duration,
        wait: Duration,
    ) -> Result<Option<Lease>>;

    /// Makes the lease last for `ttl` from now on and tells what the worker should know.
    /// A lease that has run out but was not yet reaped is revived.
    ///
    /// # Errors
    /// [`QueueError::StaleLease`](crate::QueueError::StaleLease) if the lease no longer stands.
    async fn heartbeat(&self, lease: &Lease, ttl: Duration) -> Result<Heartbeat>;

    /// Says how far the work has come that no later attempt has to do again: a number that rises, of epochs, say. The events that led
    /// there are to be in the log by then. The next attempt's event `STARTED` tells it as `from_epoch`, and lost leases are counted anew from
    /// here on. A number that is not greater than the one before changes nothing.
    ///
    /// # Errors
    /// [`QueueError::StaleLease`](crate::QueueError::StaleLease) if the lease no longer stands.
    async fn checkpoint(&self, lease: &Lease, epoch: u64) -> Result<()>;

    /// Waits until somebody asks to cancel the lease's task, for at most `wait`, and returns whether somebody did.
    /// It does not extend the lease: a worker spends the pause between two heartbeats here, and so hears of a request at once.
    ///
    /// # Errors
    /// [`QueueError::StaleLease`](crate::QueueError::StaleLease) if the lease no longer stands.
    async fn await_cancel(&self, lease: &Lease, wait: Duration) -> Result<bool>;

    /// Ends the attempt and returns the state the task is in after it.
    ///
    /// # Errors
    /// [`QueueError::StaleLease`](crate::QueueError::StaleLease) if the lease no longer stands.
    async fn finish(&self, lease: &Lease, how: Finish) -> Result<State>;

    /// Asks to cancel a task and returns the state it is in after that.
    ///
    /// A waiting task is `REVOKED` at once. For a running one the request is stored (it stays `STARTED`) and handed to its worker; should
    /// the task come back to the queue in any way, it is `REVOKED` instead. A task that has ended stays as it is. Asking again changes nothing.
    ///
    /// # Errors
    /// [`QueueError::NotFound`](crate::QueueError::NotFound).
    async fn cancel(&self, id: &TaskId) -> Result<State>;

    /// Takes back every lease that has run out and returns their number. Their tasks wait again, or have failed if this was lost lease number
    /// [`MAX_LOST_LEASES`]. Tasks that waited for too long are revoked. Somebody has to call this every so often; every
    /// [`Worker`](crate::Worker) does.
    ///
    /// `every` says how often the caller does. If nobody has for more than twice as long, the queue was away, or the machine slept, and those
    /// who live had no way to say so: then each lease first gets at least that long from now on.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`](crate::QueueError::Unavailable).
    async fn reap(&self, every: Duration) -> Result<usize>;

    /// Takes back every lease that `worker` holds, as if it had run out, and returns their number: for a worker that is known to be dead.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`](crate::QueueError::Unavailable).
    async fn disown(&self, worker: &WorkerId) -> Result<usize>;

    /// Who holds a lease, each once.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`](crate::QueueError::Unavailable).
    async fn holders(&self) -> Result<Vec<WorkerId>>;

    /// A worker says that it is there, and will be for `ttl` if it says no more. Every [`Worker`](crate::Worker) does so with its heartbeats.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`](crate::QueueError::Unavailable).
    async fn attend(&self, worker: &WorkerInfo, ttl: Duration) -> Result<()>;

    /// A worker says that it is there no more.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`](crate::QueueError::Unavailable).
    async fn leave(&self, worker: &WorkerId) -> Result<()>;

    /// Who is there, by name.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`](crate::QueueError::Unavailable).
    async fn workers(&self) -> Result<Vec<WorkerInfo>>;

    /// Submits a dead letter once more, as a new task with the labels changed as by [`annotate`](Self::annotate), and returns its id.
    /// The old one stays `FAILURE`, but is no dead letter any more.
    ///
    /// # Errors
    /// [`QueueError::NotDead`](crate::QueueError::NotDead), and those of [`submit`](Self::submit).
    async fn requeue(&self, id: &TaskId, labels: &BTreeMap<String, Option<String>>) -> Result<TaskId>;

    /// Lets no more tasks of this queue be claimed. What runs is not touched. Pausing again changes nothing.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`](crate::QueueError::Unavailable).
    async fn pause(&self, queue: &str) -> Result<()>;

    /// Undoes [`pause`](Self::pause).
    ///
    /// # Errors
    /// [`QueueError::Unavailable`](crate::QueueError::Unavailable).
    async fn resume(&self, queue: &str) -> Result<()>;

    /// How many tasks stand where, for each queue that is paused or has tasks that have not ended or are dead, by name.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`](crate::QueueError::Unavailable).
    async fn stats(&self) -> Result<Vec<QueueStats>>;

    /// Forgets a task that has ended, and its log.
    ///
    /// # Errors
    /// [`QueueError::NotFinished`](crate::QueueError::NotFinished) if it has not ended.
    async fn delete(&self, id: &TaskId) -> Result<()>;

    /// Sets the labels that have a value here, removes those that have none, keeps all others, and returns the labels after that.
    /// Works in every state.
    ///
    /// # Errors
    /// [`QueueError::NotFound`](crate::QueueError::NotFound).
    async fn annotate(&self, id: &TaskId, labels: &BTreeMap<String, Option<String>>) -> Result<Labels>;
}

/// What happened to each task, in order.
#[async_trait]
pub trait EventLog: Send + Sync + 'static {
    /// Appends what a worker has to tell, all or nothing, in the given order, and returns the number of the log's last stored event.
    ///
    /// `after` is the number of the last stored event that the worker knows of: its own `STARTED` ([`Lease::seq`]) at first, then what the last
    /// call returned. While it holds the lease nobody else stores events, so if the log is further than that, an earlier call with the same
    /// events was carried out although its answer was lost: the stored events among them are there already and are not appended again.
    ///
    /// # Errors
    /// [`QueueError::StaleLease`](crate::QueueError::StaleLease) if the lease no longer stands.
    async fn append(&self, lease: &Lease, after: Seq, events: &[NewEvent]) -> Result<Seq>;

    /// The stored events after number `after`, at most `limit`, in order. `after` 0 reads from the start.
    ///
    /// # Errors
    /// [`QueueError::NotFound`](crate::QueueError::NotFound).
    async fn read(&self, id: &TaskId, after: Seq, limit: usize) -> Result<Vec<Entry>>;

    /// All stored events after number `after`: first those of the past, then each as it comes, none skipped and none twice,
    /// and transient ones in between while they are new. The stream ends after the task's terminal event
    /// (at once, if `after` is not before it).
    ///
    /// A stream does nothing until it is polled: a follower that is slow, or stuck, holds up nobody and misses nothing. A storage that cannot
    /// be reached is waited for.
    ///
    /// # Errors
    /// [`QueueError::NotFound`](crate::QueueError::NotFound); the stream itself yields an error, and ends, if the task is deleted under it.
    async fn follow(&self, id: &TaskId, after: Seq) -> Result<BoxStream<'static, Result<Entry>>>;

    /// The newest progress that is kept in this way: the last stored event, or the transient one, if there is one that is newer than the whole log.
    /// `None` if there is none, or if the log has expired.
    ///
    /// # Errors
    /// [`QueueError::NotFound`](crate::QueueError::NotFound).
    async fn newest(&self, id: &TaskId, keep: Keep) -> Result<Option<Entry>>;

    /// Which tasks change, in this process or another, at the latest from when this call returns. A task is named once however often it
    /// changed since it was named last, so that a reader who is slow, or stuck, holds up nobody and costs next to nothing.
    ///
    /// The stream never ends. While the storage is away it waits, and then says [`Change::Missed`].
    ///
    /// ```
    /// # use azura_queue::{Broker, Change, EventLog, Gone, MemoryQueue, NewTask};
    /// # use futures_util::StreamExt;
    /// # #[tokio::main]
    /// # async fn main() -> azura_queue::Result<()> {
    /// let queue = MemoryQueue::new();
    /// let mut changes = queue.follow_all().await?;
    /// let id = queue.submit(NewTask::new("train")).await?;
    /// queue.cancel(&id).await?;
    /// assert_eq!(changes.next().await, Some(Ok(Change::Task(id))));
    /// let record = queue.get(&id).await?;
    /// queue.delete(&id).await?;
    /// assert_eq!(changes.next().await, Some(Ok(Change::Deleted(Gone::of(&record)))));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`QueueError::Unavailable`](crate::QueueError::Unavailable).
    async fn follow_all(&self) -> Result<BoxStream<'static, Result<Change>>>;
}

/// A whole queue: what callers hold is an `Arc<dyn Queue>`.
pub trait Queue: Broker + EventLog {}

impl<T: Broker + EventLog + ?Sized> Queue for T {}

/// The right to work on a task, until it expires or is lost.
///
/// The attempt is a fencing token: once the task has gone on to another attempt, or has ended, everything done under this lease is refused,
/// even if the worker's name is the same.
#[derive(Debug, PartialEq)]
#[must_use = "a lease that is neither kept alive nor finished is lost when it expires"]
#[non_exhaustive]
pub struct Lease {
    /// The task as it was when it was claimed.
    pub task: TaskRecord,
    /// Who claimed it.
    pub worker: WorkerId,
    /// The number of the event that tells of the claim.
    pub seq: Seq,
}

impl Lease {
    /// The lease on the attempt that `task` names, which began with event `seq`.
    pub fn new(task: TaskRecord, worker: WorkerId, seq: Seq) -> Self {
        Self { task, worker, seq }
    }

    /// The task's id.
    pub fn id(&self) -> TaskId {
        self.task.id
    }

    /// The attempt that this lease covers; the first is 1.
    pub fn attempt(&self) -> u32 {
        self.task.attempt
    }
}

/// What a heartbeat brings back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Heartbeat {
    /// Somebody asked to cancel the task.
    pub cancel_requested: bool,
}

impl Heartbeat {
    /// A heartbeat that tells of a cancel request, or of none.
    pub fn new(cancel_requested: bool) -> Self {
        Self { cancel_requested }
    }
}

/// How an attempt ends.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Finish {
    /// With a result: `SUCCESS`.
    Succeeded(Value),
    /// With an error: `FAILURE`, or `PENDING` if it is to be tried again. A task that is to be tried again and may not is a dead letter.
    Failed {
        /// What went wrong.
        failure: TaskFailure,
        /// Whether to try again, if the task's [`Retry`](crate::Retry) allows.
        retry: bool,
    },
    /// By a cancel request that the worker obeyed: `REVOKED`.
    Cancelled,
    /// Not by its own doing: the task is `PENDING` again, and it does not count as a lost lease.
    Released,
}

/// How many tasks of a queue stand where.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct QueueStats {
    /// The queue's name.
    pub queue: String,
    /// Whether nothing of it is claimed.
    pub paused: bool,
    /// Tasks that could be claimed.
    pub waiting: u64,
    /// Tasks that wait and are not due yet.
    pub scheduled: u64,
    /// Tasks that somebody holds a lease of.
    pub running: u64,
    /// Dead letters.
    pub dead: u64,
}

impl QueueStats {
    /// Nothing of a queue.
    pub fn new(queue: impl Into<String>) -> Self {
        Self { queue: queue.into(), ..Self::default() }
    }

    /// Whether there is something to tell.
    pub fn is_idle(&self) -> bool {
        *self == Self::new(self.queue.as_str())
    }
}
