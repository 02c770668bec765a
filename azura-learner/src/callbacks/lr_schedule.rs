use super::{Callback, CallbackError, CallbackState, Flow, TrainCx};
use crate::{Plateau, Result, Schedule};
use serde::{Deserialize, Serialize};

/// Below this, a smaller learning rate is the same one, as in PyTorch.
const EPS: f64 = 1e-8;

/// Sets the learning rate by a [`Schedule`], at the beginning of each epoch or step. The rate that the optimizer had at
/// the beginning of the first training is the schedule's base, also for further ones.
///
/// ```
/// use azura_core::Tensor;
/// use azura_learner::{Adam, DataLoader, Learner, Linear, LrSchedule, Schedule, TensorDataset, loss, seeded};
///
/// let x = Tensor::zeros(&[32, 1]);
/// let mut data = DataLoader::new(TensorDataset::new(&x, &x)?, 8); // 4 steps in each of 10 epochs
/// let schedule = LrSchedule::new(Schedule::one_cycle(40))?.per_step();
/// Learner::new(Linear::new(1, 1, &mut seeded(1)), Adam::new(0.1), loss::mse)
///     .callback(schedule)
///     .fit(&mut data, None, 10)?;
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct LrSchedule {
    schedule: Schedule,
    per_step: bool,
    state: State,
}

/// What a checkpoint carries.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct State {
    base: Option<f64>,
    /// The least metric so far.
    best: Option<f64>,
    /// Epochs in a row that were not better.
    waited: usize,
    /// Epochs after a reduction that do not count yet.
    cooldown: usize,
}

impl LrSchedule {
    /// By epochs.
    ///
    /// # Errors
    /// If a number of the schedule is out of its range.
    pub fn new(schedule: Schedule) -> Result<Self> {
        schedule.check()?;
        Ok(Self { schedule, per_step: false, state: State::default() })
    }

    /// By steps of the optimizer instead of epochs. [`Schedule::ReduceOnPlateau`] goes by epochs all the same.
    #[must_use]
    pub fn per_step(mut self) -> Self {
        self.per_step = true;
        self
    }

    fn set(&self, step: usize, cx: &mut TrainCx<'_>) {
        match (&self.schedule, self.state.base) {
            (Schedule::ReduceOnPlateau(_), _) | (_, None) => {}
            (schedule, Some(base)) => cx.optimizer.set_lr(schedule.lr(base, step)),
        }
    }
}

impl State {
    /// The rate after an epoch with this metric.
    fn react(&mut self, plateau: &Plateau, value: f64, lr: f64) -> f64 {
        if self.best.is_none_or(|best| value < best * (1.0 - plateau.threshold)) {
            (self.best, self.waited) = (Some(value), 0);
        } else {
            self.waited += 1;
        }
        if self.cooldown > 0 {
            (self.cooldown, self.waited) = (self.cooldown - 1, 0);
        }
        if self.waited <= plateau.patience {
            return lr;
        }
        (self.cooldown, self.waited) = (plateau.cooldown, 0);
        let less = (plateau.factor * lr).max(plateau.min_lr);
        if lr - less > EPS { less } else { lr }
    }
}

impl Callback for LrSchedule {
    fn monitors(&self) -> Option<&str> {
        match &self.schedule {
            Schedule::ReduceOnPlateau(plateau) => Some(&plateau.metric),
            _ => None,
        }
    }

    /// Another training begins anew.
    fn on_train_begin(&mut self, cx: &mut TrainCx<'_>) -> Result<Flow, CallbackError> {
        let base = *self.state.base.get_or_insert(cx.optimizer.lr());
        if cx.progress.epoch == 0 {
            self.state = State { base: Some(base), ..State::default() };
            cx.optimizer.set_lr(base);
        }
        Ok(Flow::Continue)
    }

    fn on_epoch_begin(&mut self, cx: &mut TrainCx<'_>) -> Result<Flow, CallbackError> {
        if !self.per_step {
            self.set(cx.progress.epoch - 1, cx);
        }
        Ok(Flow::Continue)
    }

    fn on_batch_begin(&mut self, cx: &mut TrainCx<'_>) -> Result<Flow, CallbackError> {
        if self.per_step {
            self.set(cx.progress.step, cx);
        }
        Ok(Flow::Continue)
    }

    fn on_epoch_end(&mut self, cx: &mut TrainCx<'_>) -> Result<Flow, CallbackError> {
        if let Schedule::ReduceOnPlateau(plateau) = &self.schedule
            && let Some(&value) = cx.metrics.get(&plateau.metric)
        {
            let lr = self.state.react(plateau, value, cx.optimizer.lr());
            cx.optimizer.set_lr(lr);
        }
        Ok(Flow::Continue)
    }

    fn save(&self) -> Result<Option<CallbackState>, CallbackError> {
        CallbackState::new(&self.state).map(Some)
    }

    fn load(&mut self, state: CallbackState) -> Result<(), CallbackError> {
        self.state = state.read()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loaded_schedule_goes_on_where_the_saved_one_was() {
        let plateau = Plateau { patience: 1, cooldown: 1, factor: 0.5, ..Plateau::default() };
        let mut first = LrSchedule::new(Schedule::ReduceOnPlateau(plateau.clone())).unwrap();
        let losses = [1.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.4, 0.5, 0.6];
        let mut rates = Vec::new();
        for (i, &loss) in losses.iter().enumerate() {
            if i == 4 {
                // Within the cooldown.
                let mut again = LrSchedule::new(Schedule::ReduceOnPlateau(plateau.clone())).unwrap();
                again.load(first.save().unwrap().unwrap()).unwrap();
                assert_eq!(again.state, first.state);
                first = again;
            }
            rates.push(first.state.react(&plateau, loss, *rates.last().unwrap_or(&1.0)));
        }
        // Down after 0.6 and 0.7; 0.8 does not count; 0.9 is one; 0.4 is better; then down after two more.
        assert_eq!(rates, [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.25]);
        assert!(first.load(CallbackState::new(&"nonsense").unwrap()).is_err());
    }
}
