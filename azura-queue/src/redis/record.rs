//! A task's record, as a hash.

use std::{borrow::Cow, str::FromStr};

use ::redis::Value as Answer;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::strange;
use crate::{Result, Schedule, TaskId, TaskRecord, WorkerId};

/// The fields of the hash that are the record's.
pub(super) const FIELDS: [&str; 18] = [
    "name",
    "queue",
    "sub",
    "labels",
    "state",
    "attempt",
    "lost",
    "failures",
    "dead",
    "cancel",
    "created",
    "started",
    "finished",
    "due",
    "result",
    "error",
    "worker",
    "checkpoint",
];

/// What was submitted and never changes.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Submitted {
    pub(super) args: Vec<Value>,
    #[serde(default)]
    pub(super) kwargs: Map<String, Value>,
    pub(super) schedule: Schedule,
}

/// Microseconds since 1970.
pub(super) fn micros(moment: Timestamp) -> i64 {
    moment.as_microsecond()
}

pub(super) fn timestamp(micros: i64) -> Result<Timestamp> {
    Timestamp::from_microsecond(micros).map_err(|_| strange(micros))
}

/// Those that a task which waits can have, `sub` first.
pub(super) const WAITING: [&str; 13] = [
    "sub",
    "name",
    "queue",
    "labels",
    "state",
    "lost",
    "failures",
    "dead",
    "cancel",
    "created",
    "due",
    "error",
    "checkpoint",
];

/// The record, of the values of these fields; `None` if there is no such task.
pub(super) fn read(id: TaskId, fields: &[&str], values: &[Answer]) -> Result<Option<TaskRecord>> {
    // What is no text, in a record that was made of somebody's message, is shown as far as it goes.
    let text = |field: &str| -> Result<Option<Cow<'_, str>>> {
        let Some(place) = fields.iter().position(|name| *name == field) else { return Ok(None) };
        match values.get(place) {
            Some(Answer::BulkString(bytes)) => Ok(Some(String::from_utf8_lossy(bytes))),
            Some(Answer::Nil) => Ok(None),
            other => Err(strange((field, other))),
        }
    };
    let moment = |field| parsed(text(field)?)?.map(timestamp).transpose();
    let (Some(name), Some(queue), Some(state)) = (text("name")?, text("queue")?, text("state")?) else {
        return Ok(None);
    };
    let mut submitted: Submitted = decoded(text("sub")?)?.unwrap_or_default();
    if let Some(due) = moment("due")? {
        submitted.schedule.eta = Some(due);
    }
    let Submitted { args, kwargs, schedule } = submitted;
    Ok(Some(TaskRecord {
        id,
        name: name.into_owned(),
        queue: queue.into_owned(),
        args,
        kwargs,
        schedule,
        state: super::call::state(&state)?,
        attempt: parsed(text("attempt")?)?.unwrap_or(0),
        checkpoint: parsed(text("checkpoint")?)?.unwrap_or(0),
        lost_leases: parsed(text("lost")?)?.unwrap_or(0),
        failures: parsed(text("failures")?)?.unwrap_or(0),
        dead: text("dead")?.is_some(),
        labels: decoded(text("labels")?)?.unwrap_or_default(),
        created_at: moment("created")?.unwrap_or_default(),
        started_at: moment("started")?,
        finished_at: moment("finished")?,
        result: decoded::<Option<Value>>(text("result")?)?.flatten(),
        error: decoded(text("error")?)?,
        cancel_requested: text("cancel")?.is_some(),
        worker: text("worker")?.map(WorkerId::new),
    }))
}

fn parsed<T: FromStr>(text: Option<Cow<'_, str>>) -> Result<Option<T>> {
    text.map(|text| text.parse().map_err(|_| strange(text))).transpose()
}

fn decoded<T: for<'a> Deserialize<'a>>(text: Option<Cow<'_, str>>) -> Result<Option<T>> {
    text.map(|text| serde_json::from_str(&text).map_err(|error| strange(error.to_string()))).transpose()
}
