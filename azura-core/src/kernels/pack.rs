//! The right-hand side of a product, copied once into the order in which the innermost loop reads it.
//!
//! The columns are cut into panels of at most three registers each, as evenly as possible (25 registers are
//! seven panels of three and two of two, since a lone register would starve the multipliers). A panel is
//! stored row after row, padded with zeros to whole registers; panels follow each other.

use super::{
    Kernel, Mat,
    buffers::Buffer,
    isa::Isa,
    tile::{Block, Onto},
};
use std::{marker::PhantomData, mem::MaybeUninit, ops::Range};

/// Terms that are summed up before the next columns are looked at: so many rows of a panel (48 KiB of `f32` with
/// AVX-512) are about what the first cache holds.
pub(super) const DEPTH: usize = 256;
/// Rows of the left-hand side that are worked on together, so that they stay in the second cache.
const ROWS: usize = 96;
/// Columns that are packed at a time, so that `DEPTH` rows of them fit the second cache.
pub(super) const WIDTH: usize = 768;
/// Registers in the widest panel.
const WIDEST: usize = 3;

/// A matrix by its parts, without its lifetime.
#[derive(Debug)]
pub struct Source<T> {
    pub(super) data: *const T,
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) row_stride: usize,
    pub(super) col_stride: usize,
}

impl<T> Source<T> {
    /// # Safety
    /// `i < rows` and `j < cols`, and the matrix is alive.
    #[inline(always)]
    pub(super) unsafe fn at(&self, i: usize, j: usize) -> *const T {
        // SAFETY: `Mat` has checked that every element is inside its slice.
        unsafe { self.data.add(i * self.row_stride + j * self.col_stride) }
    }
}

/// How many registers `n` columns take; lanes are a power of two, and a division would be felt in small products.
#[inline(always)]
fn registers(n: usize, lanes: usize) -> usize {
    (n + lanes - 1) >> lanes.trailing_zeros()
}

/// How many panels `n` columns make.
#[inline(always)]
pub(super) fn panel_count(n: usize, lanes: usize) -> usize {
    registers(n, lanes).div_ceil(WIDEST)
}

/// First register and width in registers of the panels `which` of `n` columns: wide ones first, then those
/// that are one register narrower.
#[inline(always)]
pub(super) fn panels(n: usize, lanes: usize, which: Range<usize>) -> impl Iterator<Item = (usize, usize)> {
    let registers = registers(n, lanes);
    let count = registers.div_ceil(WIDEST);
    let wide = (count + registers).saturating_sub(WIDEST * count);
    which.map(move |i| {
        let narrow_before = i.saturating_sub(wide);
        (WIDEST * i - narrow_before, (WIDEST - usize::from(i >= wide)).min(registers))
    })
}

/// Where the innermost loop finds its columns: in panels, or in the matrix itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns<T> {
    packed: *const T,
    height: usize,
    /// Start and row stride of a matrix that is not packed, but for a panel that sticks out.
    direct: Option<(*const T, usize)>,
}

impl<T> Columns<T> {
    /// Row `p` of the panel that begins at column `start`, and the step to the next row.
    ///
    /// # Safety
    /// There is such a panel, of `width` columns with padding, and `full` tells whether it has none.
    #[inline(always)]
    pub(super) unsafe fn at(&self, p: usize, start: usize, width: usize, full: bool) -> (*const T, usize) {
        // SAFETY: the caller's promise.
        unsafe {
            match self.direct {
                Some((data, row)) if full => (data.add(p * row + start), row),
                _ => (self.packed.add(start * self.height + p * width), width),
            }
        }
    }
}

/// A `k x n` matrix as the right-hand side of products.
pub(super) struct Packed<'a, T> {
    isa: Isa,
    k: usize,
    n: usize,
    columns: Columns<T>,
    of: PhantomData<&'a T>,
}

// SAFETY: a shared view of numbers.
unsafe impl<T: Sync> Send for Packed<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Packed<'_, T> {}

/// Numbers that a packed matrix of this shape takes.
fn packed_len<T: Kernel>(isa: Isa, k: usize, n: usize) -> usize {
    k * registers(n, T::lanes(isa)) * T::lanes(isa)
}

