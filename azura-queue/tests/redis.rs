//! The queue in Redis does what every queue must do. Needs redis-server.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod redis_server;

use std::{
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use azura_queue::{
    Change, Entry, EventKind, EventLog as _, Finish, Gone, Keep, NewTask, Queue, QueueError, RedisQueue,
    State, StopReason, TaskContext, TaskFailure, TaskId, Worker,
    conformance::{changes::change, claims::a_lost_lease_is_counted_once_among},
    conformance_suite,
};
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use redis_server::RedisServer;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// An empty queue: a database of its own in a server of its own.
async fn make() -> (RedisServer, Arc<dyn Queue>) {
    let server = RedisServer::start();
    let queue = RedisQueue::connect(server.as_ref()).await.unwrap();
    (server, Arc::new(queue))
}

conformance_suite!(redis, make);

/// What a worker does, as many times as it is asked to: it counts to five.
#[expect(clippy::unnecessary_wraps, reason = "a handler may fail")]
fn count(task: &TaskContext) -> Result<Value, TaskFailure> {
    for n in 1..=5 {
        task.emitter().emit(Keep::All, &json!({"n": n}));
        thread::sleep(Duration::from_millis(100));
    }
    Ok(json!(5))
}

/// The log of a task that counted: in one attempt, nothing missing, nothing twice.
fn assert_counted(log: &[Entry]) {
    let seqs: Vec<_> = log.iter().filter_map(|entry| entry.seq).collect();
    assert_eq!(seqs, (1..=8).collect::<Vec<_>>(), "{log:?}");
    let said: Vec<_> =
        log.iter().filter(|entry| entry.kind == EventKind::Progress).map(|e| &e.details["n"]).collect();
    assert_eq!(said, [1, 2, 3, 4, 5]);
    assert_eq!(log.last().unwrap().kind, EventKind::Success);
}

/// A worker, a task under way, and somebody who watches it from another connection.
async fn under_way(
    server: &RedisServer,
) -> (TaskId, JoinHandle<Vec<Entry>>, CancellationToken, Arc<dyn Queue>) {
    let queue: Arc<dyn Queue> = Arc::new(RedisQueue::connect(server.as_ref()).await.unwrap());
    let shutdown = CancellationToken::new();
    tokio::spawn(Worker::new(Arc::clone(&queue)).handle("count", count).run(shutdown.clone()));
    let watcher = RedisQueue::connect(server.as_ref()).await.unwrap();
    let id = queue.submit(NewTask::new("count")).await.unwrap();
    let mut told = watcher.follow(&id, 0).await.unwrap();
    let mut log = Vec::new();
    while log.last().is_none_or(|entry: &Entry| entry.kind != EventKind::Progress) {
        log.push(told.next().await.unwrap().unwrap());
    }
    let watching = tokio::spawn(async move {
        while let Some(entry) = told.next().await {
            log.push(entry.unwrap());
        }
        drop(watcher);
        log
    });
    (id, watching, shutdown, queue)
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_mins(1), future).await.expect("this happens soon")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_redis_is_waited_out() {
    let mut server = RedisServer::start();
    let (id, watching, shutdown, queue) = under_way(&server).await;
    server.stop();
    assert!(matches!(queue.get(&id).await, Err(QueueError::Unavailable(_))));
    // Longer than the work takes: what happened meanwhile arrives when Redis is back.
    tokio::time::sleep(Duration::from_secs(1)).await;
    server.start_again();
    assert_counted(&soon(watching).await.unwrap());
    let again = soon(async {
        loop {
            match queue.submit(NewTask::new("count")).await {
                Err(QueueError::Unavailable(_)) => tokio::time::sleep(Duration::from_millis(20)).await,
                submitted => break submitted.unwrap(),
            }
        }
    });
    let again = again.await;
    let told: Vec<Entry> = soon(queue.follow(&again, 0).await.unwrap().try_collect()).await.unwrap();
    assert_counted(&told);
    shutdown.cancel();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_watches_everything_hears_of_others_and_of_what_was_missed() {
    let mut server = RedisServer::start();
    let here: Arc<dyn Queue> = Arc::new(RedisQueue::connect(server.as_ref()).await.unwrap());
    let there = RedisQueue::connect(server.as_ref()).await.unwrap();
    let mut changes = there.follow_all().await.unwrap();
    let id = here.submit(NewTask::new("count")).await.unwrap();
    assert_eq!(change(&mut changes).await, Change::Task(id));
    assert_eq!(here.cancel(&id).await, Ok(State::Revoked));
    assert_eq!(change(&mut changes).await, Change::Task(id));
    let gone = Gone::of(&here.get(&id).await.unwrap());
    here.delete(&id).await.unwrap();
    assert_eq!(change(&mut changes).await, Change::Deleted(gone));

    server.stop();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(changes.next().now_or_never().is_none(), "it waits");
    server.start_again();
    assert_eq!(change(&mut changes).await, Change::Missed);
    let next = soon(async {
        loop {
            match here.submit(NewTask::new("count")).await {
                Err(QueueError::Unavailable(_)) => tokio::time::sleep(Duration::from_millis(20)).await,
                submitted => break submitted.unwrap(),
            }
        }
    });
    let next = next.await;
    assert_eq!(change(&mut changes).await, Change::Task(next));
    server.kill_connections();
    assert_eq!(change(&mut changes).await, Change::Missed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_killed_are_made_again() {
    let server = RedisServer::start();
    let (id, watching, shutdown, queue) = under_way(&server).await;
    for _ in 0..5 {
        server.kill_connections();
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    assert_counted(&soon(watching).await.unwrap());
    assert_eq!(soon(queue.get(&id)).await.unwrap().state, State::Success);
    shutdown.cancel();
}

/// How many commands the server is given in three seconds.
async fn commands(server: &RedisServer) -> u64 {
    let client = ::redis::Client::open(server.as_ref()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut counts = Vec::new();
    for _ in 0..2 {
        let stats: String = ::redis::cmd("INFO").arg("stats").query_async(&mut connection).await.unwrap();
        let count = stats.lines().find_map(|line| line.strip_prefix("total_commands_processed:"));
        counts.push(count.unwrap().parse::<u64>().unwrap());
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    counts[1] - counts[0]
}

/// What befalls a Redis that has no copy of its data, in the middle of everything.
async fn what_redis_loses_is_gone_and_all_else_goes_on(lose: impl FnOnce(&mut RedisServer)) {
    let mut server = RedisServer::start();
    let queue: Arc<dyn Queue> = Arc::new(RedisQueue::connect(server.as_ref()).await.unwrap());
    let watcher = RedisQueue::connect(server.as_ref()).await.unwrap();
    let (tell, told) = mpsc::channel();
    let worker =
        Worker::new(Arc::clone(&queue)).slots(3).handle("count", count).handle("wait", move |task| {
            task.emitter().emit(Keep::All, "begun");
            while !task.cancelled() {
                thread::sleep(Duration::from_millis(1));
            }
            task.emitter().emit(Keep::All, "too late");
            tell.send((task.stop_reason(), task.drain(), task.confirm())).unwrap();
            Ok(json!("too late"))
        });
    let shutdown = CancellationToken::new();
    let worker = tokio::spawn(worker.run(shutdown.clone()));

    let done = queue.submit(NewTask::new("count")).await.unwrap();
    let _: Vec<Entry> = soon(queue.follow(&done, 0).await.unwrap().try_collect()).await.unwrap();
    let id = queue.submit(NewTask::new("wait")).await.unwrap();
    let waiting = queue.submit(NewTask::new("count").delay(Duration::from_hours(1))).await.unwrap();
    let mut watching = watcher.follow(&id, 0).await.unwrap();
    while soon(watching.next()).await.unwrap().unwrap().kind != EventKind::Progress {}

    lose(&mut server);
    let lost = Instant::now();
    assert_eq!(soon(watching.next()).await, Some(Err(QueueError::NotFound(id))));
    assert_eq!(watching.next().await, None);
    let told = tokio::task::spawn_blocking(move || told.recv_timeout(Duration::from_mins(1)).unwrap());
    let stale = Err(QueueError::StaleLease { id, attempt: 1 });
    assert_eq!(told.await.unwrap(), (Some(StopReason::LeaseLost), stale.clone(), stale));
    // A watcher looks by itself every 5 s, and a worker beats its heart as often.
    assert!(lost.elapsed() < Duration::from_secs(12), "{:?}", lost.elapsed());
    for id in [done, id, waiting] {
        assert_eq!(queue.get(&id).await, Err(QueueError::NotFound(id)));
        assert_eq!(watcher.follow(&id, 0).await.err(), Some(QueueError::NotFound(id)));
    }

    // The same worker does what comes now, and it is there again.
    let next = queue.submit(NewTask::new("count")).await.unwrap();
    let log: Vec<Entry> = soon(watcher.follow(&next, 0).await.unwrap().try_collect()).await.unwrap();
    assert_counted(&log);
    while queue.workers().await.unwrap().is_empty() {
        assert!(lost.elapsed() < Duration::from_secs(30), "the worker says that it is there");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let commands = commands(&server).await;
    assert!(commands < 300, "nobody is in a hurry: {commands} commands in three seconds");
    shutdown.cancel();
    soon(worker).await.unwrap();
    assert_eq!(queue.stats().await, Ok(vec![]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_flushed_is_a_new_one() {
    what_redis_loses_is_gone_and_all_else_goes_on(|server| drop(server.command(&["FLUSHALL"]))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_comes_back_empty_is_a_new_one() {
    what_redis_loses_is_gone_and_all_else_goes_on(RedisServer::lose).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_lease_is_counted_once_among_connections() {
    let server = RedisServer::start();
    let mut ways: Vec<Arc<dyn Queue>> = Vec::new();
    for _ in 0..4 {
        ways.push(Arc::new(RedisQueue::connect(server.as_ref()).await.unwrap()));
    }
    a_lost_lease_is_counted_once_among(ways).await;
}

#[tokio::test]
async fn a_redis_that_is_not_there_is_said_to_be_not_there() {
    for url in ["redis://127.0.0.1:1/0", "unix:///no/such/socket"] {
        let error = RedisQueue::connect(url).await.unwrap_err();
        assert!(error.is_transient(), "{error:?}");
    }
    let error = RedisQueue::connect("http://127.0.0.1").await.unwrap_err();
    assert!(!error.is_transient(), "{error:?}");
}

/// `[[7], {}, {"chain": [{"task": "second", "args": ["more"], "options": {"task_id": ".."}, ..}], ..}]` in base64.
const CHAIN: &str = "W1s3XSwge30sIHsiY2FsbGJhY2tzIjogbnVsbCwgImVycmJhY2tzIjogbnVsbCwgImNob3JkIjogbnVsbCwgImNoYWluIjogW3sidGFzayI6ICJzZWNvbmQiLCAiYXJncyI6IFsibW9yZSJdLCAia3dhcmdzIjoge30sICJvcHRpb25zIjogeyJ0YXNrX2lkIjogIjUwNGJlZTg4LTY5ODAtNGMwMS1iYzJkLTcyZTlmZmY0YTlhNiJ9LCAic3VidGFza190eXBlIjogbnVsbCwgImltbXV0YWJsZSI6IGZhbHNlfV19XQ==";

#[tokio::test]
async fn the_rest_of_a_chain_outlives_an_attempt() {
    let server = RedisServer::start();
    let queue: Arc<dyn Queue> = Arc::new(RedisQueue::connect(server.as_ref()).await.unwrap());
    let id = TaskId::random();
    let message = json!({
        "body": CHAIN,
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"lang": "py", "task": "first", "id": id, "root_id": id},
        "properties": {
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": "celery"},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": "a tag",
        },
    });
    server.command(&["LPUSH", "celery", &message.to_string()]);
    let claim = async |ttl| {
        let names = ["celery".to_owned()];
        queue.claim(&"tester".into(), &names, ttl, Duration::from_secs(10)).await.unwrap().unwrap()
    };
    let lost = claim(Duration::ZERO).await;
    assert_eq!((lost.id(), lost.attempt(), &lost.task.args[..]), (id, 1, &[json!(7)][..]));
    assert_eq!(queue.reap(Duration::MAX).await, Ok(1));
    let lease = claim(Duration::from_mins(1)).await;
    assert_eq!((lease.id(), lease.attempt(), &lease.task.args[..]), (id, 2, &[json!(7)][..]));
    queue.finish(&lease, Finish::Succeeded(json!("done"))).await.unwrap();
    let next = claim(Duration::from_mins(1)).await;
    assert_eq!(
        (next.task.name.as_str(), &next.task.args[..]),
        ("second", &[json!("done"), json!("more")][..])
    );
    assert_eq!(next.id().to_string(), "504bee88-6980-4c01-bc2d-72e9fff4a9a6");
}
