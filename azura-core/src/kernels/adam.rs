//! What optimizers do to parameters, each in one pass.

use super::{Kernel, isa::multiversion};
use rayon::prelude::*;

/// The settings of Adam and AdamW, named as in PyTorch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the mean of gradients.
    pub beta1: f64,
    /// Decay of the mean of squared gradients.
    pub beta2: f64,
    /// Added to the denominator.
    pub eps: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// Whether the decay acts on the parameters directly (AdamW) instead of through the gradient (Adam).
    pub decoupled: bool,
}

impl Default for Adam {
    fn default() -> Self {
        Self { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0, decoupled: false }
    }
}

/// Parameters below this many are updated on the calling thread, more in pieces of this size.
const PIECE: usize = 1 << 15;

/// One step of Adam, the `step`-th (counted from 1), with PyTorch's formula:
///
/// ```text
/// g = grad + weight_decay * param                     (Adam)
/// param *= 1 - lr * weight_decay                      (AdamW)
/// m = beta1 m + (1 - beta1) g
/// v = beta2 v + (1 - beta2) g^2
/// param -= lr / (1 - beta1^step) * m / (sqrt(v) / sqrt(1 - beta2^step) + eps)
/// ```
///
/// # Panics
/// When the lengths differ.
pub fn adam<T: Kernel>(hyper: &Adam, step: u64, param: &mut [T], grad: &[T], m: &mut [T], v: &mut [T]) {
    let len = param.len();
    assert!(grad.len() == len && m.len() == len && v.len() == len, "lengths differ");
    let &Adam { lr, beta1, beta2, eps, weight_decay, decoupled } = hyper;
    let correction = |beta: f64| 1.0 - beta.powf(step as f64);
    let (coupled, shrink) = if decoupled { (0.0, 1.0 - lr * weight_decay) } else { (weight_decay, 1.0) };
    let numbers = [
        shrink,
        coupled,
        beta1,
        1.0 - beta1,
        beta2,
        1.0 - beta2,
        lr / correction(beta1),
        correction(beta2).sqrt().recip(),
        eps,
    ]
    .map(|x| T::from(x).unwrap_or_else(T::nan));
    if len <= PIECE {
        return update(&numbers, param, grad, m, v);
    }
    let pieces = param.par_chunks_mut(PIECE).zip(grad.par_chunks(PIECE));
    pieces
        .zip(m.par_chunks_mut(PIECE).zip(v.par_chunks_mut(PIECE)))
        .for_each(|((param, grad), (m, v))| update(&numbers, param, grad, m, v));
}

multiversion! {
    fn update<T, const FMA: bool>(numbers: &[T; 9], param: &mut [T], grad: &[T], m: &mut [T], v: &mut [T]) {
        let &[shrink, coupled, beta1, rest1, beta2, rest2, rate, scale, eps] = numbers;
        for (((p, &g), m), v) in param.iter_mut().zip(grad).zip(m).zip(v) {
            let g = coupled.mul_add_::<FMA>(*p, g);
            *m = beta1.mul_add_::<FMA>(*m, rest1 * g);
            *v = beta2.mul_add_::<FMA>(*v, rest2 * g * g);
            *p = *p * shrink - rate * *m / v.sqrt().mul_add_::<FMA>(scale, eps);
        }
    }
}

multiversion! {
    /// `y += a x`.
    ///
    /// # Panics
    /// When the lengths differ.
    pub fn axpy<T, const FMA: bool>(a: T, x: &[T], y: &mut [T]) {
        assert_eq!(x.len(), y.len(), "lengths differ");
        for (x, y) in x.iter().zip(y) {
            *y = a.mul_add_::<FMA>(*x, *y);
        }
    }
}
