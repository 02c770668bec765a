//! The rules of the training loop, each seen through callbacks.

#![expect(clippy::unwrap_used, reason = "a test that fails here has failed")]

use azura_core::{Param, Tensor, ndarray};
use azura_learner::{
    Adam, BestCheckpoint, Callback, CallbackError, Cx, DataLoader, EarlyStopping, Error, Event, Flow,
    Learner, Linear, Module, Outcome, ProgressEvent, Publish, Result, Sgd, StateDict, TensorDataset, TrainCx,
    parameters, seeded,
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

type Seen = Arc<Mutex<Vec<String>>>;

/// Writes down every event, and reacts to some.
struct Recorder {
    seen: Seen,
    react: fn(&Event<'_>, &mut TrainCx<'_>) -> Result<Flow, CallbackError>,
}

impl Recorder {
    fn new(seen: &Seen) -> Self {
        Self { seen: Arc::clone(seen), react: |_, _| Ok(Flow::Continue) }
    }

    fn reacting(seen: &Seen, react: fn(&Event<'_>, &mut TrainCx<'_>) -> Result<Flow, CallbackError>) -> Self {
        Self { seen: Arc::clone(seen), react }
    }
}

impl Callback for Recorder {
    fn on_event(&mut self, event: &Event<'_>, cx: &mut TrainCx<'_>) -> Result<Flow, CallbackError> {
        let name = match event {
            Event::TrainBegin => "train_begin".into(),
            Event::EpochBegin => format!("epoch_begin {}", cx.progress.epoch),
            Event::BatchBegin => format!("batch_begin {}", cx.progress.batch),
            Event::Gradients => format!("gradients {}", cx.grads.as_ref().map_or(0, |grads| grads.len())),
            Event::BatchEnd { .. } => "batch_end".into(),
            Event::ValidationBegin => "validation_begin".into(),
            Event::ValidationEnd { .. } => "validation_end".into(),
            Event::EpochEnd => format!("epoch_end {:?}", cx.metrics.keys().collect::<Vec<_>>()),
            Event::Exception { error } => format!("exception {error}"),
            Event::TrainEnd { outcome } => format!("train_end {outcome:?}"),
            _ => "unknown".into(),
        };
        self.seen.lock().unwrap().push(name);
        (self.react)(event, cx)
    }
}

/// Samples of `y = 2 x + 1`, two in a batch.
fn data(samples: usize) -> DataLoader<TensorDataset> {
    line(samples, 2.0)
}

/// Samples of `y = slope x + 1`, two in a batch.
fn line(samples: usize, slope: f32) -> DataLoader<TensorDataset> {
    let x =
        Tensor::from_vec(&[samples, 1], (0..samples).map(|i| i as f32 / samples as f32).collect()).unwrap();
    let y = x.scale(slope).unwrap().shift(1.0).unwrap();
    DataLoader::new(TensorDataset::new(&x, &y).unwrap(), 2)
}

fn learner() -> Learner<Linear> {
    Learner::new(Linear::new(1, 1, &mut seeded(1)), Sgd::new(0.1), Tensor::mse)
}

fn events(seen: &Seen) -> Vec<String> {
    seen.lock().unwrap().clone()
}

#[test]
fn events_come_in_the_documented_order() {
    let seen = Seen::default();
    let fit = learner().callback(Recorder::new(&seen)).fit(&mut data(4), Some(&mut data(2)), 1).unwrap();
    let expected = [
        "train_begin",
        "epoch_begin 1",
        "batch_begin 1",
        "gradients 2",
        "batch_end",
        "batch_begin 2",
        "gradients 2",
        "batch_end",
        "validation_begin",
        "validation_end",
        r#"epoch_end ["loss", "val_loss"]"#,
        "train_end Completed",
    ];
    assert_eq!(events(&seen), expected);
    assert_eq!((fit.outcome, fit.history.epochs()), (Outcome::Completed, 1));
}

#[test]
fn every_callback_sees_every_event_and_the_first_reason_wins() {
    let (first, second, third) = (Seen::default(), Seen::default(), Seen::default());
    let fit = learner()
        .callback(Recorder::new(&first))
        .callback(Recorder::reacting(&second, |event, _| match event {
            Event::EpochEnd => Ok(Flow::Stop("second".into())),
            _ => Ok(Flow::Continue),
        }))
        .callback(Recorder::reacting(&third, |event, _| match event {
            Event::EpochEnd => Ok(Flow::Stop("third".into())),
            _ => Ok(Flow::Continue),
        }))
        .fit(&mut data(4), None, 9)
        .unwrap();
    assert_eq!(fit.outcome, Outcome::Stopped("second".into()));
    assert_eq!(fit.history.epochs(), 1);
    assert_eq!(events(&first), events(&second));
    assert_eq!(events(&first), events(&third));
    assert_eq!(events(&first).last().unwrap(), r#"train_end Stopped("second")"#);
}

#[test]
fn a_stop_within_an_epoch_ends_after_the_batch() {
    let seen = Seen::default();
    let recorder = Recorder::reacting(&seen, |event, cx| match event {
        Event::BatchEnd { .. } if cx.progress.step == 3 => Ok(Flow::Stop("enough".into())),
        _ => Ok(Flow::Continue),
    });
    let fit = learner().callback(recorder).fit(&mut data(4), None, 9).unwrap();
    assert_eq!(fit.outcome, Outcome::Stopped("enough".into()));
    // Epoch 2 was cut short: it has no end and no place in the history.
    assert_eq!(fit.history.epochs(), 1);
    assert_eq!(events(&seen).iter().filter(|name| *name == "batch_end").count(), 3);
    assert_eq!(events(&seen).iter().filter(|name| name.starts_with("epoch_end")).count(), 1);
}

#[test]
fn an_epoch_whose_last_batch_is_learned_is_a_whole_epoch() {
    let seen = Seen::default();
    let recorder = Recorder::reacting(&seen, |event, cx| match event {
        // Four samples are two batches: step 4 is the last of epoch 2.
        Event::BatchEnd { .. } if cx.progress.step == 4 => Ok(Flow::Stop("enough".into())),
        _ => Ok(Flow::Continue),
    });
    let fit = learner().callback(recorder).fit(&mut data(4), Some(&mut data(2)), 9).unwrap();
    assert_eq!(fit.outcome, Outcome::Stopped("enough".into()));
    assert_eq!(fit.history.epochs(), 2);
    assert!(fit.history.last("val_loss").is_some());
    let tail = [
        "batch_end",
        "validation_begin",
        "validation_end",
        r#"epoch_end ["loss", "val_loss"]"#,
        r#"train_end Stopped("enough")"#,
    ];
    assert!(events(&seen).ends_with(&tail.map(String::from)), "{:?}", events(&seen));

    // Cancelled while the last batch of all is learned: nothing is left to be cancelled. Three polls come before that,
    // one for the epoch and one for each of its two batches.
    let polls = AtomicUsize::new(0);
    let cancelled = move || polls.fetch_add(1, Ordering::Relaxed) >= 3;
    let fit = learner().cancelled(cancelled).fit(&mut data(4), None, 1).unwrap();
    assert_eq!((fit.outcome, fit.history.epochs()), (Outcome::Completed, 1));
}

#[test]
fn an_error_beats_a_stop_and_is_told_to_all() {
    let (first, second) = (Seen::default(), Seen::default());
    let error = learner()
        .callback(Recorder::reacting(&first, |event, _| match event {
            Event::EpochEnd => Ok(Flow::Stop("stop".into())),
            _ => Ok(Flow::Continue),
        }))
        .callback(Recorder::reacting(&second, |event, _| match event {
            Event::EpochEnd => Err("disk full".into()),
            _ => Ok(Flow::Continue),
        }))
        .fit(&mut data(4), None, 9)
        .unwrap_err();
    assert_eq!(error.to_string(), "callback Recorder: disk full");
    let tail =
        ["exception callback Recorder: disk full", r#"train_end Failed("callback Recorder: disk full")"#];
    assert!(events(&first).ends_with(&tail.map(String::from)));
    assert_eq!(events(&first), events(&second));
}

#[test]
fn train_end_comes_once_and_last_on_every_path() {
    let count = |seen: &Seen| events(seen).iter().filter(|name| name.starts_with("train_end")).count();
    let ends = |seen: &Seen| events(seen).last().unwrap().starts_with("train_end");

    // Cancelled.
    let seen = Seen::default();
    let polls = AtomicUsize::new(0);
    let fit = learner()
        .callback(Recorder::new(&seen))
        .cancelled(move || polls.fetch_add(1, Ordering::Relaxed) == 3)
        .fit(&mut data(8), None, 9)
        .unwrap();
    assert_eq!(fit.outcome, Outcome::Cancelled);
    assert_eq!((count(&seen), ends(&seen)), (1, true));

    // An error of the forward pass.
    let seen = Seen::default();
    let wrong = Learner::new(Linear::new(5, 1, &mut seeded(1)), Sgd::new(0.1), |y, t: &Tensor| y.mse(t));
    let error = wrong.callback(Recorder::new(&seen)).fit(&mut data(4), None, 1).unwrap_err();
    assert!(error.to_string().starts_with("linear: shapes [2, 1] and [1, 5]"), "{error}");
    assert_eq!((count(&seen), ends(&seen)), (1, true));

    // A panic.
    let seen = Seen::default();
    let mut panics: Learner<Linear> =
        Learner::new(Linear::new(1, 1, &mut seeded(1)), Sgd::new(0.1), |_, _| panic!("a bug"))
            .callback(Recorder::new(&seen));
    assert!(catch_unwind(AssertUnwindSafe(|| panics.fit(&mut data(4), None, 1))).is_err());
    assert_eq!((count(&seen), ends(&seen)), (1, true));

    assert_eq!(events(&seen).last().unwrap(), r#"train_end Failed("the training panicked: a bug")"#);

    // An error in the callback at the very end.
    let seen = Seen::default();
    let recorder = Recorder::reacting(&seen, |event, _| match event {
        Event::TrainEnd { .. } => Err("too late".into()),
        _ => Ok(Flow::Continue),
    });
    assert!(learner().callback(recorder).fit(&mut data(4), None, 1).is_err());
    assert_eq!((count(&seen), ends(&seen)), (1, true));

    // No data at all.
    let seen = Seen::default();
    let error = learner().callback(Recorder::new(&seen)).fit(&mut data(0), None, 1).unwrap_err();
    assert_eq!(error.to_string(), "no data: the training data give no batch");
    assert_eq!((count(&seen), ends(&seen)), (1, true));

    // Nothing to validate on, which is told before an epoch is spent.
    let seen = Seen::default();
    let error =
        learner().callback(Recorder::new(&seen)).fit(&mut data(4), Some(&mut data(0)), 1).unwrap_err();
    assert_eq!(error.to_string(), "no data: the validation data give no batch");
    assert_eq!(events(&seen).len(), 2, "{:?}", events(&seen));
}

#[test]
fn a_callback_that_panics_keeps_no_event_from_the_others() {
    let panicking: [(When, &str); 3] = [
        (|event| matches!(event, Event::EpochEnd), r#"train_end Failed("the training panicked: a bug")"#),
        (|event| !matches!(event, Event::BatchBegin), r#"train_end Failed("the training panicked: a bug")"#),
        (|event| matches!(event, Event::TrainEnd { .. }), "train_end Completed"),
    ];
    for (panics, end) in panicking {
        let (first, last) = (Seen::default(), Seen::default());
        let mut learner = learner()
            .callback(Recorder::new(&first))
            .callback(Panics(panics, "a bug"))
            .callback(Panics(panics, "a later bug"))
            .callback(Recorder::new(&last));
        let fit = catch_unwind(AssertUnwindSafe(|| learner.fit(&mut data(4), None, 1)));
        assert_eq!(fit.unwrap_err().downcast_ref::<String>().unwrap(), "a bug");
        assert_eq!(events(&first), events(&last));
        assert_eq!(events(&last).iter().filter(|name| name.starts_with("train_end")).count(), 1);
        assert_eq!(events(&last).last().unwrap(), end);
    }
}

type When = fn(&Event<'_>) -> bool;

/// Panics at these events, with this message.
struct Panics(When, &'static str);

impl Callback for Panics {
    fn on_event(&mut self, event: &Event<'_>, _: &mut TrainCx<'_>) -> Result<Flow, CallbackError> {
        assert!(!(self.0)(event), "{}", self.1);
        Ok(Flow::Continue)
    }
}

#[test]
fn cancel_is_polled_before_each_batch() {
    let polls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&polls);
    let seen = Seen::default();
    let mut learner = learner().callback(Recorder::new(&seen)).cancelled(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        false
    });
    learner.fit(&mut data(8), None, 2).unwrap();
    let batches = events(&seen).iter().filter(|name| name.starts_with("batch_begin")).count();
    assert_eq!(batches, 8);
    assert!(polls.load(Ordering::Relaxed) >= batches);
}

#[test]
fn cancel_is_polled_within_a_validation() {
    let (seen, polls) = (Seen::default(), AtomicUsize::new(0));
    // Polled for the epoch, for each of its two batches, and for the first of two batches of the validation.
    let cancelled = move || polls.fetch_add(1, Ordering::Relaxed) >= 4;
    let mut learner = learner().callback(Recorder::new(&seen)).cancelled(cancelled);
    let fit = learner.fit(&mut data(4), Some(&mut data(4)), 9).unwrap();
    assert_eq!((fit.outcome, fit.history.epochs()), (Outcome::Cancelled, 0));
    let tail = ["batch_end", "validation_begin", "train_end Cancelled"];
    assert!(events(&seen).ends_with(&tail.map(String::from)), "{:?}", events(&seen));
    assert!(matches!(learner.evaluate(&mut data(4), false), Err(Error::Cancelled)));
}

#[test]
fn a_metric_that_will_never_exist_is_an_error_at_the_start() {
    let seen = Seen::default();
    let error = learner()
        .callback(Recorder::new(&seen))
        .callback(EarlyStopping::new("val_loss", 3))
        .fit(&mut data(4), None, 5)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "callback EarlyStopping monitors `val_loss`, but this training has only: loss"
    );
    assert!(!events(&seen).contains(&"train_begin".to_owned()));
    assert!(
        learner()
            .callback(EarlyStopping::new("val_loss", 3))
            .fit(&mut data(4), Some(&mut data(2)), 1)
            .is_ok()
    );
}

#[test]
fn a_loss_that_is_not_finite_ends_the_training() {
    let mut diverges =
        Learner::new(Linear::new(1, 1, &mut seeded(1)), Sgd::new(1e20), |y, t: &Tensor| y.mse(t));
    let error = diverges.fit(&mut data(4), None, 50).unwrap_err();
    assert!(matches!(error, Error::NonFinite { epoch: 1..=3, .. }), "{error}");
    assert!(error.to_string().contains("a smaller learning rate"), "{error}");
}

#[test]
fn a_validation_loss_that_is_not_finite_ends_the_training() {
    let recorder = Recorder::reacting(&Seen::default(), |event, cx| {
        if let Event::ValidationBegin = event {
            // Its square is beyond f32.
            cx.model.visit_mut(&mut |_, param| param.update(|w| w.fill(1e30)));
        }
        Ok(Flow::Continue)
    });
    let error = learner().callback(recorder).fit(&mut data(4), Some(&mut data(2)), 5).unwrap_err();
    assert!(error.to_string().starts_with("the validation loss became inf in epoch 1, batch 2"), "{error}");
}

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

struct Generic<T>(T);

impl<T: Send> Callback for Generic<T> {}

#[test]
fn a_callback_is_named_by_its_type() {
    assert_eq!(EarlyStopping::new("loss", 1).name(), "EarlyStopping");
    assert_eq!(Generic(Vec::<String>::new()).name(), "Generic");
    let boxed: Box<dyn Callback> = Box::new(Generic(1));
    assert_eq!(boxed.name(), "Generic");
}

/// Hands on the ends of epochs only.
struct Epochs(Box<dyn Callback>);

impl Callback for Epochs {
    fn on_epoch_end(&mut self, cx: &mut TrainCx<'_>) -> Result<Flow, CallbackError> {
        self.0.on_epoch_end(cx)
    }
}

#[test]
fn a_callback_within_another_does_its_work() {
    // The loss is infinite before epoch 1 and cannot improve by so much again: it waits out one epoch.
    let inner = EarlyStopping::new("loss", 1).min_delta(1e9);
    let fit = learner().callback(Epochs(Box::new(inner))).fit(&mut data(4), None, 9).unwrap();
    assert_eq!(fit.history.epochs(), 2);
    assert!(matches!(fit.outcome, Outcome::Stopped(_)), "{:?}", fit.outcome);
}

#[test]
fn publish_tells_each_epoch_with_what_the_pipeline_shows() {
    let (tell, told) = std::sync::mpsc::channel();
    let publish =
        Publish::new(move |event: &ProgressEvent| tell.send(serde_json::to_value(event).unwrap()).unwrap())
            .pipeline("demo")
            .validation_view(|output| Some(serde_json::json!({ "samples": output.shape()[0] })));
    learner().callback(publish).validate_every(2).fit(&mut data(4), Some(&mut data(3)), 3).unwrap();
    let epochs: Vec<_> = told.iter().filter(|event| event.get("batch").is_none()).collect();
    assert_eq!(epochs.len(), 3);
    assert_eq!((&epochs[0]["epoch"], &epochs[0]["total_epochs"]), (&1.into(), &3.into()));
    assert_eq!(epochs[0]["pipeline_name"], "demo");
    assert!(epochs[0]["loss"].is_number() && epochs[0].get("val_loss").is_none());
    assert!(epochs[0]["status_text"].as_str().unwrap().starts_with("Epoch 1/3"));
    assert!(epochs[0].get("validation_data").is_none());
    // Validated every second epoch, and in the last.
    assert_eq!(epochs[1]["validation_data"]["samples"], 3);
    assert_eq!(epochs[2]["validation_data"]["samples"], 3);
}

#[test]
fn equal_seeds_give_bit_equal_weights_and_parameters_stay_in_place() {
    let train = |seed| {
        let mut loader = data(32).shuffle(seed);
        let model = Linear::new(1, 1, &mut seeded(seed));
        let mut learner = Learner::new(model, Adam::new(0.01), |y, t: &Tensor| y.mse(t)).seed(seed);
        let places = |model: &Linear| {
            let mut places = Vec::new();
            model.visit(&mut |_, param| places.push(param.as_slice().as_ptr() as usize));
            places
        };
        let before = places(learner.model());
        let fit = learner.fit(&mut loader, None, 10).unwrap(); // 160 steps
        assert_eq!(places(learner.model()), before);
        (StateDict::of(&parameters(learner.model_mut())).to_bytes(), fit.history)
    };
    assert_eq!(train(7), train(7));
    assert_ne!(train(7).0, train(8).0);
}

/// A model that takes something else than a tensor: the loop does not care.
struct Lookup(Param);

impl Module<Vec<usize>> for Lookup {
    fn forward(&self, x: &Vec<usize>, cx: &mut Cx) -> Result<Tensor> {
        let table = cx.param(&self.0);
        let rows: Vec<_> = x.iter().map(|&i| table.slice(0, i..i + 1)).collect::<Result<_, _>>()?;
        Ok(Tensor::concat(0, &rows.iter().collect::<Vec<_>>())?)
    }

    fn visit(&self, f: &mut dyn FnMut(&str, &Param)) {
        f("table", &self.0);
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Param)) {
        f("table", &mut self.0);
    }
}

/// A product with two parameters, which are shown under these names; the second perhaps not at all.
struct Product {
    params: [Param; 2],
    saved: Vec<&'static str>,
    trained: Vec<&'static str>,
}

impl Module for Product {
    fn forward(&self, x: &Tensor, cx: &mut Cx) -> Result<Tensor> {
        Ok(x.mul(&cx.param(&self.params[0]))?.mul(&cx.param(&self.params[1]))?)
    }

    fn visit(&self, f: &mut dyn FnMut(&str, &Param)) {
        self.saved.iter().zip(&self.params).for_each(|(name, param)| f(name, param));
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Param)) {
        self.trained.iter().zip(&mut self.params).for_each(|(name, param)| f(name, param));
    }
}

#[test]
fn a_model_that_does_not_show_its_parameters_is_refused() {
    let fit = |saved: &[&'static str], trained: &[&'static str]| {
        let params = [1.0, 2.0].map(|value| Param::new(ndarray::arr1(&[value])));
        let model = Product { params, saved: saved.to_vec(), trained: trained.to_vec() };
        Learner::new(model, Sgd::new(0.1), Tensor::mse).fit(&mut data(4), None, 1).map_err(|e| e.to_string())
    };
    assert!(fit(&["a", "b"], &["a", "b"]).is_ok());
    let refused = [
        (fit(&["a"], &["a"]), r#"2 parameters have a gradient, but `visit_mut` shows 1 of them: ["a"]"#),
        (fit(&[], &["a", "b"]), r#"`visit` shows the parameters [], but `visit_mut` ["a", "b"]"#),
        (
            fit(&["a", "b"], &["b", "a"]),
            r#"`visit` shows the parameters ["a", "b"], but `visit_mut` ["b", "a"]"#,
        ),
        (fit(&["a", "a"], &["a", "a"]), "two of its parameters are named `a`"),
    ];
    for (found, why) in refused {
        assert_eq!(found.unwrap_err(), format!("the model cannot be trained: {why}"));
    }
}

struct Words;

impl azura_learner::Dataset for Words {
    type X = Vec<usize>;
    type Y = Tensor;

    fn len(&self) -> usize {
        3
    }

    fn batch(
        &self,
        indices: &[usize],
        _: Option<azura_learner::Batch<Vec<usize>, Tensor>>,
    ) -> Result<azura_learner::Batch<Vec<usize>, Tensor>> {
        let y = indices.iter().map(|&i| i as f32 * 10.0).collect();
        let y = Tensor::from_vec(&[indices.len(), 1], y)?;
        Ok(azura_learner::Batch { x: indices.to_vec(), y, len: indices.len() })
    }
}

#[test]
fn inputs_may_be_anything() {
    let table = Param::new(ndarray::Array2::<f32>::zeros((3, 1)));
    let mut learner = Learner::new(Lookup(table), Adam::new(1.0), |y: &Tensor, t: &Tensor| y.mse(t));
    learner.fit(&mut DataLoader::new(Words, 3), None, 300).unwrap();
    let found = learner.model().0.as_slice();
    assert!(found.iter().zip([0.0, 10.0, 20.0]).all(|(a, b)| (a - b).abs() < 0.1), "{found:?}");
}
