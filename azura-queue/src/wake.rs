//! Waiting for something to happen in a storage: wake, look, and wait again.

use std::array;

use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use crate::{
    Result, TaskId, clock,
    follow_all::{Change, Watchers},
};

/// A wake-up only says "look again", so that tasks may share one.
const SHARDS: usize = 64;

/// What those who wait are woken by.
pub(crate) struct Wakes {
    /// There may be a task to claim.
    pub(crate) ready: Notify,
    /// Those who watch everything.
    pub(crate) watchers: Watchers,
    tasks: [Notify; SHARDS],
}

impl Default for Wakes {
    fn default() -> Self {
        Self { ready: Notify::new(), watchers: Watchers::default(), tasks: array::from_fn(|_| Notify::new()) }
    }
}

impl Wakes {
    /// Tells all whom it concerns.
    pub(crate) fn tell(&self, change: &Change) {
        if let Some(id) = change.task() {
            self.task(id).notify_waiters();
        }
        self.watchers.tell(change);
    }

    /// What wakes those who wait for something to happen to this task.
    pub(crate) fn task(&self, id: &TaskId) -> &Notify {
        &self.tasks[id.low_bits() as usize % SHARDS]
    }

    /// Anything may have happened.
    #[cfg(feature = "sqlite")]
    pub(crate) fn all(&self) {
        self.tasks.iter().chain([&self.ready]).for_each(Notify::notify_waiters);
    }
}

/// Looks, and looks again after each wake-up and when something comes due, until something is found or the deadline is past.
///
/// A look returns what it found, and when the next thing comes due.
pub(crate) async fn look_until<T, F>(
    deadline: Instant,
    wake: &Notify,
    mut look: impl FnMut() -> F,
) -> Result<Option<T>>
where
    F: Future<Output = Result<(Option<T>, Option<Instant>)>>,
{
    loop {
        // Made before the look, so that nothing can slip in between.
        let woken = wake.notified();
        let (found, due) = look().await?;
        if found.is_some() || clock::now() >= deadline {
            return Ok(found);
        }
        // Woken or not, there is a reason to look again.
        let _ = timeout_at(due.unwrap_or(deadline).min(deadline), woken).await;
    }
}
