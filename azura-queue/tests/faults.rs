//! Clients of Redis over a line that is bad: whatever is lost on the way, nothing is lost in the end and nothing is done twice.
//! Needs redis-server.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod proxy;
mod random;
mod redis_server;

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use azura_queue::{
    Entry, EventKind, Finish, Keep, Lease, NewEvent, NewTask, Queue, QueueError, RedisQueue, State,
    TaskContext, TaskFailure, TaskId, Worker, WorkerId, WorkerInfo,
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use futures_util::StreamExt as _;
use proxy::{Faults, Proxy, Use};
use random::Random;
use redis::{AsyncCommands as _, aio::MultiplexedConnection};
use redis_server::RedisServer;
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

const LONG: Duration = Duration::from_mins(1);
/// What is waited for, and what is told at once, is far from each other: who hears nothing looks again after 5 s.
const AT_ONCE: Duration = Duration::from_secs(1);
/// How far a task counts.
const COUNT: u64 = 20;

/// What is bound to happen is waited for, but not for ever.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(2 * LONG, future).await.expect("this happens soon")
}

/// Repeats a call for as long as the line is bad.
async fn insist<T, F>(mut call: impl FnMut() -> F) -> Result<T, QueueError>
where
    F: Future<Output = Result<T, QueueError>>,
{
    loop {
        match call().await {
            Err(error) if error.is_transient() => sleep(Duration::from_millis(20)).await,
            answer => return answer,
        }
    }
}

async fn connect(url: &str) -> Arc<dyn Queue> {
    Arc::new(insist(|| RedisQueue::connect(url)).await.unwrap())
}

#[expect(clippy::unnecessary_wraps, reason = "a handler may fail")]
fn count(task: &TaskContext) -> Result<Value, TaskFailure> {
    for n in 1..=COUNT {
        task.emitter().emit(Keep::All, &json!({"n": n}));
        task.emitter().emit(Keep::Newest, &json!({"part of": n}));
        thread::sleep(Duration::from_millis(5));
    }
    Ok(json!(COUNT))
}

/// The log of a task that counted: each attempt from the start, the last one to the end, and nothing missing or twice.
fn assert_counted(log: &[Entry]) {
    let seqs: Vec<_> = log.iter().map(|entry| entry.seq).collect();
    assert_eq!(seqs, (1..=log.len() as u64).map(Some).collect::<Vec<_>>(), "{log:?}");
    let ends = log.iter().filter(|entry| entry.kind.is_terminal()).count();
    assert_eq!((ends, log.last().unwrap().kind), (1, EventKind::Success), "{log:?}");
    let last = log.last().unwrap().attempt;
    for attempt in 1..=last {
        let of = || log.iter().filter(|entry| entry.attempt == attempt);
        assert_eq!(of().filter(|entry| entry.kind == EventKind::Started).count(), 1, "{log:?}");
        let said: Vec<u64> = of()
            .filter(|entry| entry.kind == EventKind::Progress)
            .map(|entry| entry.details["n"].as_u64().unwrap())
            .collect();
        let whole = if attempt == last { COUNT } else { said.len() as u64 };
        assert_eq!(said, (1..=whole).collect::<Vec<_>>(), "{log:?}");
    }
}

/// What somebody sees who follows a task from its first event to its last.
async fn watch(queue: Arc<dyn Queue>, id: TaskId) -> (TaskId, Vec<Entry>) {
    let stream = insist(|| queue.follow(&id, 0)).await.unwrap();
    (id, stream.map(Result::unwrap).filter(|entry| std::future::ready(entry.seq.is_some())).collect().await)
}

