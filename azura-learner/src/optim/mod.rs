//! Optimizers.

mod adam;
mod sgd;

pub use adam::Adam;
pub use sgd::Sgd;

use crate::Parameters;
use azura_core::Grads;
use std::fmt::Debug;

/// Changes parameters by their gradients.
pub trait Optimizer: Debug + Send {
    /// One step: updates, in place, every parameter of `model` that has a gradient.
    fn step(&mut self, model: &mut dyn Parameters, grads: &Grads<f32>);

    /// The learning rate.
    fn lr(&self) -> f64;

    /// Sets the learning rate.
    fn set_lr(&mut self, lr: f64);
}

impl<O: Optimizer + ?Sized> Optimizer for Box<O> {
    fn step(&mut self, model: &mut dyn Parameters, grads: &Grads<f32>) {
        (**self).step(model, grads);
    }

    fn lr(&self) -> f64 {
        (**self).lr()
    }

    fn set_lr(&mut self, lr: f64) {
        (**self).set_lr(lr);
    }
}
