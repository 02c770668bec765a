//! The work itself: where a task of the queue becomes a run of a pipeline.

use std::{
    any::Any,
    error::Error,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Arc,
};

use azura_learner::{PipelineError, ProgressEvent, RunCx, results::Results};
use azura_queue::{
    Entry, Keep, QueueError, State, StopReason, TaskContext, TaskFailure, TaskRecord, Worker, WorkerId,
};
use serde_json::{Value, json};

use crate::{
    App, Runs, clock, environment,
    presence::Presence,
    runs::{self, EXPERIMENT_ID, PIPELINE_NAME, config},
};

/// The name of the tasks that train.
pub const TASK: &str = "start_training_pipeline";

/// A worker that does the app's trainings, one at a time. It works until the token given to [`Worker::run`] is cancelled; most give it
/// [`App::shutdown`].
pub fn worker(app: &Arc<App>) -> Worker {
    worker_with(app, |cx| cx)
}

/// As [`worker`]; `dress` may add something to each run, such as a callback.
pub fn worker_with<F>(app: &Arc<App>, dress: F) -> Worker
where
    F: for<'a> Fn(RunCx<'a>) -> RunCx<'a> + Send + Sync + 'static,
{
    let (queue, app, id) = (Arc::clone(app.queue()), Arc::clone(app), WorkerId::random());
    let presence = Presence::announce(&app.runs().workers(), &id);
    let presence = presence
        .inspect_err(|error| tracing::warn!(%error, "if this worker dies, its leases have to end first"));
    Worker::new(queue).id(id).handle(TASK, move |task| {
        let _lives = &presence;
        train(&app, task, &dress)
    })
}

/// Trains and keeps what came out: the run is on disk before its task ends, whatever the end.
fn train(
    app: &App,
    task: &TaskContext,
    dress: &dyn for<'a> Fn(RunCx<'a>) -> RunCx<'a>,
) -> Result<Value, TaskFailure> {
    let begun = clock::now();
    label(task).map_err(not_kept)?;
    let mut attempt = app.runs().begin(task.record()).map_err(not_kept)?;
    let trained = run(app, task, attempt.folder(), dress);
    let stopped = matches!(task.stop_reason(), Some(StopReason::Shutdown | StopReason::LeaseLost));
    let outcome = trained.map(|results| summary(task.record(), &results));
    if let Err(failure) = &outcome {
        if stopped && failure.is_cancelled() {
            return outcome;
        }
        attempt = attempt.emptied().map_err(not_kept)?;
    }
    runs::write_json(&attempt.folder().join("environment.json"), &environment::describe(begun))
        .map_err(not_kept)?;
    task.drain().map_err(not_kept)?;
    let mut log = task.events().map_err(not_kept)?;
    let (record, end) = ended(task.record(), &outcome, log.len());
    log.push(end);
    let prepared = Runs::prepare(attempt, &record, &log).map_err(not_kept)?;
    // As late as can be: whoever has lost the lease publishes nothing.
    task.confirm().map_err(not_kept)?;
    app.runs().publish(prepared).map_err(not_kept)?;
    outcome
}

/// Labels a task that somebody else has sent, so that it is found by its experiment's name.
fn label(task: &TaskContext) -> Result<(), QueueError> {
    let record = task.record();
    if record.labels.contains_key(EXPERIMENT_ID) {
        return Ok(());
    }
    let pipeline = config(record)[PIPELINE_NAME].as_str().map(str::to_owned);
    let labels =
        [(EXPERIMENT_ID.to_owned(), Some(runs::experiment_id(record))), (PIPELINE_NAME.to_owned(), pipeline)];
    task.annotate(&labels.into()).map(drop)
}

/// Runs the pipeline. A panic in it is a failure like any other.
fn run(
    app: &App,
    task: &TaskContext,
    folder: &Path,
    dress: &dyn for<'a> Fn(RunCx<'a>) -> RunCx<'a>,
) -> Result<Results, TaskFailure> {
    let (emitter, token) = (task.emitter().clone(), task.token().clone());
    let cx =
        RunCx::new(folder, app.sources()).cancelled(move || token.is_cancelled()).publish(move |event| {
            emitter.emit(
                if matches!(event, ProgressEvent::Batch { .. }) { Keep::Newest } else { Keep::All },
                event,
            );
        });
    let config = config(task.record());
    match catch_unwind(AssertUnwindSafe(|| app.registry().run(config, &mut dress(cx)))) {
        Ok(Err(PipelineError::Cancelled)) => Err(TaskFailure::cancelled()),
        Ok(trained) => trained.map_err(|error| TaskFailure::new(error.code(), error.to_string())),
        Err(panic) => Err(TaskFailure::new(TaskFailure::PANICKED, panic_message(&*panic))),
    }
}

/// What the task's last event says of a success.
fn summary(record: &TaskRecord, results: &Results) -> Value {
    json!({
        "status": State::Success,
        "experiment_id": runs::experiment_id(record),
        "metrics": results.metrics,
        "final_loss": results.final_loss,
    })
}

/// The record and the last event of the task as they will be when the worker has ended it.
fn ended(record: &TaskRecord, outcome: &Result<Value, TaskFailure>, events: usize) -> (TaskRecord, Entry) {
    let now = clock::now();
    let mut record = record.clone();
    record.finished_at = Some(now);
    let details = match outcome {
        Ok(result) => {
            record.state = State::Success;
            record.result = Some(result.clone());
            result.clone()
        }
        Err(failure) if failure.is_cancelled() => {
            record.state = State::Revoked;
            json!({})
        }
        Err(failure) => {
            record.state = State::Failure;
            record.error = Some(failure.clone());
            json!({"error_code": failure.code, "message": failure.message})
        }
    };
    let end = Entry::new(record.state.into(), Some(events as u64 + 1), record.attempt, details, now);
    (record, end)
}

/// What watchers are told has no paths; the log has.
fn not_kept(error: impl Error + 'static) -> TaskFailure {
    tracing::error!(%error, "a run could not be kept");
    let mut cause: &(dyn Error + 'static) = &error;
    while let Some(deeper) = cause.source().or_else(|| inner(cause)) {
        cause = deeper;
    }
    TaskFailure::new("RUN_NOT_KEPT", format!("the run could not be kept: {cause}"))
}

/// What an I/O error was made of. Its `source` passes that over.
fn inner<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let inner = error.downcast_ref::<io::Error>()?.get_ref()?;
    Some(inner)
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned());
    text.map_or_else(|| "the pipeline panicked".to_owned(), |text| format!("the pipeline panicked: {text}"))
}
