//! The work itself: where a task of the queue becomes a run of a pipeline.

use std::{
    any::Any,
    error::Error,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Arc,
};

use azura_learner::{Checkpoint, PipelineError, ProgressEvent, RunCx, report::thin, results::Results};
use azura_queue::{
    Entry, Finish, Keep, QueueError, State, TaskContext, TaskFailure, TaskRecord, Worker, WorkerId,
};
use serde_json::{Value, json};

use crate::{
    App,
    attempt::Attempt,
    checkpoints, clock, environment,
    presence::Presence,
    runs::{self, EXPERIMENT_ID, PIPELINE_NAME, config},
};

/// The name of the tasks that train.
pub const TASK: &str = "start_training_pipeline";
/// How many points of the loss the end of a run tells of, for a small picture in a list.
const SPARK: usize = 32;

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
    let (record, mut attempt) = begin(app, task)?;
    let (id, name) = (record.id, runs::experiment_id(&record));
    app.runs().remember(&record).map_err(not_kept)?;
    tracing::info!(task = %id, attempt = record.attempt, "run {name} begins");
    let outcome = run(app, task, &name, attempt.folder(), dress).map(|results| summary(&name, &results));
    let how = task.judge(outcome.clone());
    if how == Finish::Released {
        tracing::info!(task = %id, "run {name} is given back");
        return outcome;
    }
    if outcome.is_err() {
        attempt = attempt.emptied().map_err(not_kept)?;
    }
    runs::write_json(&attempt.folder().join("environment.json"), &environment::describe(begun))
        .map_err(not_kept)?;
    task.drain().map_err(not_kept)?;
    let mut log = task.events().map_err(not_kept)?;
    let (record, end) = ended(record, how, log.len());
    log.push(end);
    let prepared = app.runs().prepare(attempt, &record, &log).map_err(not_kept)?;
    // As late as can be: whoever has lost the lease publishes nothing.
    task.confirm().map_err(not_kept)?;
    app.runs().publish(prepared).map_err(not_kept)?;
    tracing::info!(task = %id, state = %record.state, "run {name} has ended");
    outcome
}

/// The task's record and the folder of the attempt. A task that somebody else has sent is labelled, so that it is found by its experiment's name.
fn begin(app: &App, task: &TaskContext) -> Result<(TaskRecord, Attempt), TaskFailure> {
    let mut record = task.record().clone();
    let begun = app.runs().begin(&record);
    if record.labels.contains_key(EXPERIMENT_ID) {
        return Ok((record, begun.map_err(not_kept)?));
    }
    let mut name = runs::experiment_id(&record);
    let attempt = match begun {
        // Whoever gave the id chose digits that another run has: all of them tell the two apart.
        Err(error) if [io::ErrorKind::AlreadyExists, io::ErrorKind::ResourceBusy].contains(&error.kind()) => {
            name = runs::derived_id(&record, usize::MAX);
            record.labels.insert(EXPERIMENT_ID.to_owned(), name.clone());
            app.runs().begin(&record)
        }
        begun => begun,
    };
    let attempt = attempt.map_err(not_kept)?;
    let pipeline = config(&record)[PIPELINE_NAME].as_str().map(str::to_owned);
    let labels = [(EXPERIMENT_ID.to_owned(), Some(name)), (PIPELINE_NAME.to_owned(), pipeline)];
    record.labels = task.annotate(&labels.into()).map_err(not_kept)?;
    Ok((record, attempt))
}

/// Runs the pipeline, from the newest checkpoint on if there is one. A panic in it is a failure like any other.
fn run(
    app: &App,
    task: &TaskContext,
    name: &str,
    folder: &Path,
    dress: &dyn for<'a> Fn(RunCx<'a>) -> RunCx<'a>,
) -> Result<Results, TaskFailure> {
    let told = told(task).map_err(not_kept)?;
    let (emitter, reached) = (task.emitter().clone(), task.emitter().clone());
    let token = task.token().clone();
    let checkpoints = app.runs().checkpoints(name);
    let snapshot = checkpoints::newest(&checkpoints);
    if let Some(snapshot) = &snapshot {
        tracing::info!(task = %task.record().id, epoch = snapshot.epoch, "run {name} goes on");
    }
    let cx = RunCx::new(folder, app.sources())
        .cancelled(move || token.is_cancelled())
        .checkpoint(Checkpoint::new(checkpoints).written(move |epoch| reached.checkpoint(epoch as u64)))
        .resume(snapshot)
        .publish_after(told)
        .publish(move |event| {
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

/// How many of the epochs up to the checkpoint that the queue knows of are in the log: all of them, unless the run goes on from another one.
fn told(task: &TaskContext) -> azura_queue::Result<usize> {
    let checkpoint = task.record().checkpoint;
    if checkpoint == 0 {
        return Ok(0);
    }
    let epochs = task.events()?.into_iter().filter_map(|entry| entry.details["epoch"].as_u64());
    Ok(epochs.max().unwrap_or(0).min(checkpoint) as usize)
}

/// What the task's last event says of a success.
fn summary(name: &str, results: &Results) -> Value {
    let loss = results.history.get("loss");
    let numbers: Vec<f64> = loss.iter().map(|loss| loss.unwrap_or(f64::NAN)).collect();
    let spark: Vec<_> = thin(&[&numbers], SPARK).into_iter().map(|i| loss[i]).collect();
    json!({
        "status": State::Success,
        "experiment_id": name,
        "metrics": results.metrics,
        "final_loss": results.final_loss,
        "loss": spark,
    })
}

/// The record and the last event of the task as they will be when the worker has ended it.
pub(crate) fn ended(mut record: TaskRecord, how: Finish, events: usize) -> (TaskRecord, Entry) {
    let now = clock::now();
    record.finished_at = Some(now);
    let details = match how {
        Finish::Succeeded(result) => {
            record.state = State::Success;
            record.result = Some(result.clone());
            result
        }
        Finish::Failed { failure, .. } => {
            record.state = State::Failure;
            let details = json!({"error_code": failure.code, "message": failure.message});
            record.error = Some(failure);
            details
        }
        _ => {
            record.state = State::Revoked;
            json!({})
        }
    };
    let end = Entry::new(record.state.into(), Some(events as u64 + 1), record.attempt, details, now);
    (record, end)
}

/// What watchers are told has no paths; the log has.
fn not_kept(error: impl Error + 'static) -> TaskFailure {
    if let Some(QueueError::AttemptOver | QueueError::StaleLease { .. } | QueueError::NotFound(_)) =
        (&error as &dyn Error).downcast_ref()
    {
        tracing::warn!(%error, "what an attempt came to is thrown away");
    } else {
        tracing::error!(%error, "a run could not be kept");
    }
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

pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned());
    text.map_or_else(|| "the pipeline panicked".to_owned(), |text| format!("the pipeline panicked: {text}"))
}
