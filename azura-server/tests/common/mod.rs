//! A real server for a test, and the plainest possible clients for it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#![allow(dead_code, reason = "each test program uses a part of it")]

pub(crate) mod browser;
pub(crate) mod elsewhere;

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use azura_learner::{
    History, Pipeline, PipelineError, Prediction, Registry, RunCx, SavedRun, Sources, config::Problem,
    results::Results,
};
use azura_queue::{MemoryQueue, Queue};
use azura_server::{Access, App, Runs};
use futures_util::StreamExt as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::timeout,
};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

/// What is bound to happen is waited for, but not for ever.
const PATIENCE: Duration = Duration::from_mins(2);

const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A server on a port of its own, with a folder of its own.
pub(crate) struct Server {
    pub(crate) app: Arc<App>,
    pub(crate) address: SocketAddr,
    folder: Option<TempDir>,
    serving: JoinHandle<std::io::Result<()>>,
    working: Option<JoinHandle<()>>,
}

impl Server {
    /// With a worker.
    pub(crate) async fn start() -> Self {
        let mut server = Self::idle().await;
        server.work();
        server
    }

    /// Without a worker: what is submitted waits.
    pub(crate) async fn idle() -> Self {
        Self::idle_for(Access::loopback()).await
    }

    /// Without a worker, for these.
    pub(crate) async fn idle_for(access: Access) -> Self {
        Self::over(tempfile::tempdir().unwrap(), ANY_PORT, access).await
    }

    async fn over(folder: TempDir, address: SocketAddr, access: Access) -> Self {
        let registry =
            Registry::builtin().with(Echo).with(Waits).with(Panics).with(Fails).with(Trips).with(Stays);
        let queue: Arc<dyn Queue> = Arc::new(MemoryQueue::new());
        let runs = Runs::open(folder.path()).unwrap();
        let app = Arc::new(App::new(registry, Sources::default(), queue, runs));
        app.restore().await.unwrap();
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = azura_server::routes(&app, access);
        let serving = tokio::spawn({
            let app = Arc::clone(&app);
            async move { azura_server::serve(&app, listener, routes).await }
        });
        Self { app, address, folder: Some(folder), serving, working: None }
    }

    pub(crate) fn work(&mut self) {
        let worker = azura_server::worker(&self.app).slots(2).run(self.app.shutdown().clone());
        let predictor = azura_server::predictor(&self.app).run(self.app.shutdown().clone());
        self.working = Some(tokio::spawn(async {
            tokio::join!(worker, predictor);
        }));
    }

    /// Ends it.
    pub(crate) async fn stop(mut self) -> TempDir {
        self.app.shutdown().cancel();
        (&mut self.serving).await.unwrap().unwrap();
        if let Some(working) = self.working.take() {
            working.await.unwrap();
        }
        self.folder.take().unwrap()
    }

    /// Ends it, and starts another one over the same folder.
    pub(crate) async fn restart(self) -> Self {
        let folder = self.stop().await;
        Self::again(folder, ANY_PORT).await
    }

    /// One over the folder of a server that has ended.
    pub(crate) async fn again(folder: TempDir, address: SocketAddr) -> Self {
        let mut server = Self::over(folder, address, Access::loopback()).await;
        server.work();
        server
    }

