//! The matrix product on strided views.

use super::{
    Kernel, axpy,
    buffers::Buffer,
    fresh::filled,
    isa::isa,
    pack::{DEPTH, Room, Source, WIDTH},
    pieces::{PIECE, each, run},
    thin,
    tile::Onto,
};
use std::ops::Range;

/// A view of a matrix in a slice: element (i, j) is at `i * row_stride + j * col_stride`.
#[derive(Clone, Copy, Debug)]
pub struct Mat<'a, T> {
    data: &'a [T],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a, T> Mat<'a, T> {
    /// A matrix stored row after row.
    ///
    /// # Panics
    /// When `data` is shorter than `rows * cols`.
    #[inline]
    pub fn new(data: &'a [T], rows: usize, cols: usize) -> Self {
        Self::strided(data, rows, cols, cols, 1)
    }

    /// A matrix with any strides, 0 included.
    ///
    /// # Panics
    /// When an element would lie outside `data`.
    #[inline]
    pub fn strided(data: &'a [T], rows: usize, cols: usize, row_stride: usize, col_stride: usize) -> Self {
        if rows > 0 && cols > 0 {
            let (down, right) = ((rows - 1).checked_mul(row_stride), (cols - 1).checked_mul(col_stride));
            let last = down.zip(right).and_then(|(down, right)| down.checked_add(right));
            assert!(last.is_some_and(|last| last < data.len()), "matrix reaches beyond its slice");
        }
        Self { data, rows, cols, row_stride, col_stride }
    }

    /// The transpose: the same numbers, nothing is moved.
    #[inline]
    #[must_use]
    pub fn t(self) -> Self {
        Self {
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
            ..self
        }
    }

    /// Number of rows.
    #[inline]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    #[inline]
    pub fn cols(&self) -> usize {
        self.cols
    }

    pub(super) fn row_stride(&self) -> usize {
        self.row_stride
    }

    pub(super) fn col_stride(&self) -> usize {
        self.col_stride
    }

    pub(super) fn data(&self) -> &'a [T] {
        self.data
    }

    /// The given rows and columns.
    #[inline]
    pub(super) fn part(&self, rows: Range<usize>, cols: Range<usize>) -> Self {
        assert!(rows.end <= self.rows && cols.end <= self.cols, "part of a matrix reaches beyond it");
        let start = rows.start * self.row_stride + cols.start * self.col_stride;
        let data = self.data.get(start..).unwrap_or_default();
        Self::strided(data, rows.len(), cols.len(), self.row_stride, self.col_stride)
    }

    /// Whether rows are so far apart that few of them fit the first cache together: it holds eight or twelve lines at
    /// addresses that are equal but for multiples of 4096 bytes.
    fn is_crowded(&self) -> bool {
        self.rows > 32 && (self.row_stride * size_of::<T>()).is_multiple_of(1024)
    }

    #[inline]
    pub(super) fn source(&self) -> Source<T> {
        Source {
            data: self.data.as_ptr(),
            rows: self.rows,
            cols: self.cols,
            row_stride: self.row_stride,
            col_stride: self.col_stride,
        }
    }
}

/// Products of fewer multiplications than this stay on the calling thread.
pub(super) const PARALLEL: usize = 1 << 22;
/// A larger one is cut into pieces that have at most this part of its multiplications.
const PIECES: usize = 8;
/// Multiplications that repay to turn a product round.
const TURNED: usize = 1 << 18;
/// Numbers on the right that are packed for all pieces, if they are not more.
const SHARED: usize = 1 << 20;
/// So few rows on the left do not repay packing the right.
const FEW: usize = 64;

/// `c = a b`, or `c += a b` when `accumulate`; a is m x k, b is k x n.
///
/// Row i of c is at `i * c_row`. The numbers of c between its rows are left alone. A sum over no terms (k = 0) is 0.
/// Large products run on rayon's current pool; the result is the same to the bit for any number of threads.
///
/// # Panics
/// When the inner dimensions differ, `c_row < n`, or c is too short.
pub fn gemm<T: Kernel>(a: Mat<'_, T>, b: Mat<'_, T>, c: &mut [T], c_row: usize, accumulate: bool) {
    if let Some(c) = prepare(&a, &b, c, c_row, accumulate) {
        // SAFETY: c is what `prepare` has checked, borrowed by this call alone.
        unsafe { product(a, b, c) }
    }
}

