//! The greatest of each window.

use super::{Window, job};
use crate::kernels::{
    Kernel,
    fresh::{fresh, written},
    isa::multiversion,
    pieces::each,
};
use std::mem::MaybeUninit;

/// Where each result comes from.
#[derive(Debug)]
pub enum Places {
    /// The place in its window, of windows of 2 by 2 side by side: the most frequent kind.
    Pairs(Vec<u8>),
    /// The place in its plane.
    Planes(Vec<u32>),
}

/// The greatest number of each window of the planes `x`, and where it was. Of equal ones the first counts, and NaN counts as
/// greater than all, as in PyTorch.
///
/// # Panics
/// When [`Window::out`] is none, a plane has more than 2^32 places, or `x` is not whole planes.
pub fn max<T: Kernel>(window: &Window, x: &[T]) -> (Vec<T>, Places) {
    let (from, to) = window.planes();
    assert!(
        x.len().is_multiple_of(from) && u32::try_from(from).is_ok(),
        "x is not whole planes, or they are too large"
    );
    let (len, width) = (x.len() / from * to, window.size[1]);
    let count = job(from);
    let (parallel, x) = (x.len() > count * from, x.chunks(count * from));
    if window.is_pairs() {
        let (mut y, mut places) = (fresh(len), fresh(len));
        let jobs = x.zip(y.chunks_mut(count * to)).zip(places.chunks_mut(count * to));
        each(jobs, parallel, |((x, y), places)| {
            let planes = y.chunks_exact_mut(to).zip(places.chunks_exact_mut(to));
            for (x, (y, places)) in x.chunks_exact(from).zip(planes) {
                let rows = y.chunks_exact_mut(width / 2).zip(places.chunks_exact_mut(width / 2));
                for (x, (y, places)) in x.chunks_exact(2 * width).zip(rows) {
                    let (top, bottom) = x.split_at(width);
                    pairs(top, bottom, y, places);
                }
            }
        });
        // SAFETY: a pair of rows has a whole row of results, and each plane has its pairs of rows.
        return unsafe { (written(y), Places::Pairs(written(places))) };
    }
    let (mut y, mut places) = (vec![T::zero(); len], vec![0; len]);
    let jobs = x.zip(y.chunks_mut(count * to)).zip(places.chunks_mut(count * to));
    let sweep = Sweep::new(window);
    each(jobs, parallel, |((x, y), places)| {
        let planes = y.chunks_exact_mut(to).zip(places.chunks_exact_mut(to));
        x.chunks_exact(from).zip(planes).for_each(|(x, (y, places))| sweep.plane(x, y, places));
    });
    (y, Places::Planes(places))
}

/// The gradient of a loss with respect to x, given that with respect to the result.
///
/// # Panics
/// When `places` are not those of such a pooling, or `dy` has another length.
pub fn max_backward<T: Kernel>(window: &Window, places: &Places, dy: &[T]) -> Vec<T> {
    let (from, to) = window.planes();
    let (len, width, count) = (dy.len() / to * from, window.size[1], job(from));
    let parallel = len > count * from;
    match places {
        Places::Pairs(places) => {
            assert!(window.is_pairs() && places.len() == dy.len(), "dy has the wrong length");
            let mut dx = fresh(len);
            let jobs = dx.chunks_mut(count * from).zip(dy.chunks(count * to)).zip(places.chunks(count * to));
            each(jobs, parallel, |((dx, dy), places)| {
                let planes = dy.chunks_exact(to).zip(places.chunks_exact(to));
                for (dx, (dy, places)) in dx.chunks_exact_mut(from).zip(planes) {
                    let results = dy.chunks_exact(width / 2).zip(places.chunks_exact(width / 2));
                    let mut rows = dx.chunks_exact_mut(2 * width);
                    for (dx, (dy, places)) in rows.by_ref().zip(results) {
                        let (top, bottom) = dx.split_at_mut(width);
                        pairs_backward(dy, places, 0, top);
                        pairs_backward(dy, places, 2, bottom);
                    }
                    rows.into_remainder().fill(MaybeUninit::new(T::zero()));
                }
            });
            // SAFETY: each pair of rows of each plane was written, and an odd row behind them.
            unsafe { written(dx) }
        }
        Places::Planes(places) => {
            assert_eq!(places.len(), dy.len(), "dy has the wrong length");
            let mut dx = vec![T::zero(); len];
            let jobs = dx.chunks_mut(count * from).zip(dy.chunks(count * to)).zip(places.chunks(count * to));
            each(jobs, parallel, |((dx, dy), places)| {
                let planes = dy.chunks_exact(to).zip(places.chunks_exact(to));
                for (dx, (dy, places)) in dx.chunks_exact_mut(from).zip(planes) {
                    for (&dy, &place) in dy.iter().zip(places) {
                        let dx = &mut dx[place as usize];
                        *dx = *dx + dy;
                    }
                }
            });
            dx
        }
    }
}

