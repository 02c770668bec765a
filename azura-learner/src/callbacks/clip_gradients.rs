use super::{Callback, CallbackError, Flow, TrainCx};
use crate::{Error, Result};

/// Keeps gradients small before each step, so that one bad batch does not throw the weights far away.
///
/// ```
/// use azura_learner::{Adam, ClipGradients, Learner, Linear, loss, seeded};
///
/// let model = Linear::new(4, 1, &mut seeded(1));
/// let learner: Learner<_> = Learner::new(model, Adam::new(0.01), loss::mse).callback(ClipGradients::norm(1.0)?);
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct ClipGradients(How);

#[derive(Debug, Clone, Copy)]
enum How {
    Norm(f64),
    Value(f32),
}

impl ClipGradients {
    /// Scales all gradients by one factor where their norm, `sqrt(sum g^2)` over all of them, is above `max_norm`
    /// (Pascanu et al. 2013).
    ///
    /// # Errors
    /// If `max_norm` is not greater than 0.
    pub fn norm(max_norm: f64) -> Result<Self> {
        if max_norm > 0.0 { Ok(Self(How::Norm(max_norm))) } else { refuse("max_norm", max_norm) }
    }

    /// Holds every element of every gradient between `-limit` and `limit`.
    ///
    /// # Errors
    /// If `limit` is not greater than 0.
    pub fn value(limit: f32) -> Result<Self> {
        if limit > 0.0 { Ok(Self(How::Value(limit))) } else { refuse("limit", limit.into()) }
    }
}

fn refuse<T>(name: &str, found: f64) -> Result<T> {
    Err(Error::Argument(format!("ClipGradients: {name} = {found} must be greater than 0")))
}

impl Callback for ClipGradients {
    fn on_gradients(&mut self, cx: &mut TrainCx<'_>) -> Result<Flow, CallbackError> {
        if let Some(grads) = &mut cx.grads {
            match self.0 {
                How::Norm(max_norm) => {
                    grads.clip_global_norm(max_norm);
                }
                How::Value(limit) => grads.clip_value(limit),
            }
        }
        Ok(Flow::Continue)
    }
}
