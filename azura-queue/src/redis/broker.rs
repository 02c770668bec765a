//! The verbs.

use std::{collections::BTreeMap, fmt::Display, sync::Arc, time::Duration};

use ::redis::{AsyncCommands as _, FromRedisValue, Script, ScriptInvocation, Value as Answer, pipe};
use async_trait::async_trait;
use futures_util::stream::BoxStream;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout, timeout_at};

use super::{
    RedisQueue, Shared, control, error, follow,
    record::{self, FIELDS, Submitted, micros},
    strange,
    wire::{self, Outgoing},
};
use crate::{
    Broker, Entry, EventLog, Finish, Heartbeat, Hold, Keep, Labels, Lease, ListQuery, MAX_LOST_LEASES,
    NewEvent, NewTask, Page, QueueError, QueueStats, Result, Seq, State, TaskFailure, TaskId, TaskRecord,
    WorkerId, WorkerInfo, clock, task::relabel,
};

/// How many records are looked at in one go when a listing is narrowed down.
const CHUNK: isize = 200;
/// A look without having been told anything, should a wake-up have been lost.
const LOOK: Duration = Duration::from_secs(5);

impl Shared {
    /// One of our own keys.
    pub(super) fn key(&self, kind: &str, of: &impl Display) -> String {
        format!("{}{kind}:{of}", self.options.prefix)
    }

