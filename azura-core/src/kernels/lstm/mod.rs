//! A long short-term memory layer over a whole sequence, forward and backward.
//!
//! ```text
//! [i f g o] = x_t w_ih' + h_(t-1) w_hh' + bias        i, f, o through sigmoid, g through tanh
//! c_t = f c_(t-1) + i g
//! h_t = o tanh(c_t)
//! ```
//!
//! The semantics are those of PyTorch: `w_ih` is `[4 hidden, input]`, `w_hh` is `[4 hidden, hidden]`, one `bias` of
//! `[4 hidden]`, gates in the order i, f, g, o. `x` is batch-first, outputs are time-major.
//!
//! How it is fast: `[x_t, 1, h_(t-1)]` is one row, so that one product with weights packed once gives the
//! gates of a step, and one product over many steps gives the gradients of all weights. The weights of g are
//! doubled, since `tanh(a) = 2 sigmoid(2 a) - 1`: one sigmoid pass over the contiguous block of a step then
//! does all four gates (the absolute error of g is that of other gates twice, at most 5e-7 in `f32`).

mod backward;
mod cell;
mod forward;
#[cfg(test)]
mod tests;

use super::buffers::Buffer;
pub use super::sequence::{Dims, Direction, Steps};
pub use backward::{Gradients, Wanted, backward};
pub use forward::{Forward, forward};

/// The parameters of a layer.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a, T> {
    /// `[4 hidden, input]`
    pub w_ih: &'a [T],
    /// `[4 hidden, hidden]`
    pub w_hh: &'a [T],
    /// `[4 hidden]`
    pub bias: &'a [T],
}

impl<T> Weights<'_, T> {
    fn check(&self, dims: &Dims) {
        assert_eq!(self.w_ih.len(), dims.gates() * dims.input, "w_ih has the wrong length");
        assert_eq!(self.w_hh.len(), dims.gates() * dims.hidden, "w_hh has the wrong length");
        assert_eq!(self.bias.len(), dims.gates(), "bias has the wrong length");
    }
}

/// What the backward pass needs of the forward pass. Chunk after chunk, in each step after step, in each row
/// after row.
#[derive(Debug)]
pub struct Saved<T> {
    dims: Dims,
    steps: Steps,
    direction: Direction,
    /// Rows `[x_t, 1, h_(t-1)]`.
    rows: Buffer<T>,
    /// Gates after their functions; that of g as `(1 + g) / 2`.
    gates: Buffer<T>,
    /// `c_0` to `c_steps`.
    cells: Buffer<T>,
}
