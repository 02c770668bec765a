//! One attempt at one task: the handler, the heartbeat and the events side by side.

use std::{any::Any, convert::Infallible, future::pending, sync::Arc, time::Duration};

use serde_json::Value;
use tokio::{
    join, select,
    task::JoinHandle,
    time::{sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::{Finish, QueueError, State, StopReason, TaskContext, TaskFailure, backoff::persist, clock};

/// What the work comes to.
pub(crate) type Outcome = Result<Value, TaskFailure>;

/// How long to wait after a failed call before the next one, and for the end of an attempt whose handler goes on.
const PAUSE: Duration = Duration::from_secs(1);
/// Work that takes no longer is not asked to stop: the asking would cost as much.
const SHORT: Duration = Duration::from_millis(20);

/// How an attempt is run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// The pause between two heartbeats.
    pub(crate) heartbeat: Duration,
    /// How long a handler may go on after it was asked to stop because of a shutdown.
    pub(crate) grace: Duration,
}

/// Works on a task to the end: of the work, or of the patience at shutdown. `begin` sets the work going; `None` means that nobody can do it.
pub(crate) async fn run(
    cx: TaskContext,
    begin: Option<impl FnOnce(Arc<TaskContext>) -> JoinHandle<Outcome>>,
    pace: Pace,
    shutdown: &CancellationToken,
) {
    let cx = Arc::new(cx);
    let _end = End(Arc::clone(&cx));
    let how = select! {
        // What is done counts, though its time is up in the same moment.
        biased;
        () = work(&cx, begin) => return,
        never = keep_lease(&cx, pace.heartbeat) => match never {},
        failure = overdue(&cx) => Finish::Failed { failure, retry: false },
        () = out_of_time(&cx, pace.grace, shutdown) => Finish::Released,
    };
    // The work goes unheard from here on. The lease is kept until the queue, which may be away, knows that.
    select! {
        biased;
        () = abandon(&cx, how) => {}
        never = keep_lease(&cx, pace.heartbeat) => match never {},
        () = too_late(shutdown) => tracing::warn!("the attempt could not be ended; its lease will expire"),
    }
}

/// However the attempt ends, and if only because the worker was dropped: a handler that still runs is asked to stop.
struct End(Arc<TaskContext>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.stop(StopReason::LeaseLost);
        self.0.ended.cancel();
    }
}

/// The handler, then its last events, then the end of the task.
async fn work(cx: &Arc<TaskContext>, begin: Option<impl FnOnce(Arc<TaskContext>) -> JoinHandle<Outcome>>) {
    let handled = async {
        let how = match begin {
            Some(begin) => match begin(Arc::clone(cx)).await {
                Ok(outcome) => Some(outcome),
                Err(error) => error.try_into_panic().ok().map(|panic| Err(panicked(&*panic))),
            },
            None => Some(Err(unknown(&cx.record().name))),
        };
        cx.emitter.close();
        how
    };
    let (outcome, ()) = join!(handled, cx.emitter.pump(&*cx.queue, &cx.lease));
    // Whoever sees a success is to see all that led to it.
    let told = cx.emitter.drain().await.map_err(|error| untold(&error));
    let outcome = outcome.map(|outcome| outcome.and_then(|result| told.map(|()| result)));
    let how = outcome.map_or(Finish::Released, |outcome| judge(outcome, cx.stop_reason()));
    cx.begin_ending();
    match persist(|| cx.queue.finish(&cx.lease, how.clone())).await {
        Ok(state) => tracing::info!(%state, "the attempt is over"),
        Err(error) => {
            if let Some(state) = ended(cx).await {
                tracing::info!(%state, "the attempt is over");
            } else {
                tracing::warn!(%error, "the outcome of the attempt is thrown away");
            }
        }
    }
}

/// How the task ended, if it did so with this attempt: the answer to the call that ended it may have been lost.
async fn ended(cx: &TaskContext) -> Option<State> {
    let task = cx.queue.get(&cx.lease.id()).await.ok()?;
    (task.state.is_terminal() && task.attempt == cx.attempt()).then_some(task.state)
}

