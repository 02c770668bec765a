//! The matrix product whose right-hand side is found by offsets.

use super::layout::{Piece, Pieces};
use crate::kernels::{
    Kernel, Mat,
    isa::Isa,
    simd::{Four, Simd},
    tile::{tile_rows, versions},
};
use std::mem::MaybeUninit;

/// Registers that are worked on together.
const WIDEST: usize = 3;

/// `c[i, to + l] = bias[i] + sum over p of a[i, p] b[offsets[p] + from + l]` for the lanes l of each piece.
#[derive(Debug)]
pub struct Sweep<'a, T> {
    /// In tiles of rows, as [`pack_rows`] makes them.
    pub(super) a: &'a [T],
    pub(super) bias: Option<&'a [T]>,
    pub(super) b: &'a [T],
    pub(super) offsets: &'a [usize],
    pub(super) pieces: &'a Pieces,
    /// Rows of `c_row` numbers, which are written and not read.
    pub(super) c: &'a mut [MaybeUninit<T>],
    pub(super) c_row: usize,
}

/// What a sweep needs of a type of number.
#[doc(hidden)]
pub trait Sweeps: Sized {
    /// Does a sweep over `rows` rows.
    ///
    /// # Safety
    /// The processor has `isa`, and every place that the fields name lies in its slice.
    unsafe fn sweep(isa: Isa, job: &mut Sweep<'_, Self>, rows: usize);
}

macro_rules! sweeps {
    ($T:ty, $wide512:ident, $wide256:ident) => {
        impl Sweeps for $T {
            versions!($T, $wide512, $wide256, sweep = sweep(job: &mut Sweep<'_, $T>, rows: usize));
        }
    };
}

sweeps!(f32, __m512, __m256);
sweeps!(f64, __m512d, __m256d);

impl<T: Kernel> Sweep<'_, T> {
    pub(super) fn run(mut self, isa: Isa) {
        let Some(end) = self.pieces.list.last() else { return };
        let (terms, lanes) = (self.offsets.len(), T::lanes(isa));
        let rows = match self.bias {
            Some(bias) => bias.len(),
            None => self.c.len().div_ceil(self.c_row),
        };
        let reach = |places: &mut dyn Iterator<Item = usize>| places.max().unwrap_or_default();
        let from = reach(&mut self.pieces.list.iter().map(|piece| piece.from)) + lanes;
        let to = reach(&mut self.pieces.list.iter().map(|piece| piece.to)) + lanes;
        // Pieces rise, so that the last one, which may be cut short, ends the row.
        assert!(end.to + lanes == to && self.pieces.last <= lanes, "pieces do not rise");
        let row = to - lanes + self.pieces.last;
        assert!(rows == 0 || row <= self.c_row.min(self.c.len() - (rows - 1) * self.c_row), "c is too short");
        assert!(
            terms == 0 || reach(&mut self.offsets.iter().copied()) + from <= self.b.len(),
            "b is too short"
        );
        assert_eq!(self.a.len(), rows * terms, "a has the wrong length");
        // SAFETY: `isa` is available (see `Isa`), and all places were checked.
        unsafe { T::sweep(isa, &mut self, rows) }
    }
}

#[inline(always)]
unsafe fn sweep<T: Kernel, V: Simd<T>>(job: &mut Sweep<'_, T>, rows: usize) {
    let mut pieces = job.pieces.list.as_slice();
    while !pieces.is_empty() {
        let (now, later) = pieces.split_at(pieces.len().min(WIDEST));
        pieces = later;
        let last = if later.is_empty() { job.pieces.last } else { V::LANES };
        let mut i = 0;
        while i < rows {
            let count = tile_rows(rows - i, V::ROWS);
            // SAFETY: the caller's promise; tiles before this one hold i * terms numbers.
            unsafe {
                match (count, now.len()) {
                    (8, 3) => tile::<T, V, 8, 3>(job, now, i, last),
                    (8, 2) => tile::<T, V, 8, 2>(job, now, i, last),
                    (8, 1) => tile::<T, V, 8, 1>(job, now, i, last),
                    (4, 3) => tile::<T, V, 4, 3>(job, now, i, last),
                    (4, 2) => tile::<T, V, 4, 2>(job, now, i, last),
                    (4, 1) => tile::<T, V, 4, 1>(job, now, i, last),
                    (2, 3) => tile::<T, V, 2, 3>(job, now, i, last),
                    (2, 2) => tile::<T, V, 2, 2>(job, now, i, last),
                    (2, 1) => tile::<T, V, 2, 1>(job, now, i, last),
                    (_, 3) => tile::<T, V, 1, 3>(job, now, i, last),
                    (_, 2) => tile::<T, V, 1, 2>(job, now, i, last),
                    (_, _) => tile::<T, V, 1, 1>(job, now, i, last),
                }
            }
            i += count;
        }
    }
}

/// R rows from `row` on, W pieces, of which only the last may be cut short.
#[inline(always)]
unsafe fn tile<T: Kernel, V: Simd<T>, const R: usize, const W: usize>(
    job: &mut Sweep<'_, T>,
    pieces: &[Piece],
    row: usize,
    last: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let zero = V::splat(T::zero());
        let mut b = [job.b.as_ptr(); W];
        for (b, piece) in b.iter_mut().zip(pieces) {
            *b = b.add(piece.from);
        }
        let mut sums = [[zero; W]; R];
        if let Some(bias) = job.bias {
            for (i, row_sums) in sums.iter_mut().enumerate() {
                *row_sums = [V::splat(*bias.get_unchecked(row + i)); W];
            }
        }
        let mut a = job.a.as_ptr().add(row * job.offsets.len());
        for &offset in job.offsets {
            let mut bs = [zero; W];
            for (register, b) in bs.iter_mut().zip(b) {
                *register = V::load(b.add(offset));
            }
            for (i, row_sums) in sums.iter_mut().enumerate() {
                let x = V::splat(*a.add(i));
                for (sum, &y) in row_sums.iter_mut().zip(&bs) {
                    *sum = sum.plus_product(x, y);
                }
            }
            a = a.wrapping_add(R);
        }
        for (i, row_sums) in sums.iter().enumerate() {
            for (j, sum) in row_sums.iter().enumerate() {
                let to =
                    job.c.as_mut_ptr().cast::<T>().add((row + i) * job.c_row + pieces.get_unchecked(j).to);
                if j + 1 < W || last == V::LANES { sum.store(to) } else { sum.store_first(to, last) }
            }
        }
    }
}

/// Packs the rows of `a` into tiles of rows.
pub(super) fn pack_rows<T: Kernel>(isa: Isa, a: Mat<'_, T>, to: &mut [T]) {
    assert!(a.rows() * a.cols() <= to.len(), "no room");
    // SAFETY: `isa` is available (see `Isa`), and there is room.
    unsafe { T::pack_rows(isa, &a.source(), to.as_mut_ptr()) }
}
