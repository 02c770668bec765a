//! What recurrent layers over whole sequences share.
//!
//! `[x_t, 1, h_(t-1)]` is one row, so that one product over many steps gives the gradients of weights and biases. The
//! batch is cut into chunks, which are sequences of their own and run on rayon's current pool.

use super::{Kernel, Mat, buffers::Buffer, isa::isa};
use rayon::prelude::*;
use std::ops::Range;

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
    /// Gates of a row: four of an LSTM; three of a GRU, one of which is two summands.
    pub(super) fn gates(&self) -> usize {
        4 * self.hidden
    }

    /// Numbers in a row `[x_t, 1, h_(t-1)]`.
    pub(super) fn row(&self) -> usize {
        self.input + 1 + self.hidden
    }

    /// Numbers of a state of the whole batch.
    pub(super) fn state(&self) -> usize {
        self.batch * self.hidden
    }

    /// Rows of a chunk; only the last may have fewer.
    pub(super) fn chunk(&self) -> usize {
        self.batch.div_ceil(CHUNKS).next_multiple_of(CHUNK)
    }

    /// Number of chunks.
    pub(super) fn chunks(&self) -> usize {
        self.batch.div_ceil(self.chunk())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.state() * self.steps == 0
    }

    /// Runs every chunk, on several threads if that is worth their while.
    pub(super) fn run<J: Send>(&self, chunks: Vec<J>, run: impl Fn(J) + Sync + Send) {
        let work =
            [self.steps, self.row(), self.gates()].iter().fold(self.batch, |a, &b| a.saturating_mul(b));
        if work >= PARALLEL {
            chunks.into_par_iter().for_each(run);
        } else {
            chunks.into_iter().for_each(run);
        }
    }

    /// Deals out the outputs `[_, batch, hidden]`: each chunk gets its part of every step.
    pub(super) fn deal<'a, T>(&self, y: &'a mut [T], mut give: impl FnMut(usize, &'a mut [T])) {
        for y in y.chunks_mut(self.state()) {
            y.chunks_mut(self.chunk() * self.hidden).enumerate().for_each(|(chunk, y)| give(chunk, y));
        }
    }

    /// Fills in `[x_t, 1]` of the rows of one time step, which begin with row `first` of the batch.
    pub(super) fn fill<T: Kernel>(&self, rows: &mut [T], x: &[T], first: usize, time: usize) {
        for (r, row) in rows.chunks_exact_mut(self.row()).enumerate() {
            row[..self.input]
                .copy_from_slice(&x[((first + r) * self.steps + time) * self.input..][..self.input]);
            row[self.input] = T::one();
        }
    }

    /// Hands the gradients of x at one time step to their places in `[.., steps, input]`.
    pub(super) fn hand_out<T: Copy>(&self, from: &[T], dx: &mut [T], time: usize) {
        for (r, row) in from.chunks_exact(self.input.max(1)).enumerate() {
            dx[(r * self.steps + time) * self.input..][..self.input].copy_from_slice(row);
        }
    }

    pub(super) fn check_state<T>(&self, state: Option<&[T]>) {
        assert!(state.is_none_or(|s| s.len() == self.state()), "a state has the wrong length");
    }

    /// A state that may be left out: zeros then.
    pub(super) fn state_or_zeros<T: Kernel>(&self, state: Option<&[T]>) -> Vec<T> {
        state.map_or_else(|| vec![T::zero(); self.state()], <[T]>::to_vec)
    }
}

/// Which hidden states are the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steps {
    /// Those of all steps.
    All,
    /// That of the last step: of the last time, or in reverse of the first.
    Last,
}

impl Steps {
    pub(super) fn count(self, dims: &Dims) -> usize {
        if self == Self::All { dims.steps } else { 1 }
    }
}

/// Which way a sequence is walked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// From the first time to the last.
    #[default]
    Forward,
    /// From the last time to the first: outputs stay at their own time, and the last state is that of time 0.
    Reverse,
}

