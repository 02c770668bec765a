//! Workers: they take tasks and have them done.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    sync::Semaphore,
    task::{JoinHandle, JoinSet, spawn_blocking},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::{
    DEFAULT_QUEUE, Lease, Queue, Result, TaskContext, TaskFailure, WorkerId, WorkerInfo,
    attempt::{self, Outcome, Pace},
    backoff::persist,
};

/// Sets the work on a task going.
type Handler = Box<dyn Fn(Arc<TaskContext>) -> JoinHandle<Outcome> + Send + Sync>;

/// How many slots ask for a task at the same time.
const CLAIMS: usize = 16;
/// How long one call waits for a task.
const CLAIM_WAIT: Duration = Duration::from_secs(5);
/// How long to wait after a call that failed for good.
const PAUSE: Duration = Duration::from_secs(1);

/// Takes tasks from a queue and runs their handlers.
///
/// Handlers are plain synchronous functions, each run on a thread of its own. Beside them the worker keeps the lease alive, moves the events into
/// the log, listens for a cancel request and, when the handler returns, ends the task:
///
/// | the handler | the task |
/// |---|---|
/// | returns a value | `SUCCESS` |
/// | returns a value, but its events could not be stored | `FAILURE`, [`TaskFailure::EVENTS_LOST`] |
/// | returns a [`TaskFailure`] | `FAILURE` |
/// | returns a [`transient`](TaskFailure::transient) one | `PENDING` again after a pause, as long as its [`Retry`](crate::Retry) allows |
/// | takes longer than its limit | `FAILURE`, [`TaskFailure::TIME_LIMIT`] |
/// | returns [`TaskFailure::cancelled`] after a cancel request | `REVOKED` |
/// | returns [`TaskFailure::cancelled`] during a shutdown | `PENDING` again |
/// | panics | `FAILURE`, [`TaskFailure::PANICKED`]; the worker lives on |
/// | does not exist | `FAILURE`, [`TaskFailure::UNKNOWN_TASK`] |
/// | lost its lease | what comes out is thrown away |
///
/// ```
/// # use azura_queue::{Broker, EventLog, MemoryQueue, NewTask, Queue, State, Worker};
/// # use futures_util::StreamExt as _;
/// # use serde_json::json;
/// # use std::{sync::Arc, time::Duration};
/// # use tokio_util::sync::CancellationToken;
/// # #[tokio::main]
/// # async fn main() -> azura_queue::Result<()> {
/// let queue: Arc<dyn Queue> = Arc::new(MemoryQueue::new());
/// let worker = Worker::new(Arc::clone(&queue))
///     .handle("double", |task| Ok(json!(task.record().args[0].as_f64().unwrap_or(0.0) * 2.0)))
///     .slots(4)
///     .lease(Duration::from_secs(30), Duration::from_secs(10));
/// let shutdown = CancellationToken::new();
/// let running = tokio::spawn(worker.run(shutdown.clone()));
///
/// let id = queue.submit(NewTask::new("double").arg(21)).await?;
/// let mut log = queue.follow(&id, 0).await?;
/// while log.next().await.transpose()?.is_some() {} // ends with the task
/// assert_eq!(queue.get(&id).await?.result, Some(json!(42.0)));
///
/// shutdown.cancel(); // running handlers are asked to stop, and their tasks wait again
/// running.await.expect("it ends without a panic");
/// # Ok(())
/// # }
/// ```
#[must_use = "a worker does nothing until it runs"]
pub struct Worker {
    queue: Arc<dyn Queue>,
    id: WorkerId,
    queues: Vec<String>,
    handlers: HashMap<String, Handler>,
    slots: usize,
    ttl: Duration,
    pace: Pace,
    /// Few slots wait for a task at the same time: each that does is woken by every task that comes.
    turns: Semaphore,
    /// What it does and has done.
    status: Mutex<WorkerInfo>,
}

impl Worker {
    /// A worker without handlers, for the [`DEFAULT_QUEUE`]: one task at a time, leases of 15 s, heartbeats every 5 s,
    /// 30 s of grace at shutdown.
    pub fn new(queue: Arc<dyn Queue>) -> Self {
        let id = WorkerId::random();
        Self {
            queue,
            turns: Semaphore::new(CLAIMS),
            status: Mutex::new(WorkerInfo::new(id.clone())),
            id,
            queues: vec![DEFAULT_QUEUE.to_owned()],
            handlers: HashMap::new(),
            slots: 1,
            ttl: Duration::from_secs(15),
            pace: Pace { heartbeat: Duration::from_secs(5), grace: Duration::from_secs(30) },
        }
    }

