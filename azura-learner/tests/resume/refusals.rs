//! What a training does not go on from.

use super::{checkpoints, data, every_epoch, fit, learner};
use azura_core::Tensor;
use azura_learner::{
    Checkpoint, DataLoader, EarlyStopping, Learner, Linear, Sgd, Snapshot, StateDict, loss, parameters,
    seeded,
};
use serde_json::json;
use std::{fs, path::Path, time::Duration};

fn newest(folder: &Path) -> Snapshot {
    Snapshot::newest(&folder.join("checkpoints")).unwrap().snapshot.unwrap()
}

#[test]
fn a_damaged_snapshot_gives_way_to_an_older_one() {
    let folder = tempfile::tempdir().unwrap();
    let make = || learner(folder.path()).callback(every_epoch(folder.path()).every(100));
    fit(&mut make(), 2);
    fit(&mut make().resume(newest(folder.path())), 3);
    let names = checkpoints(folder.path());
    assert_eq!(names, ["epoch-000002.safetensors", "epoch-000003.safetensors"]);
    let path = folder.path().join("checkpoints").join(names.last().unwrap());
    let whole = fs::read(&path).unwrap();
    let older = &names[names.len() - 2];

    // Any byte but those of the length, which is checked by what it leads to: header, text, numbers.
    let flipped = (0..whole.len()).step_by(whole.len() / 300 + 1).map(|place| {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x10;
        bytes
    });
    let cut = [0, 1, 8, 100, whole.len() - 1].map(|length| whole[..length].to_vec());
    for bytes in flipped.chain(cut) {
        fs::write(&path, bytes).unwrap();
        let found = Snapshot::newest(&folder.path().join("checkpoints")).unwrap();
        assert_eq!(format!("epoch-{:06}.safetensors", found.snapshot.unwrap().epoch), *older);
        assert_eq!(found.damaged.len(), 1);
        let text = found.damaged[0].to_string();
        assert!(text.contains(names.last().unwrap()) && text.contains("is damaged"), "{text}");
    }
    assert!(Snapshot::newest(&folder.path().join("nothing")).unwrap().snapshot.is_none());
}

#[test]
fn another_config_is_refused_with_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    let config = |lr: f64| json!({"lr": lr, "data": {"a/b": 1, "c": [1, 2]}, "old": true});
    fit(&mut learner(folder.path()).config(config(0.1)).callback(every_epoch(folder.path())), 1);
    let mut other = config(0.2);
    other["data"]["c"] = json!([1, 3]);
    other["data"]["a/b"] = json!(null);
    other.as_object_mut().unwrap().remove("old");
    other["new"] = json!("x");
    let mut resumed = learner(folder.path()).config(other).callback(every_epoch(folder.path()));
    let before = StateDict::of(&parameters(resumed.model_mut()));
    resumed = resumed.resume(newest(folder.path()));
    let error = try_fit(&mut resumed, 2);
    assert_eq!(
        error,
        "the checkpoint is of another config: `/data/a~1b` was 1 and is null; `/data/c` was [1,2] and is [1,3]; \
         `/lr` was 0.1 and is 0.2; `/old` was true and is absent; `/new` was absent and is \"x\""
    );
    assert_eq!(StateDict::of(&parameters(resumed.model_mut())), before);
    assert!(
        fit(&mut learner(folder.path()).config(config(0.1)).resume(newest(folder.path())), 2)
            .history
            .epochs()
            == 2
    );
}

fn try_fit(learner: &mut Learner<azura_learner::Sequential>, epochs: usize) -> String {
    let validation = &mut DataLoader::new(data(500, 16), 8);
    learner
        .fit(&mut DataLoader::new(data(0, 40), 8).shuffle(11), Some(validation), epochs)
        .unwrap_err()
        .to_string()
}

#[test]
fn whatever_does_not_fit_is_told_and_nothing_changes() {
    let folder = tempfile::tempdir().unwrap();
    fit(&mut learner(folder.path()).callback(every_epoch(folder.path())), 3);
    let snapshot = newest(folder.path());

    // Other callbacks.
    let more = learner(folder.path()).callback(EarlyStopping::new("loss", 3)).resume(snapshot.clone());
    let mut more = more;
    assert_eq!(
        try_fit(&mut more, 5),
        "the checkpoint does not fit: it has no state of callback EarlyStopping"
    );
    let mut fewer: Learner<Linear> =
        Learner::new(Linear::new(1, 1, &mut seeded(1)), Sgd::new(0.1), loss::mse).resume(snapshot.clone());
    let x = Tensor::from_vec(&[2, 1], vec![0.0, 1.0]).unwrap();
    let mut line = DataLoader::new(azura_learner::TensorDataset::new(&x, &x).unwrap(), 2);
    let error = fewer.fit(&mut line, None, 5).unwrap_err().to_string();
    assert!(error.starts_with("the state dict does not fit the model: `weight` is missing"), "{error}");

    // Fewer epochs than it has seen.
    let mut shorter = learner(folder.path()).resume(snapshot.clone());
    assert_eq!(
        try_fit(&mut shorter, 2),
        "the checkpoint does not fit: it is of epoch 3, and 2 epochs are asked for"
    );

    // A callback's state that is not its own: those before it have their own back.
    let mut broken = snapshot;
    let (name, state) = broken.callbacks.last_mut().unwrap();
    state.value = json!("nonsense");
    let name = name.clone();
    let mut learner = learner(folder.path()).resume(broken);
    let before = StateDict::of(&parameters(learner.model_mut()));
    let error = try_fit(&mut learner, 5);
    assert!(error.starts_with(&format!("callback {name}: ")), "{error}");
    assert_eq!(StateDict::of(&parameters(learner.model_mut())), before);
    // It trains as one that nothing was asked of.
    let untouched = tempfile::tempdir().unwrap();
    assert_eq!(fit(&mut learner, 2), fit(&mut super::learner(untouched.path()), 2));
}

#[test]
fn a_file_that_cannot_be_written_fails_the_training() {
    let folder = tempfile::tempdir().unwrap();
    let taken = folder.path().join("checkpoints");
    // A folder of the name that the first snapshot wants.
    fs::create_dir_all(taken.join("epoch-000001.safetensors/x")).unwrap();
    let make = || Checkpoint::new(&taken).interval(Duration::ZERO);
    let error = try_fit(&mut learner(folder.path()).callback(make()), 30);
    assert!(error.starts_with("callback Checkpoint: "), "{error}");

    // One that stands in the way of the folder itself.
    fs::write(folder.path().join("file"), "").unwrap();
    let nowhere = Checkpoint::new(folder.path().join("file/checkpoints"));
    let error = try_fit(&mut learner(folder.path()).callback(nowhere), 3);
    assert!(error.starts_with("callback Checkpoint: "), "{error}");
}
