//! A worker of Celery's beside ours, on one Redis and one queue, with the same tasks. Needs redis-server, and Python with Celery in
//! `target/celery`, which `scripts/test` makes.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod redis_server;

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use azura_queue::{
    Broker as _, EventKind, EventLog as _, NewTask, QueueError, RedisQueue, State, TaskContext, TaskFailure,
    TaskId, TaskRecord, Worker,
};
use futures_util::TryStreamExt as _;
use redis::{AsyncCommands as _, Commands as _, aio::MultiplexedConnection};
use redis_server::RedisServer;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_mins(1);
/// How many tasks each side sends.
const COUNT: i64 = 100;
/// After how long Celery's worker takes back what is not acknowledged, where it does.
const VISIBILITY: u64 = 3;
const NEVER: u64 = 3600;

/// Celery, with this file's tasks.
fn celery(words: &[&str], server: &RedisServer, visibility: u64) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python: PathBuf = root.parent().unwrap().join("target/celery/bin/python");
    let mut command = Command::new(python);
    command.args(words).current_dir(root.join("tests/beside"));
    command.env("SOCKET", server.socket()).env("VISIBILITY", visibility.to_string());
    command.env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::null());
    command
}

/// A worker of Celery's that ends with this value, and its processes with it.
struct CeleryWorker(Child);

impl CeleryWorker {
    /// Starts it and waits until it takes tasks, this many at a time.
    async fn start(server: &RedisServer, visibility: u64, slots: usize) -> Self {
        let slots = slots.to_string();
        let words = ["-m", "celery", "-A", "beside", "worker", "-P", "prefork", "-c", &slots, "-l", "INFO"];
        let mut command = celery(&words, server, visibility);
        command.args(["-n", "celery@beside", "--without-gossip", "--without-mingle"]);
        let mut worker =
            Self(command.process_group(0).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
        let said = BufReader::new(worker.0.stderr.take().unwrap());
        let (lines, said_lines) = mpsc::channel();
        thread::spawn(move || said.lines().map_while(Result::ok).try_for_each(|line| lines.send(line).ok()));
        tokio::task::spawn_blocking(move || {
            let mut all = String::new();
            while !all.ends_with(" ready.\n") {
                let line = said_lines.recv_timeout(PATIENCE);
                all += &line.unwrap_or_else(|_| panic!("Celery's worker is not ready: {all}"));
                all += "\n";
            }
            // What it says from now on is read, so that it never waits for a reader.
            thread::spawn(move || said_lines.into_iter().for_each(drop));
        })
        .await
        .unwrap();
        worker
    }
}

impl Drop for CeleryWorker {
    fn drop(&mut self) {
        let group = format!("-{}", self.0.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.0.wait();
    }
}

/// A worker of ours that holds a task until it is killed.
struct Doomed {
    id: TaskId,
    heart: JoinHandle<()>,
}

impl Doomed {
    async fn dies(self) -> TaskId {
        self.heart.abort();
        assert!(self.heart.await.unwrap_err().is_cancelled());
        self.id
    }
}

/// A server, a connection of ours and a plain one.
struct World {
    server: RedisServer,
    queue: Arc<RedisQueue>,
    raw: MultiplexedConnection,
}

impl World {
    async fn new() -> Self {
        let server = RedisServer::start();
        let queue = Arc::new(RedisQueue::connect(server.as_ref()).await.unwrap());
        let client = redis::Client::open(server.as_ref()).unwrap();
        let raw = client.get_multiplexed_async_connection().await.unwrap();
        Self { server, queue, raw }
    }

    /// A worker of ours, with short leases, until the token is cancelled.
    fn work(&self, slots: usize) -> CancellationToken {
        let handler = |what: fn(&TaskContext, &redis::Client) -> Result<Value, TaskFailure>| {
            let client = redis::Client::open(self.server.as_ref()).unwrap();
            move |task: &TaskContext| {
                let mut raw = client.get_connection().unwrap();
                let id = task.record().id.to_string();
                raw.hset::<_, _, _, ()>("by", &id, "azura").unwrap();
                raw.hincr::<_, _, _, ()>("runs", &id, 1).unwrap();
                what(task, &client)
            }
        };
        let shutdown = CancellationToken::new();
        let worker = Worker::new(Arc::clone(&self.queue) as _)
            .slots(slots)
            .lease(Duration::from_secs(2), Duration::from_millis(300))
            .handle(
                "add",
                handler(|task, _| {
                    thread::sleep(Duration::from_millis(10));
                    Ok(json!(task.record().args.iter().filter_map(Value::as_i64).sum::<i64>()))
                }),
            )
            .handle(
                "hold",
                handler(|_, client| {
                    let mut raw = client.get_connection().unwrap();
                    while !raw.exists::<_, bool>("go").unwrap() {
                        thread::sleep(Duration::from_millis(20));
                    }
                    Ok(json!("held by azura"))
                }),
            );
        tokio::spawn(worker.run(shutdown.clone()));
        shutdown
    }

