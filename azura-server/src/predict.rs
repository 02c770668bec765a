//! Predictions: short tasks on a queue of their own, so that no training keeps them waiting.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use azura_learner::{PipelineError, SavedRun, config::Problem};
use azura_queue::{NewTask, Queue, State, TaskContext, TaskFailure, TaskId, TaskRecord, Worker, WorkerId};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use futures_util::StreamExt as _;
use serde_json::{Map, Value, json};
use tokio::{runtime::Handle, time::timeout};

use crate::{
    App, AppError, clock,
    handler::panic_message,
    names,
    presence::Presence,
    runs::{self, EXPERIMENT_ID},
};

/// The name of the tasks that predict.
pub const PREDICT_TASK: &str = "predict_from_model_task";
/// The queue in which they wait.
pub const PREDICT_QUEUE: &str = "predict";
/// Predictions that a process makes at a time.
const SLOTS: usize = 2;
/// How long a prediction may take, from the request to the answer.
const PATIENCE: Duration = Duration::from_mins(1);
/// What the answers of a request with this code are worth: the request was wrong, not the run.
const REQUEST_INVALID: &str = "REQUEST_INVALID";

/// A worker that makes the app's predictions, two at a time so that a long sound does not keep a forecast waiting, beside the
/// [`worker`](crate::worker) that trains.
pub fn predictor(app: &Arc<App>) -> Worker {
    let (queue, app, id) = (Arc::clone(app.queue()), Arc::clone(app), WorkerId::random());
    let presence = Presence::announce(&app.runs().workers(), &id);
    let presence = presence
        .inspect_err(|error| tracing::warn!(%error, "if this worker dies, its leases have to end first"));
    Worker::new(queue).id(id).slots(SLOTS).queues([PREDICT_QUEUE]).handle(PREDICT_TASK, move |task| {
        let _lives = &presence;
        answer(&app, task)
    })
}

/// What the pipeline says. Files that belong to it come as base64, under `files`.
fn answer(app: &App, task: &TaskContext) -> Result<Value, TaskFailure> {
    let [Value::String(name), request] = &task.record().args[..] else {
        return Err(TaskFailure::new(REQUEST_INVALID, "expected an experiment id and a request"));
    };
    if !names::is_safe(name) {
        return Err(TaskFailure::new(REQUEST_INVALID, "the first argument is no experiment id"));
    }
    let token = task.token().clone();
    let run = SavedRun::new(app.runs().folder(name), app.sources()).cancelled(move || token.is_cancelled());
    let predicted = catch_unwind(AssertUnwindSafe(|| app.registry().predict(&run, request)));
    let prediction = match predicted {
        Ok(predicted) => predicted.map_err(failure)?,
        Err(panic) => return Err(TaskFailure::new(TaskFailure::PANICKED, panic_message(&*panic))),
    };
    let mut answer = prediction.values;
    answer.insert(EXPERIMENT_ID.into(), name.as_str().into());
    if !prediction.files.is_empty() {
        let files =
            prediction.files.into_iter().map(|(name, bytes)| (name, BASE64_STANDARD.encode(bytes).into()));
        answer.insert("files".into(), files.collect::<Map<_, _>>().into());
    }
    Ok(answer.into())
}

/// Of a request that cannot be used, the problems are where others tell where it happened.
fn failure(error: PipelineError) -> TaskFailure {
    let message = error.to_string();
    let problems = match error {
        PipelineError::Request(invalid) => invalid.0,
        PipelineError::NoPrediction(_) => vec![Problem::new("", &message)],
        _ => return TaskFailure::new(error.code(), message),
    };
    TaskFailure::new(REQUEST_INVALID, message).traceback(json!(problems).to_string())
}

/// A request that is in the queue. When nobody waits for the answer any more, the task is cancelled and removed.
struct Asked {
    queue: Arc<dyn Queue>,
    task: TaskId,
    waits: bool,
}

impl Asked {
    /// Removes a task that has ended.
    async fn answered(mut self) {
        self.waits = false;
        forget(Arc::clone(&self.queue), self.task).await;
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if let Ok(runtime) = Handle::try_current()
            && self.waits
        {
            runtime.spawn(forget(Arc::clone(&self.queue), self.task));
        }
    }
}

/// Ends a prediction, after the step that is being made, and removes it from the queue.
async fn forget(queue: Arc<dyn Queue>, task: TaskId) {
    let ended = async {
        if !queue.cancel(&task).await?.is_terminal() {
            let mut log = queue.follow(&task, 0).await?;
            while log.next().await.transpose()?.is_some() {}
        }
        queue.delete(&task).await
    };
    if let Err(error) = ended.await {
        tracing::warn!(%task, %error, "a prediction could not be removed from the queue");
    }
}

impl App {
    /// Asks a run's model, and waits for the answer, up to a minute. If the answer is no longer waited for, the prediction ends; nothing is left
    /// of it in the queue.
    ///
    /// # Errors
    /// [`AppError::NoExperiment`], [`AppError::NoModel`], [`AppError::Request`], [`AppError::Prediction`], [`AppError::Late`].
    pub async fn predict(self: &Arc<Self>, id: &str, request: Value) -> Result<Value, AppError> {
        let record = self.record(id).await?;
        let name = runs::experiment_id(&record);
        if record.state != State::Success {
            return Err(AppError::NoModel(name, record.state));
        }
        let end = clock::now().saturating_add(PATIENCE).unwrap_or(jiff::Timestamp::MAX);
        let task = NewTask::new(PREDICT_TASK).queue(PREDICT_QUEUE).arg(name).arg(request).expires(end);
        let task = self.queue().submit(task).await?;
        let asked = Asked { queue: Arc::clone(self.queue()), task, waits: true };
        let Ok(answer) = timeout(PATIENCE, self.answered(&task)).await else {
            return Err(late(&self.queue().get(&task).await?));
        };
        asked.answered().await;
        answer
    }

    async fn answered(&self, task: &TaskId) -> Result<Value, AppError> {
        let mut log = self.queue().follow(task, 0).await?;
        while log.next().await.transpose()?.is_some() {}
        let record = self.queue().get(task).await?;
        match (&record.result, &record.error) {
            (Some(answer), _) if record.state == State::Success => Ok(answer.clone()),
            (_, Some(failure)) if failure.code == REQUEST_INVALID => {
                let problems = failure.traceback.as_deref().map(serde_json::from_str);
                let problems = problems.and_then(Result::ok).unwrap_or_default();
                Err(AppError::Request { message: failure.message.clone(), problems })
            }
            (_, Some(failure)) => Err(AppError::Prediction(failure.message.clone())),
            _ => Err(late(&record)),
        }
    }
}

fn late(record: &TaskRecord) -> AppError {
    AppError::Late { task: record.id, waited: PATIENCE, taken: record.attempt > 0 }
}
