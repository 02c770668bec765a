//! What an emit costs the thread that computes. Alone in its file, so that no other test competes for the processor.

use std::{sync::Arc, time::Instant};

use azura_queue::{Keep, MemoryQueue, NewTask, Queue, Worker};
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use serde::Serialize;
use serde_json::json;
use tokio_util::sync::CancellationToken;

/// A hundred followers of the very task that publishes, each stuck after its first entry, do not slow the publisher.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stuck_watchers_do_not_slow_the_work() {
    const WATCHERS: usize = 100;
    const EMITS: usize = 4000;
    const ROUNDS: usize = 5;
    #[derive(Serialize)]
    struct Report {
        epoch: usize,
        total_epochs: usize,
        loss: f64,
        status_text: &'static str,
        pipeline_name: &'static str,
    }

    let queue: Arc<dyn Queue> = Arc::new(MemoryQueue::new());
    let id = queue.submit(NewTask::new("watched")).await.unwrap();
    let mut stuck = Vec::new();
    for _ in 0..WATCHERS {
        let mut watcher = queue.follow(&id, 0).await.unwrap();
        watcher.next().await.unwrap().unwrap();
        // Asks for more, so that it is among those to be woken, and then never looks again.
        assert!(watcher.next().now_or_never().is_none());
        stuck.push(watcher);
    }

    let shutdown = CancellationToken::new();
    let worker = Worker::new(Arc::clone(&queue)).handle("watched", |task| {
        let p99s = (0..ROUNDS).map(|_| {
            let mut times: Vec<u64> = (0..EMITS)
                .map(|epoch| {
                    let report = Report {
                        epoch,
                        total_epochs: EMITS,
                        loss: 1.0 / (epoch + 1) as f64,
                        status_text: "training",
                        pipeline_name: "stock_predictor",
                    };
                    let keep = if epoch % 10 == 0 { Keep::All } else { Keep::Newest };
                    let started = Instant::now();
                    task.emitter().emit(keep, &report);
                    started.elapsed().as_nanos() as u64
                })
                .collect();
            times.sort_unstable();
            [times[EMITS / 2], times[EMITS * 99 / 100], times[EMITS - 1]]
        });
        Ok(json!(p99s.collect::<Vec<_>>()))
    });
    let worker = tokio::spawn(worker.run(shutdown.clone()));
    let told: Vec<_> = queue.follow(&id, 0).await.unwrap().try_collect().await.unwrap();
    shutdown.cancel();
    worker.await.unwrap();

    let stored = told.iter().filter(|entry| entry.seq.is_some()).count();
    assert_eq!(stored, 3 + ROUNDS * EMITS / 10, "{:?}", told.last());
    let rounds: Vec<[u64; 3]> = serde_json::from_value(told.last().unwrap().details.clone()).unwrap();
    println!("nanoseconds of an emit, per round: [median, p99, most] = {rounds:?}");
    // Other processes can only make a round slower: the quietest round shows what the emitter takes.
    let p99 = rounds.iter().map(|round| round[1]).min().unwrap();
    assert!(p99 < 20_000, "p99 of the quietest round is {p99} ns");
    drop(stuck);
}
