//! The rules hold whichever callback of the crate takes part.

use super::{Panics, Recorder, Seen, data, events, learner};
use azura_core::Tensor;
use azura_learner::{
    BestCheckpoint, Callback, Checkpoint, ClipGradients, CsvLog, EarlyStopping, Event, Flow, GradientStats,
    JsonLog, Learner, Linear, LrSchedule, Outcome, ProgressBar, ProgressEvent, Publish, Relu, Schedule,
    Sequential, Sgd, Snapshot, StateDict, TerminateOnNan, from_fn, parameters, seeded,
};
use std::{
    collections::BTreeSet,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

/// Each once, none of which asks to stop within a few epochs.
fn all(folder: &Path) -> Vec<Box<dyn Callback>> {
    vec![
        Box::new(BestCheckpoint::new("val_loss").file(folder.join("best.safetensors"))),
        Box::new(Checkpoint::new(folder.join("checkpoints")).best("loss")),
        Box::new(ClipGradients::norm(0.5).unwrap()),
        Box::new(CsvLog::new(folder.join("log.csv"))),
        Box::new(EarlyStopping::new("val_loss", 5).restore_best()),
        Box::new(from_fn(|_, _| Ok(Flow::Continue))),
        Box::new(GradientStats::new()),
        Box::new(JsonLog::new(folder.join("log.jsonl"))),
        Box::new(LrSchedule::new(Schedule::one_cycle(20)).unwrap().per_step()),
        Box::new(ProgressBar::new()),
        Box::new(Publish::new(|_| {})),
        Box::new(TerminateOnNan),
    ]
}

const COUNT: usize = 12;

#[test]
fn none_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let named: BTreeSet<String> = all(folder.path()).iter().map(Callback::name).collect();
    assert_eq!(named.len(), COUNT);
    let mut written = BTreeSet::new();
    for entry in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/callbacks")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() && !path.ends_with("mod.rs") {
            let text = fs::read_to_string(path).unwrap();
            let names = text.split(" Callback for ").skip(1);
            written.extend(names.map(|rest| {
                let end = rest.find(|c: char| !c.is_alphanumeric()).unwrap();
                rest[..end].to_owned()
            }));
        }
    }
    written.extend(["FromFn".to_owned()]);
    assert_eq!(named, written);
}

/// The events that come before and behind each callback, with a learner that something else is done to.
fn with_each(fit: impl Fn(Learner<Linear>) -> Outcome) -> (Vec<String>, Outcome) {
    let run = |callback: Option<Box<dyn Callback>>| {
        let (first, last) = (Seen::default(), Seen::default());
        let learner = learner().callback(Recorder::new(&first));
        let learner = callback.into_iter().fold(learner, Learner::callback);
        let outcome = fit(learner.callback(Recorder::new(&last)));
        assert_eq!(events(&first), events(&last));
        (events(&first), outcome)
    };
    let (mut expected, outcome) = run(None);
    for i in 0..COUNT {
        let folder = tempfile::tempdir().unwrap();
        let callback = all(folder.path()).swap_remove(i);
        let name = callback.name();
        let measures = !callback.provides().is_empty();
        let (mut found, ended) = run(Some(callback));
        if measures {
            // It has more to tell of an epoch, and changes nothing else.
            for seen in [&mut found, &mut expected] {
                seen.iter_mut()
                    .filter(|seen| seen.starts_with("epoch_end"))
                    .for_each(|seen| "epoch_end".clone_into(seen));
            }
        }
        let plain = |seen: &Vec<String>| -> Vec<String> {
            seen.iter()
                .map(|seen| if seen.starts_with("epoch_end") { "epoch_end".into() } else { seen.clone() })
                .collect()
        };
        assert_eq!((plain(&found), &ended), (plain(&expected), &outcome), "{name}");
        let ends = found.iter().filter(|seen| seen.starts_with("train_end")).count();
        assert!(ends == 1 && found.last().unwrap().starts_with("train_end"), "{name}: {found:?}");
    }
    (expected, outcome)
}