    /// Does tasks called `name` with `handler`.
    pub fn handle<F>(self, name: impl Into<String>, handler: F) -> Self
    where
        F: Fn(&TaskContext) -> Result<Value, TaskFailure> + Send + Sync + 'static,
    {
        let handler = Arc::new(handler);
        self.begin(name, move |task| {
            let handler = Arc::clone(&handler);
            spawn_blocking(move || handler(&task))
        })
    }

    /// Does tasks called `name` as `begin` has it.
    pub(crate) fn begin<F>(mut self, name: impl Into<String>, begin: F) -> Self
    where
        F: Fn(Arc<TaskContext>) -> JoinHandle<Outcome> + Send + Sync + 'static,
    {
        self.handlers.insert(name.into(), Box::new(begin));
        self
    }

    /// Names the worker.
    pub fn id(mut self, id: WorkerId) -> Self {
        self.id = id;
        self
    }

    /// Takes tasks from these queues instead.
    pub fn queues(mut self, queues: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.queues = queues.into_iter().map(Into::into).collect();
        self
    }

    /// Works on up to this many tasks at the same time, at least 1.
    pub fn slots(mut self, slots: usize) -> Self {
        self.slots = slots.max(1);
        self
    }

    /// Sets how long a lease lasts and how often it is renewed; a third of it is a good pause.
    pub fn lease(mut self, ttl: Duration, heartbeat: Duration) -> Self {
        self.ttl = ttl;
        self.pace.heartbeat = heartbeat;
        self
    }

    /// Sets how long a handler may take to stop at shutdown before its task is released over its head.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.pace.grace = grace;
        self
    }

    /// Works until `shutdown` is cancelled; then takes no more tasks, asks the handlers to stop, and returns when all tasks are finished or released.
    ///
    /// Errors of the queue are logged and waited out.
    pub async fn run(self, shutdown: CancellationToken) {
        {
            let mut status = self.status();
            status.id = self.id.clone();
            status.queues.clone_from(&self.queues);
            status.handlers = self.handlers.keys().cloned().collect();
            status.handlers.sort();
            status.slots = self.slots;
        }
        let worker = Arc::new(self);
        let mut tasks = JoinSet::new();
        worker.attend().await;
        for _ in 0..worker.slots {
            tasks.spawn(Arc::clone(&worker).serve(shutdown.clone()));
        }
        tasks.spawn(Arc::clone(&worker).reap(shutdown));
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a part of the worker failed");
            }
        }
        if let Ok(Err(error)) = timeout(PAUSE, worker.queue.leave(&worker.id)).await {
            tracing::warn!(%error, "the worker could not say that it leaves");
        }
    }

    fn status(&self) -> MutexGuard<'_, WorkerInfo> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that it is there.
    async fn attend(&self) {
        let status = self.status().clone();
        if let Err(error) = self.queue.attend(&status, self.ttl).await {
            tracing::warn!(%error, "the worker could not say that it is there");
        }
    }

    /// One slot: a task after the other.
    async fn serve(self: Arc<Self>, shutdown: CancellationToken) {
        while let Some(claimed) = shutdown.run_until_cancelled(self.claim()).await {
            match claimed {
                Ok(Some(lease)) => self.attempt(lease, &shutdown).await,
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(%error, "no task could be claimed");
                    sleep(PAUSE).await;
                }
            }
        }
    }

    async fn claim(&self) -> Result<Option<Lease>> {
        // The semaphore is never closed.
        let _turn = self.turns.acquire().await;
        persist(|| self.queue.claim(&self.id, &self.queues, self.ttl, CLAIM_WAIT)).await
    }

    async fn attempt(&self, lease: Lease, shutdown: &CancellationToken) {
        let span = tracing::info_span!("task", id = %lease.id(), attempt = lease.attempt());
        let begin = self.handlers.get(&lease.task.name);
        let (id, name) = (lease.id(), lease.task.name.clone());
        self.status().running.push(id);
        let cx = TaskContext::new(Arc::clone(&self.queue), lease, self.ttl);
        attempt::run(cx, begin, self.pace, shutdown).instrument(span).await;
        let mut status = self.status();
        status.running.retain(|running| *running != id);
        *status.done.entry(name).or_default() += 1;
    }

    /// Takes back what other workers lost.
    async fn reap(self: Arc<Self>, shutdown: CancellationToken) {
        while shutdown.run_until_cancelled(sleep(self.pace.heartbeat)).await.is_some() {
            self.attend().await;
            match self.queue.reap(self.pace.heartbeat).await {
                Ok(0) => {}
                Ok(lost) => tracing::warn!(lost, "leases ran out"),
                Err(error) => tracing::warn!(%error, "leases could not be checked"),
            }
        }
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("id", &self.id)
            .field("queues", &self.queues)
            .field("handlers", &self.handlers.keys())
            .field("slots", &self.slots)
            .finish_non_exhaustive()
    }
}
