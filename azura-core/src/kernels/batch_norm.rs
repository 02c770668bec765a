//! Batch normalisation of `[batch, channels, size]`, where each channel has numbers of its own.
//!
//! If the size is 1, channels lie next to each other and are worked on side by side; otherwise each has a run of
//! numbers in each item of the batch.

use super::{
    Kernel,
    fresh::filled,
    isa::multiversion,
    lanes::sums_of,
    pieces::{add_up, per_piece, per_summed_piece, run},
};
use std::mem::MaybeUninit;

/// The shape of an item of the batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Item {
    pub(crate) channels: usize,
    pub(crate) size: usize,
}

impl Item {
    fn len(self) -> usize {
        self.channels * self.size
    }
}

/// What normalises each channel: `(x - shift) scale + rest`. A large mean is more than one number can hold: `shift` is
/// most of it, the remainder is in `rest`.
#[derive(Debug, Clone)]
pub(crate) struct Norm<T> {
    pub(crate) shift: Vec<T>,
    pub(crate) scale: Vec<T>,
    pub(crate) rest: Vec<T>,
}

/// Two sums for each channel, from pieces of the batch that each have their own.
fn two_sums<T: Kernel>(a: &[T], b: &[T], item: Item, f: impl Fn(&[T], &[T], &mut [T]) + Sync) -> [Vec<T>; 2] {
    assert_eq!(a.len(), b.len(), "lengths differ");
    let (width, piece) = (2 * item.channels, per_summed_piece(item.len()));
    let mut sums = vec![T::zero(); width * a.len().div_ceil(piece).max(1)];
    run(a.chunks(piece).zip(b.chunks(piece)).zip(sums.chunks_mut(width.max(1))), |((a, b), sums)| {
        f(a, b, sums)
    });
    let (first, second) = add_up(&mut sums, width).split_at(width / 2);
    [first.to_vec(), second.to_vec()]
}

multiversion! {
    /// The sums of `x - shift` and of its square.
    fn add_moments<T, const FMA: bool>(x: &[T], item: Item, shift: &[T], sums: &mut [T]) {
        let (firsts, seconds) = sums.split_at_mut(item.channels);
        for x in x.chunks_exact(item.len()) {
            if item.size == 1 {
                for ((x, shift), (first, second)) in x.iter().zip(shift).zip(firsts.iter_mut().zip(&mut *seconds)) {
                    let d = *x - *shift;
                    *first = *first + d;
                    *second = d.mul_add_::<FMA>(d, *second);
                }
                continue;
            }
            let channels = x.chunks_exact(item.size).zip(shift).zip(firsts.iter_mut().zip(&mut *seconds));
            for ((x, &shift), (first, second)) in channels {
                let [a, b] = sums_of([x], |[first, second], [x]| {
                    let d = x - shift;
                    [first + d, d.mul_add_::<FMA>(d, second)]
                });
                (*first, *second) = (*first + a, *second + b);
            }
        }
    }
}

/// The moments of each channel over all items: what normalises x, the mean, and the variance (that of the numbers,
/// divided by their count).
///
/// Sums are taken of the distance from the first number of the channel. If that turns out to be far off, once more of
/// the distance from the mean (the shifted data algorithm, Chan, Golub and LeVeque 1983).
///
/// # Panics
/// When x is no whole number of items, or a channel has no size.
pub(crate) fn moments<T: Kernel>(x: &[T], item: Item, eps: T) -> (Norm<T>, Vec<T>, Vec<T>) {
    assert!(item.size > 0 && x.len().is_multiple_of(item.len()), "lengths do not fit");
    let number = |x: usize| T::from(x).unwrap_or_else(T::nan);
    let count = number(x.len() / item.channels.max(1));
    let mut shift: Vec<T> = x.iter().step_by(item.size).take(item.channels).copied().collect();
    let mut again = true;
    loop {
        let sums = two_sums(x, x, item, |x, _, sums| add_moments(x, item, &shift, sums));
        let [means, squares] = sums.map(|sums| sums.into_iter().map(|sum| sum / count).collect::<Vec<_>>());
        let variances: Vec<T> =
            means.iter().zip(squares).map(|(&mean, square)| (square - mean * mean).max(T::zero())).collect();
        let far = |(&mean, &variance): (&T, &T)| mean * mean > number(16) * variance;
        if again && means.iter().zip(&variances).any(far) {
            again = false;
            shift.iter_mut().zip(&means).for_each(|(shift, &mean)| *shift = *shift + mean);
            continue;
        }
        let scale: Vec<T> = variances.iter().map(|&variance| (variance + eps).sqrt().recip()).collect();
        let rest = means.iter().zip(&scale).map(|(&mean, &scale)| -mean * scale).collect();
        let means = shift.iter().zip(&means).map(|(&shift, &mean)| shift + mean).collect();
        return (Norm { shift, scale, rest }, means, variances);
    }
}

