//! A plain program that trains by itself and lets others watch: with `azura serve` on the same queue the run is listed and its
//! loss drawn live, and over Redis each epoch is also published to `task-progress:{id}`.
//!
//! ```text
//! cargo run --release -p azura-examples --bin tracked_training -- redis://127.0.0.1:6379/0
//! ```
//!
//! Without an address the queue is one in memory, which only this process sees.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

use azura_learner::{
    Adam, DataLoader, Learner, Linear, Outcome, ProgressEvent, Publish, Sequential, Tanh, TensorDataset,
    azura_core::Tensor, seeded,
};
use azura_queue::{Keep, MemoryQueue, NewTask, Queue, RedisQueue, TaskFailure, track};
use serde_json::json;
use std::{error::Error, process::ExitCode, sync::Arc};

#[tokio::main]
async fn main() -> ExitCode {
    match train().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn train() -> Result<(), Box<dyn Error>> {
    let queue: Arc<dyn Queue> = match std::env::args().nth(1) {
        Some(url) => Arc::new(RedisQueue::connect(&url).await?),
        None => Arc::new(MemoryQueue::new()),
    };
    let config = json!({"pipeline_name": "my_sine", "training_params": {"epochs": 20}});
    let task = NewTask::new("start_training_pipeline").label("pipeline_name", "my_sine").arg(config);
    let task = track(Arc::clone(&queue), task).await?;
    let id = task.id();
    println!("task {id}");

    // This is all that the training knows of the queue.
    let emitter = task.emitter().clone();
    let publish = Publish::new(move |event| {
        let keep = if matches!(event, ProgressEvent::Epoch { .. }) { Keep::All } else { Keep::Newest };
        emitter.emit(keep, event);
    })
    .pipeline("my_sine");
    let cancelled = task.token().clone();

    let x: Vec<f32> = (0..128).map(|i| i as f32 / 64.0 - 1.0).collect();
    let y = x.iter().map(|x| (std::f32::consts::PI * x).sin()).collect();
    let data = TensorDataset::new(&Tensor::from_vec(&[128, 1], x)?, &Tensor::from_vec(&[128, 1], y)?)?;
    let rng = &mut seeded(7);
    let model = Sequential::new().push(Linear::new(1, 32, rng)).push(Tanh).push(Linear::new(32, 1, rng));
    let mut learner = Learner::new(model, Adam::new(0.01), Tensor::mse)
        .callback(publish)
        .cancelled(move || cancelled.is_cancelled());
    let fit =
        tokio::task::block_in_place(|| learner.fit(&mut DataLoader::new(data, 16).shuffle(7), None, 20))?;

    let loss = fit.history.last("loss");
    let how = match fit.outcome {
        Outcome::Cancelled => Err(TaskFailure::cancelled()),
        _ => Ok(json!({"status": "SUCCESS", "metrics": {}, "final_loss": loss})),
    };
    task.finish(how).await;
    println!("{} events are kept", queue.read(&id, 0, usize::MAX).await?.len());
    Ok(())
}
