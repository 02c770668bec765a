//! The `azura` program, as a user starts it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod training;

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;

fn azura(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_azura"));
    command.env("AZURA_DATA_DIR", data).env("AZURA_THREADS", "1").stdin(Stdio::null());
    command
}

fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

const SMALL: &str =
    r#"{"pipeline_name": "csv_forecaster", "model_params": {"hidden_size": 4, "sequence_length": 5}}"#;

#[test]
fn other_machines_are_kept_out() {
    let data = tempfile::tempdir().unwrap();
    for bind in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8000"] {
        let (code, out, error) = run(azura(data.path()).args(["serve", "--bind", bind]));
        assert_eq!((code, out.as_str()), (Some(2), ""), "{error}");
        assert!(error.contains("azura serve --bind 127.0.0.1:") && error.contains("ssh -L"), "{error}");
    }
    assert_eq!(fs::read_dir(data.path()).unwrap().count(), 0);
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let data = tempfile::tempdir().unwrap();
    for line in [
        &["dance"][..],
        &["serve", "--bind", "here"],
        &["serve", "--threads", "0"],
        &["train"],
        &["train", "-", "--set", "epochs"],
        &["pipelines", "nothing"],
        &["serve", "--allow-origin", "*"],
    ] {
        let (code, _, error) = run(azura(data.path()).args(line));
        assert_eq!(code, Some(2), "{line:?}: {error}");
        assert!(error.contains("error:"), "{line:?}: {error}");
    }
}

#[test]
fn a_queue_says_what_there_is_and_refuses_what_is_not_there() {
    let data = tempfile::tempdir().unwrap();
    let queue = |line: &[&str]| run(azura(data.path()).arg("queue").args(line));
    let (code, _, help) = queue(&[]);
    assert!(code == Some(2) && help.contains("Usage: azura queue") && help.contains("requeue"), "{help}");
    let (code, _, error) = queue(&["--queue", "sqlite"]);
    assert!(code == Some(2) && error.contains("'azura queue' requires a subcommand"), "{error}");
    let (code, _, error) = queue(&["stats", "--queue", "memory"]);
    assert!(code == Some(2) && error.contains("a queue in memory"), "{error}");
    let (code, _, error) = queue(&["stats"]);
    assert!(code == Some(1) && error.contains("there is no queue in"), "{error}");
    assert_eq!(fs::read_dir(data.path()).unwrap().count(), 0, "nothing is made by looking");

    fs::write(data.path().join("queue.db"), "").unwrap();
    let said = |line: &[&str]| {
        let (code, out, error) = queue(line);
        assert_eq!(code, Some(0), "{line:?}: {error}");
        (out, error)
    };
    assert_eq!(said(&["stats"]).0, "nothing waits, and nothing runs\n\nno worker is online\n");
    assert_eq!(said(&["dead"]), (String::new(), "there are no dead letters\n".to_owned()));
    let (out, error) = said(&["pause"]);
    assert!(out.starts_with("celery is paused") && error.is_empty(), "{out}{error}");
    let (_, error) = said(&["pause", "celry"]);
    assert!(error.contains("warning") && error.contains("celry"), "{error}");
    let (out, error) = said(&["resume", "celry"]);
    assert!(out.starts_with("celry is not paused") && error.is_empty(), "{out}{error}");
    assert!(said(&["stats"]).0.contains("paused"));
}

#[test]
fn a_file_that_is_no_queue_is_refused_once() {
    let data = tempfile::tempdir().unwrap();
    fs::write(data.path().join("queue.db"), "no database, but long enough to be one".repeat(99)).unwrap();
    let (code, _, error) = run(azura(data.path()).args(["queue", "stats"]));
    assert!(code == Some(1) && error.contains("cannot be used: "), "{error}");
    assert!(!error.contains("the queue's storage failed"), "{error}");
}

#[test]
fn help_tells_everything() {
    let data = tempfile::tempdir().unwrap();
    let (code, help, _) = run(azura(data.path()).arg("--help"));
    assert_eq!(code, Some(0));
    for word in
        ["serve", "train", "pipelines", "--threads", "AZURA_THREADS", "AZURA_LOG", "Examples:", "--set"]
    {
        assert!(help.contains(word), "{word} is not in {help}");
    }
    let (_, help, _) = run(azura(data.path()).args(["serve", "--help"]));
    for word in [
        "--bind",
        "AZURA_BIND",
        "127.0.0.1:8000",
        "--data-dir",
        "AZURA_DATA_DIR",
        "--workers",
        "--allow-origin",
    ] {
        assert!(help.contains(word), "{word} is not in {help}");
    }
}

