use super::{Callback, CallbackError, CallbackState, Flow, Outcome, TrainCx};
use crate::{StateDict, files};
use std::path::PathBuf;

/// Keeps the weights of the epoch in which a metric was lowest, and gives them back to the model at the end, unless
/// the training failed.
#[derive(Debug, Clone)]
pub struct BestCheckpoint {
    metric: String,
    file: Option<PathBuf>,
    best: Option<f64>,
    weights: Option<StateDict>,
}

impl BestCheckpoint {
    /// Watches `metric`.
    pub fn new(metric: impl Into<String>) -> Self {
        Self { metric: metric.into(), file: None, best: None, weights: None }
    }

    /// Also writes the weights to this file, atomically, whenever they are the best so far.
    #[must_use]
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.file = Some(path.into());
        self
    }

    fn write(&self) -> Result<(), CallbackError> {
        if let (Some(file), Some(weights)) = (&self.file, &self.weights) {
            files::write_atomic(file, &weights.to_bytes())?;
        }
        Ok(())
    }
}

impl Callback for BestCheckpoint {
    /// Early among the callbacks, so that those at the end of the training see the best weights.
    fn order(&self) -> i32 {
        -10
    }

    fn monitors(&self) -> Option<&str> {
        Some(&self.metric)
    }

    /// Another training begins anew: its best is not to be beaten by an earlier one's. One that goes on may have written
    /// since what is no longer known.
    fn on_train_begin(&mut self, cx: &mut TrainCx<'_>) -> Result<Flow, CallbackError> {
        if cx.progress.epoch == 0 {
            (self.best, self.weights) = (None, None);
        }
        self.write()?;
        Ok(Flow::Continue)
    }

    fn on_epoch_end(&mut self, cx: &mut TrainCx<'_>) -> Result<Flow, CallbackError> {
        if let Some(&value) = cx.metrics.get(&self.metric)
            && value < self.best.unwrap_or(f64::INFINITY)
        {
            (self.best, self.weights) = (Some(value), Some(StateDict::of(cx.model)));
            self.write()?;
        }
        Ok(Flow::Continue)
    }

    fn on_train_end(&mut self, outcome: &Outcome, cx: &mut TrainCx<'_>) -> Result<Flow, CallbackError> {
        if let (Some(weights), false) = (&self.weights, matches!(outcome, Outcome::Failed(_))) {
            weights.load_into(cx.model)?;
        }
        Ok(Flow::Continue)
    }

    fn save(&self) -> Result<Option<CallbackState>, CallbackError> {
        let state = CallbackState::new(&self.best)?;
        Ok(Some(state.tensors(self.weights.clone().unwrap_or_default())))
    }

    fn load(&mut self, state: CallbackState) -> Result<(), CallbackError> {
        self.best = state.read()?;
        self.weights = self.best.map(|_| state.tensors);
        Ok(())
    }
}
