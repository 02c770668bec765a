//! Callbacks that go by what is best so far.

use super::{data, learner, line};
use azura_learner::{
    BestCheckpoint, Callback, CallbackError, EarlyStopping, Flow, Outcome, ProgressEvent, Publish, Result,
    StateDict, TrainCx, parameters,
};
use std::sync::{Arc, Mutex};

/// The model as a callback can change it: a trainer that sets the weight to a known value after each epoch.
struct SetWeight(Vec<f32>);

impl Callback for SetWeight {
    fn order(&self) -> i32 {
        -100
    }

    fn on_epoch_begin(&mut self, cx: &mut TrainCx<'_>) -> Result<Flow, CallbackError> {
        let value = self.0[cx.progress.epoch - 1];
        cx.model.visit_mut(&mut |_, param| param.update(|w| w.fill(value)));
        cx.optimizer.set_lr(0.0);
        Ok(Flow::Continue)
    }
}

#[test]
fn the_best_weights_come_back_at_the_end() {
    // The data are y = 2 x + 1; weight = bias = 1.4 fits better than the others.
    let mut learner =
        learner().callback(BestCheckpoint::new("val_loss")).callback(SetWeight(vec![0.0, 1.4, 5.0]));
    let fit = learner.fit(&mut data(4), Some(&mut data(4)), 3).unwrap();
    let losses: Vec<_> = fit.history.get("val_loss").iter().map(|loss| loss.unwrap()).collect();
    assert!(losses[1] < losses[0] && losses[1] < losses[2], "{losses:?}");
    let state = StateDict::of(&parameters(learner.model_mut()));
    assert_eq!(state.get("weight").unwrap().1, [1.4]);
}

#[test]
fn the_best_weights_so_far_are_in_their_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("best.safetensors");
    let (path, seen) = (file.clone(), Arc::new(Mutex::new(Vec::new())));
    let look = Arc::clone(&seen);
    // Tells of an epoch after the file was written.
    let publish = Publish::new(move |event| {
        if let ProgressEvent::Epoch { .. } = event {
            let state = StateDict::from_bytes(&std::fs::read(&path).unwrap()).unwrap();
            look.lock().unwrap().push(state.get("weight").unwrap().1[0]);
        }
    });
    learner()
        .callback(publish)
        .callback(BestCheckpoint::new("val_loss").file(&file))
        .callback(SetWeight(vec![0.0, 1.4, 5.0]))
        .fit(&mut data(4), Some(&mut data(4)), 3)
        .unwrap();
    assert_eq!(*seen.lock().unwrap(), [0.0, 1.4, 1.4]);

    // A file that cannot be written fails the training.
    let nowhere = BestCheckpoint::new("loss").file(folder.path().join("no/such/folder"));
    let error = learner().callback(nowhere).fit(&mut data(4), None, 1).unwrap_err();
    assert!(error.to_string().starts_with("callback BestCheckpoint: cannot write"), "{error}");
}

#[test]
fn early_stopping_waits_for_its_patience() {
    let values = vec![5.0, 3.0, 3.5, 4.0, 1.0, 1.0];
    let fit = learner()
        .callback(SetWeight(values))
        .callback(EarlyStopping::new("loss", 2))
        .fit(&mut data(4), None, 6)
        .unwrap();
    // Epoch 2 is the best so far; epochs 3 and 4 are not better.
    assert_eq!(fit.history.epochs(), 4);
    assert!(
        matches!(&fit.outcome, Outcome::Stopped(reason) if reason.ends_with("the last 2 times")),
        "{:?}",
        fit.outcome
    );

    // Epochs that are not validated do not count: of 2, 4, 6 the first is the best, and two are waited for.
    let fit = learner()
        .callback(SetWeight(vec![2.0; 9]))
        .callback(EarlyStopping::new("val_loss", 2))
        .validate_every(2)
        .fit(&mut data(4), Some(&mut data(4)), 9)
        .unwrap();
    assert_eq!(fit.history.epochs(), 6);
    assert!(
        matches!(&fit.outcome, Outcome::Stopped(reason) if reason.ends_with("the last 2 times")),
        "{:?}",
        fit.outcome
    );
}

#[test]
fn a_second_training_does_not_go_by_what_the_first_has_seen() {
    // The first training's best epoch fits its data exactly: 1 x + 1. Data of 2 x + 1 are never fitted as well.
    let mut learner =
        learner().callback(BestCheckpoint::new("val_loss")).callback(SetWeight(vec![1.0, 1.4, 5.0]));
    learner.fit(&mut line(4, 1.0), Some(&mut line(4, 1.0)), 3).unwrap();
    assert_eq!(StateDict::of(&parameters(learner.model_mut())).get("weight").unwrap().1, [1.0]);
    learner.fit(&mut data(4), Some(&mut data(4)), 3).unwrap();
    assert_eq!(StateDict::of(&parameters(learner.model_mut())).get("weight").unwrap().1, [1.4]);

    // Of two epochs the second is worse: one epoch waited of two. The same again is again one of two.
    let mut learner =
        self::learner().callback(SetWeight(vec![1.4, 5.0])).callback(EarlyStopping::new("loss", 2));
    for _ in 0..2 {
        let fit = learner.fit(&mut data(4), None, 2).unwrap();
        assert_eq!((fit.outcome, fit.history.epochs()), (Outcome::Completed, 2));
    }
}