#[test]
fn pipelines_are_printed() {
    let data = tempfile::tempdir().unwrap();
    let (code, list, _) = run(azura(data.path()).arg("pipelines"));
    assert!(code == Some(0) && list.contains("csv_forecaster"), "{list}");
    let (code, one, _) = run(azura(data.path()).args(["pipelines", "csv_forecaster"]));
    assert_eq!(code, Some(0));
    let one: Value = serde_json::from_str(&one).unwrap();
    assert_eq!(one["default_config"]["pipeline_name"], "csv_forecaster");
    assert!(one["json_schema"]["properties"].is_object());
}

/// What a server has logged.
const LOG: &str = "log";

/// The program without arguments: a server. It ends with the test.
struct Server(Child, u16);

impl Server {
    fn start(data: &Path) -> Self {
        let mut command = azura(data);
        command
            .env("AZURA_BIND", "127.0.0.1:0")
            .stdout(Stdio::piped())
            .stderr(fs::File::create(data.join(LOG)).unwrap());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().rsplit_once(':').unwrap_or_else(|| panic!("{line}")).1.parse().unwrap();
        assert!(line.starts_with("AzuraForge is listening on http://127.0.0.1:"), "{line}");
        Self(child, port)
    }

    fn ask(&self, request: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.1)).unwrap();
        let head =
            format!("Host: localhost:{}\r\nContent-Length: {}\r\nConnection: close", self.1, body.len());
        write!(stream, "{request} HTTP/1.1\r\n{head}\r\nContent-Type: application/json\r\n\r\n{body}")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[cfg(unix)]
    fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.0.id().to_string()]).status().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already if all went well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_port_in_use_is_said_to_be_in_use() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    let (code, _, error) =
        run(azura(data.path()).args(["serve", "--bind", &format!("127.0.0.1:{}", server.1)]));
    assert!(code == Some(1) && error.contains("is in use") && error.contains("--bind"), "{error}");
}

#[test]
fn a_server_and_a_worker_say_where_they_are_and_what_they_do() {
    let data = tempfile::tempdir().unwrap();
    let mut command = azura(data.path());
    command.args(["serve", "--workers", "0", "--bind", "127.0.0.1:0"]).stdout(Stdio::piped());
    let mut server = Server(command.spawn().unwrap(), 0);
    let mut lines = BufReader::new(server.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    server.1 = lines.next().unwrap().rsplit_once(':').unwrap().1.parse().unwrap();
    assert_eq!(lines.nth(1).unwrap(), "Nobody works here: runs wait for an `azura worker`.");
    let short = SMALL.replace("}}", "}, \"training_params\": {\"epochs\": 1}}");
    server.ask("POST /experiments", &short);

    let mut command = azura(data.path());
    command.arg("worker").stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut worker = Server(command.spawn().unwrap(), 0);
    let place = data.path().join("queue.db");
    let mut out = BufReader::new(worker.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(out.next().unwrap(), format!("AzuraForge works on {}", place.display()));
    let mut log = BufReader::new(worker.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    let (begun, ended) = (log.next().unwrap(), log.next().unwrap());
    assert!(
        begun.contains("INFO") && begun.contains("run csv_forecaster_") && begun.contains(" begins"),
        "{begun}"
    );
    assert!(ended.contains(" has ended") && ended.contains("state=SUCCESS"), "{ended}");
}

#[cfg(unix)]
#[test]
fn a_signal_ends_the_server_in_good_order() {
    for signal in ["-INT", "-TERM"] {
        let data = tempfile::tempdir().unwrap();
        let mut server = Server::start(data.path());
        let endless = SMALL.replace("}}", "}, \"training_params\": {\"epochs\": 100000}}");
        let answer = server.ask("POST /experiments", &endless);
        assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
        while !server.ask("GET /experiments", "").contains("\"STARTED\"") {}
        server.signal(signal);
        let status = server.0.wait().unwrap();
        assert_eq!(status.code(), Some(0), "{signal}");
        let left: Vec<_> = fs::read_dir(data.path().join("experiments/.attempts")).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
        assert!(
            data.path().join("queue.db").exists() && !data.path().join("queue.db-wal").exists(),
            "{signal}"
        );
        let log = fs::read_to_string(data.path().join(LOG)).unwrap();
        let lines: Vec<_> = log.lines().collect();
        assert!(
            lines.len() == 2 && lines[0].contains(" begins") && lines[1].contains(" is given back"),
            "{log}"
        );
    }
}
