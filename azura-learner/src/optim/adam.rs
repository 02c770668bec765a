use super::{Optimizer, OptimizerState, each, restore};
use crate::{Parameters, Result, StateDict, StateError};
use azura_core::{Grads, kernels};

/// The two differ in where weight decay acts, and in its default.
macro_rules! adams {
    ($($(#[$doc:meta])* $name:ident: decoupled $decoupled:literal, weight_decay $weight_decay:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name {
            hyper: kernels::Adam,
            /// Steps taken so far, for the bias correction.
            steps: u64,
            /// `m` and `v` of each parameter.
            moments: [StateDict; 2],
        }

        impl $name {
            /// With this learning rate and the usual constants.
            pub fn new(lr: f64) -> Self {
                let (decoupled, weight_decay) = ($decoupled, $weight_decay);
                Self {
                    hyper: kernels::Adam { lr, decoupled, weight_decay, ..kernels::Adam::default() },
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

            /// Sets what is added to the denominator, above 0: without it a weight whose gradients are all 0 becomes
            /// NaN.
            #[must_use]
            pub fn eps(mut self, eps: f64) -> Self {
                self.hyper.eps = eps;
                self
            }

            /// Sets how strongly weights are drawn to 0.
            #[must_use]
            pub fn weight_decay(mut self, weight_decay: f64) -> Self {
                self.hyper.weight_decay = weight_decay;
                self
            }
        }

        impl Optimizer for $name {
            fn step(&mut self, model: &mut dyn Parameters, grads: &Grads<f32>) -> Result<()> {
                self.steps += 1;
                let Self { hyper, steps, moments } = self;
                each(stringify!($name), model, grads, moments.each_mut().map(Some), |w, grad, [m, v]| {
                    kernels::adam(hyper, *steps, w, grad, m.unwrap_or_default(), v.unwrap_or_default());
                })
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
                restore(self.moments.each_mut().map(Some), state)?;
                (self.hyper.lr, self.steps) = (lr, steps);
                Ok(())
            }
        }
    )*};
}

adams! {
    /// Adam (Kingma and Ba 2015), with bias correction, as in PyTorch:
    ///
    /// ```text
    /// g = gradient + weight_decay * w
    /// m = b1 m + (1 - b1) g        v = b2 v + (1 - b2) g^2
    /// w -= lr * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)
    /// ```
    ///
    /// Defaults: `b1 = 0.9`, `b2 = 0.999`, `eps = 1e-8`, `weight_decay = 0`.
    ///
    /// ```
    /// use azura_learner::{Adam, Learner, Linear, loss, seeded};
    ///
    /// let optimizer = Adam::new(1e-3).betas(0.9, 0.99);
    /// let learner: Learner<_> = Learner::new(Linear::new(4, 1, &mut seeded(1)), optimizer, loss::mse);
    /// ```
    Adam: decoupled false, weight_decay 0.0;
    /// Adam with decoupled weight decay (Loshchilov and Hutter 2019), as in PyTorch: [`Adam`], whose moments see
    /// nothing of the decay:
    ///
    /// ```text
    /// w -= lr * weight_decay * w
    /// m = b1 m + (1 - b1) g        v = b2 v + (1 - b2) g^2
    /// w -= lr * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)
    /// ```
    ///
    /// Defaults: `b1 = 0.9`, `b2 = 0.999`, `eps = 1e-8`, `weight_decay = 0.01`.
    ///
    /// ```
    /// use azura_learner::{AdamW, Learner, Linear, loss, seeded};
    ///
    /// let optimizer = AdamW::new(1e-3).weight_decay(0.05);
    /// let learner: Learner<_> = Learner::new(Linear::new(4, 1, &mut seeded(1)), optimizer, loss::mse);
    /// ```
    AdamW: decoupled true, weight_decay 0.01;
}
