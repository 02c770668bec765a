//! A process that trains is killed at any moment.

use super::{every_epoch, files, fit, learner, outcome};
use azura_learner::{Registry, RunCx, Snapshot, Sources, seeded};
use serde_json::json;
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

const KILLS: usize = 20;
const FOLDER: &str = "AZURA_TEST_FOLDER";

/// Not a test of its own: what the tests below run as processes.
#[test]
#[ignore = "a part of other tests"]
fn child_learner() {
    let Some(folder) = folder() else { return };
    let mut learner = learner(&folder).callback(every_epoch(&folder));
    if let Some(snapshot) = Snapshot::newest(&folder.join("checkpoints")).unwrap().snapshot {
        learner = learner.resume(snapshot);
    }
    let fit = fit(&mut learner, 400);
    outcome(&mut learner, &fit, &folder);
}

#[test]
#[ignore = "a part of other tests"]
fn child_pipeline() {
    let Some(folder) = folder() else { return };
    let checkpoint = every_epoch(&folder);
    let sources = Sources::default();
    let mut cx = RunCx::new(&folder, &sources)
        .checkpoint(checkpoint)
        .resume(Snapshot::newest(&folder.join("checkpoints")).unwrap().snapshot);
    let config = json!({
        "pipeline_name": "csv_forecaster",
        "model_params": {"hidden_size": 4, "sequence_length": 7},
        "training_params": {"epochs": 12, "early_stopping": {"patience": 8}},
    });
    Registry::builtin().run(&config, &mut cx).unwrap();
}

#[expect(clippy::disallowed_methods, reason = "the way to tell a process of a test what it is for")]
fn folder() -> Option<PathBuf> {
    env::var_os(FOLDER).map(PathBuf::from)
}

fn start(child: &str, folder: &Path) -> Child {
    let name = format!("kills::{child}");
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", &name, "--ignored", "--test-threads", "1"]).env(FOLDER, folder);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn runs_through(child: &str, folder: &Path) {
    assert!(start(child, folder).wait().unwrap().success());
}

/// Kills a process at so many moments of its life, spread by chance over all of it, and compares what the next one comes to.
fn killed_at_any_moment(child: &str, compare: impl Fn(&Path) -> Vec<Vec<u8>>) {
    let whole = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    runs_through(child, whole.path());
    let life = begun.elapsed();
    let expected = compare(whole.path());

    let (mut resumed, mut rng) = (0, seeded(env!("CARGO_PKG_NAME").len() as u64));
    for kill in 0..KILLS {
        let folder = tempfile::tempdir().unwrap();
        let mut process = start(child, folder.path());
        thread::sleep(life.mul_f64(f64::from(chance(&mut rng)) * 0.95));
        // SIGKILL on Unix.
        process.kill().unwrap();
        process.wait().unwrap();
        let newest = Snapshot::newest(&folder.path().join("checkpoints")).unwrap();
        assert!(newest.damaged.is_empty(), "{:?}", newest.damaged);
        resumed += usize::from(newest.snapshot.is_some());
        runs_through(child, folder.path());
        assert!(compare(folder.path()) == expected, "kill {kill}");
        let left = fs::read_dir(folder.path().join("checkpoints")).unwrap();
        assert!(
            left.map(|entry| entry.unwrap().path()).all(|path| path.extension().unwrap() == "safetensors")
        );
    }
    println!("{child}: {KILLS} kills within {life:?}, {resumed} of them after a checkpoint");
    assert!(resumed > KILLS / 4, "{resumed} of {KILLS} kills came after a checkpoint");
}

fn chance(rng: &mut azura_learner::Rng) -> f32 {
    use rand_chacha::rand_core::Rng as _;
    rng.next_u32() as f32 / u32::MAX as f32
}

#[test]
fn a_learner_may_be_killed_at_any_moment() {
    killed_at_any_moment("child_learner", files);
}

#[test]
fn a_pipeline_may_be_killed_at_any_moment() {
    let names = ["results.json", "model.safetensors", "report.md", "inputs.json"];
    killed_at_any_moment("child_pipeline", |folder| {
        names.map(|name| fs::read(folder.join(name)).unwrap()).into()
    });
}

#[test]
fn pauses_are_not_needed() {
    // The interval is a matter of the disk, not of the result: a process that has just begun may be killed again and again.
    let folder = tempfile::tempdir().unwrap();
    let end = Instant::now() + Duration::from_secs(2);
    while Instant::now() < end {
        let mut process = start("child_learner", folder.path());
        thread::sleep(Duration::from_millis(150));
        process.kill().unwrap();
        process.wait().unwrap();
    }
    runs_through("child_learner", folder.path());
    let whole = tempfile::tempdir().unwrap();
    runs_through("child_learner", whole.path());
    assert!(files(folder.path()) == files(whole.path()));
}
