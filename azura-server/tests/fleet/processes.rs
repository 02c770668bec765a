//! Processes of a test, and what can be asked of them.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{self, Message};

const PATIENCE: Duration = Duration::from_mins(1);

/// A process that ends with this value.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    pub(crate) fn start(args: &[&str], data: &Path, queue: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_azura"));
        command.args(args).arg("--data-dir").arg(data).args(["--queue", queue, "--threads", "1"]);
        Self(command.stdout(Stdio::piped()).spawn().unwrap())
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    pub(crate) fn ended(&mut self) -> Option<i32> {
        self.0.wait().unwrap().code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) struct Server {
    pub(crate) process: Process,
    pub(crate) address: String,
    _said: Option<BufReader<ChildStdout>>,
}

impl Server {
    pub(crate) fn start(workers: &str, data: &Path, queue: &str) -> Self {
        let mut process =
            Process::start(&["serve", "--bind", "127.0.0.1:0", "--workers", workers], data, queue);
        let mut line = String::new();
        let mut said = BufReader::new(process.0.stdout.take().unwrap());
        said.read_line(&mut line).unwrap();
        let address = line.trim().rsplit('/').next().unwrap().to_owned();
        Self { process, address, _said: Some(said) }
    }

    /// One that somebody else has started.
    pub(crate) fn at(process: Process, address: &str) -> Self {
        Self { process, address: address.to_owned(), _said: None }
    }

    pub(crate) fn ask(&self, request: &str, body: &Value) -> Value {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let body = body.to_string();
        let (host, length) = (&self.address, body.len());
        write!(
            stream,
            "{request} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    pub(crate) fn submit(&self, epochs: u32) -> String {
        let config = json!({
            "pipeline_name": "csv_forecaster",
            "model_params": {"hidden_size": 8, "sequence_length": 10},
            "training_params": {"epochs": epochs},
        });
        self.ask("POST /experiments", &config)["task_id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn details(&self, task: &str) -> Value {
        self.ask(&format!("GET /experiments/{task}/details"), &json!({}))
    }

    /// Watches a task from its first frame on.
    pub(crate) fn watch(&self, task: &str) -> Watcher {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let url = format!("ws://{}/ws/task_status/{task}", self.address);
        let (mut socket, _) = tungstenite::client(url, stream).unwrap();
        let attempt = Arc::<AtomicU64>::default();
        let newest = Arc::clone(&attempt);
        let count = Arc::<AtomicU64>::default();
        let heard_of = Arc::clone(&count);
        let thread = thread::spawn(move || {
            let mut frames: Vec<Value> = Vec::new();
            let mut heard = Instant::now();
            // Pings come for ever.
            while heard.elapsed() < 2 * PATIENCE {
                match socket.read() {
                    Ok(Message::Text(text)) => {
                        let frame: Value = serde_json::from_str(&text).unwrap();
                        newest.store(frame["attempt"].as_u64().unwrap(), Relaxed);
                        frames.push(frame);
                        heard_of.store(frames.len() as u64, Relaxed);
                        heard = Instant::now();
                    }
                    Ok(Message::Close(frame)) => return (frames, frame.map(|frame| frame.code.into())),
                    Ok(_) => {}
                    Err(_) => break,
                }
            }
            (frames, None)
        });
        Watcher { attempt, heard: count, thread }
    }

    pub(crate) fn reaches(&self, task: &str, status: &str) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let details = self.details(task);
            if details["status"] == status {
                return details;
            }
            assert!(Instant::now() < end, "{status} is not reached: {details}");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Somebody who watches a task.
pub(crate) struct Watcher {
    attempt: Arc<AtomicU64>,
    heard: Arc<AtomicU64>,
    thread: JoinHandle<(Vec<Value>, Option<u16>)>,
}

impl Watcher {
    /// The attempt that was heard of last.
    pub(crate) fn attempt(&self) -> u64 {
        self.attempt.load(Relaxed)
    }

    /// How many frames have come so far.
    pub(crate) fn heard(&self) -> u64 {
        self.heard.load(Relaxed)
    }

    pub(crate) fn is_done(&self) -> bool {
        self.thread.is_finished()
    }

    /// All frames until the end, and the code with which the server closed.
    pub(crate) fn seen(self) -> (Vec<Value>, Option<u16>) {
        self.thread.join().unwrap()
    }
}

/// What is in the folder of all runs, and in the folders that are the machinery's.
pub(crate) fn names(data: &Path, folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(data.join("experiments").join(folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| !name.starts_with('.')).collect();
    names.sort();
    names
}

/// The frames of a finished run, as its folder has them.
pub(crate) fn frames(data: &Path, details: &Value) -> Vec<Value> {
    let folder: PathBuf = data.join("experiments").join(details["experiment_id"].as_str().unwrap());
    let text = std::fs::read_to_string(folder.join("events.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub(crate) fn states(frames: &[Value]) -> Vec<&str> {
    frames.iter().map(|frame| frame["state"].as_str().unwrap()).filter(|state| *state != "PROGRESS").collect()
}

/// Whatever happens, the numbers of a log have no gap.
pub(crate) fn assert_gapless(frames: &[Value]) {
    for (n, frame) in frames.iter().enumerate() {
        assert_eq!(frame["seq"], n as u64 + 1, "{frame}");
    }
}
