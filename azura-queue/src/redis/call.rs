//! Calling scripts, and reading what they answer.

use std::{fmt::Display, time::Duration};

use ::redis::{FromRedisValue, Script, ScriptInvocation, Value as Answer};
use serde_json::{Value, json};

use super::{Shared, error, strange};
use crate::{Lease, QueueError, Result, State, TaskFailure, TaskRecord};

impl Shared {
    /// One of our own keys.
    pub(super) fn key(&self, kind: &str, of: &impl Display) -> String {
        format!("{}{kind}:{of}", self.options.prefix)
    }

    /// A script with what every script is given.
    pub(super) fn call<'a>(&self, script: &'a Script) -> ScriptInvocation<'a> {
        let mut call = script.prepare_invoke();
        call.arg(&self.options.prefix).arg(self.options.log_ttl.map_or(0, |ttl| ttl.as_secs().max(1)));
        call
    }

    /// Runs a script: the first text of its answer, and what comes after it.
    pub(super) async fn run(&self, call: &ScriptInvocation<'_>) -> Result<(String, Vec<Answer>)> {
        let mut answer: Vec<Answer> = call.invoke_async(&mut self.manager.clone()).await.map_err(error)?;
        if answer.is_empty() {
            return Err(strange("nothing"));
        }
        let rest = answer.split_off(1);
        Ok((text(answer.pop())?, rest))
    }

    /// Runs a script under a lease.
    pub(super) async fn run_leased(&self, lease: &Lease, call: &ScriptInvocation<'_>) -> Result<Vec<Answer>> {
        match self.run(call).await? {
            (ok, rest) if ok == "ok" => Ok(rest),
            _ => Err(QueueError::StaleLease { id: lease.id(), attempt: lease.attempt() }),
        }
    }
}

/// What watchers are told of a failure.
pub(super) fn described(failure: &TaskFailure) -> Value {
    json!({"error_code": failure.code, "message": failure.message})
}

/// Microseconds.
pub(super) fn span(span: Duration) -> String {
    span.as_micros().min(1 << 50).to_string()
}

pub(super) fn encoded(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| QueueError::Storage(error.to_string()))
}

pub(super) fn value<T: FromRedisValue>(answer: Option<Answer>) -> Result<T> {
    let answer = answer.ok_or_else(|| strange("nothing"))?;
    T::from_redis_value(answer).map_err(|error| strange(error.to_string()))
}

pub(super) fn text(answer: Option<Answer>) -> Result<String> {
    value(answer)
}

pub(super) fn state(name: &str) -> Result<State> {
    serde_json::from_value(name.into()).map_err(|_| strange(name))
}

/// What watchers are told of how a task ended.
pub(super) fn outcome(task: &TaskRecord) -> Value {
    match task.state {
        State::Success => task.result.clone().unwrap_or_default(),
        State::Failure => task.error.as_ref().map(described).unwrap_or_default(),
        _ => json!({}),
    }
}
