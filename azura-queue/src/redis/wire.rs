//! Celery's messages: an envelope in JSON around a body in JSON in base64.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{Schedule, TaskFailure, TaskId, TimeLimits, clock};

/// The separator of a queue's name and a step of priority.
const SEPARATOR: &str = "\u{6}\u{16}";

/// The list that messages of a queue and a priority wait in.
pub(super) fn list(queue: &str, priority: u8) -> String {
    match priority.min(9) / 3 * 3 {
        0 => queue.to_owned(),
        step => format!("{queue}{SEPARATOR}{step}"),
    }
}

/// Whether a key of this name is used for something else than messages that wait: a message in it would make it useless for that.
fn is_no_list(queue: &str) -> bool {
    let begins = ["_kombu.", "celery-task-meta-", "task-progress:", "azura:"];
    ["unacked", "unacked_index", "unacked_mutex"].contains(&queue)
        || begins.iter().any(|start| queue.starts_with(start))
}

/// What is to be done, as a message tells it.
pub(super) struct Outgoing<'a> {
    pub(super) id: TaskId,
    /// The message's own name.
    pub(super) tag: Uuid,
    pub(super) name: &'a str,
    pub(super) queue: &'a str,
    pub(super) args: &'a [Value],
    pub(super) kwargs: &'a Map<String, Value>,
    pub(super) schedule: &'a Schedule,
    pub(super) root: Option<&'a str>,
    pub(super) parent: Option<TaskId>,
    pub(super) reply_to: Option<&'a str>,
    pub(super) chain: &'a [Value],
}

/// A message as Celery's own clients write it.
pub(super) fn message(task: &Outgoing<'_>) -> String {
    let chain = if task.chain.is_empty() { Value::Null } else { task.chain.into() };
    let body = json!([
        task.args,
        task.kwargs,
        {"callbacks": null, "errbacks": null, "chain": chain, "chord": null}
    ]);
    let id = task.id.to_string();
    let seconds = |limit: Option<Duration>| limit.map(|limit| limit.as_secs_f64());
    let TimeLimits { soft, hard } = task.schedule.limits;
    json!({
        "body": BASE64.encode(body.to_string()),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {
            "lang": "rs",
            "task": task.name,
            "id": id,
            "shadow": null,
            "eta": task.schedule.eta,
            "expires": task.schedule.expires,
            "group": null,
            "group_index": null,
            "retries": 0,
            "timelimit": [seconds(hard), seconds(soft)],
            "root_id": task.root.unwrap_or(&id),
            "parent_id": task.parent,
            "argsrepr": repr(&Value::from(task.args)),
            "kwargsrepr": repr(&Value::from(task.kwargs.clone())),
            "origin": format!("azura-queue@{}", std::process::id()),
            "ignore_result": false,
        },
        "properties": {
            "correlation_id": id,
            "reply_to": task.reply_to,
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": task.queue},
            "priority": task.schedule.priority,
            "body_encoding": "base64",
            "delivery_tag": task.tag,
        },
    })
    .to_string()
}

/// What people see of arguments; long ones are cut.
fn repr(value: &Value) -> String {
    let text = value.to_string();
    if text.len() <= 1024 { text } else { text.chars().take(1024).chain("...".chars()).collect() }
}

/// A task to be sent on, as Celery writes it down.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Signature {
    pub(super) task: String,
    #[serde(default)]
    pub(super) args: Vec<Value>,
    #[serde(default)]
    pub(super) kwargs: Map<String, Value>,
    #[serde(default)]
    pub(super) options: Options,
    #[serde(default)]
    pub(super) immutable: bool,
    /// What comes after it, the next one last.
    #[serde(skip)]
    pub(super) rest: Vec<Value>,
    #[serde(skip)]
    pub(super) root: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Options {
    pub(super) task_id: Option<TaskId>,
    pub(super) queue: Option<String>,
    pub(super) priority: Option<u8>,
    pub(super) reply_to: Option<String>,
    /// Seconds from when it is sent.
    pub(super) countdown: Option<f64>,
    pub(super) eta: Option<String>,
    /// Seconds from when it is sent, or a time.
    #[serde(default)]
    pub(super) expires: Value,
    /// Seconds.
    pub(super) time_limit: Option<f64>,
    pub(super) soft_time_limit: Option<f64>,
    #[serde(default)]
    link: Value,
    #[serde(default)]
    link_error: Value,
    #[serde(default)]
    chord: Value,
}

