//! Workers, as those see them who submit tasks and write handlers.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod outage;

use std::{
    sync::{Arc, Barrier, mpsc},
    thread,
    time::{Duration, Instant},
};

use azura_queue::{
    DEFAULT_QUEUE, Entry, EventKind, Finish, Keep, MemoryQueue, NewTask, Queue, QueueError, Retry, State,
    StopReason, TaskContext, TaskFailure, TaskId, TaskRecord, Worker, WorkerId,
};
use futures_util::{StreamExt as _, TryStreamExt as _};
use outage::Outage;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const LONG: Duration = Duration::from_mins(1);

fn queue() -> Arc<dyn Queue> {
    Arc::new(MemoryQueue::new())
}

/// A worker that runs until it is stopped.
struct Running {
    shutdown: CancellationToken,
    worker: JoinHandle<()>,
}

impl Running {
    fn start(worker: Worker) -> Self {
        let shutdown = CancellationToken::new();
        Self { worker: tokio::spawn(worker.run(shutdown.clone())), shutdown }
    }

    async fn stop(self) {
        self.shutdown.cancel();
        soon(self.worker).await.unwrap();
    }
}

/// What is bound to happen is waited for, but not for ever.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, future).await.expect("this happens soon")
}

async fn submit(queue: &Arc<dyn Queue>, name: &str) -> TaskId {
    queue.submit(NewTask::new(name)).await.unwrap()
}

/// The task after its end, and its log.
async fn end_of(queue: &Arc<dyn Queue>, id: TaskId) -> (TaskRecord, Vec<Entry>) {
    let log = soon(queue.follow(&id, 0).await.unwrap().try_collect()).await.unwrap();
    (queue.get(&id).await.unwrap(), log)
}

/// Waits until the task has said something.
async fn heard_of(queue: &Arc<dyn Queue>, id: TaskId) {
    let mut told = queue.follow(&id, 0).await.unwrap();
    let mut kind = EventKind::Pending;
    while kind != EventKind::Progress {
        kind = soon(told.next()).await.expect("the task reports").unwrap().kind;
    }
}

/// A handler that says that it runs, and does so until it is told to stop.
fn until_cancelled(task: &TaskContext) -> Result<Value, TaskFailure> {
    task.emitter().emit(Keep::All, "running");
    while !task.cancelled() {
        thread::sleep(Duration::from_millis(1));
    }
    Err(TaskFailure::cancelled())
}

#[tokio::test]
async fn a_panic_is_a_failure_and_the_next_task_works() {
    let queue = queue();
    let worker = Worker::new(Arc::clone(&queue))
        .handle("panic", |task| match task.record().args[0].as_u64() {
            Some(n) => panic!("cannot do {n}"),
            None => panic!("cannot do that"),
        })
        .handle("work", |_| Ok(json!("fine")));
    let worker = Running::start(worker);
    for (arg, message) in [(json!(7), "cannot do 7"), (json!("x"), "cannot do that")] {
        let id = queue.submit(NewTask::new("panic").arg(arg)).await.unwrap();
        let (record, log) = end_of(&queue, id).await;
        assert_eq!(record.state, State::Failure);
        assert_eq!(record.error, Some(TaskFailure::new("TASK_PANICKED", message)));
        assert_eq!(log.last().unwrap().details["message"], message);
    }
    let work = submit(&queue, "work").await;
    let (record, _) = end_of(&queue, work).await;
    assert_eq!((record.state, record.result), (State::Success, Some(json!("fine"))));
    worker.stop().await;
}

#[tokio::test]
async fn errors_and_unknown_names_are_failures() {
    let queue = queue();
    let failure = TaskFailure::new("BROKEN", "it broke").traceback("line 7");
    let returned = failure.clone();
    let worker = Worker::new(Arc::clone(&queue)).handle("fail", move |_| Err(returned.clone()));
    let worker = Running::start(worker);
    let failing = submit(&queue, "fail").await;
    let (record, _) = end_of(&queue, failing).await;
    assert_eq!((record.state, record.error), (State::Failure, Some(failure)));

    let unknown = submit(&queue, "surprise").await;
    let (record, log) = end_of(&queue, unknown).await;
    assert_eq!((record.state, record.attempt), (State::Failure, 1));
    let error = record.error.unwrap();
    assert_eq!(error.code, "UNKNOWN_TASK");
    assert!(error.message.contains("surprise"));
    assert_eq!(log.len(), 3);
    worker.stop().await;
}