    /// A script with what every script is given.
    fn call<'a>(&self, script: &'a Script) -> ScriptInvocation<'a> {
        let mut call = script.prepare_invoke();
        call.arg(&self.options.prefix).arg(self.options.log_ttl.map_or(0, |ttl| ttl.as_secs().max(1)));
        call
    }

    /// Runs a script: the first text of its answer, and what comes after it.
    async fn run(&self, call: &ScriptInvocation<'_>) -> Result<(String, Vec<Answer>)> {
        let mut answer: Vec<Answer> = call.invoke_async(&mut self.manager.clone()).await.map_err(error)?;
        if answer.is_empty() {
            return Err(strange("nothing"));
        }
        let rest = answer.split_off(1);
        Ok((text(answer.pop())?, rest))
    }

    /// Runs a script under a lease.
    async fn run_leased(&self, lease: &Lease, call: &ScriptInvocation<'_>) -> Result<Vec<Answer>> {
        match self.run(call).await? {
            (ok, rest) if ok == "ok" => Ok(rest),
            _ => Err(QueueError::StaleLease { id: lease.id(), attempt: lease.attempt() }),
        }
    }

    pub(super) async fn records(&self, ids: &[TaskId]) -> Result<Vec<TaskRecord>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = pipe();
        for id in ids {
            pipe.cmd("HMGET").arg(self.key("task", id)).arg(&FIELDS);
        }
        let answers: Vec<Vec<Answer>> = pipe.query_async(&mut self.manager.clone()).await.map_err(error)?;
        let read = ids.iter().zip(&answers).map(|(id, values)| record::read(*id, values));
        // A task may have been deleted since its id was read. One that cannot be read must not hide the others.
        let readable = |record: Result<Option<TaskRecord>>| {
            record.unwrap_or_else(|error| {
                tracing::warn!(%error, "a record is passed over");
                None
            })
        };
        Ok(read.filter_map(readable).collect())
    }

    async fn record(&self, id: &TaskId) -> Result<TaskRecord> {
        self.records(&[*id]).await?.pop().ok_or(QueueError::NotFound(*id))
    }

    /// Submits a task; `old` is the dead letter that it takes the place of.
    async fn submit(&self, task: NewTask, old: Option<&TaskId>) -> Result<TaskId> {
        let id = task.id.unwrap_or_else(TaskId::random);
        let message = wire::message(&Outgoing {
            id,
            name: &task.name,
            queue: &task.queue,
            args: &task.args,
            kwargs: &task.kwargs,
            schedule: &task.schedule,
            root: None,
            parent: None,
            reply_to: None,
            chain: &[],
        });
        let schedule = task.schedule.clone();
        let submitted = Submitted { args: task.args, kwargs: task.kwargs, schedule: task.schedule };
        let (key, hold, period) = match schedule.unique {
            Some(unique) => match unique.hold {
                Hold::Queued => (unique.key, "queued", 0),
                Hold::Running => (unique.key, "running", 0),
                Hold::Period(period) => (unique.key, "period", period.as_millis().max(1)),
            },
            None => Default::default(),
        };
        let mut call = self.call(&self.scripts.submit);
        call.arg(id.to_string())
            .arg(old.map(ToString::to_string).unwrap_or_default())
            .arg(task.name)
            .arg(task.queue)
            .arg(schedule.priority)
            .arg(schedule.eta.map(|eta| micros(eta).to_string()).unwrap_or_default())
            .arg(schedule.expires.map(|expires| micros(expires).to_string()).unwrap_or_default())
            .arg(encoded(&submitted)?)
            .arg(encoded(&task.labels)?)
            .arg(message)
            .arg(&key)
            .arg(hold)
            .arg(period.to_string());
        for (label, value) in &task.labels {
            call.arg(label).arg(value);
        }
        let (answer, rest) = self.run(&call).await?;
        match answer.as_str() {
            "ok" => Ok(id),
            "duplicate" => Err(QueueError::Duplicate(id)),
            "taken" => {
                let by = text(rest.into_iter().next())?;
                Err(QueueError::NotUnique { key, by: by.parse().map_err(|_| strange(by))? })
            }
            "not dead" => Err(QueueError::NotDead(*old.unwrap_or(&id))),
            "missing" => Err(QueueError::NotFound(*old.unwrap_or(&id))),
            other => Err(strange(other)),
        }
    }

    /// Claims a task, or says when the next one is due.
    async fn claim(
        &self,
        worker: &WorkerId,
        queues: &[String],
        ttl: Duration,
    ) -> Result<Result<Lease, Option<Duration>>> {
        let mut call = self.call(&self.scripts.claim);
        call.arg(worker.as_str()).arg(span(ttl)).arg(encoded(&FIELDS)?);
        for queue in queues {
            call.arg(queue);
        }
        let (answer, rest) = self.run(&call).await?;
        let mut rest = rest.into_iter();
        if answer == "none" {
            let due = text(rest.next())?.parse().ok().map(Duration::from_micros);
            return Ok(Err(due));
        }
        let (id, seq, message) = (text(rest.next())?, value::<Seq>(rest.next())?, text(rest.next())?);
        let id: TaskId = id.parse().map_err(|_| strange(&id))?;
        let Some(Answer::Array(values)) = rest.next() else { return Err(strange("no record")) };
        let record = record::read(id, &values)?.ok_or_else(|| strange("no record"))?;
        let mut lease = Lease::new(record, worker.clone(), seq);
        if !message.is_empty()
            && let Err(failure) = self.adopt(&mut lease, &message).await?
        {
            self.claimed(&lease.task, worker).await;
            self.finish(&lease, Finish::Failed { failure, retry: false }).await?;
            return Ok(Err(Some(Duration::ZERO)));
        }
        self.claimed(&lease.task, worker).await;
        Ok(Ok(lease))
    }

    /// Completes a task that somebody else has sent. The inner error is what is wrong with it.
    async fn adopt(&self, lease: &mut Lease, message: &str) -> Result<Result<(), TaskFailure>> {
        let incoming = match wire::read(message) {
            Ok(incoming) => incoming,
            Err(failure) => return Ok(Err(failure)),
        };
        let task = &mut lease.task;
        (task.args, task.kwargs, task.schedule) = (incoming.args, incoming.kwargs, incoming.schedule);
        let submitted = Submitted {
            args: task.args.clone(),
            kwargs: task.kwargs.clone(),
            schedule: task.schedule.clone(),
        };
        let mut call = self.call(&self.scripts.adopt);
        call.arg(lease.id().to_string()).arg(encoded(&submitted)?);
        self.run(&call).await?;
        if let Some(next) = incoming.next {
            self.chains().insert((lease.id(), lease.attempt()), next);
        }
        Ok(Ok(()))
    }

    async fn heartbeat(&self, lease: &Lease, ttl: Option<Duration>) -> Result<bool> {
        let mut call = self.call(&self.scripts.heartbeat);
        call.arg(lease.id().to_string()).arg(lease.attempt()).arg(ttl.map(span).unwrap_or_default());
        let rest = self.run_leased(lease, &call).await?;
        Ok(!text(rest.into_iter().next())?.is_empty())
    }

    async fn finish(&self, lease: &Lease, how: Finish) -> Result<State> {
        let told = finished_event(lease, &how);
        let attempt = (lease.id(), lease.attempt());
        let next = self.chains().get(&attempt).cloned();
        let mut call = self.call(&self.scripts.finish);
        call.arg(lease.id().to_string()).arg(lease.attempt());
        match how {
            Finish::Succeeded(value) => {
                let text = value.to_string();
                let (list, message) = next.map(|next| next.send(lease.id(), &value)).unwrap_or_default();
                call.arg("SUCCESS").arg(&text).arg(&text).arg("").arg("").arg("").arg(list).arg(message);
            }
            Finish::Failed { failure, retry } => {
                let pause =
                    lease.task.schedule.retry.pause(lease.id(), lease.task.failures + 1).filter(|_| retry);
                call.arg(if retry { "RETRY" } else { "FAILURE" })
                    .arg(described(&failure).to_string())
                    .arg(encoded(&failure)?)
                    .arg(wire::exception(&failure, &lease.task.name).to_string())
                    .arg(failure.traceback.as_ref().map(|trace| json!(trace).to_string()).unwrap_or_default())
                    .arg(pause.map(span).unwrap_or_default())
                    .arg("")
                    .arg("");
            }
            Finish::Cancelled => drop(call.arg("REVOKED").arg(&["", "", "", "", "", "", ""])),
            Finish::Released => drop(call.arg("RELEASED").arg(&["", "", "", "", "", "", ""])),
        }
        let rest = self.run_leased(lease, &call).await;
        // A call whose answer did not come is made again, and needs it again.
        if rest.as_ref().err().is_none_or(|error| !error.is_transient()) {
            self.chains().remove(&attempt);
            self.control.running().remove(&lease.id());
        }
        let rest = rest?;
        let state = state(&text(rest.into_iter().next())?)?;
        let (kind, fields) = match state {
            // A cancel request came first.
            State::Revoked => (
                "task-revoked",
                json!({"terminated": true, "signum": 15, "expired": false, "state": "REVOKED"}),
            ),
            State::Pending => ("task-retried", json!({"exception": "Retry()", "traceback": null})),
            _ => told,
        };
        self.task_event(kind, &lease.worker, lease.id(), fields).await;
        Ok(state)
    }

    pub(super) async fn cancel(&self, id: &TaskId) -> Result<State> {
        let mut call = self.call(&self.scripts.cancel);
        call.arg(id.to_string());
        match self.run(&call).await? {
            (ok, rest) if ok == "ok" => state(&text(rest.into_iter().next())?),
            _ => Err(QueueError::NotFound(*id)),
        }
    }

    /// Takes back leases: those of a worker, or those that have run out.
    async fn lose(&self, worker: &str) -> Result<usize> {
        let message = format!("the task lost its worker {MAX_LOST_LEASES} times");
        let failure = TaskFailure::new(TaskFailure::WORKER_LOST, message);
        let mut call = self.call(&self.scripts.lose);
        call.arg(worker)
            .arg(MAX_LOST_LEASES)
            .arg(encoded(&failure)?)
            .arg(wire::exception(&failure, "").to_string());
        value(self.run(&call).await?.1.into_iter().next())
    }

    /// The index that narrows a query down the most, as far as can be told without looking.
    fn index(&self, query: &ListQuery) -> String {
        match (query.labels.first_key_value(), &query.states[..], &query.name) {
            (Some((key, value)), _, _) => self.key("label", &format!("{}:{key}={value}", key.len())),
            (None, [state], _) => self.key("state", state),
            (None, _, Some(name)) => self.key("name", name),
            (None, _, None) => format!("{}order", self.options.prefix),
        }
    }
}

