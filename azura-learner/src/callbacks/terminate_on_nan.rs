use super::{Callback, CallbackError, Flow, TrainCx};
use azura_core::Tensor;

/// Asks to stop when a loss becomes infinite or NaN, so that the training ends as stopped and what it came to can be
/// looked at, instead of failing. For a learner that [allows](crate::Learner::allow_non_finite) such a loss: any
/// other fails before this is told.
///
/// The batch has been learned by then. What other callbacks keep of the best epoch is not touched by it.
///
/// ```
/// use azura_core::Tensor;
/// use azura_learner::{DataLoader, Learner, Linear, Outcome, Sgd, TensorDataset, TerminateOnNan, loss, seeded};
///
/// let x = Tensor::from_vec(&[2, 1], vec![1.0, 2.0])?;
/// let mut data = DataLoader::new(TensorDataset::new(&x, &x)?, 2);
/// let mut learner = Learner::new(Linear::new(1, 1, &mut seeded(1)), Sgd::new(1e20), loss::mse)
///     .allow_non_finite()
///     .callback(TerminateOnNan);
/// let fit = learner.fit(&mut data, None, 100)?;
/// assert!(matches!(fit.outcome, Outcome::Stopped(reason) if reason.starts_with("the loss became")));
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct TerminateOnNan;

fn judge(what: &str, loss: f64, cx: &TrainCx<'_>) -> Flow {
    let (epoch, batch) = (cx.progress.epoch, cx.progress.batch);
    if loss.is_finite() {
        Flow::Continue
    } else {
        Flow::Stop(format!("the {what} became {loss} in epoch {epoch}, batch {batch}"))
    }
}

impl Callback for TerminateOnNan {
    fn on_batch_end(&mut self, loss: f32, cx: &mut TrainCx<'_>) -> Result<Flow, CallbackError> {
        Ok(judge("loss", loss.into(), cx))
    }

    fn on_validation_end(&mut self, _: Option<&Tensor>, cx: &mut TrainCx<'_>) -> Result<Flow, CallbackError> {
        Ok(judge("validation loss", cx.metrics.get("val_loss").copied().unwrap_or(0.0), cx))
    }
}
