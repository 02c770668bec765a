//! From a thread that computes to the log, without ever making it wait.

use std::{
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::Serialize;
use tokio::{
    sync::{Notify, watch},
    time::{sleep, sleep_until},
};

use crate::{Keep, Lease, NewEvent, Queue, QueueError, Result, backoff::persist, clock};

/// The pause after each append: it makes one batch of a burst, and keeps the publisher from paying for a wake-up with each event.
const BREATH: Duration = Duration::from_millis(1);
/// How many events go into one append.
const MOST: usize = 10_000;
/// Transient events reach the log at most this often.
const TRANSIENT_PAUSE: Duration = Duration::from_millis(100);

/// Publishes the progress of one task's attempt, from any thread, without blocking.
///
/// An event goes into a buffer in memory, which the worker moves into the log beside the work: in the order of emission, with retries while
/// the queue cannot be reached, and complete before the task is finished. The buffer has no bound: during an outage it holds every event that
/// is to be kept. Clones publish for the same attempt.
///
/// ```
/// use azura_queue::{Keep, TaskContext, TaskFailure};
/// use serde_json::{Value, json};
///
/// /// A handler that reports from a thread of its own.
/// fn train(task: &TaskContext) -> Result<Value, TaskFailure> {
///     let emitter = task.emitter().clone();
///     std::thread::spawn(move || {
///         emitter.emit(Keep::Newest, &json!({"batch": 7})); // may give way to a later one
///         emitter.emit(Keep::All, &json!({"epoch": 1, "loss": 0.25})); // is certain to be seen
///     });
///     Ok(json!("done"))
/// }
/// ```
#[derive(Clone)]
pub struct Emitter {
    shared: Arc<Shared>,
}

struct Shared {
    buffer: Mutex<Buffer>,
    /// Tells the pump that the buffer has something for it.
    wake: Notify,
    /// How many stored events have reached the log, or why no more will.
    arrived: watch::Sender<Result<u64>>,
}

#[derive(Default)]
struct Buffer {
    stored: Vec<NewEvent>,
    /// Newer than all of `stored`.
    newest: Option<NewEvent>,
    /// How many stored events were ever emitted.
    emitted: u64,
    /// How far the work is safe, if the queue is still to be told.
    checkpoint: Option<u64>,
    closed: bool,
}

/// What the pump is to do.
enum Next {
    Append {
        events: Vec<NewEvent>,
        checkpoint: Option<u64>,
    },
    /// Nothing now; whether a transient event waits until it is due.
    Wait {
        transient: bool,
    },
    End,
}

impl Emitter {
    pub(crate) fn new() -> Self {
        let shared =
            Shared { buffer: Mutex::default(), wake: Notify::new(), arrived: watch::Sender::new(Ok(0)) };
        Self { shared: Arc::new(shared) }
    }

    /// Publishes an event that says `details`, within microseconds.
    ///
    /// With [`Keep::All`] it is certain to reach the log before the task ends. With [`Keep::Newest`] it may be dropped in favour of a later event;
    /// at most ten of them a second are passed on. Floats that are not finite become `null`. An event is dropped if its attempt is over, which
    /// includes a lost lease, or if `details` cannot be JSON at all (a map with keys that are no strings), which is logged.
    pub fn emit(&self, keep: Keep, details: &(impl Serialize + ?Sized)) {
        match serde_json::to_value(details) {
            Ok(details) => self.push(NewEvent::new(keep, details)),
            Err(error) => tracing::error!(%error, "an event that cannot be JSON was dropped"),
        }
    }

    /// Says that the work is safe up to this epoch, so that a later attempt begins behind it: see
    /// [`Broker::checkpoint`](crate::Broker::checkpoint). The queue is told when all that was emitted before is in the log.
    pub fn checkpoint(&self, epoch: u64) {
        let mut buffer = self.buffer();
        if !buffer.closed {
            buffer.checkpoint = Some(epoch);
            self.shared.wake.notify_one();
        }
    }

    fn push(&self, event: NewEvent) {
        let mut buffer = self.buffer();
        if buffer.closed {
            return;
        }
        let news = buffer.stored.is_empty() && (event.keep == Keep::All || buffer.newest.is_none());
        let superseded = match event.keep {
            Keep::All => {
                buffer.stored.push(event);
                buffer.emitted += 1;
                buffer.newest.take()
            }
            Keep::Newest => buffer.newest.replace(event),
        };
        drop(buffer);
        drop(superseded);
        if news {
            self.shared.wake.notify_one();
        }
    }

    /// Lets nothing in any more. What the buffer holds still reaches the log.
    pub(crate) fn close(&self) {
        self.buffer().closed = true;
        self.shared.wake.notify_one();
    }

    /// Lets nothing in any more and forgets what the buffer holds: nothing more reaches the log, and whoever drains is told why.
    pub(crate) fn give_up(&self, why: QueueError) {
        *self.buffer() = Buffer { closed: true, ..Buffer::default() };
        self.shared.arrived.send_modify(|so_far| *so_far = Err(why));
    }

    /// Waits until every stored event emitted so far is in the log.
    pub(crate) async fn drain(&self) -> Result<()> {
        let emitted = self.buffer().emitted;
        let mut arrived = self.shared.arrived.subscribe();
        let reached =
            arrived.wait_for(|so_far| so_far.as_ref().map_or(true, |count| *count >= emitted)).await;
        reached.map_or(Ok(()), |so_far| so_far.clone().map(|_| ()))
    }

    /// Moves the buffer into the log until it is closed and empty, or until the log refuses.
    pub(crate) async fn pump(&self, queue: &(impl Queue + ?Sized), lease: &Lease) {
        let mut due = clock::now();
        let mut after = lease.seq;
        loop {
            let (events, checkpoint) = match self.next(clock::now() >= due) {
                Next::Append { events, checkpoint } => (events, checkpoint),
                Next::Wait { transient } => {
                    tokio::select! {
                        biased;
                        () = self.shared.wake.notified() => {}
                        () = sleep_until(due), if transient => {}
                    }
                    continue;
                }
                Next::End => return,
            };
            let stored = events.iter().filter(|event| event.keep == Keep::All).count();
            if stored < events.len() {
                due = clock::after(TRANSIENT_PAUSE);
            }
            let told = async {
                if !events.is_empty() {
                    after = persist(|| queue.append(lease, after, &events)).await?;
                }
                match checkpoint {
                    Some(epoch) => persist(|| queue.checkpoint(lease, epoch)).await,
                    None => Ok(()),
                }
            };
            match told.await {
                Ok(()) => {
                    self.shared.arrived.send_modify(|so_far| {
                        if let Ok(count) = so_far {
                            *count += stored as u64;
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the log takes no more events of this attempt");
                    self.give_up(error);
                }
            }
            sleep(BREATH).await;
        }
    }

    /// Takes what is to be appended now, in order; `transient` tells whether an event that is not stored is due.
    fn next(&self, transient: bool) -> Next {
        let mut buffer = self.buffer();
        let mut events = mem::take(&mut buffer.stored);
        if events.len() > MOST {
            // What an outage has heaped up goes in pieces that any storage takes.
            buffer.stored = events.split_off(MOST);
        } else if transient {
            events.extend(buffer.newest.take());
        }
        let checkpoint = if buffer.stored.is_empty() { buffer.checkpoint.take() } else { None };
        if !events.is_empty() || checkpoint.is_some() {
            Next::Append { events, checkpoint }
        } else if buffer.closed {
            Next::End
        } else {
            Next::Wait { transient: buffer.newest.is_some() }
        }
    }

    fn buffer(&self) -> MutexGuard<'_, Buffer> {
        self.shared.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Emitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emitter").finish_non_exhaustive()
    }
}
