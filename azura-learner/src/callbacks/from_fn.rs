use super::{Callback, CallbackError, Event, Flow, TrainCx};
use std::fmt;

/// A callback made of a closure: [`from_fn`].
#[derive(Clone)]
pub struct FromFn<F>(F);

/// Makes a callback of a closure that is told of every event.
///
/// ```
/// use azura_core::Tensor;
/// use azura_learner::{DataLoader, Event, Flow, Learner, Linear, Outcome, Sgd, TensorDataset, from_fn, loss, seeded};
///
/// let good_enough = from_fn(|event, cx| {
///     let good = matches!(event, Event::EpochEnd) && cx.metrics["loss"] < 1e-3;
///     Ok(if good { Flow::Stop("good enough".into()) } else { Flow::Continue })
/// });
/// let x = Tensor::from_vec(&[2, 1], vec![0.0, 1.0])?;
/// let mut data = DataLoader::new(TensorDataset::new(&x, &x)?, 2);
/// let mut learner = Learner::new(Linear::new(1, 1, &mut seeded(1)), Sgd::new(0.5), loss::mse).callback(good_enough);
/// assert_eq!(learner.fit(&mut data, None, 1000)?.outcome, Outcome::Stopped("good enough".into()));
/// # Ok::<(), azura_learner::Error>(())
/// ```
pub fn from_fn<F>(on_event: F) -> FromFn<F>
where
    F: FnMut(&Event<'_>, &mut TrainCx<'_>) -> Result<Flow, CallbackError> + Send,
{
    FromFn(on_event)
}

impl<F> Callback for FromFn<F>
where
    F: FnMut(&Event<'_>, &mut TrainCx<'_>) -> Result<Flow, CallbackError> + Send,
{
    fn on_event(&mut self, event: &Event<'_>, cx: &mut TrainCx<'_>) -> Result<Flow, CallbackError> {
        (self.0)(event, cx)
    }
}

impl<F> fmt::Debug for FromFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FromFn").finish_non_exhaustive()
    }
}