impl Window {
    fn is_pairs(&self) -> bool {
        self.kernel == [2, 2] && self.stride == [2, 2] && self.padding == [0, 0]
    }
}

multiversion! {
    /// The greatest of each two columns of two rows; writes all of y and places, which are as long as that.
    fn pairs<T, const FMA: bool>(
        top: &[T], bottom: &[T], y: &mut [MaybeUninit<T>], places: &mut [MaybeUninit<u8>],
    ) {
        let rows = top.as_chunks::<2>().0.iter().zip(bottom.as_chunks::<2>().0);
        for ((top, bottom), (y, place)) in rows.zip(y.iter_mut().zip(places)) {
            let (mut most, mut at) = (top[0], 0);
            for (i, x) in [(1, top[1]), (2, bottom[0]), (3, bottom[1])] {
                let greater = (x > most) | x.is_nan();
                most = if greater { x } else { most };
                at = if greater { i } else { at };
            }
            y.write(most);
            place.write(at);
        }
    }
}

multiversion! {
    /// Writes a row: the gradient where its place is `first` or the next, 0 elsewhere.
    fn pairs_backward<T, const FMA: bool>(dy: &[T], places: &[u8], first: u8, dx: &mut [MaybeUninit<T>]) {
        let (pairs, rest) = dx.as_chunks_mut::<2>();
        for (dx, (&dy, &place)) in pairs.iter_mut().zip(dy.iter().zip(places)) {
            let at = |i: u8| MaybeUninit::new(if place == i { dy } else { T::zero() });
            *dx = [at(first), at(first + 1)];
        }
        rest.fill(MaybeUninit::new(T::zero()));
    }
}

/// Any window.
struct Sweep<'a> {
    window: &'a Window,
    rows: Vec<std::ops::Range<usize>>,
    cols: Vec<std::ops::Range<usize>>,
}

impl<'a> Sweep<'a> {
    fn new(window: &'a Window) -> Self {
        Self { window, rows: window.covered(0), cols: window.covered(1) }
    }

    /// One plane, row by row of the result, and for each place of a window over the whole row.
    fn plane<T: Kernel>(&self, x: &[T], y: &mut [T], places: &mut [u32]) {
        let Window { size: [_, width], kernel: [_, columns], stride: [_, stride], padding: [_, padding] } =
            *self.window;
        let out = self.cols.len();
        y.fill(T::neg_infinity());
        let results = y.chunks_exact_mut(out).zip(places.chunks_exact_mut(out));
        for (rows, (y, places)) in self.rows.iter().zip(results) {
            // Where there is nothing but negative infinity, the first place counts.
            for (place, cols) in places.iter_mut().zip(&self.cols) {
                *place = (rows.start * width + cols.start) as u32;
            }
            for row in rows.clone() {
                for v in padding.saturating_sub((out - 1) * stride)..columns.min(padding + width) {
                    // The results j whose place j stride + v - padding lies in the row.
                    let before = |end: usize| (end + padding).saturating_sub(v).div_ceil(stride).min(out);
                    let (start, end) = (before(0), before(width));
                    if start < end {
                        let first = row * width + start * stride + v - padding;
                        let x = &x[first..(row + 1) * width];
                        greater(x, first as u32, stride, &mut y[start..end], &mut places[start..end]);
                    }
                }
            }
        }
    }
}

multiversion! {
    /// Takes every `stride`-th of x, which begins at place `first`, where it is greater than y.
    fn greater<T, const FMA: bool>(x: &[T], first: u32, stride: usize, y: &mut [T], places: &mut [u32]) {
        let mut place = first;
        for ((&x, y), at) in x.iter().step_by(stride).zip(y).zip(places) {
            let greater = (x > *y) | x.is_nan();
            *y = if greater { x } else { *y };
            *at = if greater { place } else { *at };
            place = place.wrapping_add(stride as u32);
        }
    }
}
