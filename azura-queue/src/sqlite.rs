//! The queue in a file.

mod changes;
mod file;
mod query;
mod readers;
mod sql;
mod table;
#[cfg(test)]
mod tests;
mod writer;

use std::{
    collections::BTreeMap,
    fmt,
    path::{self, Path},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use rusqlite::Connection;
use tokio::sync::Notify;

use crate::{
    Broker, Change, Entry, EventLog, Finish, Heartbeat, Keep, Labels, Lease, ListQuery, NewEvent, NewTask,
    Page, QueueError, QueueStats, Result, Seq, State, TaskId, TaskRecord, WorkerId, WorkerInfo, clock,
    follow::{self, News, Source},
    wake::{Wakes, look_until},
};
use readers::Readers;
use sql::Failure;
use table::Table;
use writer::{Watch, Writer};

/// A queue in an SQLite file, durable, that several processes of one machine may share.
///
/// Clones are handles to the same queue; with the last of them the file is closed, and where no other process has it open nothing is left beside it. What has been answered is on the disk: it survives
/// the end of the process and of the machine. Calls that wait at the same time share one transaction, so that a disk that is slow to
/// confirm slows each of them, but not their sum.
///
/// Whoever waits, for a task or for what becomes of it, hears of what happens in this process at once, and of what other processes do within some 20 ms.
///
/// Leases and due times are measured by the wall clock, since that is what processes have in common. When the clock is set, or the machine
/// wakes from sleep, all leases begin anew: work that goes on loses nothing, and a dead worker's tasks come back that much later.
///
/// A process that is stopped (as by SIGSTOP) in the middle of a transaction holds the file's lock: the others wait until it goes on or is killed.
///
/// Errors that may pass, such as a full disk or a lock that another process keeps for longer than 5 s, are
/// [`QueueError::Unavailable`]; all others are [`QueueError::Storage`].
///
/// ```
/// # use azura_queue::{Broker, NewTask, SqliteQueue, State};
/// # #[tokio::main]
/// # async fn main() -> azura_queue::Result<()> {
/// # let folder = tempfile::tempdir().expect("there is room for a folder");
/// # let path = folder.path().join("queue.db");
/// let id = SqliteQueue::open(&path)?.submit(NewTask::new("count").arg(3)).await?;
///
/// // Later, or in another process:
/// let queue = SqliteQueue::open(&path)?;
/// assert_eq!(queue.get(&id).await?.state, State::Pending);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SqliteQueue {
    shared: Arc<Shared>,
}

/// The writer is the last to close the file, and so moves what is left in its log into it.
struct Shared {
    readers: Arc<Readers>,
    writer: Writer,
    wakes: Arc<Wakes>,
}

/// What of a lease is checked: the task and the attempt.
#[derive(Clone, Copy)]
struct Fence {
    id: TaskId,
    attempt: u32,
}

impl Fence {
    fn of(lease: &Lease) -> Self {
        Self { id: lease.id(), attempt: lease.attempt() }
    }

    fn stale(self) -> QueueError {
        QueueError::StaleLease { id: self.id, attempt: self.attempt }
    }
}

impl SqliteQueue {
    /// Opens the queue in this file, which is made if there is none, and brings it up to date if an older version wrote it.
    /// The file belongs onto a disk of this machine: locks of network file systems are not to be trusted.
    ///
    /// Blocks for as long as the disk takes.
    ///
    /// # Errors
    /// [`QueueError::Storage`] if the file is no queue, or was written by a newer version;
    /// [`QueueError::Unavailable`] if it cannot be opened.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        // Readers come later, and the current folder may be another one by then.
        let path = path::absolute(path).map_err(|error| QueueError::Storage(error.to_string()))?;
        let wakes = Arc::<Wakes>::default();
        let open = || Writer::start(Table::new(file::writer(&path)?)?, Arc::clone(&wakes));
        let writer = open().map_err(|Failure(error)| match error {
            QueueError::Unavailable(why) => QueueError::Unavailable(format!("{}: {why}", path.display())),
            QueueError::Storage(why) => QueueError::Storage(format!("{}: {why}", path.display())),
            error => error,
        })?;
        Ok(Self { shared: Arc::new(Shared { writer, readers: Arc::new(Readers::new(path)), wakes }) })
    }

    async fn change<T: Send + 'static>(
        &self,
        verb: impl FnOnce(&mut Table) -> sql::Result<T> + Send + 'static,
    ) -> Result<T> {
        self.shared.writer.run(verb).await
    }

    async fn look<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> sql::Result<T> + Send + 'static,
    ) -> Result<T> {
        self.shared.readers.run(read).await
    }
}

impl fmt::Debug for SqliteQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteQueue").finish_non_exhaustive()
    }
}

#[async_trait]
impl Broker for SqliteQueue {
    async fn submit(&self, task: NewTask) -> Result<TaskId> {
        self.change(|table| table.submit(task)).await
    }

    async fn restore(&self, record: TaskRecord, log: Vec<Entry>) -> Result<()> {
        self.change(move |table| table.restore(&record, log)).await
    }

