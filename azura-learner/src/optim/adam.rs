use super::Optimizer;
use crate::Parameters;
use azura_core::{Grads, kernels};
use std::collections::BTreeMap;

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
    moments: BTreeMap<String, Moments>,
}

#[derive(Debug, Clone)]
struct Moments {
    first: Vec<f32>,
    second: Vec<f32>,
}

impl Adam {
    /// With this learning rate and the usual constants.
    pub fn new(lr: f64) -> Self {
        Self { hyper: kernels::Adam { lr, ..kernels::Adam::default() }, steps: 0, moments: BTreeMap::new() }
    }

    /// Sets the decay of the two moments, each in `0 <= b < 1`.
    #[must_use]
    pub fn betas(mut self, first: f64, second: f64) -> Self {
        (self.hyper.beta1, self.hyper.beta2) = (first, second);
        self
    }

    /// Sets what is added to the denominator.
    #[must_use]
    pub fn eps(mut self, eps: f64) -> Self {
        self.hyper.eps = eps;
        self
    }
}

impl Optimizer for Adam {
    fn step(&mut self, model: &mut dyn Parameters, grads: &Grads<f32>) {
        self.steps += 1;
        let Self { hyper, steps, moments } = self;
        model.visit_mut(&mut |name, param| {
            let Some(grad) = grads.get(param) else { return };
            if !moments.contains_key(name) {
                let zeros = || vec![0.0; grad.len()];
                moments.insert(name.to_owned(), Moments { first: zeros(), second: zeros() });
            }
            let Some(own) = moments.get_mut(name) else { return };
            let grad = grad.as_standard_layout();
            let grad = grad.as_slice().unwrap_or_default();
            param.update(|w| kernels::adam(hyper, *steps, w, grad, &mut own.first, &mut own.second));
        });
    }

    fn lr(&self) -> f64 {
        self.hyper.lr
    }

    fn set_lr(&mut self, lr: f64) {
        self.hyper.lr = lr;
    }
}