#[async_trait]
impl Broker for RedisQueue {
    async fn submit(&self, task: NewTask) -> Result<TaskId> {
        self.shared.submit(task, None).await
    }

    async fn restore(&self, task: TaskRecord, log: Vec<Entry>) -> Result<()> {
        let (id, state) = (task.id, task.state);
        let details = match state {
            State::Success => task.result.clone().unwrap_or_default(),
            State::Failure => task.error.as_ref().map(described).unwrap_or_default(),
            State::Revoked => json!({}),
            State::Pending | State::Started => return Err(QueueError::NotFinished { id, state }),
        };
        let submitted = Submitted { args: task.args, kwargs: task.kwargs, schedule: task.schedule };
        let mut fields = BTreeMap::from([
            ("sub", encoded(&submitted)?),
            ("labels", encoded(&task.labels)?),
            ("attempt", task.attempt.to_string()),
            ("lost", task.lost_leases.to_string()),
            ("failures", task.failures.to_string()),
            ("priority", submitted.schedule.priority.to_string()),
        ]);
        let mut set = |key, value: Option<String>| value.and_then(|value| fields.insert(key, value));
        set("dead", task.dead.then(|| "1".into()));
        set("cancel", task.cancel_requested.then(|| "1".into()));
        set("started", task.started_at.map(|at| micros(at).to_string()));
        set("finished", task.finished_at.map(|at| micros(at).to_string()));
        set("result", task.result.as_ref().map(Value::to_string));
        set("error", task.error.as_ref().map(encoded).transpose()?);
        set("worker", task.worker.as_ref().map(ToString::to_string));
        let mut call = self.shared.call(&self.shared.scripts.restore);
        call.arg(id.to_string())
            .arg(state.as_str())
            .arg(&task.name)
            .arg(&task.queue)
            .arg(micros(task.created_at))
            .arg(details.to_string())
            .arg(encoded(&fields)?)
            .arg(task.labels.len());
        for (key, value) in &task.labels {
            call.arg(key).arg(value);
        }
        for entry in log.iter().filter(|entry| entry.seq.is_some() && !entry.kind.is_terminal()) {
            call.arg(entry.kind.as_str())
                .arg(entry.attempt)
                .arg(entry.details.to_string())
                .arg(micros(entry.at));
        }
        match self.shared.run(&call).await? {
            (ok, _) if ok == "ok" => Ok(()),
            _ => Err(QueueError::Duplicate(id)),
        }
    }

