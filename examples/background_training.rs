//! Trains in the background: the learner knows no queue, the queue knows no training, and one line joins them.
//! The progress printed here is read from the task's log, as any number of watchers could do.
//!
//! ```text
//! cargo run --release -p azura-examples --bin background_training
//! ```

#![expect(clippy::print_stdout, reason = "a program for people")]

use azura_learner::{PipelineError, ProgressEvent, Registry, RunCx, Sources};
use azura_queue::{
    Broker, EventKind, EventLog, Keep, MemoryQueue, NewTask, TaskContext, TaskFailure, Worker,
};
use futures_util::StreamExt;
use serde_json::{Value, json};
use std::{error::Error, sync::Arc};
use tokio_util::sync::CancellationToken;

/// What a worker does with a task: run the pipeline that its config asks for.
fn train(cx: &TaskContext) -> Result<Value, TaskFailure> {
    let failed = |error: &dyn Error| TaskFailure::new("FAILED", error.to_string());
    let out = tempfile::tempdir().map_err(|error| failed(&error))?;
    let (emitter, token) = (cx.emitter().clone(), cx.token().clone());
    let sources = Sources::default();
    let mut run = RunCx::new(out.path(), &sources)
        .publish(move |event| match event {
            ProgressEvent::Epoch { .. } => emitter.emit(Keep::All, event),
            _ => emitter.emit(Keep::Newest, event),
        })
        .cancelled(move || token.is_cancelled());
    let results = match Registry::builtin().run(&cx.record().args[0], &mut run) {
        Err(PipelineError::Cancelled) => return Err(TaskFailure::cancelled()),
        trained => trained.map_err(|error| failed(&error))?,
    };
    Ok(
        json!({ "rmse": results.figure("rmse"), "persistence": results.baseline_figure("persistence", "rmse") }),
    )
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let queue = MemoryQueue::new();
    let stop = CancellationToken::new();
    let worker = Worker::new(Arc::new(queue.clone())).handle("train", train);
    let working = tokio::spawn(worker.run(stop.clone()));

    let config = json!({
        "pipeline_name": "csv_forecaster",
        "data_sourcing": {"dataset": "seattle-weather"},
        "model_params": {"sequence_length": 14, "hidden_size": 16},
        "training_params": {"epochs": 5}
    });
    let id = queue.submit(NewTask::new("train").arg(config)).await?;
    println!("submitted");

    let mut log = queue.follow(&id, 0).await?;
    while let Some(entry) = log.next().await {
        let entry = entry?;
        match (entry.seq, entry.kind) {
            (Some(seq), EventKind::Progress) => {
                println!("{seq}: {}", entry.details["status_text"].as_str().unwrap_or_default());
            }
            (Some(seq), kind) => println!("{seq}: {kind} {}", entry.details),
            (None, _) => {} // progress within an epoch: seen live, not kept
        }
    }

    stop.cancel();
    working.await?;
    Ok(())
}
