//! Runs that are to be: one, or all of a grid.

use std::{io, sync::Arc};

use azura_learner::{
    Choices, ConfigError,
    config::{Invalid, Problem, expand},
};
use azura_queue::{NewTask, TaskId};
use serde_json::{Map, Value};
use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::{App, Result};
use crate::{
    TASK,
    runs::{self, BATCH_ID, BATCH_NAME, EXPERIMENT_ID, PIPELINE_NAME},
};

/// The most runs that one grid stands for.
const MAX_RUNS: usize = 256;

/// What was submitted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Submission {
    /// One run.
    Run(TaskId),
    /// All runs of a grid, in the order of the values in its lists, the last list changing fastest.
    Batch {
        /// What they have in common, and no others.
        id: String,
        /// The runs.
        tasks: Vec<TaskId>,
    },
}

impl App {
    /// The runs that a config stands for, each checked and completed with defaults: more than one where it has lists for values that are none.
    ///
    /// # Errors
    /// [`AppError::Config`](super::AppError::Config) with every problem of the first run that has any.
    pub async fn check_all(self: &Arc<Self>, config: Value) -> Result<Vec<Value>> {
        let app = Arc::clone(self);
        let checked = spawn_blocking(move || {
            let pipeline = config[PIPELINE_NAME].as_str().and_then(|name| app.registry.info(name));
            let configs = match pipeline {
                Some(pipeline) => expand(&pipeline.json_schema, &config, MAX_RUNS)
                    .map_err(|problem| ConfigError::from(Invalid(vec![problem])))?,
                None => vec![config],
            };
            configs.iter().map(|config| app.registry.check(config, &app.sources)).collect::<Result<_, _>>()
        });
        Ok(checked.await.map_err(io::Error::other)??)
    }

    /// Checks a config for a pipeline, which the config need not name, and returns the runs that it stands for.
    ///
    /// # Errors
    /// [`AppError::NoPipeline`](super::AppError::NoPipeline), [`AppError::Config`](super::AppError::Config).
    pub async fn validate(self: &Arc<Self>, pipeline: &str, mut config: Value) -> Result<Vec<Value>> {
        let pipeline = self.pipeline(pipeline)?.name;
        if let Some(config) = config.as_object_mut() {
            let named = config.entry(PIPELINE_NAME).or_insert_with(|| pipeline.as_str().into());
            if *named != *pipeline {
                let message = format!("this is where configs of `{pipeline}` are checked");
                let problem = Problem::new(format!("/{PIPELINE_NAME}"), message);
                return Err(ConfigError::from(Invalid(vec![problem])).into());
            }
        }
        self.check_all(config).await
    }

    /// What there is to choose from in a config for a pipeline, where its schema leaves that to the data.
    ///
    /// # Errors
    /// [`AppError::NoPipeline`](super::AppError::NoPipeline).
    pub async fn choices(self: &Arc<Self>, pipeline: &str, config: Value) -> Result<Choices> {
        let pipeline = self.pipeline(pipeline)?.name;
        let mut config = match config {
            Value::Object(config) => config,
            _ => Map::new(),
        };
        config.insert(PIPELINE_NAME.into(), pipeline.into());
        let app = Arc::clone(self);
        let choices = spawn_blocking(move || app.registry.choices(&config.into(), &app.sources));
        Ok(choices.await.map_err(io::Error::other)??)
    }

    /// Checks a config that stands for one run and, if there is nothing wrong with it, submits it.
    ///
    /// # Errors
    /// [`AppError::Config`](super::AppError::Config) with every problem at once; nothing is queued then.
    pub async fn submit_one(self: &Arc<Self>, config: Value) -> Result<TaskId> {
        let config = self.check(config).await?;
        Ok(self.queue.submit(self.named_task(config).await?).await?)
    }

    /// Checks a config and, if there is nothing wrong with it, submits the runs that it stands for: all, or none.
    ///
    /// # Errors
    /// [`AppError::Config`](super::AppError::Config) with every problem of the first run that has any; nothing is queued then.
    pub async fn submit(self: &Arc<Self>, config: Value) -> Result<Submission> {
        let configs = self.check_all(config).await?;
        let single = configs.len() == 1;
        let batch = (!single).then(|| Uuid::new_v4().to_string());
        let mut tasks = Vec::new();
        for config in configs {
            let submitted = match self.named_task(config).await {
                Ok(task) => {
                    let task = batch.iter().fold(task, |task, batch| task.label(BATCH_ID, batch));
                    self.queue.submit(task).await.map_err(Into::into)
                }
                Err(error) => Err(error),
            };
            match submitted {
                Ok(task) => tasks.push(task),
                Err(error) => {
                    self.take_back(&tasks).await;
                    return Err(error);
                }
            }
        }
        Ok(match (batch, &tasks[..]) {
            (None, &[task]) => Submission::Run(task),
            (batch, _) => Submission::Batch { id: batch.unwrap_or_default(), tasks },
        })
    }

    /// Submits the config of a run once more.
    ///
    /// # Errors
    /// [`AppError::NoExperiment`](super::AppError::NoExperiment); [`AppError::Config`](super::AppError::Config) if its config can no longer be
    /// used.
    pub async fn rerun(self: &Arc<Self>, id: &str) -> Result<Submission> {
        let record = self.record(id).await?;
        self.submit(runs::config(&record).clone()).await
    }

    /// The task of a run of this config, under a name that no other run has.
    async fn named_task(&self, config: Value) -> Result<NewTask> {
        let id = TaskId::random();
        let name = self.free_experiment_id(&config, id).await?;
        Ok(task(id, name, config))
    }

    /// Cancels what has been submitted of something that cannot be submitted as a whole.
    async fn take_back(&self, tasks: &[TaskId]) {
        for task in tasks {
            if let Err(error) = self.queue.cancel(task).await {
                tracing::warn!(%task, %error, "a run of a grid that could not be submitted is left");
            }
        }
    }
}

/// The task that makes a run of this name.
pub(super) fn task(id: TaskId, name: String, config: Value) -> NewTask {
    let pipeline = config[PIPELINE_NAME].as_str().unwrap_or_default();
    let task = NewTask::new(TASK).id(id).label(EXPERIMENT_ID, name).label(PIPELINE_NAME, pipeline);
    let batch = config[BATCH_NAME].as_str().map(str::to_owned);
    batch.into_iter().fold(task, |task, batch| task.label(BATCH_NAME, batch)).arg(config)
}
