//! What a queue takes, measured: `cargo run --release -p azura-benches --bin queue_figures [sqlite | memory | redis | redis://.. [waiting]]`, of all
//! three if nothing is named; `redis` starts a redis-server of its own. With `waiting`: what it takes that a hundred thousand tasks wait.
//! `peers/queue` puts Celery's figures beside them.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use azura_queue::{
    Finish, Keep, ListQuery, MemoryQueue, NewEvent, NewTask, Queue, RedisQueue, SqliteQueue, State, Worker,
    WorkerId,
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
const WAITING: usize = 100_000;
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

async fn pages(what: &str, queue: &Arc<dyn Queue>, query: &ListQuery) -> Outcome<()> {
    let mut times = Vec::new();
    for _ in 0..50 {
        let begun = Instant::now();
        assert_eq!(queue.list(query).await?.items.len(), query.limit);
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    spread(what, times);
    Ok(())
}

/// How much memory this process has, in MB, where the system tells.
fn resident() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<f64>().ok()? / 1024.0)
}

/// How much more it has than before.
fn growth(what: &str, before: Option<f64>, after: Option<f64>) {
    match before.zip(after) {
        Some((before, after)) => println!("  {what:<44} {:>+10.1} MB, from {before:.1} MB", after - before),
        None => println!("  {what:<44} this system does not tell"),
    }
}

/// With many tasks waiting, for the first time in this process.
async fn measure_waiting(queue: Arc<dyn Queue>) -> Outcome<()> {
    // What is loaded once counts for nothing.
    submit_many(&queue, SOME).await?;
    let begun = Instant::now();
    let before = resident();
    submit_many(&queue, WAITING / 2).await?;
    let half = resident();
    submit_many(&queue, WAITING / 2).await?;
    rate("submit 100 000, 64 in flight", WAITING, begun);
    growth("memory of this process, first 50 000", before, half);
    growth("memory of this process, second 50 000", half, resident());

    pages("a page of 100 of them, the newest", &queue, &ListQuery::default()).await?;
    let mut of_state = ListQuery::default();
    of_state.states = vec![State::Pending];
    pages("a page of those that wait", &queue, &of_state).await?;
    let mut ids = Vec::with_capacity(WAITING / 2);
    let mut below = ListQuery::default().limit(SOME);
    while ids.len() < WAITING / 2 {
        let page = queue.list(&below).await?;
        ids.extend(page.items.iter().map(|task| task.id));
        below = below.cursor(page.next.expect("there is more"));
    }
    pages("a page half way down", &queue, &below.limit(100)).await?;

    let before = resident();
    let begun = Instant::now();
    stream::iter(ids)
        .map(|id| {
            let queue = &queue;
            async move {
                let mut log = queue.follow(&id, 0).await?;
                log.next().await.expect("it was submitted").map(drop)
            }
        })
        .buffer_unordered(IN_FLIGHT)
        .try_for_each(|()| async { Ok(()) })
        .await?;
    rate("follow 50 000 of them to their first event", WAITING / 2, begun);
    growth("memory of this process after that", before, resident());
    Ok(())
}

async fn measure(queue: Arc<dyn Queue>) -> Outcome<()> {
    let begun = Instant::now();
    submit_many(&queue, MANY).await?;
    rate("submit, 64 in flight", MANY, begun);

    pages("a page of 100 of them", &queue, &ListQuery::default()).await?;

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
    // What stays running would keep the next measurement on this storage from its end.
    queue.finish(&lease, Finish::Succeeded(json!(null))).await?;
    spread("append to follower", times);
    Ok(())
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let mut args = std::env::args().skip(1);
    let (named, waiting) = (args.next(), args.next().is_some());
    let (folder, mut _server) = (tempfile::tempdir()?, None);
    let queue: Arc<dyn Queue> = match named.as_deref() {
        None => {
            // Each in a process of its own, so that one's memory is not another's.
            for name in ["memory", "sqlite", "redis"] {
                for more in [&[][..], &["waiting"]] {
                    Command::new(std::env::current_exe()?).arg(name).args(more).status()?;
                }
            }
            return Ok(());
        }
        Some("memory") => Arc::new(MemoryQueue::new()),
        Some("sqlite") => Arc::new(SqliteQueue::open(folder.path().join("queue.db"))?),
        Some("redis") => {
            let socket = folder.path().join("socket");
            let mut server = Command::new("redis-server");
            server.args(["--port", "0", "--save", "", "--unixsocket"]).arg(&socket).stdout(Stdio::null());
            _server = Some(Server(server.spawn()?));
            let url = format!("unix://{}", socket.display());
            loop {
                match RedisQueue::connect(&url).await {
                    Ok(queue) => break Arc::new(queue),
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        }
        Some(url) => Arc::new(RedisQueue::connect(url).await?),
    };
    let name = named.as_deref().filter(|name| !name.contains("://")).unwrap_or("redis");
    println!("{name}{}", if waiting { ", many tasks waiting" } else { "" });
    if waiting { measure_waiting(queue).await } else { measure(queue).await }
}
