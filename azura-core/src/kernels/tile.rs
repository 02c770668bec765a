//! The innermost loops of the matrix product, written once over [`Simd`] and compiled for each instruction set.

use super::{
    isa::Isa,
    pack::{Columns, Source, panel_count, panels},
    simd::{Four, Simd, transpose4},
};
use std::ops::Range;

/// What a product is added to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Onto<T> {
    /// It is the result.
    Nothing,
    /// What is there already.
    Result,
    /// One row, the same for all rows of the result.
    Row(*const T),
}

impl<T> Onto<T> {
    pub(super) fn of(accumulate: bool) -> Self {
        if accumulate { Self::Result } else { Self::Nothing }
    }
}

/// `c = a b`, plus what it goes onto.
#[derive(Debug)]
pub struct Block<T> {
    /// Element (i, p) is at `i * a_row + p * a_col`, or, where `a_packed`, lies in tiles of rows as
    /// `pack_rows` made them.
    pub(super) a: *const T,
    pub(super) a_row: usize,
    pub(super) a_col: usize,
    pub(super) a_packed: bool,
    pub(super) b: Columns<T>,
    /// The row of b that belongs to the first column of a.
    pub(super) first: usize,
    pub(super) c: *mut T,
    pub(super) c_row: usize,
    pub(super) m: usize,
    pub(super) n: usize,
    pub(super) k: usize,
    pub(super) onto: Onto<T>,
}

/// What the matrix product needs of a type of number.
#[doc(hidden)]
pub trait Tiles: Sized {
    /// Numbers in a register.
    fn lanes(isa: Isa) -> usize;

    /// Does a block.
    ///
    /// # Safety
    /// The processor has `isa`; the pointers cover what the fields say; nothing else touches those elements of `c`.
    unsafe fn multiply(isa: Isa, block: &Block<Self>);

    /// Packs the columns of `source` that belong to those panels; `to` is the start of all panels.
    ///
    /// # Safety
    /// The processor has `isa`; `source` is readable and the panels are writable.
    unsafe fn pack_columns(isa: Isa, source: &Source<Self>, panels: Range<usize>, to: *mut Self);

    /// Packs the rows of `source` into tiles of rows at `to`.
    ///
    /// # Safety
    /// The processor has `isa`; `source` is readable and `rows * cols` numbers are writable.
    unsafe fn pack_rows(isa: Isa, source: &Source<Self>, to: *mut Self);

    /// Copies `source` to rows that are `to_row` apart; fast if its columns are contiguous.
    ///
    /// # Safety
    /// The processor has `isa`; `source` is readable and its rows are writable at `to`.
    unsafe fn turn(isa: Isa, source: &Source<Self>, to: *mut Self, to_row: usize);
}

macro_rules! tiles {
    ($T:ty, $wide512:ident, $wide256:ident) => {
        impl Tiles for $T {
            fn lanes(isa: Isa) -> usize {
                match isa {
                    Isa::Avx512 => 64 / size_of::<$T>(),
                    Isa::Avx2 => 32 / size_of::<$T>(),
                    Isa::Portable => 4,
                }
            }

            versions!($T, $wide512, $wide256, multiply = multiply(block: &Block<$T>));
            versions!($T, $wide512, $wide256, pack_columns = pack_columns(source: &Source<$T>, panels: Range<usize>, to: *mut $T));
            versions!($T, $wide512, $wide256, pack_rows = pack_rows(source: &Source<$T>, to: *mut $T));
            versions!($T, $wide512, $wide256, turn = turn(source: &Source<$T>, to: *mut $T, to_row: usize));
        }
    };
}

macro_rules! versions {
    ($T:ty, $wide512:ident, $wide256:ident, $name:ident = $generic:ident($($arg:ident: $type:ty),*)) => {
        unsafe fn $name(isa: Isa, $($arg: $type),*) {
            #[cfg(target_arch = "x86_64")]
            {
                use std::arch::x86_64::{$wide256, $wide512};

                #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
                unsafe fn avx512($($arg: $type),*) {
                    // SAFETY: the caller's contract, and this function has the features.
                    unsafe { $generic::<$T, $wide512>($($arg),*) }
                }

                #[target_feature(enable = "avx2,fma")]
                unsafe fn avx2($($arg: $type),*) {
                    // SAFETY: as above.
                    unsafe { $generic::<$T, $wide256>($($arg),*) }
                }

                match isa {
                    // SAFETY: the caller vouches for the processor and the pointers.
                    Isa::Avx512 => return unsafe { avx512($($arg),*) },
                    // SAFETY: as above.
                    Isa::Avx2 => return unsafe { avx2($($arg),*) },
                    Isa::Portable => {}
                }
            }
            let _ = isa;
            // SAFETY: the caller vouches for the pointers.
            unsafe { $generic::<$T, Four<$T>>($($arg),*) }
        }
    };
}

