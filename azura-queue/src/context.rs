//! What a handler knows of the task it works on.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::Value;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::{
    Emitter, Entry, Finish, Labels, Lease, Queue, QueueError, Result, TaskFailure, TaskRecord, attempt,
    backoff::persist,
};

/// How many entries of the log are read at a time.
const BATCH: usize = 1000;

/// Why a handler is asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StopReason {
    /// Somebody cancelled the task: it will be `REVOKED`.
    Cancelled,
    /// The worker shuts down: the task goes back to the queue.
    Shutdown,
    /// The lease was lost: whatever this attempt does is refused.
    LeaseLost,
    /// The attempt has taken longer than the task's soft limit: the task will be `FAILURE`.
    TimeLimit,
}

/// What a handler is given: the task, and the ways to report, to notice that it should stop, and to ask whether it still holds the lease.
///
/// The methods that wait ([`confirm`](Self::confirm), [`drain`](Self::drain), [`events`](Self::events), [`annotate`](Self::annotate)) are
/// for the handler's thread and panic when called from asynchronous code. They wait for as long as the queue cannot be reached, but not beyond the end of the attempt:
/// when the worker gives up on a handler, they fail with [`QueueError::AttemptOver`].
///
/// ```
/// use azura_queue::{StopReason, TaskContext, TaskFailure};
/// use serde_json::{Value, json};
///
/// fn handler(task: &TaskContext) -> Result<Value, TaskFailure> {
///     for step in 0..1000 {
///         if task.cancelled() {
///             if task.stop_reason() == Some(StopReason::Shutdown) {
///                 // Another worker will begin anew: what is half done may be put away here.
///             }
///             return Err(TaskFailure::cancelled());
///         }
///         // .. work on `step` of task.record().args ..
///     }
///     task.confirm().map_err(|error| TaskFailure::new("LEASE", error.to_string()))?; // before what cannot be undone
///     Ok(json!({"steps": 1000}))
/// }
/// ```
pub struct TaskContext {
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) lease: Lease,
    pub(crate) ttl: Duration,
    pub(crate) emitter: Emitter,
    /// Cancelled when the worker has nothing more to do with this attempt.
    pub(crate) ended: CancellationToken,
    stop: CancellationToken,
    reason: OnceLock<StopReason>,
    /// Whether the queue is being told how the attempt ended.
    ending: AtomicBool,
    runtime: Handle,
}

impl TaskContext {
    pub(crate) fn new(queue: Arc<dyn Queue>, lease: Lease, ttl: Duration) -> Self {
        Self {
            queue,
            lease,
            ttl,
            emitter: Emitter::new(),
            ended: CancellationToken::new(),
            stop: CancellationToken::new(),
            reason: OnceLock::new(),
            ending: AtomicBool::new(false),
            runtime: Handle::current(),
        }
    }

    /// The task as it was when it was claimed.
    pub fn record(&self) -> &TaskRecord {
        &self.lease.task
    }

    /// The lease under which this attempt works.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// The number of this attempt; the first is 1.
    pub fn attempt(&self) -> u32 {
        self.lease.attempt()
    }

    /// Publishes progress; clone it to report from other threads.
    pub fn emitter(&self) -> &Emitter {
        &self.emitter
    }

    /// Whether to stop, at the next good moment, by returning [`TaskFailure::cancelled`](crate::TaskFailure::cancelled).
    /// Cheap enough to be asked thousands of times a second.
    pub fn cancelled(&self) -> bool {
        self.reason.get().is_some()
    }

    /// Why to stop, once [`cancelled`](Self::cancelled) is true. The first reason stays.
    pub fn stop_reason(&self) -> Option<StopReason> {
        self.reason.get().copied()
    }

    /// Is cancelled when the handler is to stop, for code that would rather wait than ask.
    pub fn token(&self) -> &CancellationToken {
        &self.stop
    }

    /// What becomes of the task if the handler returns `outcome` now: for handlers that write down how they end before they do.
    pub fn judge(&self, outcome: Result<Value, TaskFailure>) -> Finish {
        attempt::judge(outcome, self.stop_reason())
    }

    /// Makes sure that this attempt still holds the lease, and has all of it ahead: to be called right before something that cannot be undone.
    ///
    /// # Errors
    /// [`QueueError::StaleLease`] if the lease was lost.
    pub fn confirm(&self) -> Result<()> {
        self.wait(persist(|| self.beat()))
    }

    /// Waits until everything emitted so far with [`Keep::All`](crate::Keep::All) is in the log.
    ///
    /// # Errors
    /// [`QueueError::StaleLease`] if the lease was lost, [`QueueError::AttemptOver`] if nobody waits for the attempt; some events may be missing then.
    pub fn drain(&self) -> Result<()> {
        self.wait(self.emitter.drain())
    }

    /// The task's log as far as it goes, earlier attempts included.
    ///
    /// # Errors
    /// [`QueueError::NotFound`] if the task was deleted, which also means that the lease is lost.
    pub fn events(&self) -> Result<Vec<Entry>> {
        let id = self.lease.id();
        self.wait(async {
            let mut entries = Vec::new();
            loop {
                let after = entries.len() as u64;
                let batch = persist(|| self.queue.read(&id, after, BATCH)).await?;
                let last = batch.len() < BATCH;
                entries.extend(batch);
                if last {
                    return Ok(entries);
                }
            }
        })
    }

    /// Changes the task's labels as [`Broker::annotate`](crate::Broker::annotate) does, and returns them.
    ///
    /// # Errors
    /// [`QueueError::NotFound`] if the task was deleted, which also means that the lease is lost.
    pub fn annotate(&self, labels: &BTreeMap<String, Option<String>>) -> Result<Labels> {
        self.wait(persist(|| self.queue.annotate(&self.lease.task.id, labels)))
    }

    /// The queue is about to be told how the attempt ended.
    pub(crate) fn begin_ending(&self) {
        self.ending.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    /// Asks the handler to stop.
    pub(crate) fn stop(&self, reason: StopReason) {
        if self.reason.set(reason).is_ok() {
            self.stop.cancel();
        }
    }

    /// One heartbeat, and what it tells.
    pub(crate) async fn beat(&self) -> Result<()> {
        match self.queue.heartbeat(&self.lease, self.ttl).await {
            Ok(beat) => {
                if beat.cancel_requested {
                    self.stop(StopReason::Cancelled);
                }
                Ok(())
            }
            Err(error) => {
                if matches!(error, QueueError::StaleLease { .. }) {
                    self.stop(StopReason::LeaseLost);
                }
                Err(error)
            }
        }
    }

    /// Waits on the handler's thread.
    fn wait<T>(&self, answer: impl Future<Output = Result<T>>) -> Result<T> {
        self.runtime.block_on(self.while_it_lasts(answer))
    }

    /// Waits at most until the attempt is over.
    pub(crate) async fn while_it_lasts<T>(&self, answer: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            answer = answer => answer,
            () = self.ended.cancelled() => Err(QueueError::AttemptOver),
        }
    }
}

impl fmt::Debug for TaskContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskContext")
            .field("lease", &self.lease)
            .field("stop_reason", &self.stop_reason())
            .finish_non_exhaustive()
    }
}
