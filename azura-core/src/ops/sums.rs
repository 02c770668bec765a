//! Sums that stay right however many terms there are.
//!
//! Adding up in a row loses a digit for every tenfold of terms. Adding halves to halves (pairwise summation) has an error
//! that grows with the logarithm of their number (Higham 1993), at the same speed. The halves depend on the length only.

use crate::{Element, kernels::axpy};
use ndarray::{Array, ArrayView, ArrayView1, Axis, IxDyn};

/// Terms that are added in a row.
const BLOCK: usize = 256;

/// The sum of `f` of each number.
pub(super) fn total<E: Element>(numbers: &[E], f: impl Fn(E) -> E + Copy) -> E {
    if numbers.len() > BLOCK {
        let (left, right) = numbers.split_at(numbers.len() / 2);
        return total(left, f) + total(right, f);
    }
    // Eight sums at a time, for vector registers.
    let (rows, rest) = numbers.as_chunks::<8>();
    let mut sums = [E::zero(); 8];
    for row in rows {
        for (sum, &x) in sums.iter_mut().zip(row) {
            *sum += f(x);
        }
    }
    let [a, b, c, d, e, g, h, i] = sums;
    let rest = rest.iter().fold(E::zero(), |sum, &x| sum + f(x));
    ((a + b) + (c + d)) + ((e + g) + (h + i)) + rest
}

/// The sum over one axis, which goes.
pub(super) fn over_axis<E: Element>(x: ArrayView<'_, E, IxDyn>, axis: usize) -> Array<E, IxDyn> {
    let length = x.len_of(Axis(axis));
    if axis + 1 == x.ndim() && x.is_standard_layout() {
        return x.map_axis(Axis(axis), |lane: ArrayView1<'_, E>| {
            total(lane.as_slice().unwrap_or_default(), |x| x)
        });
    }
    if axis == 0
        && let Some(numbers) = x.as_slice()
    {
        let sums = Array::from_vec(columns(numbers, numbers.len() / length.max(1)));
        if let Ok(sums) = sums.into_shape_with_order(IxDyn(&x.shape()[1..])) {
            return sums;
        }
    }
    if length > BLOCK {
        let (left, right) = x.split_at(Axis(axis), length / 2);
        return over_axis(left, axis) + over_axis(right, axis);
    }
    x.sum_axis(Axis(axis))
}

/// The sum of each column of rows of so many numbers.
fn columns<E: Element>(rows: &[E], width: usize) -> Vec<E> {
    let count = rows.len() / width.max(1);
    if count > BLOCK {
        let (left, right) = rows.split_at(count / 2 * width);
        let (mut left, right) = (columns(left, width), columns(right, width));
        axpy(E::one(), &right, &mut left);
        return left;
    }
    let mut sums = vec![E::zero(); width];
    rows.chunks_exact(width.max(1)).for_each(|row| axpy(E::one(), row, &mut sums));
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_terms_lose_no_digit() {
        let tenths = vec![0.1_f32; 1_000_000];
        // In f64: 1e6 * 0.1f32^2 = 10000.000298.
        let exact = 1e6 * f64::from(0.1_f32).powi(2);
        assert!((f64::from(total(&tenths, |x| x * x)) / exact - 1.0).abs() < 3e-7);

        let ones = Array::<f32, _>::ones(IxDyn(&[20_000_000, 1]));
        assert!(over_axis(ones.view(), 0).iter().all(|&sum| (f64::from(sum) - 2e7).abs() < 0.5));
    }

    #[test]
    fn an_axis_is_summed_whatever_the_layout() {
        let x = Array::from_shape_fn(IxDyn(&[3, 700, 2]), |i| (i[0] * 10_000 + i[1] * 2 + i[2]) as f64);
        for axis in 0..3 {
            assert_eq!(over_axis(x.view(), axis), x.sum_axis(Axis(axis)));
            let turned = x.view().permuted_axes(vec![2, 1, 0]);
            assert_eq!(over_axis(turned.clone(), axis), turned.sum_axis(Axis(axis)));
        }
    }
}
