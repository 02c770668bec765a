//! The queue that lives in this process.

mod table;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use tokio::sync::Notify;

use crate::{
    Broker, Change, Entry, EventLog, Finish, Heartbeat, Keep, Labels, Lease, ListQuery, NewEvent, NewTask,
    Page, QueueStats, Result, Seq, State, TaskId, TaskRecord, WorkerId, WorkerInfo, clock,
    follow::{self, News, Source},
    wake::{Wakes, look_until},
};
use table::Table;

/// A queue in memory: everything that a queue is, for as long as the process lives.
///
/// Clones are handles to the same queue. Tasks and their events stay until they are deleted.
///
/// ```
/// # use azura_queue::{Broker, ListQuery, MemoryQueue, NewTask};
/// # #[tokio::main]
/// # async fn main() -> azura_queue::Result<()> {
/// let queue = MemoryQueue::new();
/// queue.submit(NewTask::new("train").label("batch", "7")).await?;
/// let of_batch = queue.list(&ListQuery::default().label("batch", "7")).await?;
/// assert_eq!(of_batch.items[0].name, "train");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct MemoryQueue {
    shared: Arc<Shared>,
}

struct Shared {
    table: Mutex<Table>,
    wakes: Arc<Wakes>,
}

impl Default for Shared {
    fn default() -> Self {
        let table = Table::default();
        let wakes = Arc::clone(&table.wakes);
        Self { table: Mutex::new(table), wakes }
    }
}

impl MemoryQueue {
    /// An empty queue.
    pub fn new() -> Self {
        Self::default()
    }
}

impl fmt::Debug for MemoryQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryQueue").finish_non_exhaustive()
    }
}

impl Shared {
    /// The table, locked for the length of one verb: no lock is ever held while waiting.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Broker for MemoryQueue {
    async fn submit(&self, task: NewTask) -> Result<TaskId> {
        self.shared.table().submit(task)
    }

    async fn restore(&self, record: TaskRecord, log: Vec<Entry>) -> Result<()> {
        self.shared.table().restore(record, log)
    }

    async fn get(&self, id: &TaskId) -> Result<TaskRecord> {
        let record = self.shared.table().record(id)?;
        Ok(Arc::unwrap_or_clone(record))
    }

    async fn list(&self, query: &ListQuery) -> Result<Page<TaskRecord>> {
        let Page { items, cursors, next } = self.shared.table().list(query)?;
        Ok(Page { items: items.into_iter().map(Arc::unwrap_or_clone).collect(), cursors, next })
    }

    async fn claim(
        &self,
        worker: &WorkerId,
        queues: &[String],
        ttl: Duration,
        wait: Duration,
    ) -> Result<Option<Lease>> {
        look_until(clock::after(wait), &self.shared.wakes.ready, || async {
            let mut table = self.shared.table();
            Ok((table.claim(worker, queues, ttl)?, table.next_due()))
        })
        .await
    }

    async fn heartbeat(&self, lease: &Lease, ttl: Duration) -> Result<Heartbeat> {
        self.shared.table().heartbeat(lease, ttl).map(Heartbeat::new)
    }

    async fn checkpoint(&self, lease: &Lease, epoch: u64) -> Result<()> {
        self.shared.table().checkpoint(lease, epoch)
    }

    async fn await_cancel(&self, lease: &Lease, wait: Duration) -> Result<bool> {
        let requested = look_until(clock::after(wait), self.shared.wakes.task(&lease.id()), || async {
            Ok((self.shared.table().cancel_requested(lease)?.then_some(()), None))
        });
        Ok(requested.await?.is_some())
    }

    async fn finish(&self, lease: &Lease, how: Finish) -> Result<State> {
        self.shared.table().finish(lease, how)
    }

    async fn cancel(&self, id: &TaskId) -> Result<State> {
        self.shared.table().cancel(id)
    }

    async fn reap(&self, every: Duration) -> Result<usize> {
        self.shared.table().reap(every)
    }

    async fn disown(&self, worker: &WorkerId) -> Result<usize> {
        self.shared.table().disown(worker)
    }

    async fn holders(&self) -> Result<Vec<WorkerId>> {
        Ok(self.shared.table().holders())
    }

    async fn attend(&self, worker: &WorkerInfo, ttl: Duration) -> Result<()> {
        self.shared.table().attend(worker, ttl);
        Ok(())
    }

    async fn leave(&self, worker: &WorkerId) -> Result<()> {
        self.shared.table().leave(worker);
        Ok(())
    }

    async fn workers(&self) -> Result<Vec<WorkerInfo>> {
        Ok(self.shared.table().workers())
    }

    async fn requeue(&self, id: &TaskId, labels: &BTreeMap<String, Option<String>>) -> Result<TaskId> {
        self.shared.table().requeue(id, labels)
    }

    async fn pause(&self, queue: &str) -> Result<()> {
        self.shared.table().pause(queue);
        Ok(())
    }

    async fn resume(&self, queue: &str) -> Result<()> {
        self.shared.table().resume(queue);
        Ok(())
    }

    async fn stats(&self) -> Result<Vec<QueueStats>> {
        Ok(self.shared.table().stats())
    }

    async fn delete(&self, id: &TaskId) -> Result<()> {
        self.shared.table().delete(id)
    }

    async fn annotate(&self, id: &TaskId, labels: &BTreeMap<String, Option<String>>) -> Result<Labels> {
        self.shared.table().annotate(id, labels)
    }
}

#[async_trait]
impl EventLog for MemoryQueue {
    async fn append(&self, lease: &Lease, after: Seq, events: &[NewEvent]) -> Result<Seq> {
        self.shared.table().append(lease, after, events)
    }

    async fn read(&self, id: &TaskId, after: Seq, limit: usize) -> Result<Vec<Entry>> {
        self.shared.table().read(id, after, limit)
    }

    async fn follow(&self, id: &TaskId, after: Seq) -> Result<BoxStream<'static, Result<Entry>>> {
        self.shared.table().record(id)?;
        Ok(follow::stream(Arc::clone(&self.shared), *id, after))
    }

    async fn newest(&self, id: &TaskId, keep: Keep) -> Result<Option<Entry>> {
        self.shared.table().newest(id, keep)
    }

    async fn follow_all(&self) -> Result<BoxStream<'static, Result<Change>>> {
        Ok(self.shared.wakes.watchers.stream(Arc::clone(&self.shared)))
    }
}

#[async_trait]
impl Source for Arc<Shared> {
    fn wake(&self, id: &TaskId) -> &Notify {
        self.wakes.task(id)
    }

    async fn news(&self, id: &TaskId, after: Seq, limit: usize) -> Result<News> {
        self.table().news(id, after, limit)
    }
}
