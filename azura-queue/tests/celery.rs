//! Celery's own client against our workers. Needs redis-server, and Python with Celery in `target/celery`, which `scripts/test` makes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod redis_server;

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    thread,
    time::Duration,
};

use azura_queue::{Keep, RedisQueue, TaskContext, TaskFailure, Worker};
use redis_server::RedisServer;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

fn python() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("target/celery/bin/python")
}

fn train(task: &TaskContext) -> Result<Value, TaskFailure> {
    for epoch in 1..=3 {
        task.emitter().emit(Keep::All, &json!({"epoch": epoch, "total_epochs": 3}));
        // Each is stored before the next one comes, so that a watcher of the newest sees them all.
        task.drain().map_err(|error| TaskFailure::new("LOST", error.to_string()))?;
    }
    let config = task.record().args.first().cloned().unwrap_or_default();
    if config["fail"] == true {
        return Err(TaskFailure::new("PIPELINE_VALUE_ERROR", "loss is NaN"));
    }
    if config["wait"] == true {
        while !task.cancelled() {
            thread::sleep(Duration::from_millis(1));
        }
        return Err(TaskFailure::cancelled());
    }
    Ok(json!({"args": task.record().args, "kwargs": task.record().kwargs}))
}

async fn work(server: &RedisServer) -> CancellationToken {
    let queue = RedisQueue::connect(server.as_ref()).await.unwrap();
    let shutdown = CancellationToken::new();
    let worker = Worker::new(Arc::new(queue))
        .slots(2)
        .handle("start_training_pipeline", train)
        .handle("second", |task| Ok(json!({"args": task.record().args})));
    tokio::spawn(worker.run(shutdown.clone()));
    shutdown
}

fn run(script: &str, server: &RedisServer) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/celery").join(script);
    let output = Command::new(python()).arg(script).arg(server.socket()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis-server, and Celery in target/celery; scripts/test runs it"]
async fn celery_s_client_sees_what_it_knows() {
    let server = RedisServer::start();
    let shutdown = work(&server).await;
    let said = tokio::task::spawn_blocking(move || run("interop.py", &server)).await.unwrap();
    assert_eq!(said.lines().count(), 6, "{said}");
    shutdown.cancel();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis-server, and Flower in target/celery; scripts/test runs it"]
async fn flower_shows_workers_and_tasks() {
    let server = RedisServer::start();
    let shutdown = work(&server).await;
    let said = tokio::task::spawn_blocking(move || run("flower.py", &server)).await.unwrap();
    assert_eq!(said, "Flower shows workers and tasks\n");
    shutdown.cancel();
}
