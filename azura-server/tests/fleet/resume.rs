//! A run whose worker dies goes on from its newest checkpoint, and comes to what it would have come to.

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::processes::{Process, Server, assert_gapless, frames, names, states};

/// So many that a run outlasts its second checkpoint, a second after the first, by far.
const EPOCHS: u32 = 1000;

/// Waits until a run has told of so many epochs, and for its checkpoint to be told of too.
fn gets_to(server: &Server, task: &str, data: &Path, epoch: u64) {
    let end = Instant::now() + Duration::from_mins(1);
    let newest = || {
        let details = server.details(task);
        let name = details["experiment_id"].as_str().unwrap();
        let files = fs::read_dir(data.join("experiments/.checkpoints").join(name)).into_iter().flatten();
        let files = files.filter_map(|file| file.unwrap().file_name().into_string().ok());
        files.filter_map(|name| name.strip_prefix("epoch-")?.get(..6)?.parse::<u64>().ok()).max()
    };
    while newest().is_none_or(|newest| newest < epoch) {
        assert!(Instant::now() < end, "epoch {epoch} is not reached");
        thread::sleep(Duration::from_millis(5));
    }
    // The queue is told right after the file is there.
    thread::sleep(Duration::from_millis(300));
}

/// The epochs that are left when every watcher has dropped what is superseded.
fn surviving(frames: &[Value]) -> Vec<(u64, Value)> {
    let mut epochs: Vec<(u64, Value)> = Vec::new();
    for frame in frames {
        let details = &frame["details"];
        if frame["state"] == "STARTED" {
            epochs.retain(|(epoch, _)| *epoch <= details["from_epoch"].as_u64().unwrap());
        } else if frame["state"] == "PROGRESS" {
            epochs.push((details["epoch"].as_u64().unwrap(), json!([details["loss"], details["val_loss"]])));
        }
    }
    epochs
}

fn results(data: &Path, details: &Value) -> Vec<u8> {
    let folder = data.join("experiments").join(details["experiment_id"].as_str().unwrap());
    assert!(!folder.join("checkpoints").exists());
    fs::read(folder.join("results.json")).unwrap()
}

pub(crate) fn a_killed_run_goes_on_from_its_checkpoint(data: &Path, queue: &str) {
    let server = Server::start("0", data, queue);
    let mut worker = Process::start(&["worker"], data, queue);
    let whole = server.submit(EPOCHS);
    let expected = results(data, &server.reaches(&whole, "SUCCESS"));

    // A worker is killed.
    let task = server.submit(EPOCHS);
    gets_to(&server, &task, data, 2);
    worker.signal("-KILL");
    worker.ended();
    let mut worker = Process::start(&["worker"], data, queue);
    let details = server.reaches(&task, "SUCCESS");
    assert!(results(data, &details) == expected);
    let told = frames(data, &details);
    assert_gapless(&told);
    assert_eq!(states(&told), ["PENDING", "STARTED", "PENDING", "STARTED", "SUCCESS"]);
    let started: Vec<_> = told.iter().filter(|frame| frame["state"] == "STARTED").collect();
    assert_eq!(started[0]["details"], json!({"attempt": 1, "from_epoch": 0}));
    let from = started[1]["details"]["from_epoch"].as_u64().unwrap();
    assert!(from > 0 && from < u64::from(EPOCHS), "{from}");
    let epochs = surviving(&told);
    assert!(epochs.iter().map(|(epoch, _)| *epoch).eq(1..=u64::from(EPOCHS)), "{epochs:?}");
    assert_eq!(epochs, surviving(&frames(data, &server.details(&whole))));

    // The whole product is killed, after the newest checkpoint was damaged.
    let task = server.submit(EPOCHS);
    gets_to(&server, &task, data, 2);
    worker.signal("-KILL");
    worker.ended();
    drop(server);
    let name = names(data, ".checkpoints").pop().unwrap();
    let folder = data.join("experiments/.checkpoints").join(name);
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "safetensors"));
    files.sort();
    let newest = files.last().unwrap();
    fs::write(newest, &fs::read(newest).unwrap()[..1000]).unwrap();
    let server = Server::start("1", data, queue);
    let details = server.reaches(&task, "SUCCESS");
    assert!(results(data, &details) == expected);
    let told = frames(data, &details);
    let epochs = surviving(&told);
    assert!(epochs.iter().map(|(epoch, _)| *epoch).eq(1..=u64::from(EPOCHS)), "{epochs:?}");

    // One that is cancelled goes on as another run.
    let task = server.submit(EPOCHS);
    gets_to(&server, &task, data, 2);
    server.ask(&format!("POST /experiments/{task}/cancel"), &json!({}));
    let old = server.reaches(&task, "REVOKED");
    let answer = server.ask(&format!("POST /experiments/{task}/resume"), &json!({}));
    let details = server.reaches(answer["task_id"].as_str().unwrap(), "SUCCESS");
    assert_eq!(details["resumed_from"], old["experiment_id"]);
    assert!(results(data, &details) == expected);
    let told = frames(data, &details);
    assert_eq!(states(&told), ["PENDING", "STARTED", "SUCCESS"]);
    assert!(surviving(&told).iter().map(|(epoch, _)| *epoch).eq(1..=u64::from(EPOCHS)));
    assert_eq!(server.details(&task)["status"], "REVOKED");
    assert_eq!(names(data, ".checkpoints"), [""; 0]);
}
