//! Sums of products of two rows of numbers, one of them shifted: the gradients of weights.

use super::layout::Piece;
use crate::kernels::{
    Kernel,
    isa::Isa,
    simd::{Four, Simd},
    tile::versions,
};

/// `c[i, p] += sum over images n, pieces, and their lanes l of a[n, i, to + l] b[n, offsets[p] + from + l]`.
#[derive(Debug)]
pub struct Products<'a, T> {
    pub(super) images: usize,
    pub(super) a: &'a [T],
    pub(super) a_row: usize,
    pub(super) a_image: usize,
    pub(super) b: &'a [T],
    pub(super) b_image: usize,
    pub(super) offsets: &'a [usize],
    /// Some of the pieces that make up an image, and how many numbers of the last one count.
    pub(super) pieces: &'a [Piece],
    pub(super) last: usize,
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

/// As many pieces of as many images as are worked on together, so that they stay in the second cache.
pub(super) const PIECES: usize = 256;

impl<T: Kernel> Products<'_, T> {
    pub(super) fn run(mut self, isa: Isa) {
        let (Some(images), false) = (self.images.checked_sub(1), self.offsets.is_empty() || self.pieces.is_empty())
        else {
            return;
        };
        let rows = self.c.len() / self.offsets.len();
        let reach = |places: &mut dyn Iterator<Item = usize>| places.max().unwrap_or_default();
        let lanes = T::lanes(isa);
        let from = reach(&mut self.pieces.iter().map(|piece| piece.from)) + reach(&mut self.offsets.iter().copied());
        let to = reach(&mut self.pieces.iter().map(|piece| piece.to)) + rows.saturating_sub(1) * self.a_row;
        assert!(images * self.a_image + to + lanes <= self.a.len(), "a is too short");
        assert!(images * self.b_image + from + lanes <= self.b.len(), "b is too short");
        assert_eq!(self.c.len(), rows * self.offsets.len(), "c has the wrong length");
        assert!((1..=lanes).contains(&self.last));
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
        let Products { images, a, a_row, a_image, b, b_image, offsets, pieces, last, ref mut c } = *job;
        let zero = V::splat(T::zero());
        let mut sums = [[zero; S]; R];
        for n in 0..images {
            let mut a = [a.as_ptr().add(n * a_image + row * a_row); R];
            for (i, a) in a.iter_mut().enumerate() {
                *a = a.add(i * a_row);
            }
            let mut b = [b.as_ptr().add(n * b_image); S];
            for (b, &offset) in b.iter_mut().zip(offsets.get_unchecked(column..)) {
                *b = b.add(offset);
            }
            let full = pieces.len() - usize::from(last < V::LANES);
            for piece in pieces.get_unchecked(..full) {
                let mut xs = [zero; R];
                for (x, a) in xs.iter_mut().zip(a) {
                    *x = V::load(a.add(piece.to));
                }
                for p in 0..S {
                    let y = V::load(b[p].add(piece.from));
                    for i in 0..R {
                        sums[i][p] = sums[i][p].plus_product(xs[i], y);
                    }
                }
            }
            for piece in pieces.get_unchecked(full..) {
                let mut xs = [zero; R];
                for (x, a) in xs.iter_mut().zip(a) {
                    *x = V::load_first(a.add(piece.to), last);
                }
                for p in 0..S {
                    let y = V::load_first(b[p].add(piece.from), last);
                    for i in 0..R {
                        sums[i][p] = sums[i][p].plus_product(xs[i], y);
                    }
                }
            }
        }
        for (i, sums) in sums.iter().enumerate() {
            for (p, &sum) in sums.iter().enumerate() {
                let c = c.get_unchecked_mut((row + i) * offsets.len() + column + p);
                *c = *c + total(sum);
            }
        }
    }
}

/// The sum of a register, halves to halves.
#[inline(always)]
unsafe fn total<T: Kernel, V: Simd<T>>(register: V) -> T {
    let mut numbers = [T::zero(); 16];
    // SAFETY: no register has more than 16 numbers.
    unsafe { register.store(numbers.as_mut_ptr()) };
    let mut half = V::LANES / 2;
    while half > 0 {
        for l in 0..half {
            numbers[l] = numbers[l] + numbers[l + half];
        }
        half /= 2;
    }
    numbers[0]
}