/// How a handler's outcome ends the attempt. Stopping is one thing for a task that was cancelled and another at shutdown; if both
/// happened, the queue itself revokes what is released.
pub(crate) fn judge(outcome: Outcome, stop: Option<StopReason>) -> Finish {
    match outcome {
        Ok(result) => Finish::Succeeded(result),
        Err(failure) if failure.is_cancelled() => match stop {
            Some(StopReason::Shutdown | StopReason::LeaseLost) => Finish::Released,
            Some(StopReason::TimeLimit) => Finish::Failed { failure: too_long(), retry: false },
            _ => Finish::Cancelled,
        },
        Err(failure) => Finish::Failed { retry: failure.transient, failure },
    }
}

/// Heartbeats beside the work; the pauses between them are spent listening for a cancel request.
async fn keep_lease(cx: &TaskContext, pause: Duration) -> Infallible {
    sleep(SHORT.min(pause)).await;
    loop {
        if cx.cancelled() {
            sleep(pause).await;
        } else {
            match cx.queue.await_cancel(&cx.lease, pause).await {
                Ok(true) => cx.stop(StopReason::Cancelled),
                Ok(false) | Err(QueueError::StaleLease { .. }) => {}
                Err(_) => sleep(PAUSE.min(pause)).await,
            }
        }
        match cx.beat().await {
            Ok(()) => {}
            Err(error @ QueueError::StaleLease { .. }) => {
                // Beside the call that ends the attempt there is nothing to be said.
                if !cx.is_ending() {
                    tracing::warn!(%error, "stopping");
                }
                return pending().await;
            }
            Err(error) => {
                tracing::warn!(%error, "a heartbeat failed");
                sleep(PAUSE.min(pause)).await;
            }
        }
    }
}

/// Asks the handler to stop when the worker shuts down; returns when it has had long enough.
async fn out_of_time(cx: &TaskContext, grace: Duration, shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    cx.stop(StopReason::Shutdown);
    sleep(grace).await;
}

/// Returns when a worker that shuts down waits for the queue no longer.
async fn too_late(shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    sleep(PAUSE).await;
}

/// Asks the handler to stop at the soft limit; returns at the hard one, with why the task has failed.
async fn overdue(cx: &TaskContext) -> TaskFailure {
    let limits = cx.record().schedule.limits;
    let begun = clock::now();
    if let Some(soft) = limits.soft.filter(|soft| limits.hard.is_none_or(|hard| *soft < hard)) {
        sleep(soft).await;
        cx.stop(StopReason::TimeLimit);
    }
    match limits.hard {
        Some(hard) => sleep_until(begun + hard).await,
        None => pending().await,
    }
    cx.stop(StopReason::TimeLimit);
    too_long()
}

/// Ends the attempt although its handler still runs: the fence keeps it from doing harm.
async fn abandon(cx: &TaskContext, how: Finish) {
    tracing::warn!("the handler did not stop in time");
    cx.emitter.give_up(QueueError::AttemptOver);
    if let Err(error) = persist(|| cx.queue.finish(&cx.lease, how.clone())).await {
        tracing::warn!(%error, "the attempt has ended otherwise");
    }
}

fn too_long() -> TaskFailure {
    TaskFailure::new(TaskFailure::TIME_LIMIT, "the task took longer than it may")
}

fn untold(error: &QueueError) -> TaskFailure {
    TaskFailure::new(
        TaskFailure::EVENTS_LOST,
        format!("what the task reported could not be written down: {error}"),
    )
}

fn unknown(name: &str) -> TaskFailure {
    TaskFailure::new(TaskFailure::UNKNOWN_TASK, format!("this worker knows no task named {name:?}"))
}

fn panicked(panic: &(dyn Any + Send)) -> TaskFailure {
    let message = panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "the handler panicked".to_owned());
    TaskFailure::new(TaskFailure::PANICKED, message)
}