pub(super) use versions;

tiles!(f32, __m512, __m256);
tiles!(f64, __m512d, __m256d);

/// How many of the `left` rows the next tile takes, at most `most`.
#[inline(always)]
pub(super) fn tile_rows(left: usize, most: usize) -> usize {
    match left {
        8.. => most,
        4.. => 4,
        2.. => 2,
        _ => 1,
    }
}

#[inline(always)]
unsafe fn multiply<T: Copy, V: Simd<T>>(block: &Block<T>) {
    for (start, width) in panels(block.n, V::LANES, 0..panel_count(block.n, V::LANES)) {
        let (start, columns) = (start * V::LANES, (width * V::LANES).min(block.n - start * V::LANES));
        let mut i = 0;
        while i < block.m {
            let rows = tile_rows(block.m - i, V::ROWS);
            // SAFETY: rows i .. i + rows and columns start .. start + columns are inside the block, whose fields the
            // caller vouches for; panels before this one hold `start * k` numbers, packed rows before i hold `i * k`.
            unsafe {
                let full = columns == width * V::LANES;
                let (b, b_row) = block.b.at(block.first, start, width * V::LANES, full);
                let c = block.c.add(i * block.c_row + start);
                let tile = Tile {
                    a: block.a.add(i * if block.a_packed { block.k } else { block.a_row }),
                    a_row: if block.a_packed { 1 } else { block.a_row },
                    a_col: if block.a_packed { rows } else { block.a_col },
                    b,
                    b_row,
                    c,
                    c_row: block.c_row,
                    columns,
                    k: block.k,
                    onto: match block.onto {
                        Onto::Nothing => None,
                        Onto::Result => Some((c.cast_const(), block.c_row)),
                        Onto::Row(row) => Some((row.add(start), 0)),
                    },
                };
                match (rows, width) {
                    (8, 3) => tile.run::<V, 8, 3>(),
                    (8, 2) => tile.run::<V, 8, 2>(),
                    (8, 1) => tile.run::<V, 8, 1>(),
                    (4, 3) => tile.run::<V, 4, 3>(),
                    (4, 2) => tile.run::<V, 4, 2>(),
                    (4, 1) => tile.run::<V, 4, 1>(),
                    (2, 3) => tile.run::<V, 2, 3>(),
                    (2, 2) => tile.run::<V, 2, 2>(),
                    (2, 1) => tile.run::<V, 2, 1>(),
                    (_, 3) => tile.run::<V, 1, 3>(),
                    (_, 2) => tile.run::<V, 1, 2>(),
                    (_, _) => tile.run::<V, 1, 1>(),
                }
            }
            i += rows;
        }
    }
}

/// The part of a block that is summed up in registers.
struct Tile<T> {
    a: *const T,
    a_row: usize,
    a_col: usize,
    b: *const T,
    b_row: usize,
    c: *mut T,
    c_row: usize,
    columns: usize,
    k: usize,
    /// Start and row stride of what the sums are added to.
    onto: Option<(*const T, usize)>,
}

