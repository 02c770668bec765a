//! Ending tasks from outside: cancelling, Celery's revoke, and tasks that workers of Celery's have ended.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};

use super::{
    Shared,
    call::{described, encoded, span, state, text},
    control, strange, wire,
};
use crate::{QueueError, Result, State, TaskId, WorkerInfo};

/// How long it is remembered that a task was revoked; as long as Celery's workers do.
const REMEMBERED: Duration = Duration::from_hours(3);

impl Shared {
    pub(super) async fn cancel(&self, id: &TaskId) -> Result<State> {
        let mut call = self.call(&self.scripts.cancel);
        call.arg(id.to_string()).arg(self.topic(control::PIDBOX)).arg(control::terminate(*id));
        let (answer, rest) = self.run(&call).await?;
        let said = text(rest.into_iter().next());
        match answer.as_str() {
            "ok" => state(&said?),
            "ended" => self.settle(*id, &said?).await,
            _ => Err(QueueError::NotFound(*id)),
        }
    }

    /// Does what Celery calls to revoke: a task that is not there yet will not be done when it comes; one that runs goes on unless `terminate`.
    pub(super) async fn revoke(&self, id: TaskId, terminate: bool) -> Result<()> {
        let mut call = self.call(&self.scripts.revoke);
        call.arg(id.to_string()).arg(span(REMEMBERED)).arg(if terminate { "1" } else { "" });
        self.run(&call).await.map(|_| ())
    }

    /// Ends tasks that still wait here although a worker of Celery's has done them.
    pub(super) async fn settle_strays(&self) -> Result<()> {
        let (_, found) = self.run(&self.call(&self.scripts.strays)).await?;
        let mut found = found.into_iter();
        while let Some(id) = found.next() {
            let (id, said) = (text(Some(id))?, text(found.next())?);
            self.settle(id.parse().map_err(|_| strange(id))?, &said).await?;
        }
        Ok(())
    }

    /// Records tasks for our workers that others have sent and nobody has taken yet.
    pub(super) async fn sight(&self) -> Result<()> {
        let workers: Vec<WorkerInfo> = self.control.workers().values().cloned().collect();
        let queues: BTreeSet<&String> = workers.iter().flat_map(|worker| &worker.queues).collect();
        for queue in queues {
            let of_it = workers.iter().filter(|worker| worker.queues.contains(queue));
            let names: BTreeSet<&String> = of_it.flat_map(|worker| &worker.handlers).collect();
            let mut call = self.call(&self.scripts.sight);
            call.arg(queue);
            for name in names {
                call.arg(name);
            }
            self.run(&call).await?;
        }
        Ok(())
    }

    /// Ends a task as this result in Celery's form says.
    async fn settle(&self, id: TaskId, said: &str) -> Result<State> {
        let said: Value = serde_json::from_str(said).map_err(|error| strange(error.to_string()))?;
        let how = state(said["status"].as_str().unwrap_or_default())?;
        let (details, value) = match how {
            State::Success => (said["result"].clone(), said["result"].to_string()),
            State::Failure => {
                let failure = wire::failure(&said);
                (described(&failure), encoded(&failure)?)
            }
            _ => (json!({}), String::new()),
        };
        let worker = said["worker"].as_str().unwrap_or("celery");
        let mut call = self.call(&self.scripts.settle);
        call.arg(id.to_string()).arg(how.as_str()).arg(details.to_string()).arg(value).arg(worker);
        match self.run(&call).await?.0.as_str() {
            "missing" => Err(QueueError::NotFound(id)),
            name => state(name),
        }
    }
}
