//! Layers. They compose operations of azura-core and hold no derivative of their own.

mod activation;
mod dropout;
mod linear;
mod lstm;
mod sequential;

pub use activation::{Relu, Sigmoid, Tanh};
pub use dropout::Dropout;
pub use linear::Linear;
pub use lstm::Lstm;
pub use sequential::Sequential;

use crate::{Rng, rng::uniform};
use azura_core::{Param, ndarray};

/// A parameter drawn uniformly from `-bound..bound`.
fn uniform_param(shape: &[usize], bound: f32, rng: &mut Rng) -> Param {
    Param::new(ndarray::Array::from_shape_simple_fn(shape, || uniform(rng, -bound, bound)))
}

/// `1 / sqrt(n)`, the bound of PyTorch's default initialisation; 0 for no inputs.
fn inverse_root(n: usize) -> f32 {
    if n == 0 { 0.0 } else { (n as f32).sqrt().recip() }
}