/// `a b`, to each row of which `row` is added if there is one, into memory that nobody has cleared before.
///
/// # Panics
/// When the inner dimensions differ, or `row` is not as long as the rows of b.
pub fn gemm_new<T: Kernel>(a: Mat<'_, T>, b: Mat<'_, T>, row: Option<&[T]>) -> Vec<T> {
    let (m, k, n) = (a.rows, a.cols, b.cols);
    assert_eq!(k, b.rows, "inner dimensions differ");
    assert!(row.is_none_or(|row| row.len() == n), "the row has another length");
    if k == 0 || m < 2 || n < 2 {
        let mut c = row.map_or_else(|| vec![T::zero(); m * n], |row| row.repeat(m));
        gemm(a, b, &mut c, n, true);
        return c;
    }
    let onto = row.map_or(Onto::Nothing, |row| Onto::Row(row.as_ptr()));
    // SAFETY: a product writes every number of its result, here of all rows without gaps.
    unsafe { filled(m * n, |c| product(a, b, Out { start: c.as_mut_ptr().cast(), row: n, onto })) }
}

/// [`gemm`] on the calling thread, of a `b` that is in the cache: packing would not repay.
pub(super) fn gemm_here<T: Kernel>(
    a: Mat<'_, T>,
    b: Mat<'_, T>,
    c: &mut [T],
    c_row: usize,
    accumulate: bool,
) {
    if let Some(c) = prepare(&a, &b, c, c_row, accumulate) {
        // SAFETY: as in `gemm`.
        unsafe { serial(a, b, c, true) }
    }
}

/// Checks the shapes and does the simple cases; what is left has c for its result.
#[inline]
fn prepare<T: Kernel>(
    a: &Mat<'_, T>,
    b: &Mat<'_, T>,
    c: &mut [T],
    row: usize,
    accumulate: bool,
) -> Option<Out<T>> {
    let (m, k, n) = (a.rows, a.cols, b.cols);
    assert_eq!(k, b.rows, "inner dimensions differ");
    if m == 0 || n == 0 {
        return None;
    }
    assert!(row >= n && (m - 1).saturating_mul(row).saturating_add(n) <= c.len(), "c is too short");
    if k == 0 {
        if !accumulate {
            c.chunks_mut(row).take(m).for_each(|row| row[..n].fill(T::zero()));
        }
    } else if n == 1 {
        thin::row_times_matrix(b.t(), a.t(), c, row, accumulate);
    } else if m == 1 {
        thin::row_times_matrix(*a, *b, c, 1, accumulate);
    } else {
        return Some(Out { start: c.as_mut_ptr(), row, onto: Onto::of(accumulate) });
    }
    None
}

/// Where a product goes: rows of numbers that no one else touches, and what it is added to.
#[derive(Clone, Copy)]
struct Out<T> {
    start: *mut T,
    row: usize,
    onto: Onto<T>,
}

// SAFETY: the parts that `product` hands to other threads are disjoint, and nobody writes to a row that they go onto.
unsafe impl<T: Send> Send for Out<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Out<T> {}

impl<T> Out<T> {
    /// # Safety
    /// The place is inside.
    unsafe fn at(self, i: usize, j: usize) -> Self {
        // SAFETY: the caller's promise, here and for the row, which is as long as those of the result.
        let start = unsafe { self.start.add(i * self.row + j) };
        let onto = match self.onto {
            // SAFETY: as above.
            Onto::Row(row) => Onto::Row(unsafe { row.add(j) }),
            onto => onto,
        };
        Self { start, onto, ..self }
    }
}

/// The ranges of so many numbers each that make up `0..len`.
fn parts(len: usize, size: usize) -> impl Iterator<Item = Range<usize>> + Clone {
    (0..len).step_by(size).map(move |start| start..len.min(start + size))
}

