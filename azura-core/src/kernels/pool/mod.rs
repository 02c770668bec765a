//! Pooling over two axes: each result is the greatest or the mean of a window of a plane. Planes lie on end; many of them are
//! shared out over rayon's current pool.

mod avg;
mod max;
#[cfg(test)]
mod tests;

pub use avg::{Bins, avg, avg_backward};
pub use max::{Places, max, max_backward};

use std::ops::Range;

/// Numbers of planes that are worth a job.
const PIECE: usize = 1 << 15;

/// The sizes of a pooling; axes are in the order height, width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Of a plane.
    pub size: [usize; 2],
    /// Of the window.
    pub kernel: [usize; 2],
    /// From one window to the next.
    pub stride: [usize; 2],
    /// Places on both sides of the plane; at most half of the window, so that no window lies outside.
    pub padding: [usize; 2],
}

impl Window {
    /// The size of the result. None if the window does not fit into the padded plane, the plane is empty, window or stride
    /// is 0, the padding is more than half of the window, or a window has more places than can be counted.
    pub fn out(&self) -> Option<[usize; 2]> {
        let axis = |i: usize| {
            let padded = self.padding[i].checked_mul(2)?.checked_add(self.size[i])?;
            let last = padded.checked_sub(self.kernel[i])?.checked_div(self.stride[i])?;
            let fits = self.kernel[i] > 0 && self.padding[i] <= self.kernel[i] / 2 && self.size[i] > 0;
            fits.then_some(last + 1)
        };
        self.kernel[0].checked_mul(self.kernel[1])?;
        Some([axis(0)?, axis(1)?])
    }

    /// The numbers of a plane, and of its result.
    fn planes(&self) -> (usize, usize) {
        let Some(out) = self.out() else { panic!("no pooling: {self:?}") };
        (self.size[0] * self.size[1], out[0] * out[1])
    }

    /// The part of an axis that each window covers; there is such a window.
    fn covered(&self, axis: usize) -> Vec<Range<usize>> {
        let place = |at: usize| at.saturating_sub(self.padding[axis]).min(self.size[axis]);
        let window = |start: usize| place(start)..place(start + self.kernel[axis]);
        let starts =
            (0..=self.size[axis] + 2 * self.padding[axis] - self.kernel[axis]).step_by(self.stride[axis]);
        starts.map(window).collect()
    }
}

/// How many planes of `plane` numbers make a job.
fn job(plane: usize) -> usize {
    PIECE.div_ceil(plane.max(1))
}
