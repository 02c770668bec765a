//! silu and gelu over slices, and the derivatives of smooth activations.
//!
//! For infinite x each is its limit; NaN stays NaN. The derivatives of `f32` have an absolute error of at most 3e-7.

use super::{Kernel, isa::multiversion};

/// Beyond this on either side of 0 the functions here and their derivatives are what they are at infinity.
const FAR: f64 = 1000.0;

/// Keeps infinities out, of which products with 0 would make NaN. NaN stays NaN.
#[inline(always)]
fn near<T: Kernel>(x: T) -> T {
    let far = T::of_(FAR);
    if x > far {
        far
    } else if x < -far {
        -far
    } else {
        x
    }
}

/// `x s(x)`, with `s` between 0 at minus and 1 at plus infinity.
#[inline(always)]
fn gated<T: Kernel>(x: T, s: T) -> T {
    let least = T::of_(-FAR);
    s * if x < least { least } else { x }
}

/// `sigmoid(x)` and `1 - sigmoid(x)`, the latter without cancellation. They share all but the last step.
#[inline(always)]
fn sides<T: Kernel, const FMA: bool>(x: T) -> (T, T) {
    (x.sigmoid_::<FMA>(), (-x).sigmoid_::<FMA>())
}

#[inline(always)]
fn silu_<T: Kernel, const FMA: bool>(x: T) -> T {
    gated(x, x.sigmoid_::<FMA>())
}

#[inline(always)]
fn silu_slope<T: Kernel, const FMA: bool>(x: T) -> T {
    let x = near(x);
    let (s, rest) = sides::<T, FMA>(x);
    s * (T::one() + x * rest)
}

#[inline(always)]
fn sigmoid_<T: Kernel, const FMA: bool>(x: T) -> T {
    x.sigmoid_::<FMA>()
}

/// `(1 + tanh u) / 2 = sigmoid(2 u)`; this is 2 u and its derivative.
#[inline(always)]
fn cubic<T: Kernel>(x: T) -> (T, T) {
    let root = T::of_(2.0 * std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2);
    let bend = T::of_(0.044_715) * x * x;
    (root * (x + bend * x), root * (T::one() + T::of_(3.0) * bend))
}

#[inline(always)]
fn gelu_tanh_<T: Kernel, const FMA: bool>(x: T) -> T {
    gated(x, cubic(x).0.sigmoid_::<FMA>())
}

#[inline(always)]
fn gelu_tanh_slope<T: Kernel, const FMA: bool>(x: T) -> T {
    let x = near(x);
    let (u, du) = cubic(x);
    let (s, rest) = sides::<T, FMA>(u);
    s * (T::one() + x * du * rest)
}

#[inline(always)]
fn gelu_<T: Kernel, const FMA: bool>(x: T) -> T {
    gated(x, x.normal_::<FMA>().0)
}

/// `P(x) + x p(x)`, `p` the density `e^(-x^2 / 2) / sqrt(2 pi)`.
#[inline(always)]
fn gelu_slope<T: Kernel, const FMA: bool>(x: T) -> T {
    let x = near(x);
    let root = T::of_(0.5 * std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2);
    let (p, e) = x.normal_::<FMA>();
    (x * root).mul_add_::<FMA>(e, p)
}

