//! Work that a program does itself, watchable like that of any worker.

use std::{fmt, sync::Arc, time::Duration};

use serde_json::Value;
use tokio::{sync::oneshot, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    Emitter, NewTask, Queue, QueueError, Result, TaskContext, TaskFailure, TaskId, WorkerId,
    attempt::{self, Outcome, Pace},
    clock,
};

const TTL: Duration = Duration::from_secs(15);
const PACE: Pace = Pace { heartbeat: Duration::from_secs(5), grace: Duration::from_secs(30) };

/// Records a task that this process works on itself, from now on, and hands out what to report with. No worker takes it, and whoever follows it
/// sees no difference. If the process dies, the task is `REVOKED` soon after its lease has ended.
///
/// ```
/// use std::sync::Arc;
/// use azura_queue::{Keep, MemoryQueue, NewTask, Queue, State, track};
/// use serde_json::json;
///
/// # #[tokio::main]
/// # async fn main() -> azura_queue::Result<()> {
/// let queue: Arc<dyn Queue> = Arc::new(MemoryQueue::new());
/// let task = track(Arc::clone(&queue), NewTask::new("count")).await?;
/// let id = task.id();
/// for n in 1..=3 {
///     task.emitter().emit(Keep::All, &json!({"n": n})); // from any thread
/// }
/// task.finish(Ok(json!("done"))).await;
/// assert_eq!(queue.get(&id).await?.state, State::Success);
/// assert_eq!(queue.read(&id, 0, 100).await?.len(), 6); // PENDING, STARTED, 3 x PROGRESS, SUCCESS
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Those of [`submit`](crate::Broker::submit) and [`claim`](crate::Broker::claim).
pub async fn track(queue: Arc<dyn Queue>, task: NewTask) -> Result<Tracked> {
    let own = format!("tracked-{}", TaskId::random());
    let id = queue.submit(task.queue(&own).expires(clock::timestamp_after(TTL))).await?;
    let lease = queue.claim(&WorkerId::random(), &[own], TTL, TTL).await?;
    let lease = lease.ok_or_else(|| QueueError::Unavailable(format!("task {id} could not be claimed")))?;
    let cx = TaskContext::new(queue, lease, TTL);
    let (emitter, token) = (cx.emitter().clone(), cx.token().clone());
    let (end, ending) = oneshot::channel();
    // What waits for how it ends stands for the work, which is done elsewhere.
    let begin = |_| {
        tokio::spawn(async {
            ending.await.unwrap_or_else(|_| {
                Err(TaskFailure::new(TaskFailure::ABANDONED, "the work ended without saying how"))
            })
        })
    };
    let running = tokio::spawn(async move {
        attempt::run(cx, Some(begin), PACE, &CancellationToken::new()).await;
    });
    Ok(Tracked { id, emitter, token, end, running })
}

/// A task that this process works on. Dropping it without [`finish`](Self::finish) fails the task.
#[must_use = "a task that nobody works on fails"]
pub struct Tracked {
    id: TaskId,
    emitter: Emitter,
    token: CancellationToken,
    end: oneshot::Sender<Outcome>,
    running: JoinHandle<()>,
}

impl Tracked {
    /// The task's id.
    pub fn id(&self) -> TaskId {
        self.id
    }

    /// Publishes progress; clone it to report from other threads.
    pub fn emitter(&self) -> &Emitter {
        &self.emitter
    }

    /// Is cancelled when somebody cancels the task, or its lease is lost.
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// Ends the task, and waits until that and all that was emitted is written down.
    pub async fn finish(self, how: std::result::Result<Value, TaskFailure>) {
        let _ = self.end.send(how);
        let _ = self.running.await;
    }
}

impl fmt::Debug for Tracked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracked").field("id", &self.id).finish_non_exhaustive()
    }
}