impl Options {
    /// When and how the task is to be done, if it is sent now.
    fn schedule(&self) -> Schedule {
        let ahead = |seconds: f64| Some(clock::timestamp_after(length(seconds)?));
        let mut schedule = Schedule { priority: self.priority.unwrap_or(0).min(9), ..Schedule::default() };
        schedule.eta = self.countdown.and_then(ahead).or_else(|| moment(self.eta.as_deref()?));
        schedule.expires = self.expires.as_f64().and_then(ahead).or_else(|| moment(self.expires.as_str()?));
        schedule.limits.hard = self.time_limit.and_then(length);
        schedule.limits.soft = self.soft_time_limit.and_then(length);
        schedule
    }
}

/// A span that means something: 0 is none.
fn length(seconds: f64) -> Option<Duration> {
    (seconds > 0.0 && seconds < 1e9).then(|| Duration::from_secs_f64(seconds))
}

/// A time as Python writes it; without a zone it is UTC.
fn moment(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| {
        text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    })
}

impl Signature {
    /// The list and the message of this task, after one of this id that came to `result`; nothing where no message may go.
    pub(super) fn send(mut self, parent: TaskId, result: &Value) -> Option<(String, String)> {
        if !self.immutable {
            self.args.insert(0, result.clone());
        }
        let schedule = self.options.schedule();
        let Options { task_id, queue, reply_to, .. } = self.options;
        let queue = queue.unwrap_or_else(|| crate::DEFAULT_QUEUE.to_owned());
        if is_no_list(&queue) {
            tracing::warn!(%parent, queue, "the next task of a chain is not sent: that is no queue");
            return None;
        }
        let text = message(&Outgoing {
            id: task_id.unwrap_or_else(TaskId::random),
            tag: Uuid::new_v4(),
            name: &self.task,
            queue: &queue,
            args: &self.args,
            kwargs: &self.kwargs,
            schedule: &schedule,
            root: self.root.as_deref(),
            parent: Some(parent),
            reply_to: reply_to.as_deref(),
            chain: &self.rest,
        });
        Some((list(&queue, schedule.priority), text))
    }
}

/// What somebody else has sent.
pub(super) struct Incoming {
    pub(super) args: Vec<Value>,
    pub(super) kwargs: Map<String, Value>,
    pub(super) schedule: Schedule,
    pub(super) next: Option<Signature>,
}

