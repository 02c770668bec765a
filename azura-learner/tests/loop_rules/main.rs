//! The rules of the training loop, each seen through callbacks.

#![expect(clippy::unwrap_used, reason = "a test that fails here has failed")]

mod best;
mod every_callback;
mod models;
mod steps;

use azura_core::Tensor;
use azura_learner::{
    Adam, Callback, CallbackError, DataLoader, EarlyStopping, Error, Event, Flow, Learner, Linear, Module,
    Outcome, ProgressEvent, Publish, Result, Sgd, StateDict, TensorDataset, TrainCx, parameters, seeded,
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
