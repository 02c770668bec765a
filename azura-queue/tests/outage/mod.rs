//! A queue whose storage can be cut off.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use azura_queue::{
    Broker, Change, Entry, EventLog, Finish, Heartbeat, Keep, Labels, Lease, ListQuery, NewEvent, NewTask,
    Page, Queue, QueueError, QueueStats, Result, Seq, State, TaskId, TaskRecord, WorkerId, WorkerInfo,
};
use futures_util::stream::BoxStream;

/// Passes everything on to a queue, unless it is cut off.
pub(crate) struct Outage {
    queue: Arc<dyn Queue>,
    cut: AtomicBool,
    broken: AtomicBool,
}

impl Outage {
    pub(crate) fn new(queue: Arc<dyn Queue>) -> Self {
        Self { queue, cut: AtomicBool::new(false), broken: AtomicBool::new(false) }
    }

    pub(crate) fn cut(&self, cut: bool) {
        self.cut.store(cut, Ordering::SeqCst);
    }

    /// From now on the log takes nothing more.
    pub(crate) fn break_log(&self) {
        self.broken.store(true, Ordering::SeqCst);
    }

    fn reach(&self) -> Result<&dyn Queue> {
        let away = || Err(QueueError::Unavailable("cut off".into()));
        if self.cut.load(Ordering::SeqCst) { away() } else { Ok(&*self.queue) }
    }
}

#[async_trait]
impl Broker for Outage {
    async fn submit(&self, task: NewTask) -> Result<TaskId> {
        self.reach()?.submit(task).await
    }

    async fn restore(&self, record: TaskRecord, log: Vec<Entry>) -> Result<()> {
        self.reach()?.restore(record, log).await
    }

    async fn get(&self, id: &TaskId) -> Result<TaskRecord> {
        self.reach()?.get(id).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Page<TaskRecord>> {
        self.reach()?.list(query).await
    }

    async fn claim(
        &self,
        worker: &WorkerId,
        queues: &[String],
        ttl: Duration,
        wait: Duration,
    ) -> Result<Option<Lease>> {
        self.reach()?.claim(worker, queues, ttl, wait).await
    }

    async fn heartbeat(&self, lease: &Lease, ttl: Duration) -> Result<Heartbeat> {
        self.reach()?.heartbeat(lease, ttl).await
    }

    async fn checkpoint(&self, lease: &Lease, epoch: u64) -> Result<()> {
        self.reach()?.checkpoint(lease, epoch).await
    }

    async fn await_cancel(&self, lease: &Lease, wait: Duration) -> Result<bool> {
        self.reach()?.await_cancel(lease, wait).await
    }

    async fn finish(&self, lease: &Lease, how: Finish) -> Result<State> {
        self.reach()?.finish(lease, how).await
    }

    async fn cancel(&self, id: &TaskId) -> Result<State> {
        self.reach()?.cancel(id).await
    }

    async fn reap(&self, every: Duration) -> Result<usize> {
        self.reach()?.reap(every).await
    }

    async fn disown(&self, worker: &WorkerId) -> Result<usize> {
        self.reach()?.disown(worker).await
    }

    async fn holders(&self) -> Result<Vec<WorkerId>> {
        self.reach()?.holders().await
    }

    async fn attend(&self, worker: &WorkerInfo, ttl: Duration) -> Result<()> {
        self.reach()?.attend(worker, ttl).await
    }

    async fn leave(&self, worker: &WorkerId) -> Result<()> {
        self.reach()?.leave(worker).await
    }

    async fn workers(&self) -> Result<Vec<WorkerInfo>> {
        self.reach()?.workers().await
    }

    async fn requeue(&self, id: &TaskId, labels: &BTreeMap<String, Option<String>>) -> Result<TaskId> {
        self.reach()?.requeue(id, labels).await
    }

    async fn pause(&self, queue: &str) -> Result<()> {
        self.reach()?.pause(queue).await
    }

    async fn resume(&self, queue: &str) -> Result<()> {
        self.reach()?.resume(queue).await
    }

    async fn stats(&self) -> Result<Vec<QueueStats>> {
        self.reach()?.stats().await
    }

    async fn delete(&self, id: &TaskId) -> Result<()> {
        self.reach()?.delete(id).await
    }

    async fn annotate(&self, id: &TaskId, labels: &BTreeMap<String, Option<String>>) -> Result<Labels> {
        self.reach()?.annotate(id, labels).await
    }
}

#[async_trait]
impl EventLog for Outage {
    async fn append(&self, lease: &Lease, after: Seq, events: &[NewEvent]) -> Result<Seq> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(QueueError::Storage("broken".into()));
        }
        self.reach()?.append(lease, after, events).await
    }

    async fn read(&self, id: &TaskId, after: Seq, limit: usize) -> Result<Vec<Entry>> {
        self.reach()?.read(id, after, limit).await
    }

    async fn follow(&self, id: &TaskId, after: Seq) -> Result<BoxStream<'static, Result<Entry>>> {
        self.reach()?.follow(id, after).await
    }

    async fn newest(&self, id: &TaskId, keep: Keep) -> Result<Option<Entry>> {
        self.reach()?.newest(id, keep).await
    }

    async fn follow_all(&self) -> Result<BoxStream<'static, Result<Change>>> {
        self.reach()?.follow_all().await
    }
}
