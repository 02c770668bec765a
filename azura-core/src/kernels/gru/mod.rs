//! A gated recurrent unit over a whole sequence, forward and backward.
//!
//! ```text
//! r = sigmoid(W_ir x_t + b_ir + W_hr h_(t-1) + b_hr)        z likewise
//! n = tanh(W_in x_t + b_in + r (W_hn h_(t-1) + b_hn))
//! h_t = (1 - z) n + z h_(t-1)
//! ```
//!
//! The semantics are those of PyTorch: `w_ih` is `[3 hidden, input]`, `w_hh` is `[3 hidden, hidden]`, biases are
//! `[3 hidden]`, gates in the order r, z, n. `x` is batch-first, outputs are time-major.
//!
//! How it is fast: a row of gates is `[n_x, r, z, n_h]`, with the two summands of n apart. What comes of x is then the
//! first three quarters and what comes of h the last three, so that each is one product without a gap: the inputs'
//! before the loop over as many steps as stay in the cache, the state's at each step, with weights packed once. So it
//! is with the gradients: one product over many steps for each matrix of weights.

mod backward;
mod cell;
mod forward;
#[cfg(test)]
mod tests;

pub use super::sequence::{Dims, Direction, Steps};
use super::{buffers::Buffer, pack::DEPTH};
pub use backward::{Gradients, Wanted, backward};
pub use forward::{Forward, forward};

/// The parameters of a layer.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a, T> {
    /// `[3 hidden, input]`
    pub w_ih: &'a [T],
    /// `[3 hidden, hidden]`
    pub w_hh: &'a [T],
    /// `[3 hidden]`
    pub b_ih: &'a [T],
    /// `[3 hidden]`
    pub b_hh: &'a [T],
}

impl<T> Weights<'_, T> {
    fn check(&self, dims: &Dims) {
        let gates = 3 * dims.hidden;
        assert_eq!(self.w_ih.len(), gates * dims.input, "w_ih has the wrong length");
        assert_eq!(self.w_hh.len(), gates * dims.hidden, "w_hh has the wrong length");
        assert_eq!(self.b_ih.len(), gates, "b_ih has the wrong length");
        assert_eq!(self.b_hh.len(), gates, "b_hh has the wrong length");
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
    /// Rows `[n, r, z, n_h]`: gates after their functions, and `W_hn h + b_hn`.
    gates: Buffer<T>,
}

/// Steps of so many rows that are worked on together.
fn block(rows: usize, steps: usize) -> usize {
    (DEPTH / rows).clamp(1, steps)
}