#[tokio::test]
async fn a_cancel_request_reaches_a_running_handler_at_once() {
    let queue = queue();
    let worker = Worker::new(Arc::clone(&queue)).handle("ask", until_cancelled).handle("wait", |task| {
        task.emitter().emit(Keep::All, "running");
        tokio::runtime::Handle::current().block_on(task.token().cancelled());
        assert_eq!(task.stop_reason(), Some(StopReason::Cancelled));
        Err(TaskFailure::cancelled())
    });
    let worker = Running::start(worker.lease(LONG, LONG));
    for name in ["ask", "wait"] {
        let id = submit(&queue, name).await;
        heard_of(&queue, id).await;
        let asked = Instant::now();
        assert_eq!(queue.cancel(&id).await, Ok(State::Started));
        let (record, _) = end_of(&queue, id).await;
        assert_eq!(record.state, State::Revoked);
        assert!(asked.elapsed() < LONG / 2, "no heartbeat was waited for");
    }
    worker.stop().await;
}

#[tokio::test]
async fn heartbeats_keep_a_long_task_alive() {
    let queue = queue();
    let ttl = Duration::from_secs(1);
    let worker = Worker::new(Arc::clone(&queue)).handle("long", move |task| {
        thread::sleep(ttl * 5 / 2);
        task.confirm().map_err(|error| TaskFailure::new("LOST", error.to_string()))?;
        Ok(json!(task.attempt()))
    });
    let worker = Running::start(worker.lease(ttl, ttl / 20));
    let id = submit(&queue, "long").await;
    let (record, _) = end_of(&queue, id).await;
    assert_eq!((record.state, record.result), (State::Success, Some(json!(1))));
    assert_eq!(record.lost_leases, 0);
    worker.stop().await;
}

#[tokio::test]
async fn a_lost_lease_stops_the_handler_and_voids_its_result() {
    let queue = queue();
    let (tell, told) = mpsc::channel();
    let worker = Worker::new(Arc::clone(&queue)).handle("work", move |task| {
        if task.attempt() > 1 {
            return Ok(json!("new"));
        }
        until_cancelled(task).unwrap_err();
        let lost = Err(QueueError::StaleLease { id: task.record().id, attempt: 1 });
        task.emitter().emit(Keep::All, "too late");
        assert_eq!((task.confirm(), task.drain()), (lost.clone(), lost));
        tell.send(task.stop_reason()).unwrap();
        Ok(json!("stale"))
    });
    // The lease has run out from the start, and no heartbeat revives it before it is reaped.
    let worker = Running::start(worker.lease(Duration::ZERO, LONG));
    let id = submit(&queue, "work").await;
    heard_of(&queue, id).await;
    assert_eq!(queue.reap(Duration::MAX).await, Ok(1));
    let (record, log) = end_of(&queue, id).await;
    assert_eq!(told.recv(), Ok(Some(StopReason::LeaseLost)));
    assert_eq!((record.attempt, record.lost_leases), (2, 1));
    assert_eq!((record.state, record.result), (State::Success, Some(json!("new"))));
    assert!(log.iter().all(|entry| entry.details != "too late" && entry.details != "stale"));
    worker.stop().await;
}

#[tokio::test]
async fn a_worker_that_is_dropped_stops_its_handlers() {
    let queue = queue();
    let (tell, told) = mpsc::channel();
    let worker = Worker::new(Arc::clone(&queue)).handle("work", move |task| {
        let outcome = until_cancelled(task);
        tell.send(task.stop_reason()).unwrap();
        outcome
    });
    let worker = Running::start(worker);
    let id = submit(&queue, "work").await;
    heard_of(&queue, id).await;
    worker.worker.abort();
    let told = tokio::task::spawn_blocking(move || told.recv_timeout(LONG));
    assert_eq!(told.await.unwrap(), Ok(Some(StopReason::LeaseLost)));
}

#[tokio::test]
async fn a_worker_takes_over_from_a_dead_one() {
    let queue = queue();
    let id = submit(&queue, "work").await;
    let names = [DEFAULT_QUEUE.to_owned()];
    let dead = queue.claim(&WorkerId::new("dead"), &names, Duration::ZERO, LONG).await.unwrap().unwrap();
    let worker = Worker::new(Arc::clone(&queue)).handle("work", |task| Ok(json!(task.attempt())));
    let worker = Running::start(worker.id("alive".into()).lease(LONG, Duration::from_millis(20)));
    let (record, _) = end_of(&queue, id).await;
    assert_eq!((record.state, record.result), (State::Success, Some(json!(2))));
    assert_eq!(record.worker, Some("alive".into()));
    assert!(queue.finish(&dead, Finish::Cancelled).await.is_err());
    worker.stop().await;
}