/// # Safety
/// `c` covers `a.rows` rows of `b.cols` numbers, which nothing else touches.
unsafe fn product<T: Kernel>(a: Mat<'_, T>, b: Mat<'_, T>, c: Out<T>) {
    let (m, k, n) = (a.rows, a.cols, b.cols);
    let work = m.saturating_mul(k).saturating_mul(n);
    let most = PARALLEL.max(work / PIECES);
    // SAFETY: the caller's promise; the parts below are inside c, and share it out, or are in `rest`.
    unsafe {
        let few = m <= FEW && 4 * m <= n && b.row_stride == 1;
        if few && work >= TURNED && !matches!(c.onto, Onto::Result) {
            return turned(a, b, c, n.div_ceil(work.div_ceil(most)).next_multiple_of(T::lanes(isa())));
        }
        if work <= most {
            return serial(a, b, c, m <= FEW);
        }
        if m >= n.max(k / 2) && n.saturating_mul(k) <= SHARED {
            // All rows need the same columns, packed once.
            let mut room = Room::new(isa(), k, n);
            let packed = room.pack(b, false);
            let rows = parts(m, m.div_ceil(work.div_ceil(most)).next_multiple_of(8));
            return run(rows, |rows| {
                let c = c.at(rows.start, 0);
                packed.multiply_to(a.part(rows, 0..k), c.start, c.row, c.onto);
            });
        }
        let half = |len: usize, unit: usize| (len / 2).next_multiple_of(unit);
        let (mut rows, mut terms, mut columns) = (m, k, n);
        while rows * terms * columns > most {
            if terms >= 4 * rows.max(columns) {
                terms = half(terms, DEPTH);
            } else if rows > columns {
                rows = half(rows, 8);
            } else {
                columns = half(columns, T::lanes(isa()));
            }
        }
        // The sums of all terms but the first ones, for each part of the terms.
        let mut rest = Buffer::new((k.div_ceil(terms) - 1) * m * n);
        let late = Out { start: rest.as_mut_ptr(), row: n, onto: Onto::Nothing };
        let mut jobs = Vec::new();
        for (i, terms) in parts(k, terms).enumerate() {
            let c = if i == 0 { c } else { late.at((i - 1) * m, 0) };
            for rows in parts(m, rows) {
                jobs.extend(parts(n, columns).map(|columns| (rows.clone(), terms.clone(), columns, c)));
            }
        }
        run(jobs.into_iter(), |(rows, terms, columns, c)| {
            let c = c.at(rows.start, columns.start);
            let few = rows.len() <= FEW;
            serial(a.part(rows, terms.clone()), b.part(terms, columns), c, few);
        });
        let rows = parts(m, (PIECE / n).max(1));
        each(rows, rest.len() >= PIECE, |rows| {
            for i in rows {
                let sum = std::slice::from_raw_parts_mut(c.at(i, 0).start, n);
                rest.chunks_exact(m * n).for_each(|rest| axpy(T::one(), &rest[i * n..][..n], sum));
            }
        });
    }
}

/// `c' = b' a'`, since packing the few rows of a is less than packing all of a b whose columns are contiguous, as are
/// those of weights that are stored transposed.
///
/// # Safety
/// As for [`product`]; c goes onto a row or onto nothing.
unsafe fn turned<T: Kernel>(a: Mat<'_, T>, b: Mat<'_, T>, c: Out<T>, columns: usize) {
    let (m, k) = (a.rows, a.cols);
    let mut room = Room::new(isa(), k, m);
    let packed = room.pack(a.t(), false);
    run(parts(b.cols, columns), |columns| {
        let mut part = Buffer::new(columns.len() * m);
        packed.multiply(b.t().part(columns.clone(), 0..k), &mut part, m, false);
        // SAFETY: `isa` is available; these columns of c are this job's alone.
        unsafe {
            let c = c.at(0, columns.start);
            T::turn(isa(), &Mat::new(&part, columns.len(), m).t().source(), c.start, c.row);
            if let Onto::Row(row) = c.onto {
                let row = std::slice::from_raw_parts(row, columns.len());
                for i in 0..m {
                    axpy(T::one(), row, std::slice::from_raw_parts_mut(c.at(i, 0).start, columns.len()));
                }
            }
        }
    });
}

