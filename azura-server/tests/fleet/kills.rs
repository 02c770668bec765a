//! Workers that are killed at any moment: nothing is lost, nothing is done twice, and watchers see no gap.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    processes::{Process, Server, Watcher, frames, names},
    random::Random,
};

const WORKERS: usize = 2;
/// How many runs wait or are worked on at any time.
const OPEN: usize = 4;
const EPOCHS: u32 = 12;
/// A run that has been through so many attempts is let be.
const SPARED: u64 = 6;

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
        let open = |watching: &[(String, Watcher)]| -> Vec<u64> {
            watching.iter().filter(|(_, run)| !run.is_done()).map(|(_, run)| run.attempt()).collect()
        };
        // Ten lost leases are the end of a run, which is another story.
        while Instant::now() < moment || open(&watching).iter().any(|attempt| *attempt > SPARED) {
            if open(&watching).len() < OPEN {
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
        let (seen, close) = watcher.seen();
        let details = server.details(&task);
        attempts += seen.iter().filter(|frame| frame["state"] == "STARTED").count();
        let losses = details["results"]["history"]["loss"].as_array().map_or(0, Vec::len);
        if close != Some(1000) || details["status"] != "SUCCESS" || losses != EPOCHS as usize {
            wrong.push(format!("lost: {task} closed with {close:?}: {details}"));
            continue;
        }
        experiments.push(details["experiment_id"].as_str().unwrap().to_owned());
        wrong.extend(mistakes(&seen).into_iter().map(|what| format!("{what}: {task}: {seen:?}")));
        if server.watch(&task).seen() != (seen.clone(), close) {
            wrong.push(format!("gap: {task}: a late watcher sees something else than {seen:?}"));
        }
        let kept = frames(data, &details).into_iter().map(|mut entry| {
            entry.as_object_mut().unwrap().remove("at");
            entry
        });
        if kept.collect::<Vec<_>>() != seen {
            wrong.push(format!("gap: {task}: its folder says something else than {seen:?}"));
        }
    }
    let count = |what: &str| wrong.iter().filter(|wrong| wrong.starts_with(what)).count();
    let (lost, twice, gaps) = (count("lost"), count("twice"), count("gap"));
    println!("{kills} kills, {runs} runs in {attempts} attempts: {lost} lost, {twice} twice, {gaps} gaps");
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(kills == 0 || attempts > runs, "a kill hits a run");

    experiments.sort();
    assert_eq!(names(data, ""), experiments, "one folder for each run");
    let listed = server.ask("GET /experiments?limit=1000", &json!({}));
    assert_eq!(listed.as_array().unwrap().len(), runs.min(1000));
    // Nothing is left of the dead.
    assert_eq!(names(data, ".attempts"), [""; 0]);
    if data.join("experiments/.checkpoints").exists() {
        assert_eq!(names(data, ".checkpoints"), [""; 0]);
    }
    let end = Instant::now() + Duration::from_secs(5);
    // Each process is two of them: it trains, and it predicts.
    while names(data, ".workers").len() > 2 * WORKERS {
        assert!(Instant::now() < end, "{:?}", names(data, ".workers"));
        thread::sleep(Duration::from_millis(20));
    }
}

/// What is wrong with the frames of a run that succeeded, if anything is.
fn mistakes(seen: &[Value]) -> Vec<&'static str> {
    let number = |n: usize| seen.get(n).and_then(|frame| frame["seq"].as_u64()).unwrap_or(0);
    let state = |frame: &Value, state: &str| frame["state"] == state;
    let end = |frame: &Value| !["PENDING", "STARTED", "PROGRESS"].iter().any(|going| state(frame, going));
    let mut wrong = Vec::new();
    for n in 0..seen.len() {
        let before = if n == 0 { 0 } else { number(n - 1) };
        wrong.extend((number(n) <= before).then_some("twice"));
        wrong.extend((number(n) > before + 1).then_some("gap"));
    }
    wrong.extend((seen.iter().filter(|frame| end(frame)).count() > 1).then_some("twice: its end"));
    wrong.extend(seen.last().is_none_or(|last| !state(last, "SUCCESS")).then_some("gap: before its end"));
    let last = seen.last().and_then(|last| last["attempt"].as_u64()).unwrap_or(0);
    for attempt in 1..=last {
        let of = |name: &str| {
            let all = seen.iter().filter(|frame| frame["attempt"] == attempt && state(frame, name));
            all.map(|frame| frame["details"]["epoch"].as_u64()).collect::<Vec<_>>()
        };
        let begun = of("STARTED").len();
        let ended = of("PENDING").len() + usize::from(attempt == last);
        wrong.extend((begun > 1 || ended > 1).then_some("twice: an attempt"));
        wrong.extend((begun < 1 || ended < 1).then_some("gap: an attempt"));
        // It goes on behind the checkpoint that it began from.
        let begun = seen.iter().find(|frame| frame["attempt"] == attempt && state(frame, "STARTED"));
        let from = begun.and_then(|frame| frame["details"]["from_epoch"].as_u64()).unwrap_or(0);
        let told = of("PROGRESS");
        let whole = if attempt == last { u64::from(EPOCHS) } else { from + told.len() as u64 };
        wrong.extend((told != (from + 1..=whole).map(Some).collect::<Vec<_>>()).then_some("gap: epochs"));
    }
    wrong
}
