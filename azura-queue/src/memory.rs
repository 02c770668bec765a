//! The queue that lives in this process.

mod follow;
mod table;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use tokio::{
    sync::Notify,
    time::{timeout, timeout_at},
};

use crate::{
    Broker, Entry, EventLog, Finish, Heartbeat, Labels, Lease, ListQuery, NewEvent, NewTask, Page,
    QueueStats, Result, Seq, State, TaskId, TaskRecord, WorkerId, WorkerInfo, clock,
};
use table::Table;

/// A queue in memory: everything that a queue is, for as long as the process lives.
///
/// Clones are handles to the same queue. Tasks and their events stay until they are deleted.
#[derive(Clone, Default)]
pub struct MemoryQueue {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    table: Mutex<Table>,
    /// Wakes claims that wait: a task may have become `PENDING`.
    ready: Notify,
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

    /// Waits for a task to claim.
    async fn claim(&self, worker: &WorkerId, queues: &[String], ttl: Duration) -> Result<Lease> {
        loop {
            // Made before the look at the table, so that nothing can slip in between.
            let ready = self.ready.notified();
            let (claimed, due) = {
                let mut table = self.table();
                (table.claim(worker, queues, ttl)?, table.next_due())
            };
            match claimed {
                Some(lease) => return Ok(lease),
                None => {
                    let _ = timeout_at(due.unwrap_or_else(|| clock::after(Duration::MAX)), ready).await;
                }
            }
        }
    }

    /// Waits for a request to cancel.
    async fn cancel_requested(&self, lease: &Lease) -> Result<bool> {
        let (_, wake) = self.table().cancel_requested(lease)?;
        loop {
            let woken = wake.notified();
            let (requested, _) = self.table().cancel_requested(lease)?;
            if requested {
                return Ok(true);
            }
            woken.await;
        }
    }
}

#[async_trait]
impl Broker for MemoryQueue {
    async fn submit(&self, task: NewTask) -> Result<TaskId> {
        let id = self.shared.table().submit(task)?;
        self.shared.ready.notify_waiters();
        Ok(id)
    }

    async fn restore(&self, record: TaskRecord, log: Vec<Entry>) -> Result<()> {
        self.shared.table().restore(record, log)
    }

    async fn get(&self, id: &TaskId) -> Result<TaskRecord> {
        let record = self.shared.table().record(id)?;
        Ok(Arc::unwrap_or_clone(record))
    }

    async fn list(&self, query: &ListQuery) -> Result<Page<TaskRecord>> {
        let page = self.shared.table().list(query)?;
        Ok(Page::new(page.items.into_iter().map(Arc::unwrap_or_clone).collect(), page.next))
    }

    async fn claim(
        &self,
        worker: &WorkerId,
        queues: &[String],
        ttl: Duration,
        wait: Duration,
    ) -> Result<Option<Lease>> {
        match timeout(wait, self.shared.claim(worker, queues, ttl)).await {
            Ok(claimed) => claimed.map(Some),
            Err(_) => Ok(None),
        }
    }

    async fn heartbeat(&self, lease: &Lease, ttl: Duration) -> Result<Heartbeat> {
        self.shared.table().heartbeat(lease, ttl).map(Heartbeat::new)
    }

    async fn await_cancel(&self, lease: &Lease, wait: Duration) -> Result<bool> {
        timeout(wait, self.shared.cancel_requested(lease)).await.unwrap_or(Ok(false))
    }

    async fn finish(&self, lease: &Lease, how: Finish) -> Result<State> {
        let state = self.shared.table().finish(lease, how)?;
        if state == State::Pending {
            self.shared.ready.notify_waiters();
        }
        Ok(state)
    }

    async fn cancel(&self, id: &TaskId) -> Result<State> {
        self.shared.table().cancel(id)
    }

    async fn reap(&self) -> Result<usize> {
        let reaped = self.shared.table().reap()?;
        if reaped > 0 {
            self.shared.ready.notify_waiters();
        }
        Ok(reaped)
    }

    async fn disown(&self, worker: &WorkerId) -> Result<usize> {
        let disowned = self.shared.table().disown(worker)?;
        self.shared.ready.notify_waiters();
        Ok(disowned)
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
        let new = self.shared.table().requeue(id, labels)?;
        self.shared.ready.notify_waiters();
        Ok(new)
    }

    async fn pause(&self, queue: &str) -> Result<()> {
        self.shared.table().pause(queue);
        Ok(())
    }

    async fn resume(&self, queue: &str) -> Result<()> {
        self.shared.table().resume(queue);
        self.shared.ready.notify_waiters();
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
        let entries = self.shared.table().read(id, after, limit)?;
        Ok(entries.into_iter().map(Arc::unwrap_or_clone).collect())
    }

    async fn follow(&self, id: &TaskId, after: Seq) -> Result<BoxStream<'static, Result<Entry>>> {
        self.shared.table().record(id)?;
        Ok(follow::stream(Arc::clone(&self.shared), *id, after))
    }
}