    async fn get(&self, id: &TaskId) -> Result<TaskRecord> {
        let id = *id;
        self.look(move |sql| query::get(sql, &id)).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Page<TaskRecord>> {
        let query = query.clone();
        self.look(move |sql| query::list(sql, &query)).await
    }

    async fn claim(
        &self,
        worker: &WorkerId,
        queues: &[String],
        ttl: Duration,
        wait: Duration,
    ) -> Result<Option<Lease>> {
        let _watch = self.shared.writer.watch();
        look_until(clock::after(wait), &self.shared.wakes.ready, || async {
            let (worker, queues) = (worker.clone(), queues.to_vec());
            let (lease, due) = self.change(move |table| table.claim(&worker, &queues, ttl)).await?;
            Ok((lease, due.map(|due| clock::after(clock::until(due)))))
        })
        .await
    }

    async fn heartbeat(&self, lease: &Lease, ttl: Duration) -> Result<Heartbeat> {
        let fence = Fence::of(lease);
        self.change(move |table| table.heartbeat(fence, ttl)).await.map(Heartbeat::new)
    }

    async fn checkpoint(&self, lease: &Lease, epoch: u64) -> Result<()> {
        let fence = Fence::of(lease);
        self.change(move |table| table.checkpoint(fence, epoch)).await
    }

    async fn await_cancel(&self, lease: &Lease, wait: Duration) -> Result<bool> {
        let fence = Fence::of(lease);
        let _watch = self.shared.writer.watch();
        let requested = look_until(clock::after(wait), self.shared.wakes.task(&fence.id), || async {
            let (_, cancelled) = self.look(move |sql| query::leased(sql, fence)).await?;
            Ok((cancelled.then_some(()), None))
        });
        Ok(requested.await?.is_some())
    }

    async fn finish(&self, lease: &Lease, how: Finish) -> Result<State> {
        let fence = Fence::of(lease);
        self.change(move |table| table.finish(fence, how)).await
    }

    async fn cancel(&self, id: &TaskId) -> Result<State> {
        let id = *id;
        self.change(move |table| table.cancel(&id)).await
    }

    async fn reap(&self, every: Duration) -> Result<usize> {
        self.change(move |table| table.reap(every)).await
    }

    async fn disown(&self, worker: &WorkerId) -> Result<usize> {
        let worker = worker.clone();
        self.change(move |table| table.disown(&worker)).await
    }

    async fn holders(&self) -> Result<Vec<WorkerId>> {
        self.look(query::holders).await
    }

    async fn requeue(&self, id: &TaskId, labels: &BTreeMap<String, Option<String>>) -> Result<TaskId> {
        let (id, labels) = (*id, labels.clone());
        self.change(move |table| table.requeue(&id, &labels)).await
    }

    async fn attend(&self, worker: &WorkerInfo, ttl: Duration) -> Result<()> {
        let worker = worker.clone();
        self.change(move |table| table.attend(&worker, ttl)).await
    }

    async fn leave(&self, worker: &WorkerId) -> Result<()> {
        let worker = worker.clone();
        self.change(move |table| table.leave(&worker)).await
    }

    async fn workers(&self) -> Result<Vec<WorkerInfo>> {
        self.look(query::workers).await
    }

    async fn pause(&self, queue: &str) -> Result<()> {
        let queue = queue.to_owned();
        self.change(move |table| table.pause(&queue)).await
    }

    async fn resume(&self, queue: &str) -> Result<()> {
        let queue = queue.to_owned();
        self.change(move |table| table.resume(&queue)).await
    }

    async fn stats(&self) -> Result<Vec<QueueStats>> {
        self.look(query::stats).await
    }

    async fn delete(&self, id: &TaskId) -> Result<()> {
        let id = *id;
        self.change(move |table| table.delete(&id)).await
    }

    async fn annotate(&self, id: &TaskId, labels: &BTreeMap<String, Option<String>>) -> Result<Labels> {
        let (id, labels) = (*id, labels.clone());
        self.change(move |table| table.annotate(&id, &labels)).await
    }
}

#[async_trait]
impl EventLog for SqliteQueue {
    async fn append(&self, lease: &Lease, after: Seq, events: &[NewEvent]) -> Result<Seq> {
        let (fence, events) = (Fence::of(lease), events.to_vec());
        self.change(move |table| table.append(fence, after, &events)).await
    }

    async fn read(&self, id: &TaskId, after: Seq, limit: usize) -> Result<Vec<Entry>> {
        let id = *id;
        self.look(move |sql| query::read(sql, &id, after, limit)).await
    }

    async fn follow(&self, id: &TaskId, after: Seq) -> Result<BoxStream<'static, Result<Entry>>> {
        let id = *id;
        self.look(move |sql| query::task(sql, &id)).await?;
        let followed = Followed { _watch: self.shared.writer.watch(), queue: self.clone() };
        Ok(follow::stream(followed, id, after))
    }

    async fn newest(&self, id: &TaskId, keep: Keep) -> Result<Option<Entry>> {
        let id = *id;
        self.look(move |sql| query::newest(sql, &id, keep)).await
    }

    async fn follow_all(&self) -> Result<BoxStream<'static, Result<Change>>> {
        let kept = (self.shared.writer.watch(), self.clone());
        Ok(self.shared.wakes.watchers.stream(kept))
    }
}

/// A queue that is being followed.
struct Followed {
    queue: SqliteQueue,
    _watch: Watch,
}

#[async_trait]
impl Source for Followed {
    fn wake(&self, id: &TaskId) -> &Notify {
        self.queue.shared.wakes.task(id)
    }

    async fn news(&self, id: &TaskId, after: Seq, limit: usize) -> Result<News> {
        let id = *id;
        self.queue.look(move |sql| query::news(sql, &id, after, limit)).await
    }
}
