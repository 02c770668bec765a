use super::{Callback, CallbackError, Flow, Outcome, TrainCx};
use indicatif::{ProgressDrawTarget, ProgressStyle};

/// A bar of the epochs on standard error, with the newest losses. Silent when that is not a terminal.
#[derive(Debug)]
pub struct ProgressBar(indicatif::ProgressBar);

impl ProgressBar {
    /// A bar that appears when the training begins.
    pub fn new() -> Self {
        Self(indicatif::ProgressBar::hidden())
    }
}

impl Default for ProgressBar {
    fn default() -> Self {
        Self::new()
    }
}

impl Callback for ProgressBar {
    fn on_train_begin(&mut self, cx: &mut TrainCx<'_>) -> Result<Flow, CallbackError> {
        let total = cx.progress.total_epochs as u64;
        // A draw target of standard error hides itself where there is no terminal.
        self.0 = indicatif::ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        self.0.set_style(ProgressStyle::with_template("epoch {pos}/{len} {bar:30} {msg} {eta} left")?);
        self.0.set_position(cx.progress.epoch as u64);
        Ok(Flow::Continue)
    }

    fn on_epoch_end(&mut self, cx: &mut TrainCx<'_>) -> Result<Flow, CallbackError> {
        let metrics: Vec<_> = cx.metrics.iter().map(|(name, value)| format!("{name} {value:.5}")).collect();
        self.0.set_message(metrics.join(" "));
        self.0.set_position(cx.progress.epoch as u64);
        Ok(Flow::Continue)
    }

    fn on_train_end(&mut self, _: &Outcome, _: &mut TrainCx<'_>) -> Result<Flow, CallbackError> {
        self.0.abandon();
        Ok(Flow::Continue)
    }
}
