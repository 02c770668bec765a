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
//! does all four gates (the absolute error of g is that of other gates twice, at most 5e-7 in `f32`). The
//! batch is cut into chunks, which are sequences of their own and run on rayon's current pool.

mod backward;
mod cell;
mod forward;
#[cfg(test)]
mod tests;

use super::{Kernel, buffers::Buffer};
pub use backward::{Gradients, Wanted, backward};
pub use forward::{Forward, forward};

/// Rows of the batch that are worked on together: at least so many,
const CHUNK: usize = 16;
/// and so many that there are not more chunks than this, since each has its own gradients of all weights.
const CHUNKS: usize = 8;
/// A pass of fewer multiplications than this stays on the calling thread.
const PARALLEL: usize = 1 << 21;

/// The sizes of a pass; any may be 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dims {
    /// Rows of the batch.
    pub batch: usize,
    /// Length of the sequence.
    pub steps: usize,
    /// Features of an input.
    pub input: usize,
    /// Features of the state.
    pub hidden: usize,
}

impl Dims {
    /// Gates of a row.
    fn gates(&self) -> usize {
        4 * self.hidden
    }

    /// Numbers in a row `[x_t, 1, h_(t-1)]`.
    fn row(&self) -> usize {
        self.input + 1 + self.hidden
    }

    /// Numbers of a state of the whole batch.
    fn state(&self) -> usize {
        self.batch * self.hidden
    }

    /// Rows of a chunk; only the last may have fewer.
    fn chunk(&self) -> usize {
        self.batch.div_ceil(CHUNKS).next_multiple_of(CHUNK)
    }

    /// Number of chunks and whether they run in parallel.
    fn chunks(&self) -> (usize, bool) {
        let work =
            [self.steps, self.row(), self.gates()].iter().fold(self.batch, |a, &b| a.saturating_mul(b));
        (self.batch.div_ceil(self.chunk()), work >= PARALLEL)
    }

    fn is_empty(&self) -> bool {
        self.state() * self.steps == 0
    }
}

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

/// Which hidden states are the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steps {
    /// Those of all steps.
    All,
    /// That of the last step.
    Last,
}

impl Steps {
    fn count(self, dims: &Dims) -> usize {
        if self == Self::All { dims.steps } else { 1 }
    }
}

/// What the backward pass needs of the forward pass. Chunk after chunk, in each step after step, in each row
/// after row.
#[derive(Debug)]
pub struct Saved<T> {
    dims: Dims,
    steps: Steps,
    /// Rows `[x_t, 1, h_(t-1)]`.
    rows: Buffer<T>,
    /// Gates after their functions; that of g as `(1 + g) / 2`.
    gates: Buffer<T>,
    /// `c_0` to `c_steps`.
    cells: Buffer<T>,
}

/// A state that may be left out: zeros then.
fn state_or_zeros<T: Kernel>(state: Option<&[T]>, dims: &Dims) -> Vec<T> {
    state.map_or_else(|| vec![T::zero(); dims.state()], <[T]>::to_vec)
}

fn check_state<T>(state: Option<&[T]>, dims: &Dims) {
    assert!(state.is_none_or(|s| s.len() == dims.state()), "a state has the wrong length");
}
