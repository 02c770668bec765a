use super::{Optimizer, OptimizerState};
use crate::{Error, Parameters, Result, StateDict, StateError};
use azura_core::{Grads, kernels};

/// Adam (Kingma and Ba 2015), with bias correction, as in PyTorch:
///
/// ```text
/// m = b1 m + (1 - b1) g        v = b2 v + (1 - b2) g^2
/// w -= lr * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)
/// ```
///
/// Defaults: `b1 = 0.9`, `b2 = 0.999`, `eps = 1e-8`. Used as [`Sgd`](crate::Sgd).
#[derive(Debug, Clone)]
pub struct Adam {
    hyper: kernels::Adam,
    /// Steps taken so far, for the bias correction.
    steps: u64,
    /// `m` and `v` of each parameter.
    moments: [StateDict; 2],
}

impl Adam {
    /// With this learning rate and the usual constants.
    pub fn new(lr: f64) -> Self {
        Self {
            hyper: kernels::Adam { lr, ..kernels::Adam::default() },
            steps: 0,
            moments: <[StateDict; 2]>::default(),
        }
    }

    /// Sets the decay of the two moments, each in `0 <= b < 1`; beyond that the formula has no value.
    #[must_use]
    pub fn betas(mut self, first: f64, second: f64) -> Self {
        (self.hyper.beta1, self.hyper.beta2) = (first, second);
        self
    }

    /// Sets what is added to the denominator, above 0: without it a weight whose gradients are all 0 becomes NaN.
    #[must_use]
    pub fn eps(mut self, eps: f64) -> Self {
        self.hyper.eps = eps;
        self
    }
}

impl Optimizer for Adam {
    fn step(&mut self, model: &mut dyn Parameters, grads: &Grads<f32>) -> Result<()> {
        self.steps += 1;
        let Self { hyper, steps, moments: [first, second] } = self;
        let mut fits = Ok(());
        model.visit_mut(&mut |name, param| {
            let Some(grad) = grads.get(param) else { return };
            let grad = grad.as_standard_layout();
            let grad = grad.as_slice().unwrap_or_default();
            let shape = param.shape();
            match first.get_or_zeros(name, shape).zip(second.get_or_zeros(name, shape)) {
                Some((m, v)) => param.update(|w| kernels::adam(hyper, *steps, w, grad, m, v)),
                None => {
                    fits = Err(Error::Argument(format!(
                        "Adam has served another model, in which `{name}` did not have the shape {shape:?}"
                    )));
                }
            }
        });
        fits
    }

    fn lr(&self) -> f64 {
        self.hyper.lr
    }

    fn set_lr(&mut self, lr: f64) {
        self.hyper.lr = lr;
    }

    fn save(&self) -> OptimizerState {
        OptimizerState { lr: self.hyper.lr, steps: self.steps, moments: self.moments.to_vec() }
    }

    fn load(&mut self, state: OptimizerState) -> Result<(), StateError> {
        let (lr, steps) = (state.lr, state.steps);
        self.moments = state.into_moments()?;
        (self.hyper.lr, self.steps) = (lr, steps);
        Ok(())
    }
}
