//! Sums and maxima along a row, sixteen at a time for vector registers, in an order that depends on its length alone.

use super::Kernel;

/// Numbers that are worked on together.
pub(super) const LANES: usize = 16;
/// Terms of a row after which the sums so far are added up, so that long rows lose no digits.
pub(super) const BLOCK: usize = 4096;

/// All lanes as one.
#[inline(always)]
pub(super) fn fold<T: Copy>(mut lanes: [T; LANES], f: impl Fn(T, T) -> T) -> T {
    let mut half = LANES / 2;
    while half > 0 {
        for l in 0..half {
            lanes[l] = f(lanes[l], lanes[l + half]);
        }
        half /= 2;
    }
    lanes[0]
}

#[inline(always)]
pub(super) fn zip<T: Copy>(mut a: [T; LANES], b: &[T; LANES], f: impl Fn(T, T) -> T) -> [T; LANES] {
    for l in 0..LANES {
        a[l] = f(a[l], b[l]);
    }
    a
}

/// The greater number; b if a is NaN.
#[inline(always)]
fn greater<T: Kernel>(a: T, b: T) -> T {
    if a > b { a } else { b }
}

/// The greatest number; NaN does not count, and nothing is minus infinity.
#[inline(always)]
pub(super) fn greatest<T: Kernel>(row: &[T]) -> T {
    let least = T::neg_infinity();
    let (blocks, rest) = row.as_chunks::<LANES>();
    match row.last_chunk() {
        Some(last) => {
            let all = blocks.iter().fold([least; LANES], |most, block| zip(*block, &most, greater));
            // What the last block has in common with the one before does not matter.
            fold(zip(*last, &all, greater), greater)
        }
        None => rest.iter().fold(least, |most, &x| greater(x, most)),
    }
}

/// The sum of a row.
#[inline(always)]
pub(super) fn sum<T: Kernel>(row: &[T]) -> T {
    sum_of(row, row, |sum, x, _| sum + x)
}

/// A sum over two rows of the same length, of which `f` takes the next step.
#[inline(always)]
pub(super) fn sum_of<T: Kernel>(a: &[T], b: &[T], f: impl Fn(T, T, T) -> T) -> T {
    let mut total = T::zero();
    for (a, b) in a.chunks(BLOCK).zip(b.chunks(BLOCK)) {
        let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
        let rest = a_rest.iter().zip(b_rest).fold(T::zero(), |sum, (&a, &b)| f(sum, a, b));
        let mut sums = [T::zero(); LANES];
        for (a, b) in a.iter().zip(b) {
            for l in 0..LANES {
                sums[l] = f(sums[l], a[l], b[l]);
            }
        }
        let lanes = if a.is_empty() { T::zero() } else { fold(sums, |a, b| a + b) };
        total = total + (lanes + rest);
    }
    total
}