#[test]
fn events_come_in_order_and_once_beside_each() {
    // Completed.
    let (seen, outcome) =
        with_each(|mut learner| learner.fit(&mut data(4), Some(&mut data(2)), 3).unwrap().outcome);
    assert_eq!((outcome, seen.len()), (Outcome::Completed, 1 + 3 * (1 + 2 * 3 + 2 + 1) + 1));

    // Stopped; everybody still sees the end of the epoch.
    let (_, outcome) = with_each(|learner| {
        let stop = from_fn(|event, _| {
            Ok(if let Event::EpochEnd = event { Flow::Stop("enough".into()) } else { Flow::Continue })
        });
        learner.callback(stop).fit(&mut data(4), Some(&mut data(2)), 3).unwrap().outcome
    });
    assert_eq!(outcome, Outcome::Stopped("enough".into()));

    // Cancelled within the second epoch.
    let (_, outcome) = with_each(|learner| {
        let polls = AtomicUsize::new(0);
        let cancelled = move || polls.fetch_add(1, Ordering::Relaxed) == 6;
        learner.cancelled(cancelled).fit(&mut data(4), Some(&mut data(2)), 3).unwrap().outcome
    });
    assert_eq!(outcome, Outcome::Cancelled);

    // Failed, by an error and by a panic.
    let (seen, _) = with_each(|learner| {
        let fails = from_fn(|event, _| match event {
            Event::EpochEnd => Err("disk full".into()),
            _ => Ok(Flow::Continue),
        });
        let error = learner.callback(fails).fit(&mut data(4), Some(&mut data(2)), 3).unwrap_err();
        Outcome::Failed(error.to_string())
    });
    assert!(seen[seen.len() - 2].starts_with("exception"), "{seen:?}");
    let (seen, _) = with_each(|learner| {
        let mut learner = learner.callback(Panics(|event| matches!(event, Event::Gradients), "a bug"));
        let fit = catch_unwind(AssertUnwindSafe(|| learner.fit(&mut data(4), Some(&mut data(2)), 3)));
        assert!(fit.is_err());
        Outcome::Completed
    });
    assert!(seen[seen.len() - 2].starts_with("exception"), "{seen:?}");
}

#[test]
fn each_goes_on_after_an_interruption_as_if_there_had_been_none() {
    for i in 0..COUNT {
        let folder = tempfile::tempdir().unwrap();
        let make = |folder: &Path| {
            let checkpoint = Checkpoint::new(folder.join("kept"));
            learner().callback(all(folder).swap_remove(i)).callback(checkpoint)
        };
        let fit = |learner: &mut Learner<Linear>, epochs| {
            let fit = learner.fit(&mut data(8).shuffle(3), Some(&mut data(2)), epochs).unwrap();
            (fit, StateDict::of(&parameters(learner.model_mut())))
        };
        fit(&mut make(folder.path()), 2);
        let snapshot = Snapshot::newest(&folder.path().join("kept")).unwrap().snapshot.unwrap();
        let found = fit(&mut make(folder.path()).resume(snapshot), 5);
        let other = tempfile::tempdir().unwrap();
        assert_eq!(found, fit(&mut make(other.path()), 5), "{}", all(folder.path())[i].name());
    }
}

#[test]
fn a_loss_that_is_not_finite_stops_where_that_is_asked_for() {
    let diverges = || Learner::new(Linear::new(1, 1, &mut seeded(1)), Sgd::new(1e20), Tensor::mse);
    let fit = diverges().allow_non_finite().callback(TerminateOnNan).fit(&mut data(4), None, 50).unwrap();
    assert!(matches!(&fit.outcome, Outcome::Stopped(why) if why.starts_with("the loss became ")), "{fit:?}");
    // Nobody stops it: it goes on to the end, and the history holds no number that is none.
    let fit = diverges().allow_non_finite().fit(&mut data(4), None, 6).unwrap();
    assert_eq!((&fit.outcome, fit.history.epochs()), (&Outcome::Completed, 6));
    assert_eq!(fit.history.last("loss"), None);
    // The loop's own check comes first.
    assert!(diverges().callback(TerminateOnNan).fit(&mut data(4), None, 50).is_err());
}

#[test]
fn early_stopping_gives_the_best_weights_back_if_asked() {
    let trains = |restore: bool| {
        let set = from_fn(|event, cx| {
            if let Event::EpochBegin = event {
                // The data are y = 2 x + 1: 1.4 fits better than the others.
                let value = [0.0, 1.4, 5.0, 6.0, 7.0][cx.progress.epoch - 1];
                cx.model.visit_mut(&mut |_, param| param.update(|w| w.fill(value)));
                cx.optimizer.set_lr(0.0);
            }
            Ok(Flow::Continue)
        });
        let stopping = EarlyStopping::new("loss", 2);
        let stopping = if restore { stopping.restore_best() } else { stopping };
        let mut learner = learner().callback(set).callback(stopping);
        let fit = learner.fit(&mut data(4), None, 5).unwrap();
        assert_eq!(fit.history.epochs(), 4);
        StateDict::of(&parameters(learner.model_mut())).get("weight").unwrap().1[0]
    };
    assert_eq!((trains(true), trains(false)), (1.4, 6.0));
}

