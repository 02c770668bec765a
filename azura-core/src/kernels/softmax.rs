//! Softmax and its logarithm over rows, and their derivatives.

use super::{
    Kernel,
    fresh::filled,
    isa::multiversion,
    lanes::{BLOCK, LANES, fold, greatest, sum, sums_of, zip},
    pieces::{per_piece, run},
};
use std::mem::MaybeUninit;

/// Most rows of a group. They go through each step together, since the steps of one row wait for each other.
pub(super) const GROUP: usize = 32;
/// Numbers of a group that the first cache holds.
const CACHED: usize = 4096;
/// Rows shorter than this are taken as one where it does not matter where a row ends.
const SHORT: usize = 64;

/// Rows of a group.
pub(super) fn group(columns: usize) -> usize {
    (CACHED / columns).clamp(1, GROUP)
}

/// `e^(x - most)`.
#[inline(always)]
fn exponential<T: Kernel, const FMA: bool>(x: &[T; LANES], most: T) -> [T; LANES] {
    let mut e = *x;
    for l in 0..LANES {
        e[l] = (x[l] - most).exp_negative_::<FMA>();
    }
    e
}

/// Writes `e^(x - most)` of a row that has `LANES` numbers or more, and returns the sum.
#[inline(always)]
fn long_row<T: Kernel, const FMA: bool>(x: &[T], most: T, y: &mut [MaybeUninit<T>], new: &[T; LANES]) -> T {
    let rest = !x.len().is_multiple_of(LANES);
    let mut totals = [T::zero(); LANES];
    let (xs, ys) = (x.as_chunks().0, y.as_chunks_mut::<LANES>().0);
    for (xs, ys) in xs.chunks(BLOCK / LANES).zip(ys.chunks_mut(BLOCK / LANES)) {
        let mut sums = [T::zero(); LANES];
        for (x, y) in xs.iter().zip(ys) {
            let e = exponential::<T, FMA>(x, most);
            y.write_copy_of_slice(&e);
            sums = zip(sums, &e, |a, b| a + b);
        }
        totals = zip(totals, &sums, |a, b| a + b);
    }
    if let (true, Some(x), Some(y)) = (rest, x.last_chunk(), y.last_chunk_mut::<LANES>()) {
        let e = exponential::<T, FMA>(x, most);
        y.write_copy_of_slice(&e);
        totals = zip(totals, &zip(e, new, |a, b| a * b), |a, b| a + b);
    }
    fold(totals, |a, b| a + b)
}

/// What [`exponentials`] finds of each row of a group.
pub(super) struct Found<T> {
    pub(super) greatest: [T; GROUP],
    pub(super) sums: [T; GROUP],
}

/// Writes `e^(x - greatest)` for a group of rows, in which `greatest` is that of the row, and sums them up.
#[inline(always)]
pub(super) fn exponentials<'y, T: Kernel, const FMA: bool>(
    x: &[T],
    columns: usize,
    y: &'y mut [MaybeUninit<T>],
) -> (&'y mut [T], Found<T>) {
    let y = &mut y[..x.len()];
    let mut found = Found { greatest: [T::zero(); GROUP], sums: [T::zero(); GROUP] };
    for (x, most) in x.chunks_exact(columns).zip(&mut found.greatest) {
        *most = greatest(x);
    }
    let rows = x.chunks_exact(columns).zip(y.chunks_exact_mut(columns)).zip(&found.greatest);
    if columns >= SHORT {
        // The last block has some of the one before again, which must not count twice.
        let mut new = [T::one(); LANES];
        new[..LANES - columns % LANES].fill(T::zero());
        for (((x, y), &most), sum) in rows.zip(&mut found.sums) {
            *sum = long_row::<T, FMA>(x, most, y, &new);
        }
        // SAFETY: each row has been written.
        return (unsafe { y.assume_init_mut() }, found);
    }
    for ((x, y), &most) in rows {
        for (x, y) in x.iter().zip(y) {
            y.write(*x - most);
        }
    }
    // SAFETY: each row has been written.
    let y = unsafe { y.assume_init_mut() };
    for y in &mut *y {
        *y = y.exp_negative_::<FMA>();
    }
    for (y, total) in y.chunks_exact(columns).zip(&mut found.sums) {
        *total = sum(y);
    }
    (y, found)
}