    async fn get(&self, id: &TaskId) -> Result<TaskRecord> {
        self.shared.record(id).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Page<TaskRecord>> {
        let invalid = |cursor: &str| QueueError::InvalidCursor(cursor.to_owned());
        let mut last: Option<(i64, TaskId)> = match &query.cursor {
            Some(cursor) => {
                let (created, id) = cursor.split_once('/').ok_or_else(|| invalid(cursor))?;
                let parsed = created.parse().ok().zip(id.parse().ok());
                Some(parsed.ok_or_else(|| invalid(cursor))?)
            }
            None => None,
        };
        let (index, limit) = (self.shared.index(query), query.limit.max(1));
        let mut page: Vec<TaskRecord> = Vec::new();
        loop {
            let most = last.map_or_else(|| "+inf".to_owned(), |(created, _)| created.to_string());
            // Those of the very moment where the last look ended are looked at again, and passed over.
            let mut skip = 0;
            let mut fresh: Vec<(TaskId, i64)> = Vec::new();
            while fresh.is_empty() {
                let found: Vec<(String, f64)> = self
                    .shared
                    .manager
                    .clone()
                    .zrevrangebyscore_limit_withscores(&index, &most, "-inf", skip, CHUNK)
                    .await
                    .map_err(error)?;
                if found.is_empty() {
                    break;
                }
                skip += found.len() as isize;
                for (id, created) in found {
                    let (id, created): (TaskId, i64) =
                        (id.parse().map_err(|_| strange(&id))?, created as i64);
                    // Members of one score are sorted by their text, here from the last to the first.
                    if last.is_none_or(|(at, past)| created < at || id.to_string() < past.to_string()) {
                        fresh.push((id, created));
                    }
                }
            }
            let Some(&(id, created)) = fresh.last() else {
                return Ok(Page::new(page, None));
            };
            last = Some((created, id));
            let ids: Vec<_> = fresh.into_iter().map(|(id, _)| id).collect();
            for record in self.shared.records(&ids).await? {
                if query.matches(&record) {
                    if page.len() == limit {
                        let next = page.last().map(|last| format!("{}/{}", micros(last.created_at), last.id));
                        return Ok(Page::new(page, next));
                    }
                    page.push(record);
                }
            }
        }
    }

    async fn claim(
        &self,
        worker: &WorkerId,
        queues: &[String],
        ttl: Duration,
        wait: Duration,
    ) -> Result<Option<Lease>> {
        let until = clock::after(wait);
        let mut waiting = None;
        loop {
            // Made before the look, so that nothing can slip in between.
            let ready = self.shared.news.ready.notified();
            let due = match self.shared.claim(worker, queues, ttl).await? {
                Ok(lease) => return Ok(Some(lease)),
                Err(due) => due,
            };
            let now = clock::now();
            if now >= until {
                return Ok(None);
            }
            waiting.get_or_insert_with(|| self.shared.news.wait_for(queues));
            let next: Instant = until.min(now + due.unwrap_or(LOOK).min(LOOK));
            let _ = timeout_at(next, ready).await;
        }
    }

    async fn heartbeat(&self, lease: &Lease, ttl: Duration) -> Result<Heartbeat> {
        self.shared.heartbeat(lease, Some(ttl)).await.map(Heartbeat::new)
    }

    async fn await_cancel(&self, lease: &Lease, wait: Duration) -> Result<bool> {
        let wake = self.shared.news.of(lease.id());
        let asking = async {
            loop {
                let woken = wake.notified();
                if self.shared.heartbeat(lease, None).await? {
                    return Ok(true);
                }
                let _ = timeout(LOOK, woken).await;
            }
        };
        timeout(wait, asking).await.unwrap_or(Ok(false))
    }

    async fn finish(&self, lease: &Lease, how: Finish) -> Result<State> {
        self.shared.finish(lease, how).await
    }

    async fn cancel(&self, id: &TaskId) -> Result<State> {
        self.shared.cancel(id).await
    }

    async fn reap(&self) -> Result<usize> {
        self.shared.lose("").await
    }

    async fn disown(&self, worker: &WorkerId) -> Result<usize> {
        self.shared.lose(worker.as_str()).await
    }

    async fn holders(&self) -> Result<Vec<WorkerId>> {
        let call = self.shared.call(&self.shared.scripts.holders);
        let mut workers: Vec<String> =
            call.invoke_async(&mut self.shared.manager.clone()).await.map_err(error)?;
        workers.sort();
        workers.dedup();
        Ok(workers.into_iter().map(WorkerId::new).collect())
    }

    async fn attend(&self, worker: &WorkerInfo, ttl: Duration) -> Result<()> {
        let mut connection = self.shared.manager.clone();
        let (key, ttl) = (self.shared.key("worker", &worker.id), ttl.as_millis().min(1 << 40) as u64);
        if ttl > 0 {
            connection.pset_ex::<_, _, ()>(key, encoded(worker)?, ttl).await.map_err(error)?;
        }
        self.shared.heard_of(worker).await;
        Ok(())
    }

    async fn leave(&self, worker: &WorkerId) -> Result<()> {
        self.shared.gone(worker).await;
        self.shared.manager.clone().del(self.shared.key("worker", worker)).await.map_err(error)
    }

    async fn workers(&self) -> Result<Vec<WorkerInfo>> {
        let mut connection = self.shared.manager.clone();
        let mut keys: Vec<String> = Vec::new();
        let mut found = connection.scan_match(self.shared.key("worker", &"*")).await.map_err(error)?;
        while let Some(key) = found.next_item().await {
            keys.push(key.map_err(error)?);
        }
        drop(found);
        keys.sort();
        keys.dedup();
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let texts: Vec<Option<String>> = connection.mget(keys).await.map_err(error)?;
        let read = |text: &String| serde_json::from_str(text).map_err(|error| strange(error.to_string()));
        texts.iter().flatten().map(read).collect()
    }

    async fn requeue(&self, id: &TaskId, labels: &BTreeMap<String, Option<String>>) -> Result<TaskId> {
        let mut task = NewTask::again(&self.shared.record(id).await?);
        relabel(&mut task.labels, labels);
        self.shared.submit(task, Some(id)).await
    }

    async fn pause(&self, queue: &str) -> Result<()> {
        let key = format!("{}paused", self.shared.options.prefix);
        self.shared.manager.clone().sadd(key, queue).await.map_err(error)
    }

    async fn resume(&self, queue: &str) -> Result<()> {
        let prefix = &self.shared.options.prefix;
        let mut both = pipe();
        both.atomic()
            .srem(format!("{prefix}paused"), queue)
            .ignore()
            .publish(format!("{prefix}news"), "+")
            .ignore();
        both.query_async(&mut self.shared.manager.clone()).await.map_err(error)
    }

    async fn stats(&self) -> Result<Vec<QueueStats>> {
        let call = self.shared.call(&self.shared.scripts.stats);
        let found: Vec<(String, bool, u64, u64, u64, u64)> =
            call.invoke_async(&mut self.shared.manager.clone()).await.map_err(error)?;
        let mut all: Vec<_> = found
            .into_iter()
            .map(|(queue, paused, waiting, scheduled, running, dead)| QueueStats {
                queue,
                paused,
                waiting,
                scheduled,
                running,
                dead,
            })
            .filter(|stats| !stats.is_idle())
            .collect();
        all.sort_by(|a, b| a.queue.cmp(&b.queue));
        Ok(all)
    }

    async fn delete(&self, id: &TaskId) -> Result<()> {
        let mut call = self.shared.call(&self.shared.scripts.delete);
        call.arg(id.to_string());
        let (answer, rest) = self.shared.run(&call).await?;
        match answer.as_str() {
            "ok" => Ok(()),
            "missing" => Err(QueueError::NotFound(*id)),
            _ => Err(QueueError::NotFinished { id: *id, state: state(&text(rest.into_iter().next())?)? }),
        }
    }

    async fn annotate(&self, id: &TaskId, labels: &BTreeMap<String, Option<String>>) -> Result<Labels> {
        let mut call = self.shared.call(&self.shared.scripts.annotate);
        call.arg(id.to_string());
        for (key, value) in labels {
            call.arg(key).arg(value.as_deref().unwrap_or_default()).arg(if value.is_some() {
                "1"
            } else {
                ""
            });
        }
        match self.shared.run(&call).await? {
            (ok, rest) if ok == "ok" => {
                let text = text(rest.into_iter().next())?;
                serde_json::from_str(&text).map_err(|error| strange(error.to_string()))
            }
            _ => Err(QueueError::NotFound(*id)),
        }
    }
}

#[async_trait]
impl EventLog for RedisQueue {
    async fn append(&self, lease: &Lease, after: Seq, events: &[NewEvent]) -> Result<Seq> {
        let mut call = self.shared.call(&self.shared.scripts.append);
        call.arg(lease.id().to_string()).arg(lease.attempt()).arg(after);
        for event in events {
            let kept = if event.keep == Keep::All { "1" } else { "" };
            call.arg(kept).arg(event.details.to_string()).arg(micros(event.at));
        }
        let rest = self.shared.run_leased(lease, &call).await?;
        text(rest.into_iter().next())?.parse().map_err(|_| strange("no number"))
    }