/// # Safety
/// As for [`product`].
unsafe fn serial<T: Kernel>(a: Mat<'_, T>, b: Mat<'_, T>, c: Out<T>, direct: bool) {
    let mut room = Room::new(isa(), DEPTH.min(b.rows), WIDTH.min(b.cols));
    let direct = direct && (a.rows <= FEW || !b.is_crowded());
    for columns in parts(b.cols, WIDTH) {
        for depth in parts(b.rows, DEPTH) {
            let packed = room.pack(b.part(depth.clone(), columns.clone()), direct);
            // SAFETY: c has the columns, as the caller promises.
            unsafe {
                let c = c.at(0, columns.start);
                let onto = if depth.start > 0 { Onto::Result } else { c.onto };
                packed.multiply_to(a.part(0..a.rows, depth), c.start, c.row, onto);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::{Numbers, assert_close, each_isa, same_for_any_threads};

    /// A product of random layout, checked against the definition.
    fn check<T: Kernel>(numbers: &mut Numbers, m: usize, k: usize, n: usize, tolerance: f64) {
        let mut layout = |rows: usize, cols: usize| match numbers.below(4) {
            0 => (cols, 1),
            1 => (1, rows),
            2 => (cols + 3, 1),
            _ => (2 * cols + 1, 2),
        };
        let ((ar, ac), (br, bc)) = (layout(m, k), layout(k, n));
        let (a, b) = (numbers.vec::<T>(m * ar + k * ac + 1), numbers.vec::<T>(k * br + n * bc + 1));
        let c_row = n + numbers.below(3);
        let before = numbers.vec::<T>(m * c_row + 1);
        let accumulate = numbers.below(2) == 1;
        let mut c = before.clone();
        let (a, b) = (Mat::strided(&a, m, k, ar, ac), Mat::strided(&b, k, n, br, bc));
        gemm(a, b, &mut c, c_row, accumulate);
        let mut want: Vec<f64> = before.iter().map(|x| x.to_f64().unwrap()).collect();
        for i in 0..m {
            for j in 0..n {
                let products =
                    (0..k).map(|p| (a.data[i * ar + p * ac] * b.data[p * br + j * bc]).to_f64().unwrap());
                let start = if accumulate { want[i * c_row + j] } else { 0.0 };
                want[i * c_row + j] = start + products.sum::<f64>();
            }
        }
        assert_close(&format!("{m}x{k}x{n}, {ar} {ac} {br} {bc} {c_row} {accumulate}"), &c, &want, tolerance);
    }

    #[test]
    fn agrees_with_the_definition() {
        each_isa(|_| {
            let mut numbers = Numbers(1);
            for _ in 0..300 {
                let [m, k, n] = [40, 40, 120].map(|most| numbers.below(most));
                check::<f32>(&mut numbers, m, k, n, 1e-6);
                check::<f64>(&mut numbers, m, k, n, 1e-14);
            }
            for (m, k, n) in
                [(8, 4, 16), (1, 300, 50), (50, 300, 1), (100, 1, 100), (37, 600, 53), (130, 257, 20)]
            {
                check::<f32>(&mut numbers, m, k, n, 1e-5);
                check::<f64>(&mut numbers, m, k, n, 1e-13);
            }
        });
    }

    #[test]
    fn large_products_do_not_depend_on_threads() {
        each_isa(|_| {
            for (m, k, n) in [(200, 300, 100), (20, 300, 700), (400, 700, 30), (40, 1100, 1100)] {
                let mut numbers = Numbers(2);
                let (a, b) = (numbers.vec::<f32>(m * k), numbers.vec::<f32>(k * n));
                let (a, b) = (Mat::new(&a, m, k), Mat::new(&b, n, k).t());
                let c = same_for_any_threads(|| {
                    let mut c = vec![f32::NAN; m * n];
                    gemm(a, b, &mut c, n, false);
                    c
                });
                let (i, j) = (m - 1, n / 2);
                let want: f64 =
                    (0..k).map(|p| f64::from(a.data[i * k + p]) * f64::from(b.data[j * k + p])).sum();
                assert_close("one", &c[i * n + j..][..1], &[want], 1e-4);
                check::<f32>(&mut numbers, m, k, n, 1e-5);
            }
        });
    }

    #[test]
    fn no_terms_give_zero() {
        let mut c = [1.0f32, 2.0, 3.0, 4.0];
        gemm(Mat::new(&[], 2, 0), Mat::new(&[], 0, 1), &mut c, 2, true);
        assert_eq!(c, [1.0, 2.0, 3.0, 4.0]);
        gemm(Mat::new(&[], 2, 0), Mat::new(&[], 0, 1), &mut c, 2, false);
        assert_eq!(c, [0.0, 2.0, 0.0, 4.0]);
        gemm(Mat::<f32>::new(&[], 0, 3), Mat::new(&[0.0; 6], 3, 2), &mut [], 2, false);
    }

    #[test]
    #[should_panic(expected = "reaches beyond")]
    fn a_view_beyond_its_slice_panics() {
        Mat::strided(&[0.0f32; 10], 3, 3, 4, 1);
    }

    #[test]
    #[should_panic(expected = "c is too short")]
    fn a_short_result_panics() {
        let one = [1.0f32; 4];
        gemm(Mat::new(&one, 2, 2), Mat::new(&one, 2, 2), &mut [0.0; 3], 2, false);
    }
}
