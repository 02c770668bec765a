//! Layer normalisation of rows.

use super::{
    Kernel,
    fresh::filled,
    isa::multiversion,
    lanes::sums_of,
    pieces::{add_up, per_piece, per_summed_piece, run},
};
use std::mem::MaybeUninit;

/// Rows that go through each step together, since the steps of one row wait for each other.
const GROUP: usize = 16;

/// What normalises a row: `(x - shift) scale + rest`. A large mean is more than one number can hold: `shift` is most
/// of it, the remainder is in `rest`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Norm<T> {
    shift: T,
    scale: T,
    rest: T,
}

#[inline(always)]
fn moments_of<T: Kernel, const FMA: bool>(x: &[T], shift: T) -> [T; 2] {
    sums_of([x], |[first, second], [x]| {
        let d = x - shift;
        [first + d, d.mul_add_::<FMA>(d, second)]
    })
}

multiversion! {
    /// In two passes, with the correction for a mean that was rounded (Chan, Golub and LeVeque 1983).
    fn forward_rows<T, const FMA: bool>(
        x: &[T], weight: &[T], bias: &[T], eps: T, y: &mut [MaybeUninit<T>], norms: &mut [Norm<T>],
    ) {
        let columns = weight.len();
        let width = GROUP * columns;
        let count = T::from(columns).unwrap_or_else(T::nan);
        let sixteen = T::from(16).unwrap_or_else(T::nan);
        for ((x, y), norms) in x.chunks(width).zip(y.chunks_mut(width)).zip(norms.chunks_mut(GROUP)) {
            let mut shifts = [T::zero(); GROUP];
            let mut moments = [[T::zero(); GROUP]; 2];
            for (i, x) in x.chunks_exact(columns).enumerate() {
                let mut shift = x[0];
                let [mut first, mut second] = moments_of::<T, FMA>(x, shift);
                let mean = first / count;
                if mean * mean > sixteen * (second / count - mean * mean) {
                    shift = shift + mean;
                    [first, second] = moments_of::<T, FMA>(x, shift);
                }
                (shifts[i], moments[0][i], moments[1][i]) = (shift, first, second);
            }
            let mut scales = [T::zero(); GROUP];
            let mut rests = [T::zero(); GROUP];
            for i in 0..GROUP {
                let correction = moments[0][i] / count;
                let variance = ((moments[1][i] - moments[0][i] * correction) / count).max(T::zero());
                scales[i] = (variance + eps).sqrt().recip();
                rests[i] = -correction * scales[i];
            }
            let found = shifts.into_iter().zip(scales).zip(rests);
            for (((x, y), norm), ((shift, scale), rest)) in x.chunks_exact(columns).zip(y.chunks_exact_mut(columns)).zip(norms).zip(found) {
                *norm = Norm { shift, scale, rest };
                for ((x, y), (w, b)) in x.iter().zip(y).zip(weight.iter().zip(bias)) {
                    let x = (*x - shift).mul_add_::<FMA>(scale, rest);
                    y.write(x.mul_add_::<FMA>(*w, *b));
                }
            }
        }
    }
}

/// Each row of x normalised to mean 0 and variance 1, times `weight`, plus `bias`; and what normalised it.
///
/// # Panics
/// When the lengths do not fit.
pub(crate) fn forward<T: Kernel>(x: &[T], weight: &[T], bias: &[T], eps: T) -> (Vec<T>, Vec<Norm<T>>) {
    let columns = weight.len();
    assert!(columns > 0 && bias.len() == columns && x.len().is_multiple_of(columns), "lengths do not fit");
    let piece = per_piece(columns);
    let mut norms = vec![Norm { shift: T::zero(), scale: T::zero(), rest: T::zero() }; x.len() / columns];
    // SAFETY: the pieces cover the whole, and `forward_rows` writes each row.
    let y = unsafe {
        filled(x.len(), |y| {
            let jobs = x.chunks(piece).zip(y.chunks_mut(piece)).zip(norms.chunks_mut(piece / columns));
            run(jobs, |((x, y), norms)| forward_rows(x, weight, bias, eps, y, norms));
        })
    };
    (y, norms)
}

multiversion! {
    /// `sums` are those of `grad x`, x normalised, and of `grad`, side by side.
    fn backward_rows<T, const FMA: bool>(
        x: &[T], weight: &[T], norms: &[Norm<T>], grad: &mut [T], sums: &mut [T], wanted: [bool; 2],
    ) {
        let columns = weight.len();
        let count = T::from(columns).unwrap_or_else(T::nan);
        let [by_x, by_weights] = wanted;
        let (products, total) = sums.split_at_mut(columns);
        for ((x, grad), norm) in x.chunks_exact(columns).zip(grad.chunks_exact_mut(columns)).zip(norms) {
            let &Norm { shift, scale, rest } = norm;
            let normal = |x: T| (x - shift).mul_add_::<FMA>(scale, rest);
            if by_weights {
                for ((x, &g), (product, total)) in x.iter().zip(&*grad).zip(products.iter_mut().zip(&mut *total)) {
                    *product = normal(*x).mul_add_::<FMA>(g, *product);
                    *total = *total + g;
                }
            }
            if by_x {
                let [mean, along] = sums_of([x, &*grad, weight], |[mean, along], [x, g, w]| {
                    let g = g * w;
                    [mean + g, normal(x).mul_add_::<FMA>(g, along)]
                });
                let (mean, along) = (mean / count * scale, along / count * scale);
                for ((&x, g), &w) in x.iter().zip(grad).zip(weight) {
                    *g = (*g * w).mul_add_::<FMA>(scale, (-along).mul_add_::<FMA>(normal(x), -mean));
                }
            }
        }
    }
}

/// Turns the gradient by y into that by x if the first is wanted; returns the gradients by `weight` and by `bias`, one after
/// the other, if the second is.
///
/// # Panics
/// When the lengths do not fit.
pub(crate) fn backward<T: Kernel>(
    x: &[T],
    weight: &[T],
    norms: &[Norm<T>],
    grad: &mut [T],
    wanted: [bool; 2],
) -> Vec<T> {
    let columns = weight.len();
    assert!(x.len() == grad.len() && x.len() == columns * norms.len(), "lengths do not fit");
    let piece = per_summed_piece(columns);
    let mut sums = vec![T::zero(); 2 * columns * x.len().div_ceil(piece).max(1)];
    let jobs = x.chunks(piece).zip(grad.chunks_mut(piece)).zip(norms.chunks(piece / columns));
    run(jobs.zip(sums.chunks_mut(2 * columns)), |(((x, grad), norms), sums)| {
        backward_rows(x, weight, norms, grad, sums, wanted);
    });
    add_up(&mut sums, 2 * columns);
    sums.truncate(2 * columns);
    sums
}
