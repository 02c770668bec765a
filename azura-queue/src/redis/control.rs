//! Celery's control channel: what clients and Flower ask of workers, and what workers tell of themselves.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use ::redis::{AsyncCommands as _, pipe};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Shared, error};
use crate::{Result, TaskId, TaskRecord, WorkerId, WorkerInfo, backoff::persist, clock};

/// How long a reply waits for whoever asked.
const REPLY_SECONDS: i64 = 10;
/// The topic on which Celery's workers are asked.
pub(super) const PIDBOX: &str = "celery.pidbox";

/// This process' part in the conversation.
#[derive(Debug, Default)]
pub(super) struct Control {
    /// The workers of this process, with the time at which each was last heard of.
    workers: Mutex<HashMap<WorkerId, WorkerInfo>>,
    /// What they do just now.
    running: Mutex<HashMap<TaskId, WorkerId>>,
    /// Lamport's clock, which Celery's messages carry.
    clock: AtomicU64,
    /// Whether somebody wants to hear of single tasks.
    events: AtomicBool,
}

impl Control {
    pub(super) fn workers(&self) -> MutexGuard<'_, HashMap<WorkerId, WorkerInfo>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn running(&self) -> MutexGuard<'_, HashMap<TaskId, WorkerId>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tick(&self, seen: u64) -> u64 {
        // Far from the end of its range, whatever a stranger says.
        self.clock.fetch_max(seen.min(1 << 53), Ordering::Relaxed);
        self.clock.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// A message of Celery's around this body.
fn envelope(body: &Value, exchange: &str, key: &str, headers: &Value) -> String {
    json!({
        "body": BASE64.encode(body.to_string()),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": headers,
        "properties": {
            "delivery_mode": 1,
            "delivery_info": {"exchange": exchange, "routing_key": key},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": Uuid::new_v4(),
        },
    })
    .to_string()
}

/// Asks workers of Celery's to stop a task. Ours are asked too, who know by then.
pub(super) fn terminate(id: TaskId) -> String {
    let body = json!({
        "method": "revoke",
        "arguments": {"task_id": id, "terminate": true, "signal": "SIGTERM"},
        "destination": null, "pattern": null, "matcher": null,
    });
    envelope(&body, PIDBOX, "", &json!({"clock": 1, "expires": 0}))
}

/// Seconds since 1970.
fn seconds() -> f64 {
    clock::timestamp().as_microsecond() as f64 / 1e6
}

/// Arguments and results as Python would write them; Flower shows them as they are.
pub(super) fn repr(value: &Value) -> String {
    let text = match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::String(text) => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")),
        Value::Number(number) => number.to_string(),
        Value::Array(items) => format!("[{}]", items.iter().map(repr).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let pairs = map.iter().map(|(key, value)| format!("{}: {}", repr(&json!(key)), repr(value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
    };
    if text.len() <= 1024 { text } else { text.chars().take(1024).chain("...".chars()).collect() }
}

impl Shared {
    pub(super) fn topic(&self, name: &str) -> String {
        super::topic(self.database, name)
    }

    /// Tells whoever listens of something that `worker` did.
    async fn event(&self, kind: &str, worker: &WorkerId, fields: Value) {
        let mut body = json!({
            "type": kind,
            "hostname": worker,
            "timestamp": seconds(),
            "utcoffset": 0,
            "pid": std::process::id(),
            "clock": self.control.tick(0),
        });
        if let (Value::Object(body), Value::Object(fields)) = (&mut body, fields) {
            body.extend(fields);
        }
        let key = kind.replace('-', ".");
        let message = envelope(&body, "celeryev", &key, &json!({"hostname": worker}));
        let mut connection = self.manager.clone();
        if let Err(error) =
            connection.publish::<_, _, ()>(self.topic(&format!("celeryev/{key}")), message).await
        {
            tracing::debug!(%error, "an event for Flower was lost");
        }
    }

    /// Tells of a task, if anybody wants to hear of tasks.
    pub(super) async fn task_event(&self, kind: &str, worker: &WorkerId, id: TaskId, fields: Value) {
        if self.control.events.load(Ordering::Relaxed) {
            let mut all = json!({"uuid": id});
            if let (Value::Object(all), Value::Object(fields)) = (&mut all, fields) {
                all.extend(fields);
            }
            self.event(kind, worker, all).await;
        }
    }

    /// Tells that a task was claimed.
    pub(super) async fn claimed(&self, task: &TaskRecord, worker: &WorkerId) {
        self.control.running().insert(task.id, worker.clone());
        if !self.control.events.load(Ordering::Relaxed) {
            return;
        }
        let (args, kwargs) = (repr(&Value::from(task.args.clone())), repr(&Value::from(task.kwargs.clone())));
        let fields = json!({
            "name": task.name, "args": args, "kwargs": kwargs, "root_id": task.id, "parent_id": null,
            "retries": task.failures, "eta": task.schedule.eta, "expires": task.schedule.expires,
        });
        self.task_event("task-received", worker, task.id, fields).await;
        self.task_event("task-started", worker, task.id, json!({})).await;
    }

    /// A worker says that it is there: to those who ask here, and to Flower.
    pub(super) async fn heard_of(&self, info: &WorkerInfo) {
        let before = self.control.workers().insert(info.id.clone(), info.clone());
        let kind = if before.is_some() { "worker-heartbeat" } else { "worker-online" };
        self.alive(kind, info).await;
    }

    async fn alive(&self, kind: &str, info: &WorkerInfo) {
        let fields = json!({
            "freq": 5.0, "active": info.running.len(), "processed": info.done.values().sum::<u64>(),
            "loadavg": [0.0, 0.0, 0.0], "sw_ident": "azura-queue", "sw_ver": env!("CARGO_PKG_VERSION"),
            "sw_sys": std::env::consts::OS,
        });
        self.event(kind, &info.id, fields).await;
    }

    /// A worker is gone for good.
    pub(super) async fn gone(&self, worker: &WorkerId) {
        let info = self.control.workers().remove(worker);
        if let Some(info) = info {
            self.alive("worker-offline", &info).await;
        }
    }

    /// Does what a message of the control channel asks for. One that cannot be read is passed over.
    pub(super) async fn control(&self, message: &str) {
        if let Some(asked) = Asked::read(message)
            && let Err(error) = self.answer(asked).await
        {
            tracing::warn!(%error, "a control message could not be answered");
        }
    }

    async fn answer(&self, asked: Asked) -> Result<()> {
        self.control.tick(asked.clock);
        if asked.expires > 0.0 && asked.expires < seconds() {
            return Ok(());
        }
        match asked.method.as_str() {
            // Whoever listens stores it, worker or not. Redis may be away for a while, but it was asked only once.
            "revoke" | "terminate" => {
                let terminate = asked.method == "terminate" || asked.arguments["terminate"] == true;
                for id in asked.ids() {
                    if let Err(error) = persist(|| self.revoke(id, terminate)).await {
                        tracing::warn!(%error, %id, "a task could not be revoked");
                    }
                }
            }
            "enable_events" => self.control.events.store(true, Ordering::Relaxed),
            "disable_events" => self.control.events.store(false, Ordering::Relaxed),
            _ => {}
        }
        let workers: Vec<WorkerInfo> = self.control.workers().values().cloned().collect();
        for info in workers.into_iter().filter(|info| asked.is_for(&info.id)) {
            if asked.method == "heartbeat" {
                self.alive("worker-heartbeat", &info).await;
                continue;
            }
            let Some((exchange, key)) = &asked.reply_to else { continue };
            let answer = self.reply(&asked, &info).await?;
            let headers = json!({"ticket": asked.ticket, "clock": self.control.tick(0)});
            let message = envelope(&json!({info.id.as_str(): answer}), exchange, key, &headers);
            let list = format!("{key}.{exchange}");
            let mut both = pipe();
            both.atomic().lpush(&list, message).ignore().expire(&list, REPLY_SECONDS).ignore();
            both.query_async::<()>(&mut self.manager.clone()).await.map_err(error)?;
        }
        Ok(())
    }

    async fn reply(&self, asked: &Asked, info: &WorkerInfo) -> Result<Value> {
        Ok(match asked.method.as_str() {
            "ping" => json!({"ok": "pong"}),
            "revoke" | "terminate" => json!({"ok": format!("tasks {:?} flagged as revoked", asked.texts())}),
            "enable_events" => json!({"ok": "task events enabled"}),
            "disable_events" => json!({"ok": "task events disabled"}),
            "active" => {
                let mine = |(id, worker): (&TaskId, &WorkerId)| (*worker == info.id).then_some(*id);
                let ids: Vec<TaskId> = self.control.running().iter().filter_map(mine).collect();
                let records = self.records(&ids).await?;
                records.iter().map(|task| request(task, Some(info))).collect::<Vec<_>>().into()
            }
            // What is reserved here runs.
            "reserved" => json!([]),
            "scheduled" => {
                let mut all = Vec::new();
                for queue in &info.queues {
                    let ids: Vec<String> = self
                        .manager
                        .clone()
                        .zrange(self.key("scheduled", queue), 0, 99)
                        .await
                        .map_err(error)?;
                    let ids: Vec<TaskId> = ids.iter().filter_map(|id| id.parse().ok()).collect();
                    for task in self.records(&ids).await? {
                        let (eta, priority) = (task.schedule.eta, task.schedule.priority);
                        all.push(json!({"eta": eta, "priority": priority, "request": request(&task, None)}));
                    }
                }
                all.into()
            }
            "revoked" => {
                let key = format!("{}revoked", self.options.prefix);
                let ids: Vec<String> = self.manager.clone().zrange(key, 0, -1).await.map_err(error)?;
                ids.into()
            }
            "registered" => info.handlers.clone().into(),
            "active_queues" => info.queues.iter().map(|queue| queue_info(queue)).collect::<Vec<_>>().into(),
            "stats" => json!({
                "total": info.done,
                "pid": info.pid,
                "clock": self.control.tick(0).to_string(),
                "uptime": clock::timestamp().duration_since(info.started_at).as_secs(),
                "pool": {
                    "implementation": "azura_queue:threads", "max-concurrency": info.slots, "processes": [info.pid],
                    "max-tasks-per-child": "N/A", "put-guarded-by-semaphore": false, "timeouts": [0, 0],
                },
                "broker": {"transport": "redis", "hostname": "", "port": null, "virtual_host": self.database.to_string()},
                "prefetch_count": info.slots,
                "rusage": {},
            }),
            "clock" => json!({"clock": self.control.tick(0)}),
            "conf" => json!({}),
            "report" => json!({"ok": format!("azura-queue {}", env!("CARGO_PKG_VERSION"))}),
            other => json!({"error": format!("{other:?} is not supported here")}),
        })
    }
}

/// A task as `inspect` shows it.
fn request(task: &TaskRecord, info: Option<&WorkerInfo>) -> Value {
    json!({
        "id": task.id, "name": task.name, "args": task.args, "kwargs": task.kwargs, "type": task.name,
        "hostname": info.map(|info| &info.id),
        "time_start": task.started_at.map(|at| at.as_microsecond() as f64 / 1e6),
        "acknowledged": false,
        "delivery_info": {"exchange": "", "routing_key": task.queue, "priority": task.schedule.priority, "redelivered": task.attempt > 1},
        "worker_pid": info.map(|info| info.pid),
    })
}

fn queue_info(queue: &str) -> Value {
    json!({
        "name": queue,
        "exchange": {"name": queue, "type": "direct"},
        "routing_key": queue,
        "queue_arguments": null, "binding_arguments": null, "consumer_arguments": null,
        "durable": true, "exclusive": false, "auto_delete": false, "no_ack": false, "alias": null,
    })
}

/// What somebody asks of workers.
struct Asked {
    method: String,
    arguments: Value,
    destination: Option<Vec<String>>,
    ticket: Value,
    reply_to: Option<(String, String)>,
    clock: u64,
    expires: f64,
}

impl Asked {
    fn read(message: &str) -> Option<Self> {
        let envelope: Value = serde_json::from_str(message).ok()?;
        let body = BASE64.decode(envelope["body"].as_str()?).ok()?;
        let body: Value = serde_json::from_slice(&body).ok()?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let reply = &body["reply_to"];
        Some(Self {
            method: text(&body["method"])?,
            arguments: body["arguments"].clone(),
            destination: body["destination"].as_array().map(|names| names.iter().filter_map(text).collect()),
            ticket: body["ticket"].clone(),
            reply_to: text(&reply["exchange"]).zip(text(&reply["routing_key"])),
            clock: envelope["headers"]["clock"].as_u64().unwrap_or(0),
            expires: envelope["headers"]["expires"].as_f64().unwrap_or(0.0),
        })
    }

    fn is_for(&self, worker: &WorkerId) -> bool {
        self.destination.as_ref().is_none_or(|names| names.iter().any(|name| name == worker.as_str()))
    }

    /// The ids it is about: one, or a list.
    fn texts(&self) -> Vec<&str> {
        match &self.arguments["task_id"] {
            Value::String(id) => vec![id],
            Value::Array(ids) => ids.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    fn ids(&self) -> Vec<TaskId> {
        self.texts().into_iter().filter_map(|id| id.parse().ok()).collect()
    }
}

/// Answers control messages one after the other, for as long as the queue is used.
pub(super) async fn attend(
    shared: std::sync::Weak<Shared>,
    mut messages: tokio::sync::mpsc::UnboundedReceiver<String>,
) {
    while let Some(message) = messages.recv().await {
        let Some(shared): Option<Arc<Shared>> = shared.upgrade() else { return };
        shared.control(&message).await;
    }
}
