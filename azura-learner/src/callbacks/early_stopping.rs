use super::{Callback, CallbackError, CallbackState, Flow, Outcome, TrainCx};
use crate::StateDict;
use serde::{Deserialize, Serialize};

/// Stops when a metric has not improved for some epochs. Epochs without the metric (not validated) do not count.
#[derive(Debug, Clone)]
pub struct EarlyStopping {
    metric: String,
    patience: usize,
    min_delta: f64,
    restores: bool,
    state: State,
    weights: Option<StateDict>,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct State {
    best: Option<f64>,
    /// Epochs in a row that were not better.
    waited: usize,
}

impl EarlyStopping {
    /// Stops when `metric` was not below its best so far `patience` times in a row, counting the epochs that have it.
    pub fn new(metric: impl Into<String>, patience: usize) -> Self {
        Self {
            metric: metric.into(),
            patience,
            min_delta: 0.0,
            restores: false,
            state: State::default(),
            weights: None,
        }
    }

    /// Counts as better only what is better by more than this.
    #[must_use]
    pub fn min_delta(mut self, min_delta: f64) -> Self {
        self.min_delta = min_delta;
        self
    }

    /// Gives the weights of the best epoch back to the model at the end, unless the training failed. The best epoch is the
    /// last that counted as better.
    #[must_use]
    pub fn restore_best(mut self) -> Self {
        self.restores = true;
        self
    }
}

impl Callback for EarlyStopping {
    /// Early among the callbacks, so that those at the end of the training see the best weights.
    fn order(&self) -> i32 {
        -10
    }

    fn monitors(&self) -> Option<&str> {
        Some(&self.metric)
    }

    /// Another training begins anew.
    fn on_train_begin(&mut self, cx: &mut TrainCx<'_>) -> Result<Flow, CallbackError> {
        if cx.progress.epoch == 0 {
            (self.state, self.weights) = (State::default(), None);
        }
        Ok(Flow::Continue)
    }

    fn on_epoch_end(&mut self, cx: &mut TrainCx<'_>) -> Result<Flow, CallbackError> {
        let Some(&value) = cx.metrics.get(&self.metric) else { return Ok(Flow::Continue) };
        let best = self.state.best.unwrap_or(f64::INFINITY);
        if value < best - self.min_delta {
            self.state = State { best: Some(value), waited: 0 };
            self.weights = self.restores.then(|| StateDict::of(cx.model));
            return Ok(Flow::Continue);
        }
        self.state.waited += 1;
        let waited = self.state.waited;
        if waited < self.patience {
            return Ok(Flow::Continue);
        }
        let metric = &self.metric;
        Ok(Flow::Stop(format!("{metric} has not been below {best:.6} the last {waited} times")))
    }

    fn on_train_end(&mut self, outcome: &Outcome, cx: &mut TrainCx<'_>) -> Result<Flow, CallbackError> {
        if let (Some(weights), false) = (&self.weights, matches!(outcome, Outcome::Failed(_))) {
            weights.load_into(cx.model)?;
        }
        Ok(Flow::Continue)
    }

    fn save(&self) -> Result<Option<CallbackState>, CallbackError> {
        let state = CallbackState::new(&self.state)?;
        Ok(Some(state.tensors(self.weights.clone().unwrap_or_default())))
    }

    fn load(&mut self, state: CallbackState) -> Result<(), CallbackError> {
        self.state = state.read()?;
        self.weights = (self.restores && self.state.best.is_some()).then_some(state.tensors);
        Ok(())
    }
}