    async fn read(&self, id: &TaskId, after: Seq, limit: usize) -> Result<Vec<Entry>> {
        self.shared.read_log(*id, after, limit).await
    }

    async fn follow(&self, id: &TaskId, after: Seq) -> Result<BoxStream<'static, Result<Entry>>> {
        if self.shared.is_known(*id).await? {
            Ok(follow::stream(Arc::clone(&self.shared), *id, after))
        } else {
            Err(QueueError::NotFound(*id))
        }
    }
}

/// What Flower is told of the end of an attempt.
fn finished_event(lease: &Lease, how: &Finish) -> (&'static str, Value) {
    let began = lease.task.started_at.unwrap_or(lease.task.created_at);
    match how {
        Finish::Succeeded(value) => {
            let runtime = clock::timestamp().duration_since(began).as_secs_f64();
            ("task-succeeded", json!({"result": control::repr(value), "runtime": runtime}))
        }
        Finish::Failed { failure, .. } => {
            let shown = wire::exception(failure, &lease.task.name);
            let exception = format!(
                "{}({})",
                shown["exc_type"].as_str().unwrap_or_default(),
                control::repr(&shown["exc_message"][0])
            );
            ("task-failed", json!({"exception": exception, "traceback": failure.traceback}))
        }
        Finish::Cancelled | Finish::Released => ("task-retried", json!({})),
    }
}

/// What watchers are told of a failure.
fn described(failure: &TaskFailure) -> Value {
    json!({"error_code": failure.code, "message": failure.message})
}

/// Microseconds.
fn span(span: Duration) -> String {
    span.as_micros().min(1 << 50).to_string()
}

fn encoded(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| QueueError::Storage(error.to_string()))
}

fn value<T: FromRedisValue>(answer: Option<Answer>) -> Result<T> {
    let answer = answer.ok_or_else(|| strange("nothing"))?;
    T::from_redis_value(answer).map_err(|error| strange(error.to_string()))
}

fn text(answer: Option<Answer>) -> Result<String> {
    value(answer)
}

fn state(name: &str) -> Result<State> {
    serde_json::from_value(name.into()).map_err(|_| strange(name))
}