impl Direction {
    /// The time that step `t` of so many is about.
    pub(super) fn time(self, t: usize, steps: usize) -> usize {
        match self {
            Self::Forward => t,
            Self::Reverse => steps - 1 - t,
        }
    }
}

/// Where step t is in a buffer of `len`: after the last place comes the first again.
pub(super) fn place(t: usize, step: usize, len: usize) -> Range<usize> {
    let at = t * step % len;
    at..at + step
}

pub(super) fn slot<T>(buffer: &mut [T], t: usize, step: usize) -> &mut [T] {
    let place = place(t, step, buffer.len());
    &mut buffer[place]
}

/// Matrices of `rows` rows side by side.
pub(super) fn join<T: Kernel>(rows: usize, parts: &[&[T]]) -> Buffer<T> {
    let width = parts.iter().map(|part| part.len()).sum::<usize>() / rows;
    let mut joined = Buffer::new(rows * width);
    for (i, row) in joined.chunks_exact_mut(width).enumerate() {
        let mut rest = row;
        for part in parts {
            let width = part.len() / rows;
            let (to, after) = rest.split_at_mut(width);
            to.copy_from_slice(&part[i * width..][..width]);
            rest = after;
        }
    }
    joined
}

/// `to = from'`; a row of `from` is `width` long.
pub(super) fn transpose<T: Kernel>(from: &[T], width: usize, to: &mut [T]) {
    let height = from.len() / width;
    assert_eq!(to.len(), height * width, "lengths differ");
    // SAFETY: `isa` is available, and `to` has room for `width` rows of `height` numbers.
    unsafe { T::turn(isa(), &Mat::new(from, height, width).t().source(), to.as_mut_ptr(), height) }
}

#[cfg(test)]
pub(super) mod testing {
    use super::{Direction, Steps};
    use crate::kernels::testing::assert_close;

    /// Batch, steps, inputs, hidden.
    pub(in crate::kernels) const SHAPES: [[usize; 4]; 8] = [
        [2, 3, 2, 3],
        [1, 1, 1, 1],
        [3, 4, 5, 17],
        [20, 3, 1, 4],
        [33, 2, 3, 5],
        [2, 5, 0, 4],
        [5, 1, 2, 16],
        [17, 19, 1, 2],
    ];

    pub(in crate::kernels) const WHICH: [(Steps, Direction); 4] = [
        (Steps::All, Direction::Forward),
        (Steps::Last, Direction::Forward),
        (Steps::All, Direction::Reverse),
        (Steps::Last, Direction::Reverse),
    ];

    /// The times in the order of the steps.
    pub(in crate::kernels) fn times(direction: Direction, steps: usize) -> Vec<usize> {
        let forward = 0..steps;
        if direction == Direction::Forward { forward.collect() } else { forward.rev().collect() }
    }
    /// Compares gradients with central differences of `loss`, which is by the definition, and those in `f32` with those
    /// in `f64`. `inputs` names what they are gradients of.
    pub(in crate::kernels) fn check_gradients<C, const N: usize>(
        case: &mut C,
        inputs: impl Fn(&mut C) -> [(&'static str, &mut Vec<f64>); N],
        loss: impl Fn(&C) -> f64,
        exact: &[Vec<f64>; N],
        single: &[Vec<f32>; N],
    ) {
        for input in 0..N {
            let len = inputs(case)[input].1.len();
            let every = len.div_ceil(40).max(1);
            let (mut got, mut numeric) = (Vec::new(), Vec::new());
            for i in (0..len).step_by(every) {
                let mut moved = |by: f64| {
                    let old = inputs(case)[input].1[i];
                    inputs(case)[input].1[i] = old + by;
                    let loss = loss(case);
                    inputs(case)[input].1[i] = old;
                    loss
                };
                numeric.push((moved(1e-5) - moved(-1e-5)) / 2e-5);
                got.push(exact[input][i]);
            }
            let name = inputs(case)[input].0;
            assert_close(name, &got, &numeric, 1e-7);
            assert_close(name, &single[input], &exact[input], 5e-6);
        }
    }
}
