use super::{Callback, CallbackError, Flow, TrainCx};

/// Stops when a metric has not improved for some epochs. Epochs without the metric (not validated) do not count.
#[derive(Debug, Clone)]
pub struct EarlyStopping {
    metric: String,
    patience: usize,
    min_delta: f64,
    best: f64,
    waited: usize,
}

impl EarlyStopping {
    /// Stops when `metric` was not below its best so far `patience` times in a row, counting the epochs that have it.
    pub fn new(metric: impl Into<String>, patience: usize) -> Self {
        Self { metric: metric.into(), patience, min_delta: 0.0, best: f64::INFINITY, waited: 0 }
    }

    /// Counts as better only what is better by more than this.
    #[must_use]
    pub fn min_delta(mut self, min_delta: f64) -> Self {
        self.min_delta = min_delta;
        self
    }
}

impl Callback for EarlyStopping {
    fn monitors(&self) -> Option<&str> {
        Some(&self.metric)
    }

    /// Another training begins anew.
    fn on_train_begin(&mut self, cx: &mut TrainCx<'_>) -> Result<Flow, CallbackError> {
        if cx.progress.epoch == 0 {
            (self.best, self.waited) = (f64::INFINITY, 0);
        }
        Ok(Flow::Continue)
    }

    fn on_epoch_end(&mut self, cx: &mut TrainCx<'_>) -> Result<Flow, CallbackError> {
        let Some(&value) = cx.metrics.get(&self.metric) else { return Ok(Flow::Continue) };
        if value < self.best - self.min_delta {
            self.best = value;
            self.waited = 0;
            return Ok(Flow::Continue);
        }
        self.waited += 1;
        if self.waited < self.patience {
            return Ok(Flow::Continue);
        }
        let (metric, best, waited) = (&self.metric, self.best, self.waited);
        Ok(Flow::Stop(format!("{metric} has not been below {best:.6} the last {waited} times")))
    }
}
