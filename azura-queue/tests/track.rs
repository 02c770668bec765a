//! Work that a program does itself.

use std::{sync::Arc, time::Duration};

use azura_queue::{EventKind, Keep, MemoryQueue, NewTask, Queue, State, TaskFailure, track};
use futures_util::TryStreamExt as _;
use serde_json::json;

fn queue() -> Arc<dyn Queue> {
    Arc::new(MemoryQueue::new())
}

#[tokio::test]
async fn it_is_watched_like_that_of_a_worker() {
    let queue = queue();
    let task = track(Arc::clone(&queue), NewTask::new("train").arg(7).label("kind", "own")).await.unwrap();
    let id = task.id();
    let record = queue.get(&id).await.unwrap();
    assert_eq!(
        (record.state, record.name.as_str(), record.labels["kind"].as_str()),
        (State::Started, "train", "own")
    );
    let watching = queue.follow(&id, 0).await.unwrap().try_collect::<Vec<_>>();
    let emitter = task.emitter().clone();
    std::thread::spawn(move || (0..500).for_each(|n| emitter.emit(Keep::All, &n))).join().unwrap();
    task.finish(Ok(json!({"fine": true}))).await;
    let told = watching.await.unwrap();
    let said: Vec<_> =
        told.iter().filter(|entry| entry.kind == EventKind::Progress).map(|e| &e.details).collect();
    assert_eq!(said, (0..500).map(|n| json!(n)).collect::<Vec<_>>().iter().collect::<Vec<_>>());
    assert_eq!(told.last().unwrap().details, json!({"fine": true}));
}

#[tokio::test]
async fn it_hears_of_a_cancel_request_and_ends_as_it_says() {
    let queue = queue();
    let task = track(Arc::clone(&queue), NewTask::new("train")).await.unwrap();
    let id = task.id();
    assert_eq!(queue.cancel(&id).await, Ok(State::Started));
    tokio::time::timeout(Duration::from_secs(10), task.token().cancelled()).await.unwrap();
    task.finish(Err(TaskFailure::cancelled())).await;
    assert_eq!(queue.get(&id).await.unwrap().state, State::Revoked);

    let task = track(Arc::clone(&queue), NewTask::new("train")).await.unwrap();
    let id = task.id();
    task.finish(Err(TaskFailure::new("BROKEN", "it broke"))).await;
    assert_eq!(queue.get(&id).await.unwrap().error.unwrap().code, "BROKEN");
}

#[tokio::test]
async fn who_forgets_it_fails_it() {
    let queue = queue();
    let task = track(Arc::clone(&queue), NewTask::new("train")).await.unwrap();
    let id = task.id();
    drop(task);
    let told: Vec<_> = queue.follow(&id, 0).await.unwrap().try_collect().await.unwrap();
    assert_eq!(told.last().unwrap().details["error_code"], "ABANDONED");
}
