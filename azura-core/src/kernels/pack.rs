//! The right-hand side of a product, copied once into the order in which the innermost loop reads it.
//!
//! The columns are cut into panels of at most three registers each, as evenly as possible (25 registers are seven panels
//! of three and two of two, since a lone register would starve the multipliers). A panel is stored row after row, padded
//! with zeros to whole registers; panels follow each other. Long matrices are first cut into slabs of [`DEPTH`] rows.

use super::{Kernel, Mat, buffers::Buffer, gemm::for_each, isa::Isa, tile::Block};
use std::{marker::PhantomData, mem::MaybeUninit, ops::Range};

/// Rows of a slab: a panel of them (48 KiB of `f32` with AVX-512) nearly fits the first cache.
pub(super) const DEPTH: usize = 256;
/// Rows of the left-hand side that are worked on together, so that they stay in the second cache.
const ROWS: usize = 96;
const WIDEST: usize = 3;

/// A matrix by its parts, without its lifetime.
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

/// How many panels `n` columns make.
pub(super) fn panel_count(n: usize, lanes: usize) -> usize {
    n.div_ceil(lanes).div_ceil(WIDEST)
}

/// First register and width in registers of the panels `which` of `n` columns.
#[inline(always)]
pub(super) fn panels(n: usize, lanes: usize, which: Range<usize>) -> impl Iterator<Item = (usize, usize)> {
    let registers = n.div_ceil(lanes);
    let count = registers.div_ceil(WIDEST).max(1);
    let (width, wider) = (registers / count, registers % count);
    which.map(move |i| (i * width + i.min(wider), width + usize::from(i < wider)))
}

/// A packed `k x n` matrix.
pub(super) struct Packed<'a, T> {
    isa: Isa,
    pub(super) k: usize,
    pub(super) n: usize,
    data: *const T,
    of: PhantomData<&'a T>,
}

// SAFETY: a shared view of numbers.
unsafe impl<T: Sync> Send for Packed<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Packed<'_, T> {}

/// A pointer that tasks share, each writing a part of its own.
#[derive(Clone, Copy)]
pub(super) struct Shared<T>(pub(super) *mut T);

// SAFETY: whoever writes through it vouches that the parts are disjoint.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    pub(super) fn get(self) -> *mut T {
        self.0
    }
}

/// Numbers that a packed matrix of this shape takes.
fn packed_len<T: Kernel>(isa: Isa, k: usize, n: usize) -> usize {
    k * n.next_multiple_of(T::lanes(isa))
}

/// Where to pack: on the stack if small, which spares a visit to the free list.
pub(super) struct Room<T> {
    small: MaybeUninit<[T; SMALL]>,
    big: Option<Buffer<T>>,
}

const SMALL: usize = 1024;

impl<T: Kernel> Room<T> {
    #[inline]
    pub(super) fn new(isa: Isa, k: usize, n: usize) -> Self {
        let len = packed_len::<T>(isa, k, n);
        Self { small: MaybeUninit::uninit(), big: (len > SMALL).then(|| Buffer::new(len)) }
    }

    /// Packs `b`, which has at most the shape that the room was made for.
    #[inline]
    pub(super) fn pack(&mut self, isa: Isa, b: &Mat<'_, T>, parallel: bool) -> Packed<'_, T> {
        let to = self.big.as_mut().map_or(self.small.as_mut_ptr().cast(), |buffer| buffer.as_mut_ptr());
        let (k, n) = (b.rows(), b.cols());
        assert!(packed_len::<T>(isa, k, n) <= self.big.as_ref().map_or(SMALL, |b| b.len()), "no room");
        let to = Shared(to);
        let panels = panel_count(n, T::lanes(isa));
        for_each(k.div_ceil(DEPTH) * panels, parallel, |task| {
            let depth = slab(k, task / panels);
            // SAFETY: `isa` is available (see `Isa`); the slabs before this one take `depth.start` padded rows and all
            // of them fit, as asserted; tasks write a panel each.
            unsafe {
                let to = to.get().add(packed_len::<T>(isa, depth.start, n));
                T::pack_columns(isa, &b.part(depth, 0..n).source(), task % panels, to);
            }
        });
        Packed { isa, k, n, data: to.get(), of: PhantomData }
    }
}

fn slab(k: usize, i: usize) -> Range<usize> {
    i * DEPTH..k.min((i + 1) * DEPTH)
}

impl<T: Kernel> Packed<'_, T> {
    pub(super) fn panels(&self) -> usize {
        panel_count(self.n, T::lanes(self.isa))
    }

    /// `c = a b`, or `c += a b`, for the columns in `panels`; `c` is the start of the whole rows, `c_row` apart.
    ///
    /// # Safety
    /// `c` covers `a.rows()` rows of `n` columns, and nothing else touches the columns in `panels` meanwhile.
    #[inline]
    pub(super) unsafe fn multiply(
        &self,
        a: &Mat<'_, T>,
        panels: Range<usize>,
        c: *mut T,
        c_row: usize,
        accumulate: bool,
    ) {
        assert_eq!(a.cols(), self.k, "inner dimensions differ");
        // A strided a is read once per panel: worth copying if there are many.
        let a_packed = a.col_stride() != 1 && panels.len() > 2;
        let mut tiles = a_packed.then(|| Buffer::new(ROWS.min(a.rows()) * DEPTH.min(self.k)));
        for first in (0..a.rows()).step_by(ROWS) {
            let rows = first..a.rows().min(first + ROWS);
            for depth in (0..self.k.div_ceil(DEPTH)).map(|i| slab(self.k, i)) {
                let source = a.part(rows.clone(), depth.clone()).source();
                // SAFETY: `isa` is available; `a` is inside its slice (`Mat`), the room for tiles is as large as the
                // largest part; b's slab is where `pack` put it; c is the caller's promise.
                unsafe {
                    let a = match &mut tiles {
                        Some(tiles) => {
                            T::pack_rows(self.isa, &source, tiles.as_mut_ptr());
                            tiles.as_ptr()
                        }
                        None => source.data,
                    };
                    T::multiply(
                        self.isa,
                        &Block {
                            a,
                            a_row: source.row_stride,
                            a_col: source.col_stride,
                            a_packed,
                            b: self.data.add(packed_len::<T>(self.isa, depth.start, self.n)),
                            c: c.add(first * c_row),
                            c_row,
                            m: source.rows,
                            n: self.n,
                            k: source.cols,
                            from: panels.start,
                            to: panels.end,
                            accumulate: accumulate || depth.start > 0,
                        },
                    );
                }
            }
        }
    }

    /// `c = a b`, or `c += a b`; row i of c is at `i * c_row`.
    pub(super) fn multiply_into(&self, a: &Mat<'_, T>, c: &mut [T], c_row: usize, accumulate: bool) {
        let rows = a.rows();
        assert!(c_row >= self.n && (rows == 0 || (rows - 1) * c_row + self.n <= c.len()), "c is too short");
        // SAFETY: c is long enough, as asserted, and borrowed by this call alone.
        unsafe { self.multiply(a, 0..self.panels(), c.as_mut_ptr(), c_row, accumulate) }
    }
}
