//! Products with a single row: no packing, each number of the matrix is read once.

use super::{
    Kernel, Mat,
    isa::multiversion,
    lanes::{LANES, fold},
};

/// `c = a b` or `c += a b` where a is 1 x k and element j of c is at `j * c_stride`.
pub(super) fn row_times_matrix<T: Kernel>(
    a: Mat<'_, T>,
    b: Mat<'_, T>,
    c: &mut [T],
    c_stride: usize,
    accumulate: bool,
) {
    let n = b.cols();
    if !accumulate {
        c.iter_mut().step_by(c_stride).take(n).for_each(|c| *c = T::zero());
    }
    let mut copy = Vec::new();
    let a = if a.col_stride() == 1 {
        &a.data()[..a.cols()]
    } else {
        copy.extend((0..a.cols()).map(|p| a.data()[p * a.col_stride()]));
        &copy
    };
    if b.row_stride() == 1 {
        dots(a, b.data(), b.col_stride(), n, c, c_stride);
    } else if c_stride == 1 {
        combine(a, b.data(), b.row_stride(), b.col_stride(), &mut c[..n]);
    } else {
        let mut row = vec![T::zero(); n];
        combine(a, b.data(), b.row_stride(), b.col_stride(), &mut row);
        c.iter_mut().step_by(c_stride).zip(row).for_each(|(c, x)| *c = *c + x);
    }
}

multiversion! {
    /// Adds to c the inner products of a with the n columns of b, each contiguous.
    fn dots<T, const FMA: bool>(a: &[T], b: &[T], b_col: usize, n: usize, c: &mut [T], c_stride: usize) {
        for (j, c) in c.iter_mut().step_by(c_stride).take(n).enumerate() {
            let b = &b[j * b_col..][..a.len()];
            let (a_blocks, a_rest) = a.as_chunks::<LANES>();
            let (b_blocks, b_rest) = b.as_chunks::<LANES>();
            let mut sums = [T::zero(); LANES];
            for (a, b) in a_blocks.iter().zip(b_blocks) {
                for l in 0..LANES {
                    sums[l] = a[l].mul_add_::<FMA>(b[l], sums[l]);
                }
            }
            for (l, (a, b)) in a_rest.iter().zip(b_rest).enumerate() {
                sums[l] = a.mul_add_::<FMA>(*b, sums[l]);
            }
            *c = *c + fold(sums, |a, b| a + b);
        }
    }
}

multiversion! {
    /// Adds to c the rows of b, weighted with a.
    fn combine<T, const FMA: bool>(a: &[T], b: &[T], b_row: usize, b_col: usize, c: &mut [T]) {
        for (p, &a) in a.iter().enumerate() {
            if b_col == 1 {
                for (c, &b) in c.iter_mut().zip(&b[p * b_row..]) {
                    *c = a.mul_add_::<FMA>(b, *c);
                }
            } else {
                for (j, c) in c.iter_mut().enumerate() {
                    *c = a.mul_add_::<FMA>(b[p * b_row + j * b_col], *c);
                }
            }
        }
    }
}
