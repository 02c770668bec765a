//! A training that is interrupted and goes on ends bit-equal to one that was never interrupted.

#![expect(clippy::unwrap_used, reason = "a test that fails here has failed")]
#![expect(clippy::print_stdout, reason = "figures")]

mod kills;
mod refusals;

use azura_core::Tensor;
use azura_learner::{
    Adam, BatchNorm1d, BestCheckpoint, Checkpoint, CsvLog, DataLoader, Dropout, EarlyStopping, Fit,
    GradientStats, JsonLog, Learner, Linear, LrSchedule, Lstm, Plateau, Relu, Schedule, Sequential, Snapshot,
    StateDict, TensorDataset, loss, parameters, seeded,
};
use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

/// Sequences of three steps, and the sum of each.
fn data(from: usize, samples: usize) -> TensorDataset {
    let x: Vec<f32> = (from..from + 3 * samples).map(|i| (i as f32 * 0.7).sin()).collect();
    let y = x.chunks(3).map(|steps| steps.iter().sum()).collect();
    let x = Tensor::from_vec(&[samples, 3, 1], x).unwrap();
    TensorDataset::new(&x, &Tensor::from_vec(&[samples, 1], y).unwrap()).unwrap()
}

/// Everything that has a state: dropout draws, batch normalisation keeps statistics, Adam moments, callbacks their best.
fn learner(folder: &Path) -> Learner<Sequential> {
    let rng = &mut seeded(3);
    let model = Sequential::new()
        .push(Lstm::new(1, 8, rng).last_step())
        .push(BatchNorm1d::new(8))
        .push(Dropout::new(0.2).unwrap())
        .push(Linear::new(8, 8, rng))
        .push(Relu)
        .push(Linear::new(8, 1, rng));
    let plateau = Plateau { metric: "val_loss".into(), patience: 1, ..Plateau::default() };
    Learner::new(model, Adam::new(0.02), loss::mse)
        .seed(5)
        .accumulate(2)
        .validate_every(2)
        .callback(LrSchedule::new(Schedule::ReduceOnPlateau(plateau)).unwrap())
        .callback(EarlyStopping::new("val_loss", 9).restore_best())
        .callback(BestCheckpoint::new("loss").file(folder.join("best.safetensors")))
        .callback(GradientStats::new())
        .callback(CsvLog::new(folder.join("log.csv")))
        .callback(JsonLog::new(folder.join("log.jsonl")))
}

fn fit(learner: &mut Learner<Sequential>, epochs: usize) -> Fit {
    let mut train = DataLoader::new(data(0, 40), 8).shuffle(11);
    learner.fit(&mut train, Some(&mut DataLoader::new(data(500, 16), 8)), epochs).unwrap()
}

/// What a training comes to, as files.
fn outcome(learner: &mut Learner<Sequential>, fit: &Fit, folder: &Path) {
    fs::write(folder.join("weights"), StateDict::of(&parameters(learner.model_mut())).to_bytes()).unwrap();
    fs::write(folder.join("outcome"), format!("{:?} {:?}", fit.outcome, fit.history)).unwrap();
}

const FILES: [&str; 5] = ["weights", "outcome", "best.safetensors", "log.csv", "log.jsonl"];

fn files(folder: &Path) -> Vec<Vec<u8>> {
    FILES.map(|name| fs::read(folder.join(name)).unwrap()).into()
}

fn every_epoch(folder: &Path) -> Checkpoint {
    Checkpoint::new(folder.join("checkpoints")).interval(Duration::ZERO)
}

