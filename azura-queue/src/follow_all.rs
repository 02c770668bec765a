//! Following all tasks: watchers are told which ones changed, each once however often it did before they come to read it.

use std::{
    collections::{HashMap, VecDeque},
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use futures_util::stream::{self, BoxStream, StreamExt as _};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::{Labels, Result, TaskId, TaskRecord};

/// With more unread names than this, to read everything again is less work.
const MOST: usize = 1 << 16;

/// What happened, to those who watch everything; see [`EventLog::follow_all`](crate::EventLog::follow_all).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Change {
    /// A task is new, or its state, its labels, its progress or what is asked of it changed. What it is now is to be asked:
    /// [`Broker::get`](crate::Broker::get), [`EventLog::newest`](crate::EventLog::newest).
    Task(TaskId),
    /// A task was deleted.
    Deleted(Gone),
    /// Changes may have been missed: what was read before is to be read again.
    Missed,
}

/// What is left to say of a task that was deleted: nobody can ask any more.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Gone {
    /// Its id.
    pub id: TaskId,
    /// What was done.
    pub name: String,
    /// What it could be found by.
    pub labels: Labels,
}

impl Gone {
    /// What is left to say of a task.
    pub fn of(record: &TaskRecord) -> Self {
        Self { id: record.id, name: record.name.clone(), labels: record.labels.clone() }
    }
}

impl Change {
    /// The task that changed.
    pub(crate) fn task(&self) -> Option<&TaskId> {
        match self {
            Self::Task(id) | Self::Deleted(Gone { id, .. }) => Some(id),
            Self::Missed => None,
        }
    }
}

/// All who watch everything.
#[derive(Debug, Default)]
pub(crate) struct Watchers(Mutex<Vec<Weak<Watcher>>>);

#[derive(Debug, Default)]
struct Watcher {
    unread: Mutex<Unread>,
    wake: Notify,
}

/// What a watcher was told and has not read yet, in the order in which it began to change.
#[derive(Debug, Default)]
struct Unread {
    missed: bool,
    order: VecDeque<TaskId>,
    latest: HashMap<TaskId, Change>,
}

impl Watchers {
    /// Says it to every watcher.
    pub(crate) fn tell(&self, change: &Change) {
        lock(&self.0).retain(|watcher| {
            let watcher = watcher.upgrade();
            if let Some(watcher) = &watcher {
                lock(&watcher.unread).add(change.clone());
                watcher.wake.notify_one();
            }
            watcher.is_some()
        });
    }

    /// What is told from now on. The stream keeps `kept`.
    pub(crate) fn stream(&self, kept: impl Send + 'static) -> BoxStream<'static, Result<Change>> {
        let watcher = Arc::<Watcher>::default();
        lock(&self.0).push(Arc::downgrade(&watcher));
        stream::unfold((watcher, kept), |(watcher, kept)| async {
            Some((Ok(watcher.next().await), (watcher, kept)))
        })
        .boxed()
    }
}

impl Watcher {
    async fn next(&self) -> Change {
        loop {
            // Bound, so that nothing is locked while this waits.
            let next = lock(&self.unread).take();
            match next {
                Some(change) => return change,
                None => self.wake.notified().await,
            }
        }
    }
}

impl Unread {
    fn add(&mut self, change: Change) {
        match change.task() {
            Some(&id) if self.latest.len() < MOST || self.latest.contains_key(&id) => {
                if self.latest.insert(id, change).is_none() {
                    self.order.push_back(id);
                }
            }
            _ => *self = Self { missed: true, ..Self::default() },
        }
    }

    fn take(&mut self) -> Option<Change> {
        if mem::take(&mut self.missed) {
            return Some(Change::Missed);
        }
        self.order.pop_front().and_then(|id| self.latest.remove(&id))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn unread(stream: &mut BoxStream<'static, Result<Change>>) -> Vec<Change> {
        std::iter::from_fn(|| stream.next().now_or_never().flatten()).map(Result::unwrap).collect()
    }

    #[test]
    fn each_task_is_named_once_in_the_order_of_its_first_change() {
        let (watchers, [a, b]) = (Watchers::default(), [(); 2].map(|()| TaskId::random()));
        let mut stream = watchers.stream(());
        let gone = Change::Deleted(Gone { id: a, name: "work".into(), labels: Labels::new() });
        for change in [&Change::Task(a), &Change::Task(b), &Change::Task(a), &gone] {
            watchers.tell(change);
        }
        assert_eq!(unread(&mut stream), [gone, Change::Task(b)]);
        watchers.tell(&Change::Task(a));
        assert_eq!(unread(&mut stream), [Change::Task(a)]);
    }

    #[test]
    fn who_missed_something_reads_no_names_from_before() {
        let (watchers, [a, b]) = (Watchers::default(), [(); 2].map(|()| TaskId::random()));
        let mut stream = watchers.stream(());
        for change in [Change::Task(a), Change::Missed, Change::Missed, Change::Task(b)] {
            watchers.tell(&change);
        }
        assert_eq!(unread(&mut stream), [Change::Missed, Change::Task(b)]);
    }

    #[test]
    fn who_never_reads_is_told_to_read_everything() {
        let watchers = Watchers::default();
        let mut stream = watchers.stream(());
        for _ in 0..=MOST {
            watchers.tell(&Change::Task(TaskId::random()));
        }
        assert_eq!(unread(&mut stream), [Change::Missed]);
    }

    #[test]
    fn who_has_gone_is_forgotten() {
        let watchers = Watchers::default();
        let (stream, kept) = (watchers.stream(()), watchers.stream(()));
        drop(stream);
        watchers.tell(&Change::Missed);
        assert_eq!(lock(&watchers.0).len(), 1);
        drop(kept);
    }
}