impl<T: Copy> Tile<T> {
    /// R rows, W registers wide, of which only the last may stick out beyond `columns`.
    #[inline(always)]
    unsafe fn run<V: Simd<T>, const R: usize, const W: usize>(&self) {
        let last = self.columns - (W - 1) * V::LANES;
        // SAFETY: every access is to row < R and column < `columns` of c and what it goes onto, row < R and p < k of a, and to the panel's
        // k * W * LANES numbers.
        unsafe {
            let zero = V::load_first(self.b, 0);
            let mut sums = [[zero; W]; R];
            // On its way while the sums are formed.
            for i in 0..R {
                for j in 0..W {
                    V::prefetch(self.c.add(i * self.c_row + j * V::LANES));
                }
            }
            let (mut a, mut b) = (self.a, self.b);
            for _ in 0..self.k {
                let mut bs = [zero; W];
                for (j, register) in bs.iter_mut().enumerate() {
                    *register = V::load(b.add(j * V::LANES));
                }
                for (i, row) in sums.iter_mut().enumerate() {
                    let x = V::splat(*a.add(i * self.a_row));
                    for (sum, &y) in row.iter_mut().zip(&bs) {
                        *sum = sum.plus_product(x, y);
                    }
                }
                a = a.wrapping_add(self.a_col);
                b = b.wrapping_add(self.b_row);
            }
            for (i, row) in sums.into_iter().enumerate() {
                for (j, mut sum) in row.into_iter().enumerate() {
                    let full = j + 1 < W || last == V::LANES;
                    if let Some((onto, step)) = self.onto {
                        let at = onto.add(i * step + j * V::LANES);
                        sum = sum.plus(if full { V::load(at) } else { V::load_first(at, last) });
                    }
                    let at = self.c.add(i * self.c_row + j * V::LANES);
                    if full { sum.store(at) } else { sum.store_first(at, last) }
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn pack_columns<T: Copy, V: Simd<T>>(source: &Source<T>, which: Range<usize>, to: *mut T) {
    for (start, width) in panels(source.cols, V::LANES, which) {
        let (start, columns) = (start * V::LANES, (width * V::LANES).min(source.cols - start * V::LANES));
        // SAFETY: reads stay inside rows x cols of the source; the panel is `rows * width * LANES` numbers long and
        // starts after the panels before it.
        unsafe {
            let panel = to.add(start * source.rows);
            if source.col_stride == 1 {
                let last = columns - (width - 1) * V::LANES;
                for p in 0..source.rows {
                    let (from, to) = (source.at(p, start), panel.add(p * width * V::LANES));
                    for j in 0..width {
                        let from = from.add(j * V::LANES);
                        let full = j + 1 < width || last == V::LANES;
                        let register = if full { V::load(from) } else { V::load_first(from, last) };
                        register.store(to.add(j * V::LANES));
                    }
                }
                continue;
            }
            let width = width * V::LANES;
            turn_part::<T, V>(source, start, columns, panel, width);
            if columns < width {
                let last = columns - (width - V::LANES);
                for p in 0..source.rows {
                    let end = panel.add(p * width + width - V::LANES);
                    V::load_first(end, last).store(end);
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn turn<T: Copy, V: Simd<T>>(source: &Source<T>, to: *mut T, to_row: usize) {
    // SAFETY: all columns of the source; the rest is the caller's promise.
    unsafe { turn_part::<T, V>(source, 0, source.cols, to, to_row) }
}

/// Copies so many columns, from `start` on, to rows that are `to_row` apart; fast if columns are contiguous.
///
/// # Safety
/// The columns are in the source, and `to` covers its rows of so many numbers.
#[inline(always)]
unsafe fn turn_part<T: Copy, V: Simd<T>>(
    source: &Source<T>,
    start: usize,
    columns: usize,
    to: *mut T,
    to_row: usize,
) {
    // Whole registers of four rows; of sixteen at a time, so that each line of the source is visited once.
    let (rows, registers) = if source.row_stride == 1 {
        (source.rows - source.rows % 4, columns - columns % V::LANES)
    } else {
        (0, 0)
    };
    // SAFETY: rows and columns are below those of the source, and on the other side in the caller's place.
    unsafe {
        for top in (0..rows).step_by(16) {
            for j in (0..registers).step_by(V::LANES) {
                for p in (top..rows.min(top + 16)).step_by(4) {
                    V::transpose(source.at(p, start + j), source.col_stride, to.add(p * to_row + j), to_row);
                }
            }
        }
        // What is left over.
        for p in (0..source.rows).step_by(4) {
            let left = if p < rows { registers } else { 0 };
            let rows = (source.rows - p).min(4);
            for j in (left..columns).step_by(4) {
                let (from, to) = (source.at(p, start + j), to.add(p * to_row + j));
                if source.row_stride == 1 && rows == 4 && columns - j >= 4 {
                    transpose4(from, source.col_stride, to, to_row);
                } else {
                    for i in 0..rows {
                        for j in 0..(columns - j).min(4) {
                            *to.add(i * to_row + j) =
                                *from.add(i * source.row_stride + j * source.col_stride);
                        }
                    }
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn pack_rows<T: Copy, V: Simd<T>>(source: &Source<T>, to: *mut T) {
    let mut i = 0;
    while i < source.rows {
        let rows = tile_rows(source.rows - i, V::ROWS);
        // SAFETY: reads stay inside rows x cols of the source; the tiles before this one hold i * cols numbers.
        unsafe {
            let tile = to.add(i * source.cols);
            if source.row_stride == 1 && rows == 8 {
                for p in 0..source.cols {
                    tile.add(p * 8)
                        .cast::<[T; 8]>()
                        .write_unaligned(source.at(i, p).cast::<[T; 8]>().read_unaligned());
                }
            } else {
                for p in 0..source.cols {
                    for r in 0..rows {
                        *tile.add(p * rows + r) = *source.at(i + r, p);
                    }
                }
            }
        }
        i += rows;
    }
}