#[tokio::test]
async fn a_shutdown_gives_the_task_back_and_another_worker_ends_it() {
    let queue = queue();
    let worker = Running::start(Worker::new(Arc::clone(&queue)).slots(2).handle("work", until_cancelled));
    let ids = [submit(&queue, "work").await, submit(&queue, "work").await];
    for id in ids {
        heard_of(&queue, id).await;
    }
    let waiting = submit(&queue, "work").await;
    worker.stop().await;
    for id in ids {
        let record = queue.get(&id).await.unwrap();
        assert_eq!((record.state, record.attempt, record.lost_leases), (State::Pending, 1, 0));
    }
    assert_eq!(queue.get(&waiting).await.unwrap().attempt, 0);

    let worker = Running::start(Worker::new(Arc::clone(&queue)).handle("work", |_| Ok(json!(1))));
    for (id, attempt) in [(ids[0], 2), (ids[1], 2), (waiting, 1)] {
        let (record, _) = end_of(&queue, id).await;
        assert_eq!((record.state, record.attempt), (State::Success, attempt));
    }
    worker.stop().await;
}

#[tokio::test]
async fn a_cancelled_task_is_revoked_at_shutdown_too() {
    let queue = queue();
    let (go, gone) = mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let worker = Worker::new(Arc::clone(&queue)).handle("work", move |task| {
        let outcome = until_cancelled(task);
        gone.lock().unwrap().recv().unwrap();
        outcome
    });
    let worker = Running::start(worker);
    let id = submit(&queue, "work").await;
    heard_of(&queue, id).await;
    worker.shutdown.cancel();
    assert_eq!(queue.cancel(&id).await, Ok(State::Started));
    go.send(()).unwrap();
    worker.stop().await;
    assert_eq!(queue.get(&id).await.unwrap().state, State::Revoked);
}

#[tokio::test]
async fn a_handler_that_does_not_stop_is_left_behind() {
    let queue = queue();
    let (go, gone) = mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let (tell, told) = mpsc::channel();
    let worker =
        Worker::new(Arc::clone(&queue)).grace(Duration::from_millis(50)).handle("work", move |task| {
            task.emitter().emit(Keep::All, "running");
            gone.lock().unwrap().recv().unwrap();
            task.emitter().emit(Keep::All, "too late");
            tell.send((task.confirm(), task.drain())).unwrap();
            Ok(json!("too late"))
        });
    let worker = Running::start(worker);
    let id = submit(&queue, "work").await;
    heard_of(&queue, id).await;
    worker.stop().await;
    let record = queue.get(&id).await.unwrap();
    assert_eq!((record.state, record.lost_leases), (State::Pending, 0));
    let before = queue.read(&id, 0, 100).await.unwrap();

    go.send(()).unwrap();
    let (confirmed, drained) = tokio::task::spawn_blocking(move || told.recv().unwrap()).await.unwrap();
    assert!(confirmed.is_err(), "{confirmed:?}");
    assert!(
        matches!(drained, Err(QueueError::AttemptOver)),
        "what came too late is not in the log: {drained:?}"
    );
    assert_eq!(queue.get(&id).await.unwrap(), record);
    assert_eq!(queue.read(&id, 0, 100).await.unwrap(), before);
}

#[tokio::test]
async fn slots_work_at_the_same_time() {
    let queue = queue();
    let barrier = Barrier::new(3);
    let worker = Worker::new(Arc::clone(&queue)).slots(3).handle("meet", move |_| {
        barrier.wait();
        Ok(json!("met"))
    });
    let worker = Running::start(worker);
    for id in [submit(&queue, "meet").await, submit(&queue, "meet").await, submit(&queue, "meet").await] {
        assert_eq!(end_of(&queue, id).await.0.state, State::Success);
    }
    worker.stop().await;
}