    async fn submit(&self, task: NewTask) -> TaskId {
        self.queue.submit(task).await.unwrap()
    }

    async fn get(&self, id: TaskId) -> TaskRecord {
        self.queue.get(&id).await.unwrap()
    }

    /// Submits a task and claims it, as a worker of ours does while Celery's does not take any.
    async fn claim(&self, task: NewTask) -> Doomed {
        let id = self.submit(task).await;
        let queue = RedisQueue::connect(self.server.as_ref()).await.unwrap();
        let (names, ttl) = (["celery".to_owned()], Duration::from_secs(1));
        let lease = queue.claim(&"doomed".into(), &names, ttl, Duration::ZERO).await.unwrap().unwrap();
        assert_eq!(lease.id(), id);
        let heart = tokio::spawn(async move {
            loop {
                queue.heartbeat(&lease, ttl).await.unwrap();
                tokio::time::sleep(ttl / 4).await;
            }
        });
        Doomed { id, heart }
    }

    /// Leaves a message where a worker of Celery's does that took it and died more than `VISIBILITY` ago.
    async fn leave(&mut self) -> TaskId {
        let (id, tag) = (TaskId::random(), TaskId::random().to_string());
        let message = json!({
            "body": "[[1, 2], {}, {}]",
            "content-type": "application/json",
            "content-encoding": "utf-8",
            "headers": {"lang": "py", "task": "add", "id": id, "root_id": id},
            "properties": {
                "correlation_id": id, "delivery_info": {"exchange": "", "routing_key": "celery"}, "delivery_tag": tag,
                "delivery_mode": 2, "priority": 0,
            },
        });
        let (now, _): (u64, u64) = redis::cmd("TIME").query_async(&mut self.raw).await.unwrap();
        let mut both = redis::pipe();
        both.atomic().hset("unacked", &tag, json!([message, "", "celery"]).to_string());
        both.zadd("unacked_index", &tag, now - VISIBILITY - 1);
        both.query_async::<()>(&mut self.raw).await.unwrap();
        id
    }

    /// Takes back the only reservation that there is, as a worker of Celery's does.
    async fn take_back_as_celery(&mut self) {
        let all: HashMap<String, String> = self.raw.hgetall("unacked").await.unwrap();
        let (tag, reserved) = all.into_iter().next().unwrap();
        let mut reserved: Value = serde_json::from_str(&reserved).unwrap();
        let mut message = reserved[0].take();
        message["headers"]["redelivered"] = json!(true);
        message["properties"]["delivery_info"]["redelivered"] = json!(true);
        let mut all = redis::pipe();
        all.atomic().zrem("unacked_index", &tag).hdel("unacked", &tag).rpush("celery", message.to_string());
        all.query_async::<()>(&mut self.raw).await.unwrap();
    }

    /// How often a task was run, and by whom at last.
    async fn runs(&mut self, id: TaskId) -> (u32, String) {
        let id = id.to_string();
        let count: Option<u32> = self.raw.hget("runs", &id).await.unwrap();
        let by: Option<String> = self.raw.hget("by", &id).await.unwrap();
        (count.unwrap_or(0), by.unwrap_or_default())
    }

    async fn is_run_once_by(&mut self, id: TaskId, by: &str) {
        let end = Instant::now() + PATIENCE;
        while self.runs(id).await.0 == 0 {
            assert!(Instant::now() < end, "nobody runs it");
            pause().await;
        }
        assert_eq!(self.runs(id).await, (1, by.to_owned()));
    }

    /// Looks for so long whether it is run again.
    async fn is_not_run_again(&mut self, id: TaskId, how_long: Duration) {
        let end = Instant::now() + how_long;
        while Instant::now() < end {
            assert_eq!(self.runs(id).await.0, 1, "it is run again");
            pause().await;
        }
    }

    /// What Celery's clients see of a task.
    async fn said(&mut self, id: TaskId) -> String {
        self.raw.get(format!("celery-task-meta-{id}")).await.unwrap()
    }

    async fn let_go(&mut self) {
        self.raw.set::<_, _, ()>("go", 1).await.unwrap();
    }

    /// Reaps until it has ended.
    async fn ends(&self, id: TaskId) -> TaskRecord {
        let end = Instant::now() + PATIENCE;
        loop {
            let record = self.get(id).await;
            if record.state.is_terminal() {
                return record;
            }
            assert!(Instant::now() < end, "it does not end: {record:?}");
            self.queue.reap(Duration::MAX).await.unwrap();
            pause().await;
        }
    }

