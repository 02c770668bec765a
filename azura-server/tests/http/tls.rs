//! `azura` over a Redis behind TLS, in processes of its own. Unix only, as the servers' sockets are. Needs redis-server.

#![cfg(unix)]
#[path = "../../../azura-queue/tests/redis_server/mod.rs"]
mod redis_server;
#[path = "../../../azura-queue/tests/redis_tls/mod.rs"]
mod redis_tls;

use std::{
    fs,
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use redis_tls::{TlsServer, free_port};
use serde_json::json;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_mins(1);

/// A process that ends with this value.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `azura` with a queue, and whom it trusts.
fn azura(words: &[&str], data: &TempDir, queue: &str, trusted: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_azura"));
    command.args(words).args(["--threads", "1"]).env("AZURA_DATA_DIR", data.path());
    command.env("AZURA_QUEUE", queue).env("SSL_CERT_FILE", trusted).env_remove("SSL_CERT_DIR");
    command.stdin(Stdio::null());
    command
}

/// All that is said, and whether it went well.
fn run(command: &mut Command) -> (bool, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.success(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_worker_over_tls_does_what_it_is_asked_and_keeps_its_password() {
    let data = tempfile::tempdir().unwrap();
    let user = ["--user", "worker", "on", ">s3cret", "~*", "&*", "+@all"];
    let server = TlsServer::start_with(2100, &[&["--tls-auth-clients", "no"][..], &user].concat());
    let queue = server.url("worker:s3cret@localhost");
    let said = data.path().join("said");
    let output = fs::File::create(&said).unwrap();
    let mut worker = azura(&["worker", "--log", "debug"], &data, &queue, &server.authority());
    worker.stdout(output.try_clone().unwrap()).stderr(output);
    let _worker = Process(worker.spawn().unwrap());

    let id = "3f0e0f0e-4d43-4f0b-8a35-6f6f9b8f6c11";
    let config = json!({
        "pipeline_name": "csv_forecaster",
        "model_params": {"hidden_size": 4, "sequence_length": 5},
        "training_params": {"epochs": 1},
    });
    let message = json!({
        "body": json!([[config], {}, {}]).to_string(),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"lang": "py", "task": "start_training_pipeline", "id": id, "root_id": id},
        "properties": {"delivery_info": {"exchange": "", "routing_key": "celery"}, "delivery_tag": "a tag"},
    });
    server.redis.command(&["LPUSH", "celery", &message.to_string()]);
    until("the task is done", || {
        server.redis.command(&["GET", &format!("celery-task-meta-{id}")]).contains("\"SUCCESS\"")
    });
    let (good, stats) = run(&mut azura(&["queue", "stats"], &data, &queue, &server.authority()));
    assert!(good && stats.contains("of 1 busy"), "{stats}");

    let said = fs::read_to_string(said).unwrap();
    let at = said.find("AzuraForge works on rediss://***@localhost:");
    assert!(at.is_some() && !said.contains("s3cret"), "{said}");
    let (_, help) = run(&mut azura(&["worker", "--help"], &data, &queue, &server.authority()));
    assert!(help.contains("AZURA_QUEUE") && !help.contains("s3cret"), "{help}");
}

/// `azura queue stats` gives up, in these words.
fn refuses(queue: &str, trusted: &Path, words: &[&str]) {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().join("said");
    let mut stats = azura(&["queue", "stats"], &data, queue, trusted);
    let mut stats = Process(stats.stderr(fs::File::create(&path).unwrap()).spawn().unwrap());
    let said = || fs::read_to_string(&path).unwrap();
    let mut code = None;
    until("it gives up or goes on", || {
        code = stats.0.try_wait().unwrap().map(|status| status.code());
        code.is_some() || said().contains("trying again")
    });
    let said = said();
    assert_eq!(code, Some(Some(1)), "{said}");
    for word in words {
        assert!(said.contains(word), "{word} is not in: {said}");
    }
    assert!(!said.contains("s3cret"), "{said}");
}

#[test]
fn a_certificate_that_does_not_do_ends_the_command() {
    let server = TlsServer::start();
    let other = TlsServer::start_with(2020, &["--tls-auth-clients", "no"]);
    let ours = server.url(":s3cret@localhost");
    let stranger = TlsServer::start_for(&["queue.example"], 2100, &[]);
    refuses(&ours, &stranger.authority(), &["UnknownIssuer", "SSL_CERT_FILE"]);
    // Another one of the same name.
    refuses(&ours, &other.authority(), &["BadSignature", "SSL_CERT_FILE"]);
    refuses(&other.url("localhost"), &other.authority(), &["certificate expired"]);
    let data = tempfile::tempdir().unwrap();
    let nothing = data.path().join("nothing");
    refuses(&ours, &nothing, &["SSL_CERT_FILE", "cannot be read", &nothing.display().to_string()]);
    fs::write(&nothing, "").unwrap();
    refuses(&ours, &nothing, &["SSL_CERT_FILE", "are none"]);
    refuses(&format!("{ours}#insecure"), &server.authority(), &["no part after a #"]);
}

#[test]
fn a_certificate_must_be_for_the_host_that_the_address_names() {
    let server = TlsServer::start_for(&["queue.example"], 2100, &["--tls-auth-clients", "no"]);
    refuses(
        &server.url("localhost"),
        &server.authority(),
        &["not valid for name", "localhost", "queue.example"],
    );
}

#[test]
fn a_server_that_wants_certificates_of_its_clients_is_told_of() {
    for more in
        [&["--tls-auth-clients", "yes"][..], &["--tls-auth-clients", "yes", "--tls-protocols", "TLSv1.2"]]
    {
        let server = TlsServer::start_with(2100, more);
        refuses(
            &server.url(":s3cret@localhost"),
            &server.authority(),
            &["fatal alert", "tls-auth-clients no"],
        );
    }
}

#[test]
fn a_server_that_is_not_there_is_waited_for_and_one_that_does_not_speak_tls_is_not() {
    let data = tempfile::tempdir().unwrap();
    let server = TlsServer::start();
    refuses(
        &server.url(":s3cret@localhost").replace("rediss", "redis"),
        &server.authority(),
        &["speaks TLS at this port"],
    );

    let said = data.path().join("said");
    let queue = format!("rediss://:s3cret@localhost:{}", free_port());
    let mut stats = azura(&["queue", "stats"], &data, &queue, &server.authority());
    let _stats = Process(stats.stderr(fs::File::create(&said).unwrap()).spawn().unwrap());
    until("it says that it waits", || fs::read_to_string(&said).unwrap().contains("trying again"));
    let said = fs::read_to_string(&said).unwrap();
    assert!(said.contains("refused") && !said.contains("s3cret"), "{said}");
}
