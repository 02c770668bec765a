//! The learning rate of every epoch or step, as a callback sets it in a training.

use crate::numbers::list;
use azura_learner::{
    Batch, Batches, Callback, CallbackError, Flow, Learner, Linear, LrSchedule, Plateau, Result, Schedule,
    Sgd, TrainCx, azura_core::Tensor, seeded,
};
use serde_json::Value;
use std::sync::{Arc, Mutex};

const BASE: f64 = 0.1;
const LENGTH: usize = 40;

/// Writes down the rate of each step, and the one that each epoch leaves behind.
#[derive(Clone, Default)]
struct Rates {
    of_steps: Arc<Mutex<Vec<f64>>>,
    after_epochs: Arc<Mutex<Vec<f64>>>,
}

impl Callback for Rates {
    fn on_batch_end(&mut self, _: f32, cx: &mut TrainCx<'_>) -> Result<Flow, CallbackError> {
        self.of_steps.lock().unwrap().push(cx.optimizer.lr());
        Ok(Flow::Continue)
    }

    fn on_epoch_end(&mut self, cx: &mut TrainCx<'_>) -> Result<Flow, CallbackError> {
        self.after_epochs.lock().unwrap().push(cx.optimizer.lr());
        Ok(Flow::Continue)
    }
}

/// So many batches in an epoch, whose targets are the losses to come.
struct Script {
    batches: usize,
    next: usize,
    epoch: usize,
    batch: Batch,
}

impl Batches for Script {
    fn len(&self) -> usize {
        self.batches
    }

    fn begin(&mut self, epoch: usize) {
        (self.epoch, self.next) = (epoch, 0);
    }

    fn next_batch(&mut self) -> Result<Option<&Batch>> {
        if self.next == self.batches {
            return Ok(None);
        }
        self.next += 1;
        // As `schedules` in the script: falls, rests, falls by less than the threshold, rises.
        let i = self.epoch - 1;
        let loss = if i < 8 { 1.0 / (1 + i) as f64 } else { 0.125 + 0.001 * (i as f64).sin() };
        self.batch.y = Tensor::scalar(loss as f32);
        Ok(Some(&self.batch))
    }
}

fn rates(schedule: LrSchedule, epochs: usize) -> Rates {
    let rates = Rates::default();
    let batch = Batch { x: Tensor::zeros(&[1, 1]), y: Tensor::scalar(0.0), len: 1 };
    let mut script = Script { batches: LENGTH / epochs, next: 0, epoch: 0, batch };
    // The output has no part in the loss but that of being differentiated.
    let loss = |y: &Tensor, target: &Tensor| y.scale(0.0)?.sum_all()?.add(target);
    let mut learner = Learner::new(Linear::new(1, 1, &mut seeded(1)), Sgd::new(BASE), loss)
        .callback(schedule)
        .callback(rates.clone());
    learner.fit(&mut script, None, epochs).unwrap();
    rates
}

fn same(what: &str, found: &Mutex<Vec<f64>>, expected: &Value) {
    let (found, expected) = (found.lock().unwrap(), list(expected));
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        // The file has nine digits; the end of one cycle is far below the base.
        let error = (found - expected).abs() / expected.max(1e-6);
        assert!(error < 1e-8, "{what}, step {i}: {found} where PyTorch has {expected}");
    }
}

#[test]
fn every_schedule_is_that_of_pytorch_over_its_whole_range() {
    let golden: Value = serde_json::from_str(include_str!("schedules.json")).unwrap();
    for (name, schedule) in [
        ("constant", Schedule::Constant),
        ("step", Schedule::Step { step_size: 7, gamma: 0.5 }),
        ("exponential", Schedule::Exponential { gamma: 0.9 }),
        ("cosine", Schedule::cosine(0, LENGTH)),
        ("warm cosine", Schedule::Cosine { warmup: 5, total: LENGTH, min_lr: 0.001 }),
        ("one cycle", Schedule::one_cycle(LENGTH)),
    ] {
        let schedule = LrSchedule::new(schedule).unwrap();
        same(name, &rates(schedule.clone(), LENGTH).of_steps, &golden[name]);
        same(name, &rates(schedule.per_step(), 4).of_steps, &golden[name]);
    }
    let loss = || Plateau { metric: "loss".into(), ..Plateau::default() };
    for (name, plateau) in [
        ("plateau", Plateau { patience: 2, ..loss() }),
        (
            "plateau with all",
            Plateau { factor: 0.5, patience: 1, threshold: 0.01, cooldown: 2, min_lr: 0.01, ..loss() },
        ),
    ] {
        let schedule = LrSchedule::new(Schedule::ReduceOnPlateau(plateau)).unwrap();
        same(name, &rates(schedule, LENGTH).after_epochs, &golden[name]);
    }
}

#[test]
fn another_training_begins_at_the_first_ones_rate() {
    let rates = Rates::default();
    let batch = Batch { x: Tensor::zeros(&[1, 1]), y: Tensor::zeros(&[1, 1]), len: 1 };
    let mut script = Script { batches: 1, next: 0, epoch: 0, batch };
    let schedule = LrSchedule::new(Schedule::Exponential { gamma: 0.5 }).unwrap();
    let loss = |y: &Tensor, target: &Tensor| y.scale(0.0)?.sum_all()?.add(target);
    let mut learner = Learner::new(Linear::new(1, 1, &mut seeded(1)), Sgd::new(1.0), loss)
        .callback(schedule)
        .callback(rates.clone());
    for _ in 0..2 {
        learner.fit(&mut script, None, 3).unwrap();
    }
    assert_eq!(*rates.of_steps.lock().unwrap(), [1.0, 0.5, 0.25, 1.0, 0.5, 0.25]);
}