#[tokio::test]
async fn a_handler_reads_its_own_log_before_the_end() {
    const EVENTS: usize = 2500;
    let queue = queue();
    let worker = Worker::new(Arc::clone(&queue)).handle("work", |task| {
        for n in 0..EVENTS {
            task.emitter().emit(Keep::All, &n);
        }
        let log = task.drain().and_then(|()| task.events());
        let log = log.map_err(|error| TaskFailure::new("QUEUE", error.to_string()))?;
        assert_eq!(log.len(), EVENTS + 2);
        Ok(json!(log.last().unwrap().details))
    });
    let worker = Running::start(worker);
    let id = submit(&queue, "work").await;
    let (record, log) = end_of(&queue, id).await;
    assert_eq!(record.result, Some(json!(EVENTS - 1)), "{:?}", record.error);
    for (n, entry) in log[2..EVENTS + 2].iter().enumerate() {
        assert_eq!(entry.details, n);
    }
    worker.stop().await;
}

#[tokio::test]
async fn the_work_goes_on_while_the_queue_is_away() {
    const EVENTS: usize = 100;
    let memory = queue();
    let outage = Arc::new(Outage::new(Arc::clone(&memory)));
    let cut = Arc::clone(&outage);
    let worker = Worker::new(outage).handle("work", move |task| {
        for n in 0..EVENTS {
            match n {
                20 => cut.cut(true),
                80 => {
                    // Back later, while the handler waits for its events to arrive.
                    let cut = Arc::clone(&cut);
                    thread::spawn(move || {
                        thread::sleep(Duration::from_millis(200));
                        cut.cut(false);
                    });
                }
                _ => {}
            }
            task.emitter().emit(Keep::All, &n);
        }
        task.drain().map_err(|error| TaskFailure::new("QUEUE", error.to_string()))?;
        cut.cut(true);
        let back = Arc::clone(&cut);
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(200));
            back.cut(false);
        });
        // Confirmed, and finished, only once the queue is back.
        task.confirm().map_err(|error| TaskFailure::new("QUEUE", error.to_string()))?;
        Ok(json!("done"))
    });
    let worker = Running::start(worker.lease(LONG, Duration::from_millis(50)));
    let id = submit(&memory, "work").await;
    let (record, log) = end_of(&memory, id).await;
    assert_eq!((record.state, record.attempt), (State::Success, 1), "{:?}", record.error);
    assert_eq!(log.len(), EVENTS + 3);
    for (n, entry) in log[2..EVENTS + 2].iter().enumerate() {
        assert_eq!(entry.details, n);
    }
    worker.stop().await;
}

#[tokio::test]
async fn a_failure_that_may_pass_is_tried_again() {
    let queue = queue();
    let worker = Worker::new(Arc::clone(&queue)).handle("work", |task| match task.attempt() {
        3 => Ok(json!("at last")),
        n => Err(TaskFailure::new("BUSY", format!("attempt {n}")).transient()),
    });
    let worker = Running::start(worker);
    let retry = |attempts| Retry::attempts(attempts).pauses(Duration::from_millis(1), LONG);
    let patient = queue.submit(NewTask::new("work").retry(retry(3))).await.unwrap();
    let (record, _) = end_of(&queue, patient).await;
    assert_eq!((record.state, record.attempt, record.failures), (State::Success, 3, 2));
    let hasty = queue.submit(NewTask::new("work").retry(retry(2))).await.unwrap();
    let (record, log) = end_of(&queue, hasty).await;
    assert_eq!((record.state, record.attempt, record.dead), (State::Failure, 2, true));
    assert_eq!(log.last().unwrap().details["message"], "attempt 2");
    worker.stop().await;
}

#[tokio::test]
async fn what_takes_too_long_fails_though_the_queue_is_away_just_then() {
    let memory = queue();
    let outage = Arc::new(Outage::new(Arc::clone(&memory)));
    let cut = Arc::clone(&outage);
    let (go, gone) = mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let worker = Worker::new(outage).lease(LONG, LONG).handle("work", move |_| {
        cut.cut(true);
        thread::sleep(Duration::from_millis(150));
        cut.cut(false);
        let _ = gone.lock().unwrap().recv();
        Ok(json!("too late"))
    });
    let worker = Running::start(worker);
    let limit = Duration::from_millis(100);
    let id = memory.submit(NewTask::new("work").hard_limit(limit)).await.unwrap();
    let (record, _) = end_of(&memory, id).await;
    assert_eq!((record.attempt, record.error.unwrap().code.as_str()), (1, "TIME_LIMIT_EXCEEDED"));
    drop(go);
    worker.stop().await;
}

