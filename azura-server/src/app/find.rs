//! Which run an id means, and ids that mean no other.

use std::time::Duration;

use azura_queue::{ListQuery, QueueError, TaskId, TaskRecord};
use jiff::Timestamp;
use serde_json::Value;

use super::{App, AppError, MAX_LIST, Result};
use crate::{
    TASK, clock,
    runs::{self, EXPERIMENT_ID, PIPELINE_NAME},
};

impl App {
    /// The record of a run, by its experiment id or its task's id.
    pub(crate) async fn record(&self, id: &str) -> Result<TaskRecord> {
        let record = match id.parse() {
            Ok(task) => match self.queue.get(&task).await {
                Ok(record) => Some(record).filter(|record| record.name == TASK),
                Err(QueueError::NotFound(_)) => None,
                Err(error) => return Err(error.into()),
            },
            Err(_) => match self.labelled(id).await? {
                None => self.derived(id).await?,
                found => found,
            },
        };
        record.ok_or_else(|| AppError::NoExperiment(id.to_owned()))
    }

    async fn labelled(&self, experiment_id: &str) -> Result<Option<TaskRecord>> {
        let query = ListQuery::default().name(TASK).label(EXPERIMENT_ID, experiment_id).limit(1);
        Ok(self.queue.list(&query).await?.items.pop())
    }

    /// A run whose task has no label, by the id that was made of the task. It says when the task was submitted.
    async fn derived(&self, experiment_id: &str) -> Result<Option<TaskRecord>> {
        let Some(second) = runs::second(experiment_id) else { return Ok(None) };
        let end = second.saturating_add(Duration::from_secs(1)).unwrap_or(Timestamp::MAX);
        let mut query = ListQuery::default().name(TASK).submitted(second..end).limit(MAX_LIST);
        loop {
            let page = self.queue.list(&query).await?;
            let found = page.items.into_iter().find(|record| runs::experiment_id(record) == experiment_id);
            match page.next {
                Some(next) if found.is_none() => query = query.cursor(next),
                _ => return Ok(found),
            }
        }
    }

    /// A name for a new run of this config that no other run has.
    pub(super) async fn free_experiment_id(&self, config: &Value, task: TaskId) -> Result<String> {
        let (pipeline, now) = (config[PIPELINE_NAME].as_str().unwrap_or_default(), clock::now());
        let mut characters = 8;
        loop {
            let id = runs::new_experiment_id(pipeline, now, task, characters);
            if self.labelled(&id).await?.is_none() && !self.runs.folder(&id).exists() {
                return Ok(id);
            }
            characters += 1;
        }
    }
}