/// Where to pack: on the stack if small, which spares a visit to the free list.
pub(super) struct Room<T> {
    isa: Isa,
    small: MaybeUninit<[T; SMALL]>,
    big: Option<Buffer<T>>,
}

/// Numbers that a room has on the stack.
const SMALL: usize = 1024;

impl<T: Kernel> Room<T> {
    /// For matrices of at most `k x n`.
    #[inline]
    pub(super) fn new(isa: Isa, k: usize, n: usize) -> Self {
        let len = packed_len::<T>(isa, k, n);
        Self { isa, small: MaybeUninit::uninit(), big: (len > SMALL).then(|| Buffer::new(len)) }
    }

    /// Packs `b`, or if `direct` only what has to be: the last columns, or all if b's rows are not contiguous.
    #[inline]
    pub(super) fn pack<'a>(&'a mut self, b: Mat<'a, T>, direct: bool) -> Packed<'a, T> {
        let (isa, k, n) = (self.isa, b.rows(), b.cols());
        let (to, len) = match &mut self.big {
            Some(buffer) => (buffer.as_mut_ptr(), buffer.len()),
            None => (self.small.as_mut_ptr().cast(), SMALL),
        };
        assert!(packed_len::<T>(isa, k, n) <= len, "no room");
        let panels = panel_count(n, T::lanes(isa));
        let direct = direct && b.col_stride() == 1;
        // Even then the last panel is packed if its last register is not full.
        let first = if !direct {
            0
        } else if n & (T::lanes(isa) - 1) > 0 {
            panels - 1
        } else {
            panels
        };
        // SAFETY: `isa` is available (see `Isa`), and all panels fit.
        unsafe { T::pack_columns(isa, &b.source(), first..panels, to) };
        let columns =
            Columns { packed: to, height: k, direct: direct.then(|| (b.data().as_ptr(), b.row_stride())) };
        Packed { isa, k, n, columns, of: PhantomData }
    }
}

impl<T: Kernel> Packed<'_, T> {
    /// `c = a b`, or `c += a b`; row i of c is at `i * c_row`.
    #[inline]
    pub(super) fn multiply(&self, a: Mat<'_, T>, c: &mut [T], c_row: usize, accumulate: bool) {
        let rows = a.rows();
        assert!(c_row >= self.n && (rows == 0 || (rows - 1) * c_row + self.n <= c.len()), "c is too short");
        // SAFETY: c is long enough, as asserted, and borrowed by this call alone.
        unsafe { self.multiply_to(a, c.as_mut_ptr(), c_row, Onto::of(accumulate)) }
    }

    /// # Safety
    /// `c` covers `a.rows()` rows of `n` numbers, and nothing else touches them; a row that it goes onto has as many.
    #[inline]
    pub(super) unsafe fn multiply_to(&self, a: Mat<'_, T>, c: *mut T, c_row: usize, onto: Onto<T>) {
        assert_eq!(a.cols(), self.k, "inner dimensions differ");
        // A strided a is read once per panel: worth copying if there are many.
        let a_packed = a.col_stride() != 1 && self.n > 4 * T::lanes(self.isa);
        let mut tiles = a_packed.then(|| Buffer::new(ROWS.min(a.rows()) * DEPTH.min(self.k)));
        for top in (0..a.rows()).step_by(ROWS) {
            for first in (0..self.k).step_by(DEPTH) {
                let source = a.part(top..a.rows().min(top + ROWS), first..self.k.min(first + DEPTH)).source();
                // SAFETY: `isa` is available; `a` is inside its slice (`Mat`), the room for tiles is as large as the
                // largest part; b's columns are where `pack` put them; c is the caller's promise.
                unsafe {
                    if let Some(tiles) = &mut tiles {
                        T::pack_rows(self.isa, &source, tiles.as_mut_ptr());
                    }
                    let block = Block {
                        a: tiles.as_ref().map_or(source.data, |tiles| tiles.as_ptr()),
                        a_row: source.row_stride,
                        a_col: source.col_stride,
                        a_packed,
                        b: self.columns,
                        first,
                        c: c.add(top * c_row),
                        c_row,
                        m: source.rows,
                        n: self.n,
                        k: source.cols,
                        onto: if first > 0 { Onto::Result } else { onto },
                    };
                    T::multiply(self.isa, &block);
                }
            }
        }
    }
}