multiversion! {
    /// Writes `e^x / sum e^x` of each row.
    pub(super) fn softmax_rows<T, const FMA: bool>(x: &[T], columns: usize, y: &mut [MaybeUninit<T>]) {
        let group = group(columns) * columns;
        for (x, y) in x.chunks(group).zip(y.chunks_mut(group)) {
            let (y, found) = exponentials::<T, FMA>(x, columns, y);
            for (y, sum) in y.chunks_exact_mut(columns).zip(found.sums) {
                let factor = sum.recip();
                for y in y {
                    *y = *y * factor;
                }
            }
        }
    }
}

multiversion! {
    fn log_softmax_rows<T, const FMA: bool>(x: &[T], columns: usize, y: &mut [MaybeUninit<T>]) {
        let group = group(columns) * columns;
        for (x, y) in x.chunks(group).zip(y.chunks_mut(group)) {
            let (y, found) = exponentials::<T, FMA>(x, columns, y);
            let rows = x.chunks_exact(columns).zip(y.chunks_exact_mut(columns));
            for ((x, y), (most, sum)) in rows.zip(found.greatest.into_iter().zip(found.sums)) {
                let ln = sum.ln();
                for (x, y) in x.iter().zip(y) {
                    // In this order: x - greatest is nearly exact however large both are.
                    *y = (*x - most) - ln;
                }
            }
        }
    }
}

multiversion! {
    /// Turns the gradient by y into that by x, `y (g - sum g y)`.
    pub(super) fn softmax_backward_rows<T, const FMA: bool>(y: &[T], columns: usize, grad: &mut [T]) {
        for (y, g) in y.chunks_exact(columns).zip(grad.chunks_exact_mut(columns)) {
            let [common] = sums_of([y, g], |[sum], [y, g]| [y.mul_add_::<FMA>(g, sum)]);
            for (y, g) in y.iter().zip(g) {
                *g = *y * (*g - common);
            }
        }
    }
}

multiversion! {
    /// Turns the gradient by y into that by x, `g - e^y sum g`.
    fn log_softmax_backward_rows<T, const FMA: bool>(y: &[T], columns: usize, grad: &mut [T]) {
        for (y, g) in y.chunks_exact(columns).zip(grad.chunks_exact_mut(columns)) {
            let total = sum(g);
            for (y, g) in y.iter().zip(g) {
                *g = (-y.exp_negative_::<FMA>()).mul_add_::<FMA>(total, *g);
            }
        }
    }
}

/// The rows of x through `f`, which writes every number.
fn map<T: Kernel>(x: &[T], columns: usize, f: fn(&[T], usize, &mut [MaybeUninit<T>])) -> Vec<T> {
    let piece = per_piece(columns);
    // SAFETY: the pieces cover the whole, and the functions given to this one write all of their part.
    unsafe { filled(x.len(), |y| run(x.chunks(piece).zip(y.chunks_mut(piece)), |(x, y)| f(x, columns, y))) }
}

/// The rows of `grad` through `f`, beside those of y.
fn turn<T: Kernel>(y: &[T], columns: usize, grad: &mut [T], f: fn(&[T], usize, &mut [T])) {
    assert_eq!(y.len(), grad.len(), "lengths differ");
    let piece = per_piece(columns);
    run(y.chunks(piece).zip(grad.chunks_mut(piece)), |(y, grad)| f(y, columns, grad));
}

/// `e^x / sum e^x` of each row of `columns` numbers.
pub(crate) fn softmax<T: Kernel>(x: &[T], columns: usize) -> Vec<T> {
    map(x, columns, softmax_rows)
}

/// `x - ln(sum e^x)` of each row of `columns` numbers.
pub(crate) fn log_softmax<T: Kernel>(x: &[T], columns: usize) -> Vec<T> {
    map(x, columns, log_softmax_rows)
}

/// Turns the gradient by `y = softmax(x)` into that by x.
pub(crate) fn softmax_backward<T: Kernel>(y: &[T], columns: usize, grad: &mut [T]) {
    turn(y, columns, grad, softmax_backward_rows);
}

/// Turns the gradient by `y = log_softmax(x)` into that by x.
pub(crate) fn log_softmax_backward<T: Kernel>(y: &[T], columns: usize, grad: &mut [T]) {
    turn(y, columns, grad, log_softmax_backward_rows);
}
