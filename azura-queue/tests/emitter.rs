//! Publishing from a handler: quick, complete, in order.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use azura_queue::{
    Emitter, Entry, EventKind, Keep, MemoryQueue, NewTask, Queue, State, TaskContext, TaskFailure, Worker,
};
use futures_util::TryStreamExt as _;
use serde::Serialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const LONG: Duration = Duration::from_mins(1);

/// Runs one task with the given handler and returns all that a follower sees of it.
async fn told_by<F>(queue: &Arc<dyn Queue>, handler: F) -> Vec<Entry>
where
    F: Fn(&TaskContext) -> Result<Value, TaskFailure> + Send + Sync + 'static,
{
    let shutdown = CancellationToken::new();
    let worker = Worker::new(Arc::clone(queue)).handle("work", handler).run(shutdown.clone());
    let worker = tokio::spawn(worker);
    let id = queue.submit(NewTask::new("work")).await.unwrap();
    let told = queue.follow(&id, 0).await.unwrap().try_collect();
    let told: Vec<Entry> = tokio::time::timeout(LONG, told).await.expect("the task ends").unwrap();
    shutdown.cancel();
    worker.await.unwrap();
    assert_eq!(told.last().unwrap().kind, EventKind::Success, "{:?}", told.last());
    told
}

fn queue() -> Arc<dyn Queue> {
    Arc::new(MemoryQueue::new())
}

fn progress(told: &[Entry]) -> Vec<&Entry> {
    told.iter().filter(|entry| entry.kind == EventKind::Progress).collect()
}

#[tokio::test]
async fn what_is_not_finite_becomes_null() {
    #[derive(Serialize)]
    struct Report {
        loss: f32,
        losses: Vec<f64>,
    }
    let told = told_by(&queue(), |task| {
        let losses = vec![f64::INFINITY, f64::NEG_INFINITY, 0.5, f64::NAN];
        task.emitter().emit(Keep::All, &Report { loss: f32::NAN, losses });
        Ok(json!(f64::NAN))
    })
    .await;
    let text = serde_json::to_string(&told).unwrap();
    let read: Vec<Entry> = serde_json::from_str(&text).unwrap();
    assert_eq!(read, told);
    assert_eq!(told[2].details, json!({"loss": null, "losses": [null, null, 0.5, null]}));
    assert_eq!(told[3].details, json!(null));
}

#[tokio::test]
async fn what_cannot_be_json_is_dropped_alone() {
    let told = told_by(&queue(), |task| {
        task.emitter().emit(Keep::All, &std::collections::BTreeMap::from([((1, 2), 3)]));
        task.emitter().emit(Keep::All, "after it");
        Ok(json!(1))
    })
    .await;
    assert_eq!(progress(&told).len(), 1);
    assert_eq!(told[2].details, "after it");
}

#[tokio::test]
async fn many_threads_lose_nothing_and_keep_their_order() {
    const THREADS: usize = 8;
    const EVENTS: usize = 500;
    let told = told_by(&queue(), |task| {
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let emitter = task.emitter().clone();
                scope.spawn(move || {
                    for n in 0..EVENTS {
                        emitter.emit(Keep::All, &(thread, n));
                        emitter.emit(Keep::Newest, "in between");
                    }
                });
            }
        });
        Ok(json!(1))
    })
    .await;
    let stored: Vec<_> = progress(&told).into_iter().filter(|entry| entry.seq.is_some()).collect();
    assert_eq!(stored.len(), THREADS * EVENTS);
    for thread in 0..THREADS {
        let of_thread = stored.iter().filter(|entry| entry.details[0] == thread);
        assert!(
            of_thread.map(|entry| &entry.details[1]).eq(&(0..EVENTS).map(Value::from).collect::<Vec<_>>())
        );
    }
}

#[tokio::test]
async fn transient_events_are_thinned_and_the_stored_ones_are_not() {
    let told = told_by(&queue(), |task| {
        let started = Instant::now();
        let mut batches = 0;
        for epoch in 0..3 {
            while started.elapsed() < Duration::from_millis(150) * (epoch + 1) {
                batches += 1;
                task.emitter().emit(Keep::Newest, &json!({"epoch": epoch, "batch": batches}));
            }
            task.emitter().emit(Keep::All, &json!({"epoch": epoch, "batch": batches}));
        }
        Ok(json!(started.elapsed().as_millis() as u64))
    })
    .await;
    let (stored, transient): (Vec<_>, Vec<_>) =
        progress(&told).into_iter().partition(|entry| entry.seq.is_some());
    assert_eq!(stored.len(), 3);
    assert!(!transient.is_empty());
    let millis = told.last().unwrap().details.as_u64().unwrap();
    assert!(transient.len() as u64 <= 2 + millis / 100, "{} in {millis} ms", transient.len());
    // Nobody is told of a batch after the end of its epoch.
    let order: Vec<_> = progress(&told).iter().map(|entry| entry.details["batch"].as_u64()).collect();
    assert!(order.is_sorted(), "{order:?}");
}

#[tokio::test]
async fn what_comes_after_the_end_is_dropped() {
    let kept: Arc<Mutex<Option<Emitter>>> = Arc::default();
    let keep = Arc::clone(&kept);
    let queue = queue();
    let told = told_by(&queue, move |task| {
        *keep.lock().unwrap() = Some(task.emitter().clone());
        Ok(json!(task.record().id))
    })
    .await;
    let id = told[2].details.as_str().unwrap().parse().unwrap();
    kept.lock().unwrap().take().unwrap().emit(Keep::All, "too late");
    assert_eq!(queue.read(&id, 0, 100).await.unwrap(), told);
    assert_eq!(queue.get(&id).await.unwrap().state, State::Success);
}
