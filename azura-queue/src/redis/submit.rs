//! Putting tasks in: new ones, and those that ended elsewhere.

use std::collections::BTreeMap;

use serde_json::Value;
use uuid::Uuid;

use super::{
    Shared,
    call::{encoded, outcome, text},
    record::{Submitted, micros},
    strange,
    wire::{self, Outgoing},
};
use crate::{Entry, Hold, NewTask, QueueError, Result, TaskId, TaskRecord};

impl Shared {
    /// Submits a task; `old` is the dead letter that it takes the place of.
    pub(super) async fn submit(&self, task: NewTask, old: Option<&TaskId>) -> Result<TaskId> {
        let id = task.id.unwrap_or_else(TaskId::random);
        let tag = Uuid::new_v4();
        let message = wire::message(&Outgoing {
            id,
            tag,
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
            .arg(tag.to_string())
            .arg(&key)
            .arg(hold)
            .arg(period.to_string())
            .arg(task.checkpoint);
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

    /// Records again a task that has ended.
    pub(super) async fn restore(&self, task: TaskRecord, log: Vec<Entry>) -> Result<()> {
        let (id, state) = (task.id, task.state);
        if !state.is_terminal() {
            return Err(QueueError::NotFinished { id, state });
        }
        let details = outcome(&task);
        let submitted = Submitted { args: task.args, kwargs: task.kwargs, schedule: task.schedule };
        let mut fields = BTreeMap::from([
            ("sub", encoded(&submitted)?),
            ("labels", encoded(&task.labels)?),
            ("attempt", task.attempt.to_string()),
            ("checkpoint", task.checkpoint.to_string()),
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
        let mut call = self.call(&self.scripts.restore);
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
        match self.run(&call).await? {
            (ok, _) if ok == "ok" => Ok(()),
            _ => Err(QueueError::Duplicate(id)),
        }
    }
}
