//! The binary cross entropy of logits.

use super::{
    Kernel,
    fresh::filled,
    isa::multiversion,
    pieces::{per_piece, run},
};
use std::mem::MaybeUninit;

multiversion! {
    /// `max(x, 0) - x t + ln(1 + e^-|x|)`: nothing overflows, and what is small stays right.
    fn losses_of<T, const FMA: bool>(x: &[T], target: &[T], losses: &mut [MaybeUninit<T>]) {
        for ((x, t), loss) in x.iter().zip(target).zip(losses) {
            let positive = if *x < T::zero() { T::zero() } else { *x };
            let rest = (-x.abs()).exp_negative_::<FMA>().ln_1p_unit_::<FMA>();
            loss.write((-*x).mul_add_::<FMA>(*t, positive) + rest);
        }
    }
}

multiversion! {
    /// `factor (sigmoid(x) - t)`
    fn derivatives_of<T, const FMA: bool>(x: &[T], target: &[T], factor: T, dx: &mut [MaybeUninit<T>]) {
        for ((x, t), dx) in x.iter().zip(target).zip(dx) {
            dx.write(factor * (x.sigmoid_::<FMA>() - *t));
        }
    }
}

fn map<T: Kernel>(
    x: &[T],
    target: &[T],
    f: impl Fn(&[T], &[T], &mut [MaybeUninit<T>]) + Sync + Send,
) -> Vec<T> {
    assert_eq!(x.len(), target.len(), "lengths differ");
    let piece = per_piece(1);
    // SAFETY: the pieces cover the whole, and the functions given to this one write all of their part.
    unsafe {
        filled(x.len(), |y| {
            let jobs = x.chunks(piece).zip(target.chunks(piece)).zip(y.chunks_mut(piece));
            run(jobs, |((x, target), y)| f(x, target, y));
        })
    }
}

/// The loss of each logit and its target.
///
/// # Panics
/// When the lengths differ.
pub(crate) fn bce<T: Kernel>(x: &[T], target: &[T]) -> Vec<T> {
    map(x, target, losses_of)
}

/// `factor` times the derivative of each loss by its logit.
///
/// # Panics
/// When the lengths differ.
pub(crate) fn bce_backward<T: Kernel>(x: &[T], target: &[T], factor: T) -> Vec<T> {
    map(x, target, |x, target, dx| derivatives_of(x, target, factor, dx))
}
