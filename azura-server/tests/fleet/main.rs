//! Servers and workers in processes of their own over one queue, and what becomes of a run when one of them dies. Unix only, as signals are.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#![allow(clippy::print_stdout, reason = "figures")]

mod kills;
mod loss;
mod processes;
#[path = "../../../azura-queue/tests/random/mod.rs"]
mod random;
#[path = "../../../azura-queue/tests/redis_server/mod.rs"]
mod redis_server;
mod resume;

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use processes::{Process, Server, assert_gapless, frames, states};
use serde_json::json;
use tempfile::TempDir;

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
            fn workers_may_be_killed_at_any_moment() {
                let (data, queue) = (tempfile::tempdir().unwrap(), $queue);
                super::kills::workers_may_be_killed_at_any_moment(data.path(), queue.as_ref());
            }

            #[test]
            fn a_killed_run_goes_on_from_its_checkpoint() {
                let (data, queue) = (tempfile::tempdir().unwrap(), $queue);
                super::resume::a_killed_run_goes_on_from_its_checkpoint(data.path(), queue.as_ref());
            }

            #[test]
            fn a_worker_that_stood_still_is_fenced_off() {
                let (data, queue) = (tempfile::tempdir().unwrap(), $queue);
                super::a_worker_that_stood_still_is_fenced_off(&data, queue.as_ref());
            }
        }
    };
}

over!(sqlite, "sqlite");
over!(redis, crate::redis_server::RedisServer::start());