#[test]
fn logs_have_a_line_for_each_epoch_and_none_of_another_life() {
    let folder = tempfile::tempdir().unwrap();
    let (csv, json) = (folder.path().join("log.csv"), folder.path().join("log.jsonl"));
    let make = || {
        learner()
            .validate_every(2)
            .callback(CsvLog::new(&csv))
            .callback(JsonLog::new(&json))
            .callback(Checkpoint::new(folder.path().join("kept")))
    };
    let fit = make().fit(&mut data(4), Some(&mut data(2)), 4).unwrap();
    let lines = |path: &Path| -> Vec<String> {
        fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
    };
    let cell =
        |name: &str, epoch: usize| fit.history.get(name)[epoch].map(|x| x.to_string()).unwrap_or_default();
    let expected: Vec<_> = (0..4)
        .map(|epoch| format!("{},{},{}", epoch + 1, cell("loss", epoch), cell("val_loss", epoch)))
        .collect();
    assert!(expected[0].ends_with(',') && !expected[1].ends_with(','));
    assert_eq!(lines(&csv)[0], "epoch,loss,val_loss");
    assert_eq!(lines(&csv)[1..], expected);
    for (epoch, line) in lines(&json).iter().enumerate() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["epoch"], epoch + 1);
        assert_eq!(line["loss"].as_f64(), fit.history.get("loss")[epoch]);
        assert_eq!(line["val_loss"].as_f64(), fit.history.get("val_loss")[epoch]);
    }
    // It had come further than its checkpoint, and was killed within a line.
    let kept = (fs::read(&csv).unwrap(), fs::read(&json).unwrap());
    for path in [&csv, &json] {
        let mut text = fs::read_to_string(path).unwrap();
        text.push_str("5,0.1,\n6,0.");
        fs::write(path, text).unwrap();
    }
    let snapshot = Snapshot::newest(&folder.path().join("kept")).unwrap().snapshot.unwrap();
    make().resume(snapshot).fit(&mut data(4), Some(&mut data(2)), 4).unwrap();
    assert_eq!((fs::read(&csv).unwrap(), fs::read(&json).unwrap()), kept);
}

#[test]
fn epochs_before_an_interruption_are_told_to_those_who_lack_them() {
    let folder = tempfile::tempdir().unwrap();
    let make = || learner().callback(Checkpoint::new(folder.path()));
    let first = make().fit(&mut data(4), None, 3).unwrap().history;
    let snapshot = Snapshot::newest(folder.path()).unwrap().snapshot.unwrap();
    for (known, expected) in
        [(None, vec![4, 5]), (Some(1), vec![2, 3, 4, 5]), (Some(3), vec![4, 5]), (Some(4), vec![5])]
    {
        let (tell, told) = std::sync::mpsc::channel();
        let publish = Publish::new(move |event| tell.send(event.clone()).unwrap());
        let publish = known.into_iter().fold(publish, Publish::after);
        learner().callback(publish).resume(snapshot.clone()).fit(&mut data(4), None, 5).unwrap();
        let mut epochs = Vec::new();
        for event in told {
            if let ProgressEvent::Epoch { epoch, total_epochs: 5, metrics, .. } = event {
                let before = first.get("loss").get(epoch - 1).copied().flatten();
                assert!(before.is_none_or(|loss| loss.to_bits() == metrics["loss"].to_bits()));
                epochs.push(epoch);
            }
        }
        assert_eq!(epochs, expected, "{known:?}");
    }
}

#[test]
fn gradients_are_measured() {
    // One step by y = w x + b from w = b = 0 on (x, y) = (0, 1), (1/2, 2): dL/dw = -2 (0 * 1 + 1/2 * 2) / 2 = -1,
    // dL/db = -2 (1 + 2) / 2 = -3.
    let zero = from_fn(|event, cx| {
        if let Event::TrainBegin = event {
            cx.model.visit_mut(&mut |_, param| param.update(|w| w.fill(0.0)));
        }
        Ok(Flow::Continue)
    });
    let stats = GradientStats::new();
    let watch = EarlyStopping::new("grad_norm", 9);
    let fit = learner().callback(zero).callback(stats).callback(watch).fit(&mut data(2), None, 1).unwrap();
    let close = |name: &str, expected: f64| {
        let found = fit.history.last(name).unwrap();
        assert!((found - expected).abs() < 1e-6, "{name}: {found}, not {expected}");
    };
    close("grad_norm", 10_f64.sqrt());
    close("grad_norm.weight", 1.0);
    close("grad_norm.bias", 3.0);
    close("dead_units", 0.0);

    // A unit that a ReLU never lets through: its bias is far below all its inputs.
    let rng = &mut seeded(1);
    let model = Sequential::new().push(Linear::new(1, 3, rng)).push(Relu).push(Linear::new(3, 1, rng));
    let kill = from_fn(|event, cx| {
        if let Event::TrainBegin = event {
            cx.model.visit_mut(&mut |name, param| {
                if name == "0.bias" {
                    param.update(|b| b.copy_from_slice(&[-100.0, 100.0, 100.0]));
                }
            });
        }
        Ok(Flow::Continue)
    });
    let mut learner =
        Learner::new(model, Sgd::new(1e-6), Tensor::mse).callback(GradientStats::new()).callback(kill);
    let fit = learner.fit(&mut data(4), None, 1).unwrap();
    // One of three units of the first layer; the second has one, which lives.
    assert_eq!(fit.history.last("dead_units"), Some(0.25));
}
