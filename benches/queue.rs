//! What a queue takes, measured: `cargo run --release -p azura-benches --bin queue_figures [sqlite | memory | redis://..]`, of all three if
//! nothing is named (with a redis-server of its own). `peers/queue` puts Celery's figures beside them.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use azura_queue::{
    Finish, Keep, ListQuery, MemoryQueue, NewEvent, NewTask, Queue, RedisQueue, SqliteQueue, Worker, WorkerId,
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;
use std::{
    error::Error,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

type Outcome<T> = Result<T, Box<dyn Error>>;

const MANY: usize = 20_000;
const SOME: usize = 500;
const IN_FLIGHT: usize = 64;
const LONG: Duration = Duration::from_mins(1);

/// A redis-server that ends with this value.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn percentile(times: &mut [f64], share: f64) -> f64 {
    times.sort_by(f64::total_cmp);
    times[((times.len() - 1) as f64 * share) as usize]
}

fn rate(what: &str, count: usize, begun: Instant) {
    println!("  {what:<44} {:>10.0} /s", count as f64 / begun.elapsed().as_secs_f64());
}

fn spread(what: &str, mut times: Vec<f64>) {
    let [p50, p99] = [0.5, 0.99].map(|share| percentile(&mut times, share));
    println!("  {what:<44} p50 {p50:>7.3} ms, p99 {p99:>7.3} ms");
}

async fn submit_many(queue: &Arc<dyn Queue>, count: usize) -> Outcome<()> {
    stream::iter(0..count)
        .map(|_| queue.submit(NewTask::new("noop")))
        .buffer_unordered(IN_FLIGHT)
        .try_for_each(|_| async { Ok(()) })
        .await?;
    Ok(())
}

async fn measure(queue: Arc<dyn Queue>) -> Outcome<()> {
    let begun = Instant::now();
    submit_many(&queue, MANY).await?;
    rate("submit, 64 in flight", MANY, begun);

    let mut times = Vec::new();
    for _ in 0..50 {
        let begun = Instant::now();
        queue.list(&ListQuery::default()).await?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    spread("a page of 100 of them", times);

    let begun = Instant::now();
    let (worker, queues) = (WorkerId::random(), ["celery".to_owned()]);
    let drained = stream::iter(0..MANY).map(|_| async {
        let lease = queue.claim(&worker, &queues, LONG, Duration::ZERO).await?.expect("a task waits");
        queue.finish(&lease, Finish::Succeeded(json!(null))).await
    });
    drained.buffer_unordered(IN_FLIGHT).try_for_each(|_| async { Ok(()) }).await?;
    rate("claim and finish, 64 in flight", MANY, begun);

    submit_many(&queue, MANY).await?;
    let shutdown = CancellationToken::new();
    let begun = Instant::now();
    let worker = Worker::new(Arc::clone(&queue)).slots(IN_FLIGHT).handle("noop", |_| Ok(json!(null)));
    let worker = tokio::spawn(worker.run(shutdown.clone()));
    while queue.stats().await?.iter().any(|stats| stats.waiting + stats.running > 0) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    rate("no-op tasks drained by one worker process", MANY, begun);

    let (mut ends, mut starts) = (Vec::new(), Vec::new());
    for _ in 0..SOME {
        let begun = Instant::now();
        let id = queue.submit(NewTask::new("noop")).await?;
        let mut log = queue.follow(&id, 0).await?;
        while let Some(entry) = log.next().await {
            if entry?.kind == azura_queue::EventKind::Started {
                starts.push(begun.elapsed().as_secs_f64() * 1e3);
            }
        }
        ends.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    spread("submit to started, an idle worker", starts);
    spread("submit to result", ends);
    shutdown.cancel();
    worker.await?;

    let id = queue.submit(NewTask::new("watched")).await?;
    let lease = queue.claim(&WorkerId::random(), &queues, LONG, LONG).await?.expect("a task waits");
    let mut log = queue.follow(&id, lease.seq).await?;
    let (mut last, mut times) = (lease.seq, Vec::new());
    for n in 0..SOME {
        let begun = Instant::now();
        last =
            queue.append(&lease, last, &[NewEvent::new(Keep::All, json!({"epoch": n, "loss": 0.5}))]).await?;
        log.next().await.expect("it goes on")?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    spread("append to follower", times);
    Ok(())
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let named = std::env::args().nth(1);
    let wanted = |name: &str| named.as_deref().is_none_or(|named| named == name);
    if wanted("memory") {
        println!("memory");
        measure(Arc::new(MemoryQueue::new())).await?;
    }
    if wanted("sqlite") {
        let folder = tempfile::tempdir()?;
        println!("sqlite, durable");
        measure(Arc::new(SqliteQueue::open(folder.path().join("queue.db"))?)).await?;
    }
    if let Some(url) = named.as_deref().filter(|name| name.contains("://")) {
        println!("{url}");
        measure(Arc::new(RedisQueue::connect(url).await?)).await?;
    } else if wanted("redis") {
        let folder = tempfile::tempdir()?;
        let socket = folder.path().join("socket");
        let mut server = Command::new("redis-server");
        server.args(["--port", "0", "--save", "", "--unixsocket"]).arg(&socket).stdout(Stdio::null());
        let _server = Server(server.spawn()?);
        let url = format!("unix://{}", socket.display());
        let queue = loop {
            match RedisQueue::connect(&url).await {
                Ok(queue) => break queue,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        println!("redis");
        measure(Arc::new(queue)).await?;
    }
    Ok(())
}
