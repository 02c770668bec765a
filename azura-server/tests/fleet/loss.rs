//! A Redis that loses its data while everything runs.

use std::{
    io::{BufRead, BufReader},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    processes::{Process, Server, frames, names, states},
    redis_server::RedisServer,
};

/// More than the 5 s after which somebody looks without having been told.
const SOON: Duration = Duration::from_secs(20);

fn soon(what: &str, mut happens: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !happens() {
        assert!(Instant::now() < end, "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn listed(server: &Server) -> Vec<String> {
    let all = server.ask("GET /experiments", &json!({}));
    all.as_array().unwrap().iter().map(|run| run["task_id"].as_str().unwrap().to_owned()).collect()
}

fn is_unknown(answer: &Value) -> bool {
    answer["detail"]["error_code"] == "EXPERIMENT_NOT_FOUND"
}

#[test]
fn what_is_on_disk_outlives_a_redis_that_lost_everything() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let mut redis = RedisServer::start();
    let mut server = Server::start("0", data, redis.as_ref());
    let mut worker = Process::start(&["worker"], data, redis.as_ref());
    let done = server.submit(2);
    let before = server.reaches(&done, "SUCCESS");
    let seen = server.watch(&done).seen();
    let (running, waiting) = (server.submit(100_000), server.submit(2));
    let (watcher, other) = (server.watch(&running), server.watch(&waiting));
    server.reaches(&running, "STARTED");
    soon("the run has a folder", || !names(data, ".attempts").is_empty());
    soon("both watchers have heard of their tasks", || watcher.heard() >= 2 && other.heard() >= 1);

    redis.lose();
    for (watcher, story) in [(watcher, &["PENDING", "STARTED"][..]), (other, &["PENDING"])] {
        let begun = Instant::now();
        let (told, close) = watcher.seen();
        assert_eq!((states(&told), close), (story.to_vec(), Some(4404)));
        assert!(begun.elapsed() < SOON, "nobody is left waiting");
    }
    for task in [&running, &waiting] {
        assert!(is_unknown(&server.details(task)));
    }
    soon("what nobody asks for any more is thrown away", || names(data, ".attempts").is_empty());
    // What was under way is a failed run if its worker has let go of it by the time somebody looks, and else at the next start.
    let known = || -> Vec<_> { listed(&server).into_iter().filter(|task| *task != running).collect() };
    soon("what was done is listed", || known() == [done.as_str()]);
    let again = server.details(&done);
    assert_eq!((&again["status"], &again["results"]), (&before["status"], &before["results"]));
    assert_eq!(server.watch(&done).seen(), seen);

    let next = server.submit(2);
    let details = server.reaches(&next, "SUCCESS");
    assert_eq!(states(&frames(data, &details)), ["PENDING", "STARTED", "SUCCESS"]);
    assert_eq!(known(), [next, done]);
    assert_eq!(names(data, "").len(), listed(&server).len(), "{:?}", names(data, ""));
    for process in [&mut server.process, &mut worker] {
        assert!(process.0.try_wait().unwrap().is_none(), "it is the same process");
    }
}

/// Reading works and writing does not: what is on disk cannot be recorded yet.
#[test]
fn a_server_that_starts_waits_for_its_queue_and_says_so_once() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let mut redis = RedisServer::start();
    let server = Server::start("1", data, redis.as_ref());
    let done = server.submit(2);
    server.reaches(&done, "SUCCESS");
    drop(server);
    redis.lose();
    redis.command(&["CONFIG", "SET", "maxmemory", "1"]);

    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut process = Process(serve(data, redis.as_ref(), &free));
    let said = lines(BufReader::new(process.0.stderr.take().unwrap()));
    let answers = lines(BufReader::new(process.0.stdout.take().unwrap()));
    let line = said.recv_timeout(SOON).expect("it says that it waits");
    assert!(line.contains("cannot be reached: ") && line.ends_with("; trying again"), "{line}");
    // It tries every two seconds.
    let more = said.recv_timeout(Duration::from_secs(5));
    assert_eq!(
        (more, answers.try_recv()),
        (Err(mpsc::RecvTimeoutError::Timeout), Err(mpsc::TryRecvError::Empty))
    );
    assert!(TcpStream::connect(&free).is_err(), "nobody listens who cannot answer");

    redis.command(&["CONFIG", "SET", "maxmemory", "0"]);
    let line = answers.recv_timeout(SOON).expect("it listens");
    let server = Server::at(process, line.trim().rsplit('/').next().unwrap());
    assert_eq!(listed(&server), [done]);
}

fn serve(data: &Path, queue: &str, bind: &str) -> std::process::Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_azura"));
    command.args(["serve", "--bind", bind, "--workers", "0", "--queue", queue, "--data-dir"]).arg(data);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Lines as they come.
fn lines(from: impl BufRead + Send + 'static) -> mpsc::Receiver<String> {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || from.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
    told
}
