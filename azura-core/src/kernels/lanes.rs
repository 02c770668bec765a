//! Sums and maxima along a row, sixteen at a time for vector registers, in an order that depends on its length alone.

use super::Kernel;

/// Numbers that are worked on together.
pub(super) const LANES: usize = 16;
/// Terms of a row after which the sums so far are added up, so that long rows lose no digits.
pub(super) const BLOCK: usize = 4096;

/// All lanes as one.
#[inline(always)]
pub(super) fn fold<T: Copy>(lanes: [T; LANES], f: impl Fn(T, T) -> T) -> T {
    let mut lanes = std::hint::black_box(lanes);
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
    let [sum] = sums_of([row], |[sum], [x]| [sum + x]);
    sum
}

/// `N` sums over `K` rows of the same length, of which `f` takes the next step.
///
/// # Panics
/// When a row is shorter than the first.
#[inline(always)]
pub(super) fn sums_of<T: Kernel, const K: usize, const N: usize>(
    rows: [&[T]; K],
    f: impl Fn([T; N], [T; K]) -> [T; N],
) -> [T; N] {
    let len = rows[0].len();
    let rows = rows.map(|row| &row[..len]);
    let mut totals = [T::zero(); N];
    for start in (0..len).step_by(BLOCK) {
        let part = rows.map(|row| &row[start..len.min(start + BLOCK)]);
        let blocks = part.map(|row| row.as_chunks::<LANES>().0);
        let mut sums = [[T::zero(); LANES]; N];
        for i in 0..blocks[0].len() {
            let block = blocks.map(|blocks| &blocks[i]);
            for l in 0..LANES {
                let next = f(sums.map(|sums| sums[l]), block.map(|block| block[l]));
                for n in 0..N {
                    sums[n][l] = next[n];
                }
            }
        }
        if !blocks[0].is_empty() {
            totals = plus(totals, sums.map(|sums| fold(sums, |a, b| a + b)));
        }
        let rests = part.map(|row| row.as_chunks::<LANES>().1);
        let rest = (0..rests[0].len()).fold([T::zero(); N], |sums, i| f(sums, rests.map(|row| row[i])));
        totals = plus(totals, rest);
    }
    totals
}

#[inline(always)]
fn plus<T: Kernel, const N: usize>(mut a: [T; N], b: [T; N]) -> [T; N] {
    for n in 0..N {
        a[n] = a[n] + b[n];
    }
    a
}