    /// The full address of a path, for a browser.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.as_ref().unwrap().path()
    }

    /// Everything in the folder of runs that is not the machinery's.
    pub(crate) fn left_behind(&self) -> Vec<PathBuf> {
        let list = |folder: PathBuf| -> Vec<PathBuf> {
            fs::read_dir(folder)
                .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
                .unwrap_or_default()
        };
        let machinery = [".attempts", ".checkpoints", ".workers"].map(|name| self.folder().join(name));
        let runs = list(self.folder().into()).into_iter().filter(|path| !machinery.contains(path));
        runs.chain(machinery[..2].iter().cloned().flat_map(list)).collect()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"").await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &["Content-Type: application/json"], body.to_string().as_bytes()).await
    }

    /// A request as a program would send it.
    pub(crate) async fn send(&self, method: &str, path: &str, headers: &[&str], body: &[u8]) -> Answer {
        let host = format!("Host: {}", self.address);
        let length = format!("Content-Length: {}", body.len());
        let lines = [&[host.as_str(), length.as_str(), "Connection: close"], headers].concat().join("\r\n");
        let head = format!("{method} {path} HTTP/1.1\r\n{lines}\r\n\r\n");
        self.raw(&[head.as_bytes(), body].concat()).await
    }

    /// These bytes, whatever they are.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> Answer {
        exchange(self.address, bytes).await
    }

    /// Submits a config that is valid, and returns the task's id.
    pub(crate) async fn submit(&self, config: Value) -> String {
        let answer = self.post("/api/v1/experiments", &config).await;
        assert_eq!(answer.status, 202, "{}", answer.text());
        answer.json()["task_id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn details(&self, id: &str) -> Value {
        self.get(&format!("/api/v1/experiments/{id}/details")).await.json()
    }

    /// Watches a task; `query` is `?after=..` or nothing.
    pub(crate) async fn watch(&self, task: &str, query: &str) -> Watcher {
        let url = format!("ws://{}/ws/task_status/{task}{query}", self.address);
        Watcher(connect_async(url).await.unwrap().0)
    }

    /// Waits for a task's end.
    pub(crate) async fn ended(&self, task: &str) -> Value {
        let (frames, close) = self.watch(task, "").await.rest().await;
        assert_eq!(close, Some(1000));
        frames.last().unwrap().clone()
    }
}

/// Sends bytes and reads the answer to them.
pub(crate) async fn exchange(address: SocketAddr, bytes: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let mut answer = Vec::new();
    // A server that refuses may hang up before it has read everything.
    let exchanged = async { tokio::join!(writer.write_all(bytes), reader.read_to_end(&mut answer)) };
    let (_, _) = timeout(PATIENCE, exchanged).await.expect("the server answers");
    Answer::read(&answer)
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    fn read(bytes: &[u8]) -> Self {
        let end =
            bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or_else(|| panic!("no answer: {bytes:?}"));
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        let mut answer = Self { status, headers: headers.collect(), body: bytes[end + 4..].to_vec() };
        if answer.header("transfer-encoding") == Some("chunked") {
            answer.body = unchunked(&answer.body);
        }
        answer
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The error's code.
    pub(crate) fn code(&self) -> String {
        self.json()["detail"]["error_code"]
            .as_str()
            .unwrap_or_else(|| panic!("no code: {}", self.text()))
            .to_owned()
    }

    /// Where the problems of a config are.
    pub(crate) fn pointers(&self) -> Vec<String> {
        let json = self.json();
        let errors = json["detail"]["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect()
    }
}

/// A body that came in chunks, each with its length in hexadecimal before it.
fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = body.windows(2).position(|two| two == b"\r\n") {
        let length = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
        whole.extend_from_slice(&body[end + 2..end + 2 + length]);
        body = &body[end + 2 + length + 2..];
    }
    whole
}

/// Somebody at the other end of a WebSocket.
pub(crate) struct Watcher(pub(crate) WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Watcher {
    /// The next frame, or the code with which the server closed.
    pub(crate) async fn next(&mut self) -> Result<Value, Option<u16>> {
        loop {
            let message = timeout(PATIENCE, self.0.next()).await.expect("the server says something");
            match message {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(text.as_str()).unwrap()),
                Some(Ok(Message::Close(frame))) => return Err(frame.map(|frame| frame.code.into())),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(None),
            }
        }
    }

    /// Reads until a frame of this state.
    pub(crate) async fn until(&mut self, state: &str) -> Value {
        loop {
            let frame =
                self.next().await.unwrap_or_else(|code| panic!("closed with {code:?} before {state}"));
            if frame["state"] == state {
                return frame;
            }
        }
    }

    /// All frames to come, and the code with which the server closed.
    pub(crate) async fn rest(mut self) -> (Vec<Value>, Option<u16>) {
        let mut frames = Vec::new();
        loop {
            match self.next().await {
                Ok(frame) => frames.push(frame),
                Err(code) => return (frames, code),
            }
        }
    }
}

/// A small real training.
pub(crate) fn small(epochs: usize) -> Value {
    json!({
        "pipeline_name": "csv_forecaster",
        "model_params": {"hidden_size": 4, "sequence_length": 5},
        "training_params": {"epochs": epochs, "batch_size": 128},
    })
}

/// A training that lasts until it is cancelled.
pub(crate) fn endless() -> Value {
    small(100_000)
}

#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Text {
    /// What to say.
    text: String,
}

