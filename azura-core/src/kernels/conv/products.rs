//! Sums of products of two rows of numbers, one of them shifted: the gradients of weights.

use super::layout::Piece;
use crate::kernels::{
    Kernel,
    isa::Isa,
    simd::{Four, Simd},
    tile::versions,
};

/// `c[i, p] += sum over pieces and their lanes l of a[i, to + l] b[offsets[p] + from + l]`.
#[derive(Debug)]
pub struct Products<'a, T> {
    pub(super) a: &'a [T],
    pub(super) a_row: usize,
    pub(super) b: &'a [T],
    pub(super) offsets: &'a [usize],
    pub(super) pieces: &'a [Piece],
    /// Rows of as many numbers as there are offsets.
    pub(super) c: &'a mut [T],
}

/// What products need of a type of number.
#[doc(hidden)]
pub trait Productive: Sized {
    /// Does the products.
    ///
    /// # Safety
    /// The processor has `isa`, and every place that the fields name lies in its slice.
    unsafe fn products(isa: Isa, job: &mut Products<'_, Self>);
}

macro_rules! productive {
    ($T:ty, $wide512:ident, $wide256:ident) => {
        impl Productive for $T {
            versions!($T, $wide512, $wide256, products = products(job: &mut Products<'_, $T>));
        }
    };
}

productive!(f32, __m512, __m256);
productive!(f64, __m512d, __m256d);

/// As many pieces are worked on together, so that they stay in the second cache.
pub(super) const PIECES: usize = 256;

impl<T: Kernel> Products<'_, T> {
    pub(super) fn run(mut self, isa: Isa) {
        if self.offsets.is_empty() || self.pieces.is_empty() {
            return;
        }
        let rows = self.c.len() / self.offsets.len();
        let greatest = |places: &mut dyn Iterator<Item = usize>| places.max().unwrap_or_default();
        let to =
            greatest(&mut self.pieces.iter().map(|piece| piece.to)) + rows.saturating_sub(1) * self.a_row;
        let from = greatest(&mut self.pieces.iter().map(|piece| piece.from));
        let from = from + greatest(&mut self.offsets.iter().copied());
        assert!(to + T::lanes(isa) <= self.a.len(), "a is too short");
        assert!(from + T::lanes(isa) <= self.b.len(), "b is too short");
        assert_eq!(self.c.len(), rows * self.offsets.len(), "c has the wrong length");
        // SAFETY: `isa` is available (see `Isa`), and all places were checked.
        unsafe { T::products(isa, &mut self) }
    }
}

/// The first of `sizes` that is at most `left`.
#[inline(always)]
fn first<const N: usize>(left: usize, sizes: [usize; N]) -> usize {
    sizes.into_iter().find(|&size| size <= left).unwrap_or(1)
}

#[inline(always)]
unsafe fn products<T: Kernel, V: Simd<T>>(job: &mut Products<'_, T>) {
    let (columns, rows) = (job.offsets.len(), job.c.len() / job.offsets.len());
    let mut i = 0;
    while i < rows {
        let count = first((rows - i).min(V::ROWS / 2), [4, 2, 1]);
        let mut p = 0;
        while p < columns {
            let width = first(columns - p, [6, 3, 2, 1]);
            // SAFETY: the caller's promise.
            unsafe {
                match (count, width) {
                    (4, 6) => tile::<T, V, 4, 6>(job, i, p),
                    (4, 3) => tile::<T, V, 4, 3>(job, i, p),
                    (4, 2) => tile::<T, V, 4, 2>(job, i, p),
                    (4, 1) => tile::<T, V, 4, 1>(job, i, p),
                    (2, 6) => tile::<T, V, 2, 6>(job, i, p),
                    (2, 3) => tile::<T, V, 2, 3>(job, i, p),
                    (2, 2) => tile::<T, V, 2, 2>(job, i, p),
                    (2, 1) => tile::<T, V, 2, 1>(job, i, p),
                    (_, 6) => tile::<T, V, 1, 6>(job, i, p),
                    (_, 3) => tile::<T, V, 1, 3>(job, i, p),
                    (_, 2) => tile::<T, V, 1, 2>(job, i, p),
                    (_, _) => tile::<T, V, 1, 1>(job, i, p),
                }
            }
            p += width;
        }
        i += count;
    }
}

/// R rows from `row` on and S offsets from `column` on.
#[inline(always)]
unsafe fn tile<T: Kernel, V: Simd<T>, const R: usize, const S: usize>(
    job: &mut Products<'_, T>,
    row: usize,
    column: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let Products { a, a_row, b, offsets, pieces, ref mut c } = *job;
        let zero = V::splat(T::zero());
        let a = a.as_ptr().add(row * a_row);
        let mut bs = [b.as_ptr(); S];
        for (b, &offset) in bs.iter_mut().zip(offsets.get_unchecked(column..)) {
            *b = b.add(offset);
        }
        let mut sums = [[zero; S]; R];
        for piece in pieces {
            let mut xs = [zero; R];
            for (i, x) in xs.iter_mut().enumerate() {
                *x = V::load(a.add(i * a_row + piece.to));
            }
            for (p, b) in bs.iter().enumerate() {
                let y = V::load(b.add(piece.from));
                for (i, &x) in xs.iter().enumerate() {
                    sums[i][p] = sums[i][p].plus_product(x, y);
                }
            }
        }
        // Stored first, so that the loops above keep their sums in registers.
        let mut lanes = [[[T::zero(); MOST]; S]; R];
        for (lanes, sums) in lanes.iter_mut().zip(&sums) {
            for (lanes, sum) in lanes.iter_mut().zip(sums) {
                sum.store(lanes.as_mut_ptr());
            }
        }
        for (i, lanes) in lanes.iter_mut().enumerate() {
            for (p, lanes) in lanes.iter_mut().enumerate() {
                let c = c.get_unchecked_mut((row + i) * offsets.len() + column + p);
                *c = *c + total(&mut lanes[..V::LANES]);
            }
        }
    }
}

/// The greatest number of lanes.
const MOST: usize = 16;

/// The sum of a power of two of numbers, halves to halves.
#[inline(always)]
fn total<T: Kernel>(numbers: &mut [T]) -> T {
    let mut half = numbers.len() / 2;
    while half > 0 {
        for l in 0..half {
            numbers[l] = numbers[l] + numbers[l + half];
        }
        half /= 2;
    }
    numbers[0]
}
