//! What optimizers do to parameters, each in one pass.

use super::{Kernel, isa::multiversion};
use rayon::prelude::*;

/// The settings of Adam and `AdamW`, named as in PyTorch.
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
    /// Whether the decay acts on the parameters directly (`AdamW`) instead of through the gradient (Adam).
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
/// m becomes 0 before it becomes subnormal, as in [`flushed`](super::flushed): weights that get no gradients any more
/// would cost many times as much otherwise.
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
            *m = beta1.mul_add_::<FMA>(*m, rest1 * g).flushed_();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::{Numbers, assert_close, each_isa, same_for_any_threads};

    /// PyTorch's formula, number by number in f64.
    fn reference(h: &Adam, step: i32, p: &mut f64, g: f64, m: &mut f64, v: &mut f64) {
        let g = if h.decoupled { g } else { g + h.weight_decay * *p };
        if h.decoupled {
            *p *= 1.0 - h.lr * h.weight_decay;
        }
        *m = h.beta1 * *m + (1.0 - h.beta1) * g;
        *v = h.beta2 * *v + (1.0 - h.beta2) * g * g;
        let (m, v) = (*m / (1.0 - h.beta1.powi(step)), *v / (1.0 - h.beta2.powi(step)));
        *p -= h.lr * m / (v.sqrt() + h.eps);
    }

    #[test]
    fn without_gradients_the_mean_ends_in_zero() {
        let (mut p, mut m, mut v) = ([1.0f32; 19], [0.5; 19], [1e-3; 19]);
        for step in 1..=1000 {
            adam(&Adam::default(), step, &mut p, &[0.0; 19], &mut m, &mut v);
            assert!(m.iter().all(|x| *x == 0.0 || x.is_normal()), "step {step}: {m:?}");
        }
        assert_eq!(m, [0.0; 19]);
    }

    #[test]
    fn steps_follow_the_formula() {
        each_isa(|_| {
            for hyper in [
                Adam::default(),
                Adam { weight_decay: 0.1, ..Adam::default() },
                Adam { weight_decay: 0.1, decoupled: true, lr: 0.05, ..Adam::default() },
            ] {
                let mut numbers = Numbers(3);
                let start = numbers.vec::<f64>(101);
                let mut want = (start.clone(), vec![0.0; 101], vec![0.0; 101]);
                let mut double = want.clone();
                let mut single =
                    (start.iter().map(|&x| x as f32).collect::<Vec<_>>(), vec![0.0; 101], vec![0.0; 101]);
                for step in 1..=5 {
                    let g = numbers.vec::<f64>(101);
                    let g32: Vec<f32> = g.iter().map(|&x| x as f32).collect();
                    for (i, &g) in g.iter().enumerate() {
                        reference(&hyper, step, &mut want.0[i], g, &mut want.1[i], &mut want.2[i]);
                    }
                    adam(&hyper, step as u64, &mut double.0, &g, &mut double.1, &mut double.2);
                    adam(&hyper, step as u64, &mut single.0, &g32, &mut single.1, &mut single.2);
                }
                assert_close("f64", &double.0, &want.0, 1e-13);
                assert_close("f32", &single.0, &want.0, 1e-6);
            }
        });
    }

    #[test]
    fn many_parameters_do_not_depend_on_threads() {
        let len = 3 * PIECE + 17;
        let (p, g) = (Numbers(1).vec::<f32>(len), Numbers(2).vec::<f32>(len));
        each_isa(|_| {
            let run = || {
                let (mut p, mut m, mut v) = (p.clone(), vec![0.0; len], vec![0.0; len]);
                adam(&Adam::default(), 1, &mut p, &g, &mut m, &mut v);
                (p, m, v)
            };
            let (all, _, _) = same_for_any_threads(run);
            let mut rest = (p[len - 5..].to_vec(), vec![0.0; 5], vec![0.0; 5]);
            adam(&Adam::default(), 1, &mut rest.0, &g[len - 5..], &mut rest.1, &mut rest.2);
            assert_close("tail", &all[len - 5..], &rest.0, 1e-7);
        });
    }

    #[test]
    fn axpy_adds() {
        let mut y = [1.0f32, 2.0, 3.0];
        axpy(2.0, &[1.0, 0.0, -1.0], &mut y);
        assert_eq!(y, [3.0, 2.0, 1.0]);
    }
}