/// Reads a message; the failure is what its sender is to be told.
pub(super) fn read(message: &[u8]) -> Result<Incoming, TaskFailure> {
    let wrong = |message: String| TaskFailure::new("MESSAGE_INVALID", message);
    let text = std::str::from_utf8(message)
        .map_err(|error| wrong(format!("the message is not UTF-8 text: {error}")))?;
    let envelope: Value =
        serde_json::from_str(text).map_err(|error| wrong(format!("the message is not JSON: {error}")))?;
    let kind = envelope["content-type"].as_str().unwrap_or_default();
    if kind != "application/json" {
        return Err(wrong(format!("the content type {kind:?} is not taken; only application/json is")));
    }
    let body = envelope["body"].as_str().ok_or_else(|| wrong("the message has no body".into()))?;
    let body = match envelope["properties"]["body_encoding"].as_str() {
        Some("base64") => {
            BASE64.decode(body).map_err(|error| wrong(format!("the body is not base64: {error}")))?
        }
        None => body.into(),
        Some(other) => {
            return Err(wrong(format!("the body encoding {other:?} is not taken; only base64 is")));
        }
    };
    let body: Value =
        serde_json::from_slice(&body).map_err(|error| wrong(format!("the body is not JSON: {error}")))?;
    let Value::Array(parts) = body else { return Err(wrong("the body is not [args, kwargs, embed]".into())) };
    let [Value::Array(args), Value::Object(kwargs), embed] = &parts[..] else {
        return Err(wrong("the body is not [args, kwargs, embed]".into()));
    };
    for name in ["callbacks", "errbacks", "chord"] {
        refuse(name, &embed[name])?;
    }
    let headers = &envelope["headers"];
    let mut next = None;
    if let Value::Array(chain) = &embed["chain"]
        && let Some((first, rest)) = chain.split_last()
    {
        let mut signature: Signature = serde_json::from_value(first.clone())
            .map_err(|error| wrong(format!("the next task of the chain cannot be read: {error}")))?;
        let options = &signature.options;
        for (name, value) in
            [("link", &options.link), ("link_error", &options.link_error), ("chord", &options.chord)]
        {
            refuse(name, value)?;
        }
        signature.rest = rest.to_vec();
        signature.root = headers["root_id"].as_str().map(str::to_owned);
        next = Some(signature);
    }
    let limit = |n: usize| headers["timelimit"][n].as_f64().and_then(length);
    let mut schedule = Schedule {
        priority: envelope["properties"]["priority"].as_u64().unwrap_or(0).min(9) as u8,
        eta: headers["eta"].as_str().and_then(moment),
        expires: headers["expires"].as_str().and_then(moment),
        ..Schedule::default()
    };
    (schedule.limits.hard, schedule.limits.soft) = (limit(0), limit(1));
    Ok(Incoming { args: args.clone(), kwargs: kwargs.clone(), schedule, next })
}

/// What is not done here must not be passed over in silence.
fn refuse(name: &str, value: &Value) -> Result<(), TaskFailure> {
    match value {
        Value::Null => Ok(()),
        Value::Array(list) if list.is_empty() => Ok(()),
        _ => Err(TaskFailure::new(
            "UNSUPPORTED_FEATURE",
            format!("`{name}` is not supported here; a chain is"),
        )),
    }
}

/// How Celery's clients are told of a failure: they make an exception of it.
pub(super) fn exception(failure: &TaskFailure, name: &str) -> Value {
    if failure.code == TaskFailure::UNKNOWN_TASK {
        return json!({"exc_type": "NotRegistered", "exc_message": [name], "exc_module": "celery.exceptions"});
    }
    let words = failure.code.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let kind: String = words
        .map(|word| {
            let (first, rest) = word.split_at(1);
            first.to_ascii_uppercase() + &rest.to_ascii_lowercase()
        })
        .collect();
    let kind = if kind.starts_with(|c: char| c.is_ascii_alphabetic()) { kind } else { "TaskError".into() };
    json!({"exc_type": kind, "exc_message": [failure.message], "exc_module": "azura"})
}

/// What a worker of Celery's says of a failure, the other way round: `ValueError` is `VALUE_ERROR`.
pub(super) fn failure(said: &Value) -> TaskFailure {
    let exception = &said["result"];
    let mut code = String::new();
    for letter in exception["exc_type"].as_str().unwrap_or("Exception").chars() {
        if letter.is_ascii_uppercase() && code.ends_with(|last: char| last != '_') {
            code.push('_');
        }
        code.push(letter.to_ascii_uppercase());
    }
    if code == "NOT_REGISTERED" {
        TaskFailure::UNKNOWN_TASK.clone_into(&mut code);
    }
    let word = |word: &Value| word.as_str().map_or_else(|| word.to_string(), str::to_owned);
    let message = match &exception["exc_message"] {
        Value::Array(words) => words.iter().map(word).collect::<Vec<_>>().join(", "),
        other => word(other),
    };
    let mut failure = TaskFailure::new(code, message);
    failure.traceback = said["traceback"].as_str().map(str::to_owned);
    failure
}