macro_rules! forward {
    ($($(#[$attribute:meta])* $into:ident, $scalar:ident;)*) => { $(
        multiversion! {
            $(#[$attribute])*
            ///
            /// # Panics
            /// When the lengths differ.
            pub fn $into<T, const FMA: bool>(xs: &[T], ys: &mut [T]) {
                assert_eq!(xs.len(), ys.len(), "lengths differ");
                for (&x, y) in xs.iter().zip(ys) {
                    *y = $scalar::<T, FMA>(x);
                }
            }
        }
    )* };
}

macro_rules! backward {
    ($($(#[$attribute:meta])* $name:ident, $slope:ident;)*) => { $(
        multiversion! {
            $(#[$attribute])*
            ///
            /// # Panics
            /// When the lengths differ.
            pub fn $name<T, const FMA: bool>(xs: &[T], grads: &mut [T]) {
                assert_eq!(xs.len(), grads.len(), "lengths differ");
                for (&x, grad) in xs.iter().zip(grads) {
                    *grad = *grad * $slope::<T, FMA>(x);
                }
            }
        }
    )* };
}

forward! {
    /// `x sigmoid(x)` of each of `xs`, into `ys`.
    ///
    /// `f32`: relative error at most 3e-7.
    silu_into, silu_;
    /// `x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2` of each of `xs`, into `ys`.
    ///
    /// `f32`: error at most 7e-7 of the result, or of |x| / 100 where that is more.
    gelu_tanh_into, gelu_tanh_;
    /// `x P(x)` of each of `xs`, `P` the normal distribution, into `ys`.
    ///
    /// `f32`: relative error at most 5e-7, also where P is almost 0.
    gelu_into, gelu_;
}

backward! {
    /// Multiplies each gradient by `sigmoid(x)`, the derivative of softplus.
    sigmoid_backward, sigmoid_;
    /// Multiplies each gradient by the derivative of silu at x.
    silu_backward, silu_slope;
    /// Multiplies each gradient by the derivative at x of gelu's approximation by tanh.
    gelu_tanh_backward, gelu_tanh_slope;
    /// Multiplies each gradient by the derivative of gelu at x.
    gelu_backward, gelu_slope;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::{Numbers, each_isa};

    type Function = fn(f64) -> f64;
    type Case = (&'static str, fn(&[f32], &mut [f32]), Function, f64);

    fn normal(x: f64) -> f64 {
        0.5 * libm::erfc(-x / 2_f64.sqrt())
    }

    fn density(x: f64) -> f64 {
        (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt()
    }

    fn sigmoid(x: f64) -> f64 {
        1.0 / (1.0 + (-x).exp())
    }

    /// The argument of gelu's approximation, by its definition, and its derivative.
    fn inner(x: f64) -> (f64, f64) {
        let root = (2.0 / std::f64::consts::PI).sqrt();
        (root * (x + 0.044_715 * x.powi(3)), root * (1.0 + 3.0 * 0.044_715 * x * x))
    }

    fn gelu_tanh(x: f64) -> f64 {
        0.5 * x * (1.0 + inner(x).0.tanh())
    }

    fn gelu_tanh_slope(x: f64) -> f64 {
        let (u, du) = inner(x);
        0.5 * (1.0 + u.tanh()) + 0.5 * x * du * (1.0 - u.tanh().powi(2))
    }

    /// All of `f32` between -20 and 20 in even steps, each with a little luck, and what lies near 0.
    fn numbers() -> Vec<f32> {
        let mut numbers = Numbers(1);
        let even = (-400_000..400_000).map(|i| (f64::from(i) + numbers.next()) as f32 * 5e-5);
        let small = (0..126).flat_map(|i| [1.0, -1.0].map(|sign: f32| sign * 2_f32.powi(-i)));
        even.chain(small).collect()
    }

    /// The greatest error, relative to the result or to `scale` of x, whichever is greater; and where it is.
    fn worst(ys: &[f32], xs: &[f32], exact: fn(f64) -> f64, scale: fn(f64) -> f64) -> (f64, f32) {
        let error = |(&x, &y): (&f32, &f32)| {
            let (x, y) = (f64::from(x), f64::from(y));
            let error = (y - exact(x)).abs() / exact(x).abs().max(scale(x));
            if error.is_nan() { f64::INFINITY } else { error }
        };
        xs.iter()
            .zip(ys)
            .map(|pair| (error(pair), *pair.0))
            .fold((0.0, 0.0), |a, b| if b.0 > a.0 { b } else { a })
    }

    #[test]
    fn errors_stay_within_the_documented_bounds() {
        // Relative to the result, or to |x| / 100.
        let whole: Function = |x| 1e-30 * x.abs();
        let rough: Function = |x| 0.01 * x.abs();
        let forward: [(Case, Function); 3] = [
            (("silu", silu_into, |x| x * sigmoid(x), 3e-7), whole),
            (("gelu", gelu_into, |x| x * normal(x), 5e-7), whole),
            (("gelu_tanh", gelu_tanh_into, gelu_tanh, 7e-7), rough),
        ];
        let backward: [Case; 4] = [
            ("sigmoid", sigmoid_backward, sigmoid, 3e-7),
            ("silu", silu_backward, |x| sigmoid(x) * (1.0 + x * (1.0 - sigmoid(x))), 3e-7),
            ("gelu", gelu_backward, |x| normal(x) + x * density(x), 3e-7),
            ("gelu_tanh", gelu_tanh_backward, gelu_tanh_slope, 3e-7),
        ];
        let xs = numbers();
        each_isa(|isa| {
            for ((name, f, exact, bound), scale) in forward {
                let mut ys = vec![0.0; xs.len()];
                f(&xs, &mut ys);
                let (error, at) = worst(&ys, &xs, exact, scale);
                eprintln!("{isa:?} {name}: {error:e} at {at:e}");
                assert!(error <= bound, "{isa:?} {name}: {error:e} at {at:e}");
            }
            for (name, f, exact, bound) in backward {
                let mut grads = vec![1.0; xs.len()];
                f(&xs, &mut grads);
                let (error, at) = worst(&grads, &xs, exact, |_| 1.0);
                eprintln!("{isa:?} {name}': {error:e} at {at:e}");
                assert!(error <= bound, "{isa:?} {name}': {error:e} at {at:e}");
            }
        });
    }

    #[test]
    fn ends_are_limits_and_nan_stays() {
        let inf = f32::INFINITY;
        let far = [-inf, f32::MIN, -120.0, 120.0, f32::MAX, inf];
        each_isa(|_| {
            for forward in [silu_into::<f32>, gelu_into, gelu_tanh_into] {
                // Several times, so that there is a vectorised part and a rest.
                let (xs, mut ys) = (far.repeat(7), vec![1.0; 42]);
                forward(&xs, &mut ys);
                assert_eq!(ys, [0.0, 0.0, 0.0, 120.0, f32::MAX, inf].repeat(7));
                forward(&[f32::NAN; 19], &mut ys[..19]);
                assert!(ys[..19].iter().all(|y| y.is_nan()));
            }
            for backward in [sigmoid_backward::<f32>, silu_backward, gelu_backward, gelu_tanh_backward] {
                let (xs, mut grads) = (far.repeat(7), vec![2.0; 42]);
                backward(&xs, &mut grads);
                assert_eq!(grads, [0.0, 0.0, 0.0, 2.0, 2.0, 2.0].repeat(7));
                backward(&[f32::NAN; 19], &mut grads[..19]);
                assert!(grads[..19].iter().all(|g| g.is_nan()));
            }
        });
    }

    #[test]
    #[should_panic(expected = "lengths differ")]
    fn lengths_must_agree() {
        gelu_backward(&[1.0f32; 3], &mut [1.0; 2]);
    }
}