#[test]
fn wherever_it_was_interrupted_it_ends_as_if_it_had_not_been() {
    let whole = tempfile::tempdir().unwrap();
    let mut learner = learner(whole.path());
    let all = fit(&mut learner, 12);
    outcome(&mut learner, &all, whole.path());

    for epochs in 1..=12 {
        let folder = tempfile::tempdir().unwrap();
        let first = fit(&mut self::learner(folder.path()).callback(every_epoch(folder.path())), epochs);
        assert_eq!(first.history.epochs(), epochs);
        let snapshot = Snapshot::newest(&folder.path().join("checkpoints")).unwrap().snapshot.unwrap();
        assert_eq!(snapshot.epoch, epochs);
        assert_eq!(Snapshot::from_bytes(&snapshot.to_bytes().unwrap()).unwrap(), snapshot);
        // Of an interrupted training of this many epochs the last one is validated, which one that goes on does not know of.
        if epochs % 2 == 1 && epochs < 12 {
            continue;
        }
        let mut learner = self::learner(folder.path()).callback(every_epoch(folder.path())).resume(snapshot);
        let rest = fit(&mut learner, 12);
        outcome(&mut learner, &rest, folder.path());
        assert_eq!(rest, all);
        assert!(files(folder.path()) == files(whole.path()), "interrupted after epoch {epochs}");
    }
}

#[test]
fn a_callback_that_had_asked_to_stop_is_heeded_after_the_interruption() {
    let folder = tempfile::tempdir().unwrap();
    let make = || {
        let stop = azura_learner::from_fn(|event, cx| {
            let enough = matches!(event, azura_learner::Event::EpochEnd) && cx.progress.epoch == 4;
            Ok(if enough {
                azura_learner::Flow::Stop("enough".into())
            } else {
                azura_learner::Flow::Continue
            })
        });
        // At most one an hour, and still the last.
        let checkpoint = Checkpoint::new(folder.path().join("checkpoints")).interval(Duration::from_hours(1));
        learner(folder.path()).callback(stop).callback(checkpoint)
    };
    let first = fit(&mut make(), 12);
    let found: Vec<_> = checkpoints(folder.path());
    assert_eq!(found, ["epoch-000001.safetensors", "epoch-000004.safetensors"]);
    let snapshot = Snapshot::newest(&folder.path().join("checkpoints")).unwrap().snapshot.unwrap();
    assert_eq!(fit(&mut make().resume(snapshot), 12), first);
    assert_eq!(first.history.epochs(), 4);
}

fn checkpoints(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder.join("checkpoints")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn the_newest_and_the_best_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = || every_epoch(folder.path()).every(3).keep(3).best("loss");
    let written = Arc::<Mutex<Vec<usize>>>::default();
    let told = Arc::clone(&written);
    let checkpoint = checkpoint().written(move |epoch| told.lock().unwrap().push(epoch));
    let fitted = fit(&mut learner(folder.path()).callback(checkpoint), 10);
    // A thread that is still writing leaves out what has become old meanwhile.
    let written = written.lock().unwrap().clone();
    assert!(
        written.iter().all(|epoch| [3, 6, 9, 10].contains(epoch)) && written.ends_with(&[10]),
        "{written:?}"
    );
    let newest = written[written.len().saturating_sub(3)..].iter();
    let expected = newest.map(|epoch| format!("epoch-{epoch:06}.safetensors"));
    assert_eq!(
        checkpoints(folder.path()),
        ["best.safetensors".into()].into_iter().chain(expected).collect::<Vec<_>>()
    );
    let losses: Vec<f64> = fitted.history.get("loss").iter().map(|loss| loss.unwrap()).collect();
    let lowest = losses.iter().copied().fold(f64::INFINITY, f64::min);
    let best = Snapshot::read(&folder.path().join("checkpoints/best.safetensors")).unwrap();
    assert_eq!(best.history.last("loss"), Some(lowest));
    assert_eq!(best.epoch, losses.iter().position(|loss| loss.to_bits() == lowest.to_bits()).unwrap() + 1);

    // A training that begins anew has no use for them.
    fit(&mut learner(folder.path()).callback(every_epoch(folder.path()).every(100)), 2);
    assert_eq!(checkpoints(folder.path()), ["epoch-000002.safetensors"]);
}

#[test]
fn snapshots_are_taken_off_the_thread_and_change_nothing() {
    let (with, without) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut plain = learner(without.path());
    let expected = fit(&mut plain, 6);
    outcome(&mut plain, &expected, without.path());
    let mut kept = learner(with.path()).callback(every_epoch(with.path()).best("loss"));
    let found = fit(&mut kept, 6);
    outcome(&mut kept, &found, with.path());
    assert!(files(with.path()) == files(without.path()));
}
