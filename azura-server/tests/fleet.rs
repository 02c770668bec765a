//! Servers and workers in processes of their own over one queue, and what becomes of a run when one of them dies. Unix only, as signals are.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#![allow(clippy::print_stdout, reason = "figures")]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_mins(1);

/// A process that ends with this value.
struct Process(Child);

impl Process {
    fn start(args: &[&str], data: &Path, queue: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_azura"));
        command.args(args).arg("--data-dir").arg(data).args(["--queue", queue, "--threads", "1"]);
        Self(command.stdout(Stdio::piped()).spawn().unwrap())
    }

    fn signal(&self, name: &str) {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    fn ended(&mut self) -> Option<i32> {
        self.0.wait().unwrap().code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Server {
    process: Process,
    address: String,
    _said: BufReader<ChildStdout>,
}

impl Server {
    fn start(workers: &str, data: &Path, queue: &str) -> Self {
        let mut process =
            Process::start(&["serve", "--bind", "127.0.0.1:0", "--workers", workers], data, queue);
        let mut line = String::new();
        let mut said = BufReader::new(process.0.stdout.take().unwrap());
        said.read_line(&mut line).unwrap();
        let address = line.trim().rsplit('/').next().unwrap().to_owned();
        Self { process, address, _said: said }
    }

    fn ask(&self, request: &str, body: &Value) -> Value {
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

    fn submit(&self, epochs: u32) -> String {
        let config = json!({
            "pipeline_name": "csv_forecaster",
            "model_params": {"hidden_size": 8, "sequence_length": 10},
            "training_params": {"epochs": epochs},
        });
        self.ask("POST /experiments", &config)["task_id"].as_str().unwrap().to_owned()
    }

    fn details(&self, task: &str) -> Value {
        self.ask(&format!("GET /experiments/{task}/details"), &json!({}))
    }

    fn reaches(&self, task: &str, status: &str) -> Value {
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

/// The frames of a finished run, as its folder has them.
fn frames(data: &Path, details: &Value) -> Vec<Value> {
    let folder: PathBuf = data.join("experiments").join(details["experiment_id"].as_str().unwrap());
    let text = std::fs::read_to_string(folder.join("events.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn states(frames: &[Value]) -> Vec<&str> {
    frames.iter().map(|frame| frame["state"].as_str().unwrap()).filter(|state| *state != "PROGRESS").collect()
}

/// Whatever happens, the numbers of a log have no gap.
fn assert_gapless(frames: &[Value]) {
    for (n, frame) in frames.iter().enumerate() {
        assert_eq!(frame["seq"], n as u64 + 1, "{frame}");
    }
}

fn a_killed_worker_s_run_is_taken_over_at_once(data: &TempDir, queue: &str) {
    let data = data.path();
    let server = Server::start("0", data, queue);
    let task = server.submit(3000);
    assert_eq!(server.details(&task)["status"], "PENDING");
    let first = Process::start(&["worker"], data, queue);
    server.reaches(&task, "STARTED");
    let second = Process::start(&["worker", "--concurrency", "2"], data, queue);
    let short = server.submit(2);
    server.reaches(&short, "SUCCESS");

    first.signal("-KILL");
    let killed = Instant::now();
    let attempt = || server.ask("GET /experiments?limit=2", &json!({}))[1]["started_at"].clone();
    let began = attempt();
    while attempt() == began || attempt().is_null() {
        assert!(killed.elapsed() < Duration::from_secs(10), "the lease of 15 s is not waited for");
        thread::sleep(Duration::from_millis(10));
    }
    println!("taken over after {:?}", killed.elapsed());
    server.ask(&format!("POST /experiments/{task}/cancel"), &json!({}));
    let details = server.reaches(&task, "REVOKED");
    let frames = frames(data, &details);
    assert_gapless(&frames);
    assert_eq!(states(&frames), ["PENDING", "STARTED", "PENDING", "STARTED", "REVOKED"]);
    assert_eq!(server.ask("GET /experiments", &json!({})).as_array().unwrap().len(), 2);
    drop(second);
}

fn a_restart_goes_on_where_it_was(data: &TempDir, queue: &str) {
    let data = data.path();
    let mut server = Server::start("1", data, queue);
    let (running, waiting) = (server.submit(400), server.submit(2));
    server.reaches(&running, "STARTED");
    server.process.signal("-TERM");
    assert_eq!(server.process.ended(), Some(0));

    let server = Server::start("1", data, queue);
    let details = server.reaches(&running, "SUCCESS");
    let told = frames(data, &details);
    assert_gapless(&told);
    assert_eq!(states(&told), ["PENDING", "STARTED", "PENDING", "STARTED", "SUCCESS"]);
    server.reaches(&waiting, "SUCCESS");

    // The whole product is killed, and nothing is lost or done twice.
    let (running, waiting) = (server.submit(400), server.submit(2));
    server.reaches(&running, "STARTED");
    server.process.signal("-KILL");
    drop(server);
    let server = Server::start("1", data, queue);
    let details = server.reaches(&running, "SUCCESS");
    assert_eq!(states(&frames(data, &details)), ["PENDING", "STARTED", "PENDING", "STARTED", "SUCCESS"]);
    server.reaches(&waiting, "SUCCESS");
    assert_eq!(server.ask("GET /experiments", &json!({})).as_array().unwrap().len(), 4);
}

/// Whether the queue can be written to.
fn writes(data: &Path, queue: &str) -> bool {
    let mut probe = Process::start(&["queue", "resume", "nothing"], data, queue);
    let end = Instant::now() + Duration::from_secs(2);
    while Instant::now() < end {
        if let Some(status) = probe.0.try_wait().unwrap() {
            return status.success();
        }
        thread::sleep(Duration::from_millis(5));
    }
    false
}

/// SIGSTOP for longer than its lease, and then it goes on: all it says and writes is refused.
fn a_worker_that_stood_still_is_fenced_off(data: &TempDir, queue: &str) {
    let data = data.path();
    let server = Server::start("0", data, queue);
    let task = server.submit(600);
    let zombie = Process::start(&["worker"], data, queue);
    server.reaches(&task, "STARTED");
    zombie.signal("-STOP");
    // If that was in the middle of a transaction, nobody else can write to the file: that is another story.
    while !writes(data, queue) {
        zombie.signal("-CONT");
        thread::sleep(Duration::from_millis(7));
        zombie.signal("-STOP");
    }
    let _other = Process::start(&["worker"], data, queue);
    let details = server.reaches(&task, "SUCCESS");
    let (told, results) = (frames(data, &details), details["results"].clone());
    zombie.signal("-CONT");
    // It notices with its next heartbeat; had it anything to say, it would say it now.
    let again = server.submit(2);
    server.reaches(&again, "SUCCESS");
    thread::sleep(Duration::from_secs(6));
    let details = server.details(&task);
    assert_eq!((&details["results"], &details["status"]), (&results, &json!("SUCCESS")));
    assert_eq!(frames(data, &details), told);
    assert_gapless(&told);
    assert_eq!(states(&told), ["PENDING", "STARTED", "PENDING", "STARTED", "SUCCESS"]);
}

macro_rules! over {
    ($backend:ident, $queue:expr) => {
        mod $backend {
            #[test]
            fn a_killed_worker_s_run_is_taken_over_at_once() {
                let (data, queue) = (tempfile::tempdir().unwrap(), $queue);
                super::a_killed_worker_s_run_is_taken_over_at_once(&data, queue.as_ref());
            }

            #[test]
            fn a_restart_goes_on_where_it_was() {
                let (data, queue) = (tempfile::tempdir().unwrap(), $queue);
                super::a_restart_goes_on_where_it_was(&data, queue.as_ref());
            }

            #[test]
            fn a_worker_that_stood_still_is_fenced_off() {
                let (data, queue) = (tempfile::tempdir().unwrap(), $queue);
                super::a_worker_that_stood_still_is_fenced_off(&data, queue.as_ref());
            }
        }
    };
}

#[path = "../../azura-queue/tests/redis_server/mod.rs"]
mod redis_server;

over!(sqlite, "sqlite");
over!(redis, crate::redis_server::RedisServer::start());