/// How many lines are tried, from `AZURA_SEEDS`.
#[expect(clippy::disallowed_methods, reason = "the long form of this test is one parameter away")]
fn seeds() -> u64 {
    std::env::var("AZURA_SEEDS").map_or(2, |seeds| seeds.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_are_done_over_a_line_that_is_slow_and_cut() {
    const TASKS: usize = 24;
    for seed in 1..=seeds() {
        println!("line {seed}");
        let server = RedisServer::start();
        let line = Proxy::start(&server.socket(), seed);
        let shutdown = CancellationToken::new();
        let mut workers = JoinSet::new();
        for _ in 0..2 {
            let worker = Worker::new(connect(line.url()).await).handle("count", count).slots(3);
            let worker = worker.lease(Duration::from_secs(3), Duration::from_millis(500));
            workers.spawn(worker.run(shutdown.clone()));
        }
        let (submitter, watcher) = (connect(line.url()).await, connect(line.url()).await);
        line.faults(Faults { delay: Duration::from_millis(4), cut: 25 });
        // A storm that never ended would let nobody through: those who try again do so every two seconds.
        let storm = async {
            let mut random = Random(seed);
            for _ in 0..20 {
                sleep(Duration::from_millis(400).mul_f64(random.next())).await;
                line.refuse(random.next() < 0.3);
                line.cut();
                sleep(Duration::from_millis(150).mul_f64(random.next())).await;
                line.refuse(false);
            }
        };
        let working = async {
            let mut watching = JoinSet::new();
            for _ in 0..TASKS {
                let id = TaskId::random();
                match insist(|| submitter.submit(NewTask::new("count").id(id))).await {
                    // It had been done, and its answer was lost.
                    Ok(_) | Err(QueueError::Duplicate(_)) => {}
                    Err(error) => panic!("{error}"),
                }
                watching.spawn(watch(Arc::clone(&watcher), id));
            }
            watching.join_all().await
        };
        let (seen, ()) = soon(async { tokio::join!(working, storm) }).await;
        line.faults(Faults::default());
        shutdown.cancel();
        soon(workers.join_all()).await;

        let direct = connect(server.as_ref()).await;
        let mut attempts = 0;
        for (id, seen) in seen {
            let (record, log) =
                (direct.get(&id).await.unwrap(), direct.read(&id, 0, usize::MAX).await.unwrap());
            assert_counted(&log);
            assert_eq!(seen, log);
            assert_eq!((record.state, &record.result), (State::Success, &Some(json!(COUNT))));
            assert_eq!(record.attempt, record.lost_leases + 1);
            attempts += record.attempt;
        }
        assert_eq!(direct.stats().await, Ok(vec![]));
        let parts = line.parts();
        println!("line {seed}: {TASKS} tasks in {attempts} attempts, past {parts} half requests and answers");
        assert!(parts > 10, "the line was bad");
    }
}

/// A queue in Redis, the line to it, and another way there that is always good.
struct Apart {
    line: Proxy,
    far: Arc<dyn Queue>,
    near: Arc<dyn Queue>,
    /// Somebody who speaks Redis, as Celery does.
    celery: MultiplexedConnection,
    _server: RedisServer,
}

impl Apart {
    async fn new() -> Self {
        let server = RedisServer::start();
        let line = Proxy::start(&server.socket(), 1);
        let client = redis::Client::open(server.as_ref()).unwrap();
        let celery = client.get_multiplexed_async_connection().await.unwrap();
        let (far, near) = (connect(line.url()).await, connect(server.as_ref()).await);
        Self { line, far, near, celery, _server: server }
    }

    /// A lease that somebody near has, on a task of its own.
    async fn lease(&self) -> Lease {
        let name = TaskId::random().to_string();
        self.near.submit(NewTask::new("work").queue(&name)).await.unwrap();
        claim(&self.near, name).await.unwrap().unwrap()
    }

    /// How long it takes until a follower is told of something.
    async fn tells_followers(&self) -> Duration {
        let lease = self.lease().await;
        let id = lease.id();
        let mut told = insist(|| self.far.follow(&id, lease.seq)).await.unwrap();
        let next = tokio::spawn(async move { told.next().await.unwrap().unwrap() });
        sleep(Duration::from_millis(300)).await;
        let begun = Instant::now();
        self.near.append(&lease, lease.seq, &[event(1)]).await.unwrap();
        assert_eq!(soon(next).await.unwrap().details, json!({"n": 1}));
        let took = begun.elapsed();
        self.near.finish(&lease, Finish::Cancelled).await.unwrap();
        took
    }

    /// How long it takes until a claim that waits is told of a task that one of us submits.
    async fn tells_claims(&self) -> Duration {
        let (far, name) = (Arc::clone(&self.far), TaskId::random().to_string());
        let claiming = tokio::spawn({
            let name = name.clone();
            async move { insist(|| claim(&far, name.clone())).await.unwrap().unwrap() }
        });
        sleep(Duration::from_millis(300)).await;
        let begun = Instant::now();
        self.near.submit(NewTask::new("work").queue(name)).await.unwrap();
        let lease = soon(claiming).await.unwrap();
        let took = begun.elapsed();
        self.near.finish(&lease, Finish::Cancelled).await.unwrap();
        took
    }

    /// How long it takes until a claim that waits is told of a message that Celery puts into this queue.
    async fn hears_celery_s_tasks(&self, name: &str) -> Duration {
        let far = Arc::clone(&self.far);
        let owned = name.to_owned();
        let claiming =
            tokio::spawn(async move { insist(|| claim(&far, owned.clone())).await.unwrap().unwrap() });
        sleep(Duration::from_millis(300)).await;
        let begun = Instant::now();
        let message = envelope(
            &json!([[], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]),
            &json!({"lang": "py", "task": "work", "id": TaskId::random()}),
        );
        let _: i64 = self.celery.clone().lpush(name, message).await.unwrap();
        let lease = soon(claiming).await.unwrap();
        let took = begun.elapsed();
        self.near.finish(&lease, Finish::Cancelled).await.unwrap();
        took
    }

    /// How long it takes until a ping on Celery's control channel is answered, if that is at once.
    async fn answers_celery(&self) -> Option<Duration> {
        let key = TaskId::random().to_string();
        let ping = envelope(
            &json!({
                "method": "ping", "arguments": {}, "destination": null, "ticket": key,
                "reply_to": {"exchange": "reply.celery.pidbox", "routing_key": key},
            }),
            &json!({"clock": 1}),
        );
        let begun = Instant::now();
        let _: i64 = self.celery.clone().publish("/0.celery.pidbox", ping).await.unwrap();
        while begun.elapsed() < AT_ONCE {
            let reply: Option<String> =
                self.celery.clone().rpop(format!("{key}.reply.celery.pidbox"), None).await.unwrap();
            if let Some(reply) = reply {
                let body: Value = serde_json::from_str(&reply).unwrap();
                let body = BASE64.decode(body["body"].as_str().unwrap()).unwrap();
                let body: Value = serde_json::from_slice(&body).unwrap();
                assert_eq!(body, json!({"far": {"ok": "pong"}}));
                return Some(begun.elapsed());
            }
            sleep(Duration::from_millis(5)).await;
        }
        None
    }

    /// What is told late, or not at all.
    async fn deaf(&self, name: &str) -> Vec<&'static str> {
        // By itself: whatever one of us does wakes every claim.
        let tasks = self.hears_celery_s_tasks(name).await;
        let (followers, claims, control) =
            tokio::join!(self.tells_followers(), self.tells_claims(), self.answers_celery());
        let late = [
            ("a follower", followers > AT_ONCE),
            ("a claim", claims > AT_ONCE),
            ("a claim of what Celery sends", tasks > AT_ONCE),
            ("Celery's control channel", control.is_none()),
        ];
        late.into_iter().filter(|(_, late)| *late).map(|(what, _)| what).collect()
    }
}

async fn claim(queue: &Arc<dyn Queue>, name: String) -> Result<Option<Lease>, QueueError> {
    queue.claim(&WorkerId::new("far"), &[name], LONG, LONG).await
}

fn event(n: u64) -> NewEvent {
    NewEvent::new(Keep::All, json!({"n": n}))
}

fn envelope(body: &Value, headers: &Value) -> String {
    json!({
        "body": BASE64.encode(body.to_string()),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": headers,
        "properties": {"delivery_tag": TaskId::random(), "priority": 0, "body_encoding": "base64"},
    })
    .to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verb_whose_answer_was_lost_is_done_once() {
    verbs_are_done_once_although_of_each_answer_comes(0.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verb_whose_answer_was_cut_is_done_once() {
    verbs_are_done_once_although_of_each_answer_comes(0.5).await;
}

async fn verbs_are_done_once_although_of_each_answer_comes(part: f64) {
    let apart = Apart::new().await;
    let Apart { line, far, near, .. } = &apart;
    let worker = WorkerId::new("far");
    let names = ["celery".to_owned()];
    // Whatever a verb needs is there, so that the first answer is its own.
    let warm = near.submit(NewTask::new("warm")).await.unwrap();
    let lease = near.claim(&worker, &names, Duration::ZERO, LONG).await.unwrap().unwrap();
    near.append(&lease, lease.seq, &[event(0)]).await.unwrap();
    near.heartbeat(&lease, Duration::ZERO).await.unwrap();
    assert_eq!(near.reap(Duration::MAX).await, Ok(1));
    let lease = near.claim(&worker, &names, LONG, LONG).await.unwrap().unwrap();
    near.finish(&lease, Finish::Cancelled).await.unwrap();
    let lose_an_answer = async || {
        // Connected again, so that the next answer is not to a greeting.
        insist(|| far.get(&warm)).await.unwrap();
        line.lose_answers(part, 1);
    };
    let lost = |unanswered: Result<(), QueueError>| {
        assert!(matches!(unanswered, Err(QueueError::Unavailable(_))), "{unanswered:?}");
        assert!(line.has_lost());
    };

    let id = TaskId::random();
    lose_an_answer().await;
    lost(far.submit(NewTask::new("work").id(id)).await.map(drop));
    assert_eq!(insist(|| far.submit(NewTask::new("work").id(id))).await, Err(QueueError::Duplicate(id)));

    lose_an_answer().await;
    lost(far.claim(&worker, &names, Duration::ZERO, Duration::ZERO).await.map(drop));
    assert_eq!(near.get(&id).await.unwrap().state, State::Started);
    lose_an_answer().await;
    lost(far.reap(Duration::MAX).await.map(drop));
    let record = near.get(&id).await.unwrap();
    assert_eq!((record.state, record.lost_leases), (State::Pending, 1));
    assert_eq!(insist(|| far.reap(Duration::MAX)).await, Ok(0));

    let claimed = insist(|| far.claim(&worker, &names, LONG, Duration::ZERO)).await;
    let lease = claimed.unwrap().unwrap();
    assert_eq!((lease.id(), lease.attempt(), lease.seq), (id, 2, 4));
    let events = [event(1), event(2)];
    lose_an_answer().await;
    lost(far.append(&lease, lease.seq, &events).await.map(drop));
    assert_eq!(insist(|| far.append(&lease, lease.seq, &events)).await, Ok(6));
    lose_an_answer().await;
    lost(far.finish(&lease, Finish::Succeeded(json!(2))).await.map(drop));
    let stale = Err(QueueError::StaleLease { id, attempt: 2 });
    assert_eq!(insist(|| far.finish(&lease, Finish::Succeeded(json!(3)))).await, stale);

    let record = near.get(&id).await.unwrap();
    assert_eq!((record.state, record.result), (State::Success, Some(json!(2))));
    let kinds: Vec<_> = near.read(&id, 0, 100).await.unwrap().iter().map(|entry| entry.kind).collect();
    let expected = ["PENDING", "STARTED", "PENDING", "STARTED", "PROGRESS", "PROGRESS", "SUCCESS"];
    assert_eq!(kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>(), expected);
}

/// A connection that is made begins with a greeting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_greeting_whose_answer_was_lost_or_cut_is_said_again() {
    let apart = Apart::new().await;
    let Apart { line, far, .. } = &apart;
    for part in [0.0, 0.3] {
        line.lose_answers(part, usize::MAX);
        line.cut();
        let begun = Instant::now();
        // For longer than the client tries again by itself.
        while begun.elapsed() < Duration::from_secs(4) {
            let error = far.stats().await.unwrap_err();
            assert!(error.is_transient(), "{error:?}");
            sleep(Duration::from_millis(20)).await;
        }
        line.lose_answers(part, 0);
        let answered = tokio::time::timeout(LONG / 4, insist(|| far.stats())).await;
        assert_eq!(answered.expect("it is said again"), Ok(vec![]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_listens_over_a_line_that_fell_silent_hears_again() {
    let apart = Apart::new().await;
    let Apart { line, far, near, .. } = &apart;
    far.attend(&WorkerInfo::new("far".into()), Duration::from_hours(1)).await.unwrap();
    let name = TaskId::random().to_string();
    // Twice, since the first claim makes the connections by which it is told.
    apart.deaf(&name).await;
    assert_eq!(apart.deaf(&name).await, [""; 0]);

    let lease = apart.lease().await;
    let watching = tokio::spawn(watch(Arc::clone(far), lease.id()));
    sleep(Duration::from_millis(300)).await;
    line.silence(&[Use::Listening, Use::Waiting]);
    let mut last = lease.seq;
    for n in 1..=80 {
        last = near.append(&lease, last, &[event(n)]).await.unwrap();
        sleep(Duration::from_millis(100)).await;
    }
    line.heal();
    let healed = Instant::now();
    near.finish(&lease, Finish::Succeeded(json!(1))).await.unwrap();
    let (id, seen) = soon(watching).await.unwrap();
    println!("all was seen {:?} after the line was healed", healed.elapsed());
    assert!(healed.elapsed() < Duration::from_secs(7), "a follower looks by itself, too");
    assert_eq!(seen, near.read(&id, 0, usize::MAX).await.unwrap());
    assert_eq!(seen.len(), 83);

    // Nobody says that a connection is dead: it has to be noticed.
    let mut deaf = apart.deaf(&name).await;
    while !deaf.is_empty() && healed.elapsed() < Duration::from_secs(20) {
        deaf = apart.deaf(&name).await;
    }
    assert_eq!(deaf, [""; 0], "still deaf {:?} after the line was healed", healed.elapsed());
    println!("all are told at once, {:?} after the line was healed", healed.elapsed());
    assert_eq!(apart.deaf(&name).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_was_cut_off_in_silence_goes_on() {
    let apart = Apart::new().await;
    let Apart { line, far, near, .. } = &apart;
    let shutdown = CancellationToken::new();
    let worker = tokio::spawn(
        Worker::new(Arc::clone(far))
            .handle("count", |task| {
                for n in 1..=COUNT {
                    task.emitter().emit(Keep::All, &json!({"n": n}));
                    // In all it takes as long as the silence.
                    thread::sleep(Duration::from_millis(400));
                }
                Ok(json!(COUNT))
            })
            .run(shutdown.clone()),
    );
    let id = near.submit(NewTask::new("count")).await.unwrap();
    let watching = tokio::spawn(watch(Arc::clone(far), id));
    while near.get(&id).await.unwrap().state != State::Started {
        sleep(Duration::from_millis(10)).await;
    }
    sleep(Duration::from_millis(500)).await;
    line.silence(&[Use::Asking, Use::Listening, Use::Waiting]);
    sleep(Duration::from_secs(8)).await;
    line.heal();
    let healed = Instant::now();
    let (_, seen) = tokio::time::timeout(LONG, watching).await.expect("it goes on").unwrap();
    println!("all was seen {:?} after the line was healed", healed.elapsed());
    assert_eq!(seen, near.read(&id, 0, usize::MAX).await.unwrap());
    assert_counted(&seen);
    let record = near.get(&id).await.unwrap();
    assert_eq!((record.state, record.result), (State::Success, Some(json!(COUNT))));
    shutdown.cancel();
    soon(worker).await.unwrap();
}