    /// Nothing waits, and nobody has anything.
    async fn is_empty(&mut self) {
        let end = Instant::now() + PATIENCE;
        loop {
            let waiting: usize = self.raw.llen("celery").await.unwrap();
            let held: usize = self.raw.hlen("unacked").await.unwrap();
            let index: usize = self.raw.zcard("unacked_index").await.unwrap();
            if (waiting, held, index) == (0, 0, 0) {
                return;
            }
            assert!(Instant::now() < end, "{waiting} wait, {held} and {index} are held");
            pause().await;
        }
    }
}

async fn pause() {
    tokio::time::sleep(Duration::from_millis(50)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis-server, and Celery in target/celery; scripts/test runs it"]
async fn every_task_ends_once_whoever_sends_it_and_whoever_does_it() {
    let mut world = World::new().await;
    let _celery = CeleryWorker::start(&world.server, NEVER, 2).await;
    let shutdown = world.work(2);
    let mut client = celery(&["beside.py"], &world.server, NEVER);
    let client = tokio::task::spawn_blocking(move || client.output().unwrap());
    while !world.raw.exists::<_, bool>("listening").await.unwrap() {
        assert!(!client.is_finished());
        pause().await;
    }
    let mut wanted: HashMap<TaskId, i64> = HashMap::new();
    for n in 0..COUNT {
        let id = world.submit(NewTask::new("add").arg(n).arg(2)).await;
        world.raw.rpush::<_, _, ()>("ours", format!("{id} {}", n + 2)).await.unwrap();
        wanted.insert(id, n + 2);
    }
    let output = client.await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));

    for (id, value) in &wanted {
        let record = world.ends(*id).await;
        assert_eq!((record.state, record.result), (State::Success, Some(json!(value))));
    }
    for line in said.lines() {
        let (id, value) = line.split_once(' ').unwrap();
        wanted.insert(id.parse().unwrap(), value.parse().unwrap());
    }
    assert_eq!(wanted.len() as i64, 2 * COUNT);
    let mut done: HashMap<String, i64> = HashMap::new();
    for (id, value) in &wanted {
        let (count, by) = world.runs(*id).await;
        assert_eq!(count, 1, "{id} was run by {by} at last");
        match world.queue.get(id).await {
            // It was done here; or it was seen here, and what Celery's worker said of it is taken over.
            Ok(_) => {
                let record = world.ends(*id).await;
                assert_eq!((record.state, record.result), (State::Success, Some(json!(value))));
            }
            // Celery's client sent it to Celery's worker.
            Err(error) => assert!(error == QueueError::NotFound(*id) && by == "celery", "{by}: {error}"),
        }
        *done.entry(by).or_default() += 1;
    }
    // Both had a part in it.
    assert_eq!(done.len(), 2, "{done:?}");
    assert_eq!(world.raw.hlen::<_, i64>("runs").await.unwrap(), 2 * COUNT);
    world.is_empty().await;
    shutdown.cancel();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis-server, and Celery in target/celery; scripts/test runs it"]
async fn what_a_worker_of_ours_holds_is_left_to_it() {
    let mut world = World::new().await;
    let shutdown = world.work(1);
    let held = world.submit(NewTask::new("hold")).await;
    world.is_run_once_by(held, "azura").await;
    let _celery = CeleryWorker::start(&world.server, VISIBILITY, 1).await;
    // Celery's worker does take back what nobody renews.
    let left = world.leave().await;
    world.is_run_once_by(left, "celery").await;
    world.is_not_run_again(held, Duration::from_secs(8)).await;
    world.let_go().await;
    let record = world.ends(held).await;
    assert_eq!((record.state, record.result), (State::Success, Some(json!("held by azura"))));
    world.is_empty().await;
    assert_eq!(world.runs(held).await.0, 1);
    shutdown.cancel();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis-server, and Celery in target/celery; scripts/test runs it"]
async fn what_a_worker_of_celery_s_holds_is_left_to_it() {
    let mut world = World::new().await;
    let _celery = CeleryWorker::start(&world.server, NEVER, 1).await;
    let held = world.submit(NewTask::new("hold")).await;
    world.is_run_once_by(held, "celery").await;
    // Ours does take back what nobody renews.
    let left = world.claim(NewTask::new("add").arg(1).arg(2)).await.dies().await;
    let shutdown = world.work(1);
    world.is_run_once_by(left, "azura").await;
    world.is_not_run_again(held, Duration::from_secs(6)).await;
    assert_eq!(world.get(held).await.state, State::Pending);
    world.let_go().await;
    let record = world.ends(held).await;
    assert_eq!((record.state, record.result), (State::Success, Some(json!("held by celery"))));
    world.is_empty().await;
    assert_eq!(world.runs(held).await.0, 1);
    shutdown.cancel();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis-server, and Celery in target/celery; scripts/test runs it"]
async fn what_a_killed_worker_of_ours_held_comes_back_once() {
    let mut world = World::new().await;
    let mut doomed = Vec::new();
    for n in 0..20 {
        doomed.push(world.claim(NewTask::new("add").arg(n).arg(2)).await);
    }
    let _celery = CeleryWorker::start(&world.server, VISIBILITY, 1).await;
    let mut ids = Vec::new();
    for doomed in doomed {
        ids.push(doomed.dies().await);
    }
    // Each side takes them back by its own rule, ours is the faster one; then whoever comes has them.
    let shutdown = world.work(1);
    for (n, id) in ids.iter().enumerate() {
        let record = world.ends(*id).await;
        assert_eq!(
            (record.state, record.result, record.lost_leases),
            (State::Success, Some(json!(n + 2)), 1)
        );
    }
    tokio::time::sleep(Duration::from_secs(VISIBILITY + 2)).await;
    for id in ids {
        assert_eq!(world.runs(id).await.0, 1, "it was run again");
    }
    world.is_empty().await;
    shutdown.cancel();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis-server, and Celery in target/celery; scripts/test runs it"]
async fn what_celery_took_over_from_a_killed_worker_of_ours_is_not_done_again() {
    let mut world = World::new().await;
    let doomed = world.claim(NewTask::new("add").arg(1).arg(2)).await;
    let _celery = CeleryWorker::start(&world.server, VISIBILITY, 1).await;
    let id = doomed.dies().await;
    // Nobody of ours is there until Celery's worker has taken it back and done it.
    world.is_run_once_by(id, "celery").await;
    world.is_empty().await;
    let shutdown = world.work(1);
    let record = world.ends(id).await;
    assert_eq!((record.state, record.result, record.lost_leases), (State::Success, Some(json!(3)), 1));
    world.is_not_run_again(id, Duration::from_secs(2)).await;
    assert!(world.said(id).await.contains("\"status\": \"SUCCESS\""));
    world.is_empty().await;
    shutdown.cancel();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis-server, and Celery in target/celery; scripts/test runs it"]
async fn what_celery_took_over_from_a_killed_worker_of_ours_is_left_to_it() {
    let mut world = World::new().await;
    let doomed = world.claim(NewTask::new("hold")).await;
    let _celery = CeleryWorker::start(&world.server, NEVER, 1).await;
    let id = doomed.dies().await;
    world.take_back_as_celery().await;
    world.is_run_once_by(id, "celery").await;
    let shutdown = world.work(1);
    world.is_not_run_again(id, Duration::from_secs(3)).await;
    assert_eq!(world.get(id).await.state, State::Pending);
    world.let_go().await;
    let record = world.ends(id).await;
    assert_eq!((record.state, record.result), (State::Success, Some(json!("held by celery"))));
    world.is_empty().await;
    assert_eq!(world.runs(id).await.0, 1);
    shutdown.cancel();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis-server, and Celery in target/celery; scripts/test runs it"]
async fn what_a_worker_of_celery_s_does_is_cancelled_and_known_here() {
    let mut world = World::new().await;
    let _celery = CeleryWorker::start(&world.server, NEVER, 1).await;
    let held = world.submit(NewTask::new("hold")).await;
    world.is_run_once_by(held, "celery").await;
    let told = world.queue.follow(&held, 0).await.unwrap();
    assert_eq!(world.queue.cancel(&held).await, Ok(State::Revoked));
    assert_eq!(world.get(held).await.state, State::Revoked);
    let told: Vec<EventKind> = told.map_ok(|entry| entry.kind).try_collect().await.unwrap();
    assert_eq!(told, [EventKind::Pending, EventKind::Revoked]);

    // Its only slot is free again.
    let done = world.submit(NewTask::new("add").arg(1).arg(2)).await;
    let told = world.queue.follow(&done, 0).await.unwrap();
    let record = world.ends(done).await;
    assert_eq!((record.state, record.result, record.attempt), (State::Success, Some(json!(3)), 1));
    let told: Vec<EventKind> = told.map_ok(|entry| entry.kind).try_collect().await.unwrap();
    assert_eq!(told, [EventKind::Pending, EventKind::Started, EventKind::Success]);

    let failed = world.ends(world.submit(NewTask::new("fail")).await).await;
    let TaskFailure { code, message, .. } = failed.error.unwrap();
    assert_eq!((failed.state, code.as_str(), message.as_str()), (State::Failure, "VALUE_ERROR", "no luck"));
    // A late cancel changes nothing.
    assert_eq!(world.queue.cancel(&done).await, Ok(State::Success));
    world.is_empty().await;
    assert!(world.said(held).await.contains("\"status\": \"REVOKED\""));
    assert_eq!(world.runs(held).await.0, 1);
}
