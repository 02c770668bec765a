//! What a worker does with a task.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    Shared,
    call::{described, encoded, span, state, text, value},
    control,
    record::Submitted,
    together::{Desk, ask},
    wire,
};
use crate::{Finish, Lease, MAX_LOST_LEASES, QueueError, Result, State, TaskFailure, clock};

impl Shared {
    /// Claims a task, or says when the next one is due.
    pub(super) async fn claim(&self, desk: Desk) -> Result<Result<Lease, Option<Duration>>> {
        let worker = desk.worker.clone();
        let (mut lease, message) = match ask(&self.claims, desk).await? {
            Ok(taken) => taken,
            Err(due) => return Ok(Err(due)),
        };
        if let Some(message) = message
            && let Err(failure) = self.adopt(&mut lease, &message).await?
        {
            self.claimed(&lease.task, &worker).await;
            self.finish(&lease, Finish::Failed { failure, retry: false }).await?;
            return Ok(Err(Some(Duration::ZERO)));
        }
        self.claimed(&lease.task, &worker).await;
        Ok(Ok(lease))
    }

    /// Completes a task that somebody else has sent. The inner error is what is wrong with it.
    pub(super) async fn adopt(&self, lease: &mut Lease, message: &[u8]) -> Result<Result<(), TaskFailure>> {
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

    pub(super) async fn heartbeat(&self, lease: &Lease, ttl: Option<Duration>) -> Result<bool> {
        let mut call = self.call(&self.scripts.heartbeat);
        call.arg(lease.id().to_string()).arg(lease.attempt()).arg(ttl.map(span).unwrap_or_default());
        let rest = self.run_leased(lease, &call).await?;
        Ok(!text(rest.into_iter().next())?.is_empty())
    }

    pub(super) async fn checkpoint(&self, lease: &Lease, epoch: u64) -> Result<()> {
        let mut call = self.call(&self.scripts.checkpoint);
        call.arg(lease.id().to_string()).arg(lease.attempt()).arg(epoch);
        self.run_leased(lease, &call).await.map(|_| ())
    }

    pub(super) async fn finish(&self, lease: &Lease, how: Finish) -> Result<State> {
        let told = finished_event(lease, &how);
        let attempt = (lease.id(), lease.attempt());
        let next = self.chains().get(&attempt).cloned();
        let none = String::new;
        let what = match how {
            Finish::Succeeded(value) => {
                let text = value.to_string();
                let (list, message) = next.and_then(|next| next.send(lease.id(), &value)).unwrap_or_default();
                ["SUCCESS".into(), text.clone(), text, none(), none(), none(), list, message]
            }
            Finish::Failed { failure, retry } => {
                let pause =
                    lease.task.schedule.retry.pause(lease.id(), lease.task.failures + 1).filter(|_| retry);
                [
                    if retry { "RETRY" } else { "FAILURE" }.into(),
                    described(&failure).to_string(),
                    encoded(&failure)?,
                    wire::exception(&failure, &lease.task.name).to_string(),
                    failure.traceback.as_ref().map(|trace| json!(trace).to_string()).unwrap_or_default(),
                    pause.map(span).unwrap_or_default(),
                    none(),
                    none(),
                ]
            }
            Finish::Cancelled => ["REVOKED".into(), none(), none(), none(), none(), none(), none(), none()],
            Finish::Released => ["RELEASED".into(), none(), none(), none(), none(), none(), none(), none()],
        };
        let mut asked = vec![lease.id().to_string(), lease.attempt().to_string()];
        asked.extend(what);
        let answer = ask(&self.finishes, asked).await;
        // A call whose answer did not come is made again, and needs it again.
        if answer.as_ref().err().is_none_or(|error| !error.is_transient()) {
            self.chains().remove(&attempt);
            self.control.running().remove(&lease.id());
        }
        let state = match text(Some(answer?))?.as_str() {
            "stale" => return Err(QueueError::StaleLease { id: lease.id(), attempt: lease.attempt() }),
            name => state(name)?,
        };
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

    /// Takes back leases: those of a worker, or those that have run out, where that is looked at `every` so often.
    pub(super) async fn lose(&self, worker: &str, every: Duration) -> Result<usize> {
        let message = format!("the task lost its worker {MAX_LOST_LEASES} times");
        let failure = TaskFailure::new(TaskFailure::WORKER_LOST, message);
        let mut call = self.call(&self.scripts.lose);
        call.arg(worker)
            .arg(MAX_LOST_LEASES)
            .arg(encoded(&failure)?)
            .arg(wire::exception(&failure, "").to_string())
            .arg(span(every));
        value(self.run(&call).await?.1.into_iter().next())
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