multiversion! {
    fn apply_rows<T, const FMA: bool>(x: &[T], item: Item, norm: &Norm<T>, y: &mut [MaybeUninit<T>]) {
        let Norm { shift, scale, rest } = norm;
        for (x, y) in x.chunks_exact(item.len()).zip(y.chunks_exact_mut(item.len())) {
            let channels = shift.iter().zip(scale).zip(rest);
            if item.size == 1 {
                for ((x, y), ((shift, scale), rest)) in x.iter().zip(y).zip(channels) {
                    y.write((*x - *shift).mul_add_::<FMA>(*scale, *rest));
                }
                continue;
            }
            for ((x, y), ((&shift, &scale), &rest)) in x.chunks_exact(item.size).zip(y.chunks_exact_mut(item.size)).zip(channels) {
                for (x, y) in x.iter().zip(y) {
                    y.write((*x - shift).mul_add_::<FMA>(scale, rest));
                }
            }
        }
    }
}

/// `(x - shift) scale + rest`.
///
/// # Panics
/// When the lengths do not fit.
pub(crate) fn apply<T: Kernel>(x: &[T], item: Item, norm: &Norm<T>) -> Vec<T> {
    let fit = [&norm.shift, &norm.scale, &norm.rest].iter().all(|channels| channels.len() == item.channels);
    assert!(fit && (x.is_empty() || x.len().is_multiple_of(item.len())), "lengths do not fit");
    let piece = per_piece(item.len());
    // SAFETY: the pieces cover the whole, and `apply_rows` writes each item.
    unsafe {
        filled(x.len(), |y| {
            run(x.chunks(piece).zip(y.chunks_mut(piece)), |(x, y)| apply_rows(x, item, norm, y));
        })
    }
}

multiversion! {
    /// The sums of `grad x`, x normalised, and of `grad`.
    fn add_gradients<T, const FMA: bool>(x: &[T], grad: &[T], item: Item, norm: &Norm<T>, sums: &mut [T]) {
        let Norm { shift, scale, rest } = norm;
        let (products, totals) = sums.split_at_mut(item.channels);
        for (x, grad) in x.chunks_exact(item.len()).zip(grad.chunks_exact(item.len())) {
            let channels = shift.iter().zip(scale).zip(rest).zip(products.iter_mut().zip(&mut *totals));
            if item.size == 1 {
                for ((x, g), (((shift, scale), rest), (product, total))) in x.iter().zip(grad).zip(channels) {
                    *product = (*x - *shift).mul_add_::<FMA>(*scale, *rest).mul_add_::<FMA>(*g, *product);
                    *total = *total + *g;
                }
                continue;
            }
            let runs = x.chunks_exact(item.size).zip(grad.chunks_exact(item.size));
            for ((x, g), (((&shift, &scale), &rest), (product, total))) in runs.zip(channels) {
                let [a, b] = sums_of([x, g], |[product, total], [x, g]| {
                    [(x - shift).mul_add_::<FMA>(scale, rest).mul_add_::<FMA>(g, product), total + g]
                });
                (*product, *total) = (*product + a, *total + b);
            }
        }
    }
}

/// For each channel, the sums of `grad x`, x normalised, and of `grad`: the gradients by weight and bias.
///
/// # Panics
/// When the lengths do not fit.
pub(crate) fn gradients<T: Kernel>(x: &[T], grad: &[T], item: Item, norm: &Norm<T>) -> [Vec<T>; 2] {
    two_sums(x, grad, item, |x, grad, sums| add_gradients(x, grad, item, norm, sums))
}

multiversion! {
    fn turn_rows<T, const FMA: bool>(x: &[T], item: Item, factor: &[T], norm: &Norm<T>, grad: &mut [T]) {
        let Norm { shift, scale, rest } = norm;
        for (x, grad) in x.chunks_exact(item.len()).zip(grad.chunks_exact_mut(item.len())) {
            let channels = factor.iter().zip(shift).zip(scale.iter().zip(rest));
            if item.size == 1 {
                for ((x, g), ((factor, shift), (scale, rest))) in x.iter().zip(grad).zip(channels) {
                    *g = factor.mul_add_::<FMA>(*g, (*x - *shift).mul_add_::<FMA>(*scale, *rest));
                }
                continue;
            }
            let runs = x.chunks_exact(item.size).zip(grad.chunks_exact_mut(item.size));
            for ((x, grad), ((&factor, &shift), (&scale, &rest))) in runs.zip(channels) {
                for (x, g) in x.iter().zip(grad) {
                    *g = factor.mul_add_::<FMA>(*g, (*x - shift).mul_add_::<FMA>(scale, rest));
                }
            }
        }
    }
}

/// Turns `grad` into `factor grad + (x - shift) scale + rest`.
///
/// # Panics
/// When the lengths do not fit.
pub(crate) fn turn<T: Kernel>(x: &[T], item: Item, factor: &[T], norm: &Norm<T>, grad: &mut [T]) {
    assert_eq!(x.len(), grad.len(), "lengths differ");
    let piece = per_piece(item.len());
    run(x.chunks(piece).zip(grad.chunks_mut(piece)), |(x, grad)| turn_rows(x, item, factor, norm, grad));
}
