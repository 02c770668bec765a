//! Convolutions over two axes, forward and backward, without a matrix of patches.
//!
//! ```text
//! y[n, o, i, j] = bias[o] + sum over c, u, v of
//!     w[o, c, u, v] x[n, c, i stride + u dilation - padding, j stride + v dilation - padding]
//! ```
//!
//! How it is fast: the padded image lies in *planes*, one for each remainder that a tap leaves modulo the stride, all with
//! rows of one pitch. Then the inputs of consecutive outputs are consecutive too, whatever stride, dilation and padding, and
//! a tap is one offset for all of them. So the convolution is a matrix product whose right-hand side is found by offsets
//! instead of being laid out (`sweep`). The input's gradient is the same sweep over the gradient, one for each plane, and the
//! weights' gradient is the sums of products of shifted planes (`products`).
//!
//! A register of outputs lies within a row where rows are whole registers; otherwise it runs on over the padding between
//! rows, whose outputs are thrown away.

mod backward;
mod forward;
mod layout;
mod products;
mod sweep;
#[cfg(test)]
mod tests;

use super::{Kernel, buffers::Buffer, gemm::Mat, isa::Isa};
use layout::Axis;
use std::ops::Range;

pub use backward::{Gradients, Wanted, backward};
pub use forward::forward;
#[doc(hidden)]
pub use products::{Productive, Products};
#[doc(hidden)]
pub use sweep::{Sweep, Sweeps};

/// The batch is cut into at most so many chunks, since each has its own gradients of all weights.
const CHUNKS: usize = 8;
/// Where the batch has fewer images, the rows of one image's result are shared out in blocks of so many.
const ROWS: usize = 16;
/// A pass of fewer multiplications than this stays on the calling thread.
const PARALLEL: usize = 1 << 20;

/// The sizes of a convolution; axes are in the order height, width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dims {
    /// Images.
    pub batch: usize,
    /// Channels of an image.
    pub inputs: usize,
    /// Channels of the result.
    pub outputs: usize,
    /// Channels are cut into so many groups, which do not see each other.
    pub groups: usize,
    /// Of an image.
    pub size: [usize; 2],
    /// Of the window.
    pub kernel: [usize; 2],
    /// From one window to the next.
    pub stride: [usize; 2],
    /// Zeros on both sides.
    pub padding: [usize; 2],
    /// From one tap to the next.
    pub dilation: [usize; 2],
}

impl Dims {
    /// The size of the result. None if a window does not fit into the padded image, a stride, dilation, window or the number
    /// of groups is 0, groups do not divide the channels, or a size is beyond what can be addressed.
    pub fn out(&self) -> Option<[usize; 2]> {
        let channels =
            [self.inputs, self.outputs].iter().all(|channels| channels.checked_rem(self.groups) == Some(0));
        let out = [self.axis(0)?.out, self.axis(1)?.out];
        let sizes = [
            vec![self.batch, self.inputs, self.size[0], self.size[1]],
            vec![self.batch, self.outputs, out[0], out[1]],
            vec![self.outputs, self.inputs, self.kernel[0], self.kernel[1]],
            // A gradient's plane, with all its margins.
            vec![self.outputs, self.padded(0)?, self.padded(1)?, 2],
            vec![self.inputs, self.padded(0)?, self.padded(1)?, 2],
        ];
        let fits = |sizes: &Vec<usize>| {
            let axes = sizes.iter().filter(|&&size| size > 0);
            let len = axes.copied().try_fold(8_usize, usize::checked_mul);
            len.is_some_and(|len| isize::try_from(len).is_ok())
        };
        (channels && sizes.iter().all(fits)).then_some(out)
    }

    fn axis(&self, axis: usize) -> Option<Axis> {
        Axis::new(
            self.size[axis],
            self.kernel[axis],
            self.stride[axis],
            self.padding[axis],
            self.dilation[axis],
        )
    }

    /// A bound on any plane's side.
    fn padded(&self, axis: usize) -> Option<usize> {
        self.padding[axis].checked_mul(2)?.checked_add(self.size[axis])?.checked_add(self.kernel[axis])
    }

    /// Channels of a group: of the image, and of the result.
    fn group(&self) -> [usize; 2] {
        [self.inputs / self.groups, self.outputs / self.groups]
    }

    fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Whether a pass is worth sharing out, and whether within an image too.
    fn parallel(&self, out: [usize; 2]) -> (bool, bool) {
        let sizes = [self.outputs, self.group()[0], self.taps(), out[0], out[1]];
        let work = sizes.iter().fold(self.batch, |work, &size| work.saturating_mul(size));
        (work >= PARALLEL, work >= PARALLEL && self.batch < CHUNKS)
    }

    /// Numbers of an image.
    fn image(&self) -> usize {
        self.inputs * self.size[0] * self.size[1]
    }

    fn weights(&self) -> usize {
        self.outputs * self.group()[0] * self.taps()
    }

    /// The size of the result, after a look at the lengths of what is given.
    fn check<T>(&self, x: Option<&[T]>, w: Option<&[T]>) -> [usize; 2] {
        let Some(out) = self.out() else { panic!("no convolution: {self:?}") };
        assert!(x.is_none_or(|x| x.len() == self.batch * self.image()), "x has the wrong length");
        assert!(w.is_none_or(|w| w.len() == self.weights()), "w has the wrong length");
        out
    }
}

/// The left-hand sides of sweeps: matrices of one shape in tiles of rows.
struct Packed<T> {
    tiles: Buffer<T>,
    terms: usize,
}

impl<T: Kernel> Packed<T> {
    /// Packs `count` matrices of `rows x terms`, whose numbers `at(which, row, term)` names.
    fn new(isa: Isa, count: usize, rows: usize, terms: usize, at: impl Fn(usize, usize, usize) -> T) -> Self {
        let mut tiles = Buffer::new(count * rows * terms);
        let mut plain = Buffer::new(rows * terms);
        if plain.is_empty() {
            return Self { tiles, terms };
        }
        for (which, tiles) in tiles.chunks_exact_mut(rows * terms).enumerate() {
            for (row, to) in plain.chunks_exact_mut(terms).enumerate() {
                to.iter_mut().enumerate().for_each(|(term, to)| *to = at(which, row, term));
            }
            sweep::pack_rows(isa, Mat::new(&plain, rows, terms), tiles);
        }
        Self { tiles, terms }
    }

    /// The given rows of all matrices on end; both ends lie between tiles.
    fn rows(&self, rows: Range<usize>) -> &[T] {
        &self.tiles[rows.start * self.terms..rows.end * self.terms]
    }
}
