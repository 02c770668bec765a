//! The mean of each window.

use super::{Window, job};
use crate::kernels::{Kernel, isa::multiversion, pieces::each, sum::sum};
use std::ops::Range;

/// The windows of a pooling, by axis: a window is the places of one bin of rows and one of columns.
#[derive(Debug, Clone)]
pub struct Bins {
    size: [usize; 2],
    pub(super) axes: [Vec<Range<usize>>; 2],
    /// What the sum of a window is divided by: all of its places, padding included. None: the number of those in the plane.
    places: Option<usize>,
}

impl Bins {
    /// Windows of one size, whose means count padding as zeros.
    ///
    /// # Panics
    /// When [`Window::out`] is none.
    pub fn sliding(window: &Window) -> Self {
        window.planes();
        let places = window.kernel[0] * window.kernel[1];
        Self { size: window.size, axes: [window.covered(0), window.covered(1)], places: Some(places) }
    }

    /// As many windows as wanted, which together cover the plane: bin i of n goes from floor(i size / n) to
    /// ceil((i + 1) size / n), as in PyTorch.
    pub fn adaptive(size: [usize; 2], out: [usize; 2]) -> Self {
        let bins = |axis: usize| {
            let (size, out) = (size[axis] as u128, out[axis] as u128);
            (0..out).map(|i| (i * size / out) as usize..((i + 1) * size).div_ceil(out) as usize).collect()
        };
        Self { size, axes: [bins(0), bins(1)], places: None }
    }

    /// The size of the result.
    pub fn out(&self) -> [usize; 2] {
        [self.axes[0].len(), self.axes[1].len()]
    }

    /// The numbers of a plane, and of its result.
    fn planes(&self) -> (usize, usize) {
        (self.size[0] * self.size[1], self.axes[0].len() * self.axes[1].len())
    }

    /// What the sum of a window is divided by.
    fn divisor<T: Kernel>(&self, rows: &Range<usize>, cols: &Range<usize>) -> T {
        T::from(self.places.unwrap_or(rows.len() * cols.len())).unwrap_or_else(T::nan)
    }
}

/// The mean of each window of the planes `x`.
///
/// # Panics
/// When `x` is not whole planes.
pub fn avg<T: Kernel>(bins: &Bins, x: &[T]) -> Vec<T> {
    let (from, to) = bins.planes();
    if from == 0 || to == 0 {
        return Vec::new();
    }
    assert_eq!(x.len() % from, 0, "x is not whole planes");
    let mut y = vec![T::zero(); x.len() / from * to];
    let (count, width) = (job(from), bins.size[1]);
    each(x.chunks(count * from).zip(y.chunks_mut(count * to)), x.len() > count * from, |(x, y)| {
        let mut sums = vec![T::zero(); width];
        for (x, y) in x.chunks_exact(from).zip(y.chunks_exact_mut(to)) {
            for (rows, y) in bins.axes[0].iter().zip(y.chunks_exact_mut(bins.axes[1].len())) {
                sums.fill(T::zero());
                x[rows.start * width..rows.end * width]
                    .chunks_exact(width)
                    .for_each(|row| add(row, &mut sums));
                for (cols, y) in bins.axes[1].iter().zip(y) {
                    *y = sum(&sums[cols.clone()]) / bins.divisor(rows, cols);
                }
            }
        }
    });
    y
}

/// The gradient of a loss with respect to x, given that with respect to the result.
///
/// # Panics
/// When `dy` is not whole planes.
pub fn avg_backward<T: Kernel>(bins: &Bins, planes: usize, dy: &[T]) -> Vec<T> {
    let (from, to) = bins.planes();
    assert_eq!(dy.len(), planes * to, "dy has the wrong length");
    let mut dx = vec![T::zero(); planes * from];
    if from == 0 || to == 0 {
        return dx;
    }
    let (count, width) = (job(from), bins.size[1]);
    let parallel = dx.len() > count * from;
    each(dx.chunks_mut(count * from).zip(dy.chunks(count * to)), parallel, |(dx, dy)| {
        let mut sums = vec![T::zero(); width];
        for (dx, dy) in dx.chunks_exact_mut(from).zip(dy.chunks_exact(to)) {
            for (rows, dy) in bins.axes[0].iter().zip(dy.chunks_exact(bins.axes[1].len())) {
                sums.fill(T::zero());
                for (cols, &dy) in bins.axes[1].iter().zip(dy) {
                    let share = dy / bins.divisor(rows, cols);
                    sums[cols.clone()].iter_mut().for_each(|sum| *sum = *sum + share);
                }
                dx[rows.start * width..rows.end * width]
                    .chunks_exact_mut(width)
                    .for_each(|row| add(&sums, row));
            }
        }
    });
    dx
}

multiversion! {
    fn add<T, const FMA: bool>(x: &[T], sums: &mut [T]) {
        for (sum, &x) in sums.iter_mut().zip(x) {
            *sum = *sum + x;
        }
    }
}
