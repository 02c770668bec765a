//! How long lists of many runs take: `cargo run --release -p azura-benches --bin list_figures [FOLDER [RUNS]]`. The first time FOLDER becomes a data
//! folder with 10 000 runs, or so many, which are copies of a real one; `azura serve --data-dir FOLDER` shows them. Without one it is gone in the end.
//! Fails if a list takes longer than 100 ms, or 300 ms in a build that is not optimised.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use azura_learner::{Registry, Sources};
use azura_queue::{MemoryQueue, Queue, SqliteQueue, State, TaskFailure, TaskRecord};
use azura_server::{Access, App, EXPERIMENT_ID, Runs};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use std::{
    error::Error,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

type Outcome<T> = Result<T, Box<dyn Error>>;

const RUNS: usize = 10_000;
/// The runs of one grid, and how often a run is one of another pipeline, failed, or was cancelled.
const GRID: usize = 8;
const OTHER: usize = 50;
const FAILED: usize = 14;
const CANCELLED: usize = 33;
/// How often each list is asked for.
const TIMES: usize = 7;
const LONGEST: Duration = Duration::from_millis(if cfg!(debug_assertions) { 300 } else { 100 });

#[tokio::main]
async fn main() -> Outcome<()> {
    let mut args = std::env::args().skip(1);
    let (mut vanishing, folder) = (None, args.next());
    if folder.as_ref().is_some_and(|folder| folder.starts_with('-')) {
        return Err("usage: list_figures [FOLDER [RUNS]]".into());
    }
    let folder = folder.map(PathBuf::from);
    let folder = match folder {
        Some(folder) => folder,
        None => vanishing.insert(tempfile::tempdir()?).path().to_owned(),
    };
    let runs = args.next().map_or(Ok(RUNS), |runs| runs.parse())?;
    let experiments = folder.join("experiments");
    if !experiments.exists() {
        let begun = Instant::now();
        seed(&folder, runs).await?;
        println!("{runs} runs are made in {:.1} s", begun.elapsed().as_secs_f64());
    }

    let queue: Arc<dyn Queue> = Arc::new(SqliteQueue::open(folder.join("queue.db"))?);
    let app = Arc::new(App::new(Registry::builtin(), Sources::default(), queue, Runs::open(&experiments)?));
    let begun = Instant::now();
    let restored = app.restore().await?;
    println!("{restored} are recorded, and the server starts, in {:.1} s", begun.elapsed().as_secs_f64());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let server = Server(listener.local_addr()?);
    let routes = azura_server::routes(&app, Access::loopback());
    let serving = tokio::spawn({
        let app = Arc::clone(&app);
        async move { azura_server::serve(&app, listener, routes).await }
    });
    let slowest = measure(&server).await?;
    app.shutdown().cancel();
    serving.await??;
    if slowest > LONGEST {
        return Err(format!("a list took {slowest:.0?}, and may take {LONGEST:?}").into());
    }
    Ok(())
}

/// Times every list, and returns the time of the slowest.
async fn measure(server: &Server) -> Outcome<Duration> {
    let newest = server.get("fields=summary&limit=1", "").await?.items()?;
    let grid = newest[0]["batch_id"].as_str().unwrap_or_default();
    let mut oldest = Value::Null;
    let (mut cursor, mut pages) = (String::new(), Vec::new());
    loop {
        let page = server.get(&format!("fields=summary&limit=100{cursor}"), "").await?;
        pages.push(cursor);
        oldest = page.items()?.pop().unwrap_or(oldest);
        match page.header("x-next-cursor") {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let tag = server.get("limit=100", "").await?.header("etag").unwrap_or_default().to_owned();
    let summary = |more: &str| format!("fields=summary&limit=100{more}");
    let lists = [
        ("summaries, the first page", summary(""), ""),
        ("page 50, or the last", summary(&pages[pages.len().min(50) - 1]), ""),
        ("status=FAILURE", summary("&status=FAILURE"), ""),
        ("pipeline=csv_forecaster", summary("&pipeline=csv_forecaster"), ""),
        ("pipeline=stock_predictor, one of 50", summary("&pipeline=stock_predictor"), ""),
        ("pipeline=nothing", summary("&pipeline=nothing"), ""),
        ("batch_id, 8 runs", summary(&format!("&batch_id={grid}")), ""),
        ("q=weather, in most", summary("&q=weather"), ""),
        (
            "q=ID of the oldest",
            summary(&format!("&q={}", oldest["task_id"].as_str().unwrap_or_default())),
            "",
        ),
        ("q=nothing", summary("&q=there-is-no-such-thing"), ""),
        ("archived=true, none", summary("&archived=true"), ""),
        ("everything of 100", "limit=100".to_owned(), ""),
        ("the same, of which nothing is new", "limit=100".to_owned(), tag.as_str()),
    ];
    let mut slowest = Duration::ZERO;
    for (what, query, tag) in lists {
        let mut times = Vec::new();
        let mut answer = server.get(&query, tag).await?;
        for _ in 0..TIMES {
            let begun = Instant::now();
            answer = server.get(&query, tag).await?;
            times.push(begun.elapsed());
        }
        times.sort();
        let [median, most] = [times[TIMES / 2], times[TIMES - 1]];
        let found =
            answer.items().map_or_else(|_| "no body".to_owned(), |items| format!("{} runs", items.len()));
        let [median, most] = [median, most].map(|time| time.as_secs_f64() * 1e3);
        let length = answer.body.len() / 1024;
        println!("  {what:<36} {median:>7.1} ms, at most {most:>7.1} ms {found:>9} {length:>5} KiB");
        slowest = slowest.max(times[TIMES / 2]);
    }
    Ok(slowest)
}

struct Server(SocketAddr);

struct Answer {
    head: String,
    body: String,
}

impl Server {
    async fn get(&self, query: &str, tag: &str) -> Outcome<Answer> {
        let mut stream = TcpStream::connect(self.0).await?;
        let head =
            format!("GET /experiments?{query} HTTP/1.0\r\nHost: {}\r\nIf-None-Match: {tag}\r\n\r\n", self.0);
        stream.write_all(head.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
        Ok(Answer { head: head.to_lowercase(), body: body.to_owned() })
    }
}

impl Answer {
    fn items(&self) -> Outcome<Vec<Value>> {
        Ok(serde_json::from_str(&self.body)?)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// Makes a data folder with many runs: copies of one that is trained, a minute apart.
async fn seed(folder: &Path, runs: usize) -> Outcome<()> {
    let (original, scratch) = (folder.join("original"), folder.join("experiments.new"));
    let record = train(&original).await?;
    let from = original.join(&record.labels[EXPERIMENT_ID]);
    for n in 0..runs {
        let copy = copy(&record, runs, n)?;
        let into = scratch.join(&copy.labels[EXPERIMENT_ID]);
        fs::create_dir_all(into.join("images"))?;
        let files = match copy.state {
            State::Success => ["", "images"].as_slice(),
            _ => &[],
        };
        for part in files {
            for file in fs::read_dir(from.join(part))? {
                let file = file?;
                if file.file_type()?.is_file() {
                    fs::hard_link(file.path(), into.join(part).join(file.file_name()))?;
                }
            }
        }
        // What is linked is not written into.
        for (name, value) in
            [("run.json", serde_json::to_vec(&copy)?), ("config.json", serde_json::to_vec(&copy.args[0])?)]
        {
            let _ = fs::remove_file(into.join(name));
            fs::write(into.join(name), value)?;
        }
    }
    fs::remove_dir_all(&original)?;
    Ok(fs::rename(scratch, folder.join("experiments"))?)
}

/// A run of the default config, but for the forecasts in its log: two.
async fn train(folder: &Path) -> Outcome<TaskRecord> {
    let queue: Arc<dyn Queue> = Arc::new(MemoryQueue::new());
    let app = Arc::new(App::new(Registry::builtin(), Sources::default(), queue, Runs::open(folder)?));
    let config = json!({"pipeline_name": "csv_forecaster", "training_params": {"validate_every": 20}});
    let id = app.submit_one(config).await?;
    let worker = tokio::spawn(azura_server::worker(&app).run(app.shutdown().clone()));
    let mut log = app.queue().follow(&id, 0).await?;
    while let Some(entry) = log.next().await {
        entry?;
    }
    app.shutdown().cancel();
    worker.await?;
    Ok(app.queue().get(&id).await?)
}

/// The record of copy `n`, the newest of which is the last.
fn copy(original: &TaskRecord, runs: usize, n: usize) -> Outcome<TaskRecord> {
    let mut copy = original.clone();
    // The first digits tell copies apart, as those of random ids do: an odd factor gives each its own.
    let digits = (n as u32).wrapping_mul(2_654_435_761);
    copy.id = format!("{digits:08x}-0000-4000-8000-{n:012x}").parse()?;
    let earlier = Duration::from_mins((runs - n) as u64);
    copy.created_at -= earlier;
    copy.started_at = copy.started_at.map(|at| at - earlier);
    copy.finished_at = copy.finished_at.map(|at| at - earlier);
    let pipeline = if n.is_multiple_of(OTHER) { "stock_predictor" } else { "csv_forecaster" };
    let name = format!("{pipeline}_{}_{digits:08x}", copy.created_at.strftime("%Y%m%d_%H%M%S"));
    let label = |key: &str, value: String| (key.to_owned(), value);
    copy.labels.extend([
        label(EXPERIMENT_ID, name.clone()),
        label("pipeline_name", pipeline.to_owned()),
        label("batch_id", format!("{:08x}-0000-4000-9000-000000000000", n / GRID)),
        label("batch_name", format!("grid {}", n / GRID)),
    ]);
    let config = &mut copy.args[0];
    config["pipeline_name"] = pipeline.into();
    config["training_params"]["lr"] = json!(0.001 * (1 + n % GRID) as f64);
    config["training_params"]["seed"] = json!(n);
    if pipeline == "stock_predictor" {
        config["data_sourcing"] = json!({"ticker": "AAPL"});
    }
    if let Some(result) = &mut copy.result {
        result["experiment_id"] = name.into();
    }
    if n % FAILED == 1 {
        (copy.state, copy.result) = (State::Failure, None);
        copy.error = Some(TaskFailure::new("NOT_FINITE", "the loss is not finite in epoch 3"));
    } else if n % CANCELLED == 2 {
        (copy.state, copy.result) = (State::Revoked, None);
    }
    Ok(copy)
}
