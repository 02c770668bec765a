//! What programs of Celery's do to a queue in Redis, done by hand. Needs redis-server.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod redis_server;

use std::time::Duration;

use azura_queue::{
    Broker as _, EventKind, EventLog as _, Finish, Lease, ListQuery, NewTask, QueueError, RedisOptions,
    RedisQueue, State, TaskFailure, TaskId, WorkerInfo,
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use futures_util::{StreamExt as _, TryStreamExt as _};
use redis::{AsyncCommands as _, aio::MultiplexedConnection};
use redis_server::RedisServer;
use serde_json::{Value, json};

const MINUTE: Duration = Duration::from_mins(1);

struct World {
    queue: RedisQueue,
    raw: MultiplexedConnection,
    server: RedisServer,
}

async fn world() -> World {
    world_with(RedisOptions::default()).await
}

async fn world_with(options: RedisOptions) -> World {
    let server = RedisServer::start();
    let queue = RedisQueue::connect_with(server.as_ref(), options).await.unwrap();
    let client = redis::Client::open(server.as_ref()).unwrap();
    let raw = client.get_multiplexed_async_connection().await.unwrap();
    World { queue, raw, server }
}

/// A message as Celery's client sends it, with this in its headers and properties.
fn message(id: TaskId, headers: &Value, embed: &Value) -> String {
    let body = json!([[7], {}, embed]);
    let mut all = json!({"lang": "py", "task": "work", "id": id, "root_id": id});
    all.as_object_mut().unwrap().extend(headers.as_object().unwrap().clone());
    json!({
        "body": BASE64.encode(body.to_string()),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": all,
        "properties": {
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": "celery"},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": TaskId::random(),
        },
    })
    .to_string()
}

impl World {
    async fn send(&mut self, id: TaskId, headers: Value, embed: Value) {
        self.raw.lpush::<_, _, ()>("celery", message(id, &headers, &embed)).await.unwrap();
    }

    async fn claim(&self) -> Option<Lease> {
        let queues = ["celery".to_owned()];
        self.queue.claim(&"tester".into(), &queues, MINUTE, Duration::ZERO).await.unwrap()
    }

    /// Takes a message as a worker of Celery's does: nobody is told.
    async fn take(&mut self) {
        let taken: Option<String> = self.raw.rpop("celery", None).await.unwrap();
        assert!(taken.is_some());
    }

    /// Says how a task ended, as a worker of Celery's does.
    async fn say(&mut self, id: TaskId, status: &str, result: Value) {
        let said = json!({
            "status": status, "result": result, "traceback": null, "children": [], "task_id": id,
            "date_done": "2026-01-01T00:00:00+00:00",
        });
        self.raw.set::<_, _, ()>(format!("celery-task-meta-{id}"), said.to_string()).await.unwrap();
    }

    async fn kinds(&self, id: TaskId) -> Vec<EventKind> {
        let log = self.queue.read(&id, 0, 100).await.unwrap();
        log.iter().map(|entry| entry.kind).collect()
    }

    /// Revokes as Celery's client does, and waits until that is stored.
    async fn revoke(&mut self, id: TaskId, terminate: bool) {
        let body = json!({
            "method": "revoke", "arguments": {"task_id": [id], "terminate": terminate, "signal": null},
            "destination": null, "pattern": null, "matcher": null,
        });
        let message = json!({
            "body": BASE64.encode(body.to_string()), "content-encoding": "utf-8",
            "content-type": "application/json", "headers": {"clock": 1, "expires": 0},
            "properties": {"delivery_tag": TaskId::random(), "body_encoding": "base64"},
        });
        // A queue listens soon after it has connected.
        while self.raw.publish::<_, _, usize>("/0.celery.pidbox", message.to_string()).await.unwrap() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let id = id.to_string();
        while self.raw.zscore::<_, _, Option<f64>>("azura:revoked", &id).await.unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn a_task_that_a_worker_of_celery_s_did_ends_as_that_said() {
    let mut world = world().await;
    let ends = [
        ("SUCCESS", json!({"accuracy": 0.5}), State::Success),
        (
            "FAILURE",
            json!({"exc_type": "ValueError", "exc_message": ["bad", 3], "exc_module": "builtins"}),
            State::Failure,
        ),
        (
            "REVOKED",
            json!({"exc_type": "TaskRevokedError", "exc_message": ["terminated"], "exc_module": "celery.exceptions"}),
            State::Revoked,
        ),
    ];
    for (status, result, state) in ends {
        let id = world.queue.submit(NewTask::new("work")).await.unwrap();
        world.take().await;
        world.say(id, "STARTED", json!({"pid": 1, "hostname": "celery@here"})).await;
        world.queue.reap(Duration::MAX).await.unwrap();
        assert_eq!(world.queue.get(&id).await.unwrap().state, State::Pending);
        let told = world.queue.follow(&id, 0).await.unwrap();
        world.say(id, status, result.clone()).await;
        world.queue.reap(Duration::MAX).await.unwrap();
        let record = world.queue.get(&id).await.unwrap();
        assert_eq!(record.state, state);
        match state {
            State::Success => assert_eq!(record.result, Some(result)),
            State::Failure => {
                assert_eq!(record.error, Some(TaskFailure::new("VALUE_ERROR", "bad, 3")));
            }
            _ => assert_eq!(record.attempt, 0),
        }
        let told: Vec<_> = told.map_ok(|entry| entry.kind).try_collect().await.unwrap();
        assert_eq!(told, world.kinds(id).await);
        assert_eq!(told.len(), if state == State::Revoked { 2 } else { 3 }, "{told:?}");
    }
    let mut waiting = ListQuery::default();
    waiting.states = vec![State::Pending];
    assert!(world.queue.list(&waiting).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn reaping_looks_at_all_that_waits() {
    let mut world = world().await;
    let mut ids = Vec::new();
    for _ in 0..250 {
        ids.push(world.queue.submit(NewTask::new("work")).await.unwrap());
    }
    world.say(ids[249], "SUCCESS", json!(1)).await;
    world.say(ids[120], "SUCCESS", json!(1)).await;
    for _ in 0..3 {
        world.queue.reap(Duration::MAX).await.unwrap();
    }
    for (n, id) in ids.iter().enumerate() {
        let done = n == 249 || n == 120;
        assert_eq!(world.queue.get(id).await.unwrap().state.is_terminal(), done, "{n}");
    }
    // Its message is gone too.
    let mut left = 0;
    while world.claim().await.is_some() {
        left += 1;
    }
    assert_eq!(left, 248);
}

#[tokio::test]
async fn cancelling_a_task_that_a_worker_of_celery_s_has_tells_that_worker() {
    let mut world = world().await;
    let client = redis::Client::open(world.server.as_ref()).unwrap();
    let mut heard = client.get_async_pubsub().await.unwrap();
    heard.subscribe("/0.celery.pidbox").await.unwrap();
    let id = world.queue.submit(NewTask::new("work")).await.unwrap();
    world.take().await;
    assert_eq!(world.queue.cancel(&id).await, Ok(State::Revoked));
    let said: String = heard.on_message().next().await.unwrap().get_payload().unwrap();
    let envelope: Value = serde_json::from_str(&said).unwrap();
    let body = BASE64.decode(envelope["body"].as_str().unwrap()).unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["method"], "revoke");
    assert_eq!(body["arguments"], json!({"task_id": id, "terminate": true, "signal": "SIGTERM"}));

    // One that has just been done is done.
    let id = world.queue.submit(NewTask::new("work")).await.unwrap();
    world.take().await;
    world.say(id, "SUCCESS", json!("done")).await;
    assert_eq!(world.queue.cancel(&id).await, Ok(State::Success));
    assert_eq!(world.queue.get(&id).await.unwrap().result, Some(json!("done")));

    // Nobody is told of one that waits here.
    let id = world.queue.submit(NewTask::new("work")).await.unwrap();
    assert_eq!(world.queue.cancel(&id).await, Ok(State::Revoked));
    let silent = tokio::time::timeout(Duration::from_millis(200), heard.on_message().next()).await;
    assert!(silent.is_err(), "{silent:?}");
}

#[tokio::test]
async fn a_revoke_is_as_celery_s() {
    let mut world = world().await;
    // Before it is seen.
    let unseen = TaskId::random();
    world.revoke(unseen, false).await;
    world.send(unseen, json!({}), json!({})).await;
    assert!(world.claim().await.is_none());
    assert_eq!(world.queue.get(&unseen).await.unwrap().state, State::Revoked);
    // While it runs: it goes on, but is not done again.
    let id = world.queue.submit(NewTask::new("work")).await.unwrap();
    let lease = world.claim().await.unwrap();
    world.revoke(id, false).await;
    assert!(!world.queue.heartbeat(&lease, MINUTE).await.unwrap().cancel_requested);
    assert_eq!(world.queue.finish(&lease, Finish::Released).await, Ok(State::Revoked));
    // And with `terminate` it stops.
    world.queue.submit(NewTask::new("work")).await.unwrap();
    let lease = world.claim().await.unwrap();
    world.revoke(lease.id(), true).await;
    assert!(world.queue.heartbeat(&lease, MINUTE).await.unwrap().cancel_requested);
}

#[tokio::test]
async fn a_message_that_comes_twice_or_too_early_waits_or_goes() {
    let mut world = world().await;
    let id = TaskId::random();
    for _ in 0..2 {
        world.send(id, json!({"eta": "2999-01-01T00:00:00"}), json!({})).await;
    }
    assert!(world.claim().await.is_none());
    let record = world.queue.get(&id).await.unwrap();
    assert_eq!(record.schedule.eta.unwrap().to_string(), "2999-01-01T00:00:00Z");
    // Later than any calendar goes; in the list it stands like any other.
    let far = TaskId::random();
    world.send(far, json!({"eta": "9999-12-31T23:59:59+00:00"}), json!({})).await;
    assert!(world.claim().await.is_none());
    assert_eq!(world.queue.list(&ListQuery::default()).await.unwrap().items.len(), 2);
    // Far more than are looked at in one go.
    let junk: Vec<&str> = vec!["{"; 1200];
    world.raw.lpush::<_, _, ()>("celery", junk).await.unwrap();
    let good = TaskId::random();
    world.send(good, json!({}), json!({})).await;
    let queues = ["celery".to_owned()];
    let lease = world.queue.claim(&"tester".into(), &queues, MINUTE, MINUTE).await.unwrap().unwrap();
    assert_eq!(lease.id(), good);
    assert_eq!(world.raw.llen::<_, usize>("azura:unreadable").await.unwrap(), 1000);
}

#[tokio::test]
async fn the_next_step_of_a_chain_is_sent_as_its_options_say() {
    let mut world = world().await;
    let step = |options: Value| json!({"chain": [{"task": "next", "args": [], "kwargs": {}, "options": options, "immutable": false}]});
    let next = TaskId::random();
    let options = json!({
        "task_id": next, "countdown": 600, "expires": 3600, "priority": 7, "time_limit": 30, "soft_time_limit": 0,
    });
    world.send(TaskId::random(), json!({}), step(options)).await;
    let lease = world.claim().await.unwrap();
    world.queue.finish(&lease, Finish::Succeeded(json!("done"))).await.unwrap();
    assert!(world.claim().await.is_none());
    let record = world.queue.get(&next).await.unwrap();
    let (eta, expires) = (record.schedule.eta.unwrap(), record.schedule.expires);
    let sent = world.queue.get(&lease.id()).await.unwrap().finished_at.unwrap();
    let wait = eta.duration_since(sent).as_secs_f64();
    assert!((wait - 600.0).abs() < 5.0, "{wait}");
    // What a message says beyond its place in the queue is read when it is claimed.
    assert_eq!((record.schedule.priority, expires), (0, None));

    for refused in ["link", "link_error", "chord"] {
        let id = TaskId::random();
        world.send(id, json!({}), step(json!({refused: [{"task": "other"}]}))).await;
        assert!(world.claim().await.is_none());
        let error = world.queue.get(&id).await.unwrap().error.unwrap();
        assert_eq!(error.code, "UNSUPPORTED_FEATURE");
        assert!(error.message.contains(&format!("`{refused}`")), "{}", error.message);
    }
}

#[tokio::test]
async fn queues_without_tasks_are_forgotten() {
    let mut world = world().await;
    let task = NewTask::new("work").queue("passing");
    world.queue.submit(task).await.unwrap();
    world.queue.reap(Duration::MAX).await.unwrap();
    let queues: Vec<String> = world.raw.smembers("azura:queues").await.unwrap();
    assert_eq!(queues, ["passing"]);
    let names = ["passing".to_owned()];
    let lease = world.queue.claim(&"tester".into(), &names, MINUTE, Duration::ZERO).await.unwrap().unwrap();
    world.queue.reap(Duration::MAX).await.unwrap();
    assert_eq!(world.raw.scard::<_, usize>("azura:queues").await.unwrap(), 1);
    world.queue.finish(&lease, Finish::Cancelled).await.unwrap();
    world.queue.reap(Duration::MAX).await.unwrap();
    assert_eq!(world.raw.scard::<_, usize>("azura:queues").await.unwrap(), 0);
}

#[tokio::test]
async fn how_a_task_ended_is_known_when_its_log_has_expired() {
    let mut options = RedisOptions::default();
    options.log_ttl = Some(Duration::from_secs(1));
    let mut world = world_with(options).await;
    let id = world.queue.submit(NewTask::new("work")).await.unwrap();
    let lease = world.claim().await.unwrap();
    world.queue.finish(&lease, Finish::Succeeded(json!({"loss": 1}))).await.unwrap();
    while world.raw.exists(format!("azura:log:{id}")).await.unwrap() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let told: Vec<_> = world.queue.follow(&id, 1).await.unwrap().try_collect().await.unwrap();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (told[0].kind, told[0].seq, &told[0].details),
        (EventKind::Success, Some(3), &json!({"loss": 1}))
    );
    // Whoever has seen the end sees nothing more.
    let told: Vec<_> = world.queue.follow(&id, 3).await.unwrap().try_collect::<Vec<_>>().await.unwrap();
    assert!(told.is_empty(), "{told:?}");
    assert_eq!(world.queue.delete(&id).await, Ok(()));
    assert!(matches!(world.queue.follow(&id, 0).await.err(), Some(QueueError::NotFound(_))));
}

impl World {
    /// A task of ours whose worker is dead, and whose message a worker of Celery's has taken back.
    async fn taken_back(&mut self) -> TaskId {
        let id = self.queue.submit(NewTask::new("work")).await.unwrap();
        let queues = ["celery".to_owned()];
        let lease = self.queue.claim(&"dead".into(), &queues, Duration::ZERO, Duration::ZERO).await.unwrap();
        assert_eq!(lease.unwrap().id(), id);
        let held: Vec<(String, String)> = self.raw.hgetall("unacked").await.unwrap();
        let [(tag, reserved)] = &held[..] else { panic!("{held:?}") };
        let mut message = serde_json::from_str::<Value>(reserved).unwrap()[0].take();
        message["headers"]["redelivered"] = json!(true);
        message["properties"]["delivery_info"]["redelivered"] = json!(true);
        let mut all = redis::pipe();
        all.atomic().zrem("unacked_index", tag).hdel("unacked", tag).rpush("celery", message.to_string());
        all.query_async::<()>(&mut self.raw).await.unwrap();
        id
    }

    async fn waiting(&mut self) -> usize {
        self.raw.llen("celery").await.unwrap()
    }
}

#[tokio::test]
async fn what_a_worker_of_celery_s_took_back_is_had_once() {
    let mut world = world().await;
    // It waits in its list.
    let id = world.taken_back().await;
    assert_eq!(world.queue.reap(Duration::MAX).await, Ok(1));
    let record = world.queue.get(&id).await.unwrap();
    assert_eq!((record.state, record.lost_leases, record.worker), (State::Pending, 1, None));
    assert_eq!(world.waiting().await, 1);
    let lease = world.claim().await.unwrap();
    assert_eq!((lease.id(), lease.attempt()), (id, 2));
    world.queue.finish(&lease, Finish::Succeeded(json!(1))).await.unwrap();

    // One of them has done it.
    let id = world.taken_back().await;
    world.take().await;
    world.say(id, "SUCCESS", json!("theirs")).await;
    assert_eq!(world.queue.reap(Duration::MAX).await, Ok(1));
    assert_eq!(world.waiting().await, 0);
    let record = world.queue.get(&id).await.unwrap();
    assert_eq!((record.state, record.result), (State::Success, Some(json!("theirs"))));
    let said: String = world.raw.get(format!("celery-task-meta-{id}")).await.unwrap();
    assert!(said.contains("theirs"), "{said}");

    // One of ours comes across it before anybody has looked at the lease: that worker may yet live.
    let id = world.taken_back().await;
    assert!(world.claim().await.is_none());
    assert_eq!(world.queue.get(&id).await.unwrap().state, State::Started);
    assert_eq!(world.queue.reap(Duration::MAX).await, Ok(1));
    let lease = world.claim().await.unwrap();
    assert_eq!((lease.id(), lease.attempt()), (id, 2));
    assert!(world.claim().await.is_none());
    world.queue.finish(&lease, Finish::Succeeded(json!(1))).await.unwrap();
    assert_eq!(world.raw.hlen::<_, usize>("unacked").await.unwrap(), 0);
}

#[tokio::test]
async fn a_record_that_is_broken_keeps_nobody_from_the_next_task() {
    let mut world = world().await;
    let broken = world.queue.submit(NewTask::new("work")).await.unwrap();
    let whole = world.queue.submit(NewTask::new("work")).await.unwrap();
    let waiting: Vec<String> = world.raw.lrange("celery", 0, -1).await.unwrap();
    world.raw.set::<_, _, ()>(format!("azura:task:{broken}"), "no hash").await.unwrap();
    assert_eq!(world.claim().await.unwrap().id(), whole);
    // Its message is kept for people to look at.
    let kept: Vec<String> = world.raw.lrange("azura:unreadable", 0, -1).await.unwrap();
    assert_eq!(kept, waiting[1..]);
}

#[tokio::test]
async fn what_waits_is_seen_before_it_is_taken_and_can_be_ended() {
    let mut world = world().await;
    let mut worker = WorkerInfo::new("busy".into());
    (worker.queues, worker.handlers) = (vec!["celery".into()], vec!["work".into()]);
    world.queue.attend(&worker, MINUTE).await.unwrap();
    let [seen, later, revoked, late] = [(); 4].map(|()| TaskId::random());
    world.send(seen, json!({}), json!({})).await;
    world.send(later, json!({"eta": "2999-01-01T00:00:00"}), json!({})).await;
    world.send(late, json!({"expires": "2000-01-01T00:00:00"}), json!({})).await;
    // A task of some other program, which our workers do not know.
    let strange = TaskId::random();
    world.send(strange, json!({"task": "theirs"}), json!({})).await;
    world.queue.reap(Duration::MAX).await.unwrap();
    for id in [seen, later] {
        assert_eq!(world.queue.get(&id).await.unwrap().state, State::Pending);
    }
    assert_eq!(world.queue.get(&late).await.unwrap().state, State::Revoked);
    assert!(matches!(world.queue.get(&strange).await, Err(QueueError::NotFound(_))));
    // Looking again changes nothing; what is not due is not taken.
    world.queue.reap(Duration::MAX).await.unwrap();
    assert_eq!(world.raw.llen::<_, usize>("celery").await.unwrap(), 2);

    // Whoever waits for a task that is revoked before a slot is free hears of it.
    world.send(revoked, json!({}), json!({})).await;
    world.queue.reap(Duration::MAX).await.unwrap();
    assert_eq!(world.queue.cancel(&revoked).await, Ok(State::Revoked));
    let said: String = world.raw.get(format!("celery-task-meta-{revoked}")).await.unwrap();
    assert!(said.contains("TaskRevokedError"), "{said}");

    // What was seen is done like any other, with its arguments.
    let lease = world.claim().await.unwrap();
    assert_eq!((lease.id(), &lease.task.args[..]), (seen, &[json!(7)][..]));
}

#[tokio::test]
async fn whoever_sends_what_cannot_be_done_is_told() {
    let mut world = world().await;
    // Half of a pair of code units, which Python sends and Redis cannot read; an id in capital letters; bytes that are no text.
    let [half, shouted, bytes] = [(); 3].map(|()| TaskId::random());
    let text = message(half, &json!({"argsrepr": "LONE"}), &json!({})).replace("LONE", "\\ud800");
    world.raw.lpush::<_, _, ()>("celery", text).await.unwrap();
    let capitals = shouted.to_string().to_uppercase();
    let text = message(shouted, &json!({}), &json!({})).replace(&shouted.to_string(), &capitals);
    world.raw.lpush::<_, _, ()>("celery", text).await.unwrap();
    let text = message(bytes, &json!({"argsrepr": "BYTES"}), &json!({}));
    let (before, after) = text.split_once("BYTES").unwrap();
    let text = [before.as_bytes(), b"\xff\xfe", after.as_bytes()].concat();
    world.raw.lpush::<_, _, ()>("celery", text).await.unwrap();
    assert!(world.claim().await.is_none());
    for (id, why) in [
        (half.to_string(), "the message is not JSON"),
        (capitals, "not in lower case"),
        (bytes.to_string(), "the message is not UTF-8 text"),
    ] {
        let said: String = world.raw.get(format!("celery-task-meta-{id}")).await.unwrap();
        assert!(said.contains("FAILURE") && said.contains(why), "{said}");
    }
}

#[tokio::test]
async fn the_next_step_of_a_chain_does_not_go_where_something_else_is() {
    let mut world = world().await;
    for place in ["unacked", "azura:expiring"] {
        let id = TaskId::random();
        let step = json!({"task": "next", "args": [], "kwargs": {}, "options": {"queue": place}});
        world.send(id, json!({}), json!({"chain": [step]})).await;
        let lease = world.claim().await.unwrap();
        let done = world.queue.finish(&lease, Finish::Succeeded(json!(1))).await;
        assert_eq!(done, Ok(State::Success));
        assert!(!world.raw.exists::<_, bool>(place).await.unwrap());
    }
}
