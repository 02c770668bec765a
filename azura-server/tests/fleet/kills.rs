//! Workers that are killed at any moment: nothing is lost, nothing is done twice, and watchers see no gap.

use std::{
    path::Path,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    processes::{Process, Server, frames, names},
    random::Random,
};

const WORKERS: usize = 2;
/// How many runs wait or are worked on at any time.
const OPEN: usize = 4;
const EPOCHS: u32 = 12;

type Watcher = JoinHandle<(Vec<Value>, Option<u16>)>;

/// A parameter of this test, from the environment.
#[expect(clippy::disallowed_methods, reason = "the long form of this test is one parameter away")]
fn parameter(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |value| value.parse().unwrap())
}

pub(crate) fn workers_may_be_killed_at_any_moment(data: &Path, queue: &str) {
    let (kills, seed) = (parameter("AZURA_KILLS", 5), parameter("AZURA_SEED", 1));
    println!("{kills} kills, seed {seed}");
    let mut random = Random(seed);
    let server = Server::start("0", data, queue);
    let worker = || Process::start(&["worker"], data, queue);
    let mut workers: Vec<Process> = (0..WORKERS).map(|_| worker()).collect();
    let mut watching: Vec<(String, Watcher)> = Vec::new();
    for _ in 0..kills {
        let moment = Instant::now() + Duration::from_secs(1).mul_f64(random.next());
        while Instant::now() < moment {
            if watching.iter().filter(|(_, watcher)| !watcher.is_finished()).count() < OPEN {
                let task = server.submit(EPOCHS);
                watching.push((task.clone(), server.watch(&task)));
            }
            thread::sleep(Duration::from_millis(5));
        }
        let n = (random.next() * WORKERS as f64) as usize;
        workers[n].signal("-KILL");
        workers[n].ended();
        workers[n] = worker();
    }

    let runs = watching.len();
    let (mut attempts, mut wrong) = (0, Vec::new());
    let mut experiments = Vec::new();
    for (task, watcher) in watching {
        let (seen, close) = watcher.join().unwrap();
        let details = server.details(&task);
        attempts += seen.iter().filter(|frame| frame["state"] == "STARTED").count();
        if close != Some(1000) || details["status"] != "SUCCESS" {
            wrong.push(format!("{task} was lost: closed with {close:?}, {details}"));
            continue;
        }
        experiments.push(details["experiment_id"].as_str().unwrap().to_owned());
        let losses = details["results"]["history"]["loss"].as_array().map_or(0, Vec::len);
        if losses != EPOCHS as usize {
            wrong.push(format!("{task} has {losses} losses"));
        }
        wrong.extend(mistakes(&seen).into_iter().map(|what| format!("{task}: {what}")));
        if server.watch(&task).join().unwrap() != (seen.clone(), close) {
            wrong.push(format!("{task}: a late watcher sees something else"));
        }
        let kept = frames(data, &details).into_iter().map(|mut entry| {
            entry.as_object_mut().unwrap().remove("at");
            entry
        });
        if kept.collect::<Vec<_>>() != seen {
            wrong.push(format!("{task}: the folder says something else"));
        }
    }
    println!("{runs} runs in {attempts} attempts, {} wrong", wrong.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(kills == 0 || attempts > runs, "no kill hit a run");

    experiments.sort();
    assert_eq!(names(data, ""), experiments, "one folder for each run");
    let listed = server.ask("GET /experiments?limit=1000", &json!({}));
    assert_eq!(listed.as_array().unwrap().len(), runs.min(1000));
    // Nothing is left of the dead.
    assert_eq!(names(data, ".attempts"), [""; 0]);
    let end = Instant::now() + Duration::from_secs(5);
    while names(data, ".workers").len() > WORKERS {
        assert!(Instant::now() < end, "{:?}", names(data, ".workers"));
        thread::sleep(Duration::from_millis(20));
    }
}

/// What is wrong with the frames of a run that succeeded, if anything is.
fn mistakes(seen: &[Value]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut say = |right: bool, what: &str| {
        if !right {
            wrong.push(format!("{what}: {seen:?}"));
        }
    };
    say((1..).zip(seen).all(|(n, frame)| frame["seq"] == n), "a gap, or something twice");
    let ends =
        |frame: &&Value| !["PENDING", "STARTED", "PROGRESS"].contains(&frame["state"].as_str().unwrap());
    say(
        seen.iter().filter(ends).count() == 1 && seen.last().is_some_and(|last| last["state"] == "SUCCESS"),
        "no one end",
    );
    let last = seen.last().and_then(|last| last["attempt"].as_u64()).unwrap_or(0);
    for attempt in 1..=last {
        let of = |state: &str| {
            let all = seen.iter().filter(|frame| frame["attempt"] == attempt && frame["state"] == state);
            all.collect::<Vec<_>>()
        };
        say(of("STARTED").len() == 1, "an attempt begins once");
        say(of("PENDING").len() == usize::from(attempt < last), "an attempt is lost once");
        let epochs = of("PROGRESS");
        say((1..).zip(&epochs).all(|(n, frame)| frame["details"]["epoch"] == n), "epochs are in order");
        say(attempt < last || epochs.len() == EPOCHS as usize, "all epochs are told");
    }
    wrong
}
