//! Plain number crunching over slices: no graph, no tensors, no allocation that shows.
//!
//! - [`gemm`]: the matrix product, on views, so that transposes are free; [`gemm_new`]: into fresh memory; [`gemm_batch`]: many of them;
//! - [`exp`], [`sigmoid`], [`tanh`]: vectorised functions with stated error bounds;
//! - [`silu_into`], [`gelu_into`] and others: activations and their derivatives;
//! - [`lstm`], [`gru`]: a whole sequence forward and backward;
//! - [`adam`], [`axpy`]: what optimizers do to parameters.
//!
//! Each runs on the best instruction set of the processor, found at run time ([`Isa`]), and each gives the
//! same bits for any number of threads: work is cut into pieces that depend on shapes only, and every sum has
//! one order. Threads are those of rayon's current pool; small work never touches it.
//!
//! ```
//! use azura_core::kernels::{Mat, gemm};
//!
//! let (a, b) = ([1.0f32, 2.0, 3.0, 4.0], [1.0, 1.0, 0.0, 1.0]);
//! let mut c = [0.0; 4];
//! gemm(Mat::new(&a, 2, 2), Mat::new(&b, 2, 2).t(), &mut c, 2, false);
//! assert_eq!(c, [3.0, 2.0, 7.0, 4.0]);
//! ```
//!
//! This folder is the one place of the workspace where `unsafe` is allowed.
#![allow(unsafe_code)]
// A function without target features of its own has to be inlined into one that has them.
#![allow(clippy::inline_always)]
#![cfg_attr(test, allow(clippy::float_cmp))]

mod activation;
mod adam;
pub(crate) mod attention;
pub(crate) mod batch;
pub(crate) mod batch_norm;
pub(crate) mod bce;
mod buffers;
pub mod conv;
pub(crate) mod cross_entropy;
mod fresh;
mod gemm;
pub mod gru;
mod isa;
mod lanes;
pub(crate) mod layer_norm;
pub mod lstm;
mod math;
mod pack;
mod pieces;
pub mod pool;
pub(crate) mod rows;
mod sequence;
mod simd;
pub(crate) mod softmax;
mod sum;
mod thin;
mod tile;

pub use activation::{
    gelu_backward, gelu_into, gelu_tanh_backward, gelu_tanh_into, sigmoid_backward, silu_backward, silu_into,
};
pub use adam::{Adam, adam, axpy};
pub use batch::gemm_batch;
pub use gemm::{Mat, gemm, gemm_new};
pub use isa::{Isa, isa, limit};
pub use math::{exp, exp_into, flushed, sigmoid, sigmoid_into, tanh, tanh_into};

/// A number that the kernels can crunch: `f32` for work, `f64` for gradient checks. Sealed.
pub trait Kernel:
    tile::Tiles
    + conv::Sweeps
    + conv::Productive
    + math::Functions
    + num_traits::Float
    + Default
    + Send
    + Sync
    + 'static
{
}

impl Kernel for f32 {}
impl Kernel for f64 {}

#[cfg(test)]
pub(crate) mod testing;
