//! The thread that writes. Verbs that wait for it at the same time share one transaction, and so one wait for the disk.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::sync::oneshot;

use super::{sql::Result, table::Table};
use crate::{QueueError, wake::Wakes};

/// How often, while somebody waits, it is seen whether another process has written.
const POLL: Duration = Duration::from_millis(10);

/// More verbs than this do not share a transaction, so that none is answered late.
const GROUP: usize = 512;

pub(super) struct Writer {
    /// `None` is no verb: it says that the number of those who wait has changed.
    jobs: Option<Sender<Option<Box<dyn Job>>>>,
    waiting: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

/// A verb on its way.
trait Job: Send {
    /// Carries it out. A failure is not the verb's own: the transaction is lost.
    fn run(&mut self, table: &mut Table) -> Result<()>;

    /// Tells the caller, after the transaction was committed or was not.
    fn answer(self: Box<Self>, committed: crate::Result<()>);
}

struct Verb<F, T> {
    todo: Option<F>,
    outcome: Option<crate::Result<T>>,
    caller: oneshot::Sender<crate::Result<T>>,
}

impl<F: FnOnce(&mut Table) -> Result<T> + Send, T: Send> Job for Verb<F, T> {
    fn run(&mut self, table: &mut Table) -> Result<()> {
        // Whoever has stopped waiting wants nothing done.
        if let Some(verb) = self.todo.take().filter(|_| !self.caller.is_closed()) {
            self.outcome = Some(table.attempt(verb)?.map_err(|failure| failure.0));
        }
        Ok(())
    }

    fn answer(self: Box<Self>, committed: crate::Result<()>) {
        let answer = match (committed, self.outcome) {
            (Ok(()), Some(outcome)) => outcome,
            (Ok(()), None) => return,
            (Err(error), _) => Err(error),
        };
        // An answer that nobody waits for any more is lost, as it may be with any queue.
        let _ = self.caller.send(answer);
    }
}

impl Writer {
    /// Starts the thread. When the writer has been dropped, the thread has ended and the file is closed.
    pub(super) fn start(table: Table, wakes: Arc<Wakes>) -> Result<Self> {
        let (jobs, queued) = channel();
        let waiting = Arc::<AtomicUsize>::default();
        let watched = Arc::clone(&waiting);
        let thread = thread::Builder::new()
            .name("azura-sqlite".into())
            .spawn(move || serve(table, &queued, &watched, &wakes))
            .map_err(|error| QueueError::Unavailable(error.to_string()))?;
        Ok(Self { jobs: Some(jobs), waiting, thread: Some(thread) })
    }

    /// Changes something, all or nothing. When this returns, it is on the disk.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        verb: impl FnOnce(&mut Table) -> Result<T> + Send + 'static,
    ) -> crate::Result<T> {
        let gone = || QueueError::Storage("the thread that writes has ended".into());
        let (caller, answer) = oneshot::channel();
        let verb = Verb { todo: Some(verb), outcome: None, caller };
        self.jobs.as_ref().and_then(|jobs| jobs.send(Some(Box::new(verb))).ok()).ok_or_else(gone)?;
        answer.await.map_err(|_| gone())?
    }

    /// As long as this is kept, what other processes write wakes those who wait in this one.
    pub(super) fn watch(&self) -> Watch {
        if self.waiting.fetch_add(1, Ordering::AcqRel) == 0
            && let Some(jobs) = &self.jobs
        {
            let _ = jobs.send(None);
        }
        Watch(Arc::clone(&self.waiting))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.jobs.take());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

pub(super) struct Watch(Arc<AtomicUsize>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn serve(mut table: Table, jobs: &Receiver<Option<Box<dyn Job>>>, waiting: &AtomicUsize, wakes: &Wakes) {
    loop {
        let first = match waiting.load(Ordering::Acquire) {
            0 => jobs.recv().map_err(RecvTimeoutError::from),
            _ => jobs.recv_timeout(POLL),
        };
        match first {
            Ok(first) => {
                let group = first.into_iter().chain(jobs.try_iter().flatten()).take(GROUP);
                commit(&mut table, group.collect(), wakes);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if let Some(changes) = table.of_others() {
            wakes.all();
            for change in changes {
                wakes.watchers.tell(&change);
            }
        }
    }
}

fn commit(table: &mut Table, mut jobs: Vec<Box<dyn Job>>, wakes: &Wakes) {
    if jobs.is_empty() {
        return;
    }
    let outcome = table.transaction(|table| jobs.iter_mut().try_for_each(|job| job.run(table)));
    let committed = outcome.map(|told| told.wake(wakes)).map_err(|failure| failure.0);
    for job in jobs {
        job.answer(committed.clone());
    }
}