#[tokio::test]
async fn what_takes_too_long_fails() {
    let queue = queue();
    let worker =
        Worker::new(Arc::clone(&queue)).handle("listens", until_cancelled).handle("does not", |task| {
            while !matches!(task.confirm(), Err(QueueError::StaleLease { .. })) {
                thread::sleep(Duration::from_millis(1));
            }
            task.emitter().emit(Keep::All, "too late");
            Ok(json!("too late"))
        });
    let worker = Running::start(worker);
    let limit = Duration::from_millis(50);
    for task in [
        NewTask::new("listens").soft_limit(limit),
        NewTask::new("listens").soft_limit(limit).hard_limit(LONG),
        NewTask::new("listens").hard_limit(limit),
        NewTask::new("does not").soft_limit(limit / 2).hard_limit(limit),
    ] {
        let id = queue.submit(task.clone()).await.unwrap();
        let (record, log) = end_of(&queue, id).await;
        let code = record.error.map(|error| error.code);
        assert_eq!(
            (record.state, code.as_deref()),
            (State::Failure, Some("TIME_LIMIT_EXCEEDED")),
            "{task:?}"
        );
        assert!(log.iter().all(|entry| entry.details != "too late"));
    }
    let id = queue.submit(NewTask::new("listens").soft_limit(LONG).hard_limit(LONG)).await.unwrap();
    heard_of(&queue, id).await;
    queue.cancel(&id).await.unwrap();
    assert_eq!(end_of(&queue, id).await.0.state, State::Revoked);
    worker.stop().await;
}

#[tokio::test]
async fn a_hard_limit_holds_although_the_queue_is_away() {
    let memory = queue();
    let outage = Arc::new(Outage::new(Arc::clone(&memory)));
    let cut = Arc::clone(&outage);
    let (go, gone) = mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let worker = Worker::new(outage).handle("work", move |_| {
        cut.cut(true);
        let back = Arc::clone(&cut);
        // Long after the limit, when the first call has failed.
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(500));
            back.cut(false);
        });
        gone.lock().unwrap().recv().unwrap();
        Ok(json!("too late"))
    });
    let worker = Running::start(worker.lease(LONG, LONG));
    let limit = Duration::from_millis(50);
    let id = memory.submit(NewTask::new("work").hard_limit(limit)).await.unwrap();
    let begun = Instant::now();
    let (record, log) = end_of(&memory, id).await;
    assert_eq!(record.error.map(|error| error.code).as_deref(), Some("TIME_LIMIT_EXCEEDED"));
    assert_eq!((record.state, record.attempt, record.lost_leases), (State::Failure, 1, 0));
    assert_eq!(log.len(), 3);
    assert!(begun.elapsed() < LONG / 2, "the lease was not waited for");
    go.send(()).unwrap();
    worker.stop().await;
}

#[tokio::test]
async fn labels_wait_for_the_queue_too() {
    let memory = queue();
    let outage = Arc::new(Outage::new(Arc::clone(&memory)));
    let cut = Arc::clone(&outage);
    let worker = Worker::new(outage).handle("work", move |task| {
        cut.cut(true);
        let back = Arc::clone(&cut);
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(200));
            back.cut(false);
        });
        let labels = task.annotate(&[("b".into(), Some("2".into())), ("c".into(), None)].into());
        labels.map(|labels| json!(labels)).map_err(|error| TaskFailure::new("QUEUE", error.to_string()))
    });
    let worker = Running::start(worker);
    let id = memory.submit(NewTask::new("work").label("a", "1").label("c", "3")).await.unwrap();
    let (record, _) = end_of(&memory, id).await;
    let labels = json!({"a": "1", "b": "2"});
    assert_eq!((record.result, json!(record.labels)), (Some(labels.clone()), labels), "{:?}", record.error);
    worker.stop().await;
}

#[tokio::test]
async fn a_success_whose_events_are_lost_is_none() {
    let memory = queue();
    let outage = Arc::new(Outage::new(Arc::clone(&memory)));
    let log = Arc::clone(&outage);
    let worker = Worker::new(outage).handle("work", move |task| {
        task.emitter().emit(Keep::All, "told");
        task.drain().map_err(|error| TaskFailure::new("EARLY", error.to_string()))?;
        log.break_log();
        task.emitter().emit(Keep::All, "lost");
        Ok(json!("done"))
    });
    let worker = Running::start(worker);
    let id = submit(&memory, "work").await;
    let (record, log) = end_of(&memory, id).await;
    assert_eq!((record.state, record.attempt, record.dead), (State::Failure, 1, false));
    assert_eq!(record.error.unwrap().code, "EVENTS_LOST");
    assert_eq!(log.len(), 4, "{log:?}");
    worker.stop().await;
}