/// Writes its text into a report and ends at once.
struct Echo;

impl Pipeline for Echo {
    type Config = Text;
    const NAME: &'static str = "echo";
    const DESCRIPTION: &'static str = "Repeats.";

    fn run(&self, config: Text, cx: &mut RunCx<'_>) -> Result<Results, PipelineError> {
        cx.write("report.md", config.text.as_bytes())?;
        cx.write("images/dot.svg", b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>")?;
        Ok(Results::new(History::default()).metric("length", Some(config.text.len() as f64)))
    }
}

/// Leaves half a file and works until it is cancelled.
struct Waits;

impl Pipeline for Waits {
    type Config = Text;
    const NAME: &'static str = "waits";
    const DESCRIPTION: &'static str = "Waits.";

    fn run(&self, _: Text, cx: &mut RunCx<'_>) -> Result<Results, PipelineError> {
        cx.write("half.txt", b"half")?;
        while !cx.is_cancelled() {
            thread::park_timeout(Duration::from_millis(1));
        }
        Err(PipelineError::Cancelled)
    }
}

/// Works until there is a file of this name, whoever says otherwise.
struct Stays;

impl Pipeline for Stays {
    type Config = Text;
    const NAME: &'static str = "stays";
    const DESCRIPTION: &'static str = "Stays.";

    fn run(&self, config: Text, _: &mut RunCx<'_>) -> Result<Results, PipelineError> {
        while !Path::new(&config.text).exists() {
            thread::park_timeout(Duration::from_millis(1));
        }
        Ok(Results::new(History::default()))
    }

    /// As long as somebody waits for it.
    fn predict(&self, _: Text, run: &SavedRun<'_>, _: &Value) -> Result<Prediction, PipelineError> {
        while !run.is_cancelled() {
            thread::park_timeout(Duration::from_millis(1));
        }
        Err(PipelineError::Cancelled)
    }
}

struct Panics;

impl Pipeline for Panics {
    type Config = Text;
    const NAME: &'static str = "panics";
    const DESCRIPTION: &'static str = "Panics.";

    fn run(&self, _: Text, cx: &mut RunCx<'_>) -> Result<Results, PipelineError> {
        cx.write("half.txt", b"half")?;
        panic!("out of luck")
    }
}

/// Cannot even look at a config.
struct Trips;

impl Pipeline for Trips {
    type Config = Text;
    const NAME: &'static str = "trips";
    const DESCRIPTION: &'static str = "Panics early.";

    fn check(&self, _: &Text, _: &Sources) -> Vec<Problem> {
        panic!("secret")
    }

    fn run(&self, _: Text, _: &mut RunCx<'_>) -> Result<Results, PipelineError> {
        Err(PipelineError::Cancelled)
    }
}

struct Fails;

impl Pipeline for Fails {
    type Config = Text;
    const NAME: &'static str = "fails";
    const DESCRIPTION: &'static str = "Fails.";

    fn run(&self, config: Text, cx: &mut RunCx<'_>) -> Result<Results, PipelineError> {
        cx.write("half.txt", b"half")?;
        Err(PipelineError::Value(config.text))
    }
}
