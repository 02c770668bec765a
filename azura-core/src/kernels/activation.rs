//! silu and gelu over slices, and the derivatives of smooth activations.

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

#[inline(always)]
fn silu_<T: Kernel, const FMA: bool>(x: T) -> T {
    gated(x, x.sigmoid_::<FMA>())
}

#[inline(always)]
fn silu_slope<T: Kernel, const FMA: bool>(x: T) -> T {
    let x = near(x);
    let s = x.sigmoid_::<FMA>();
    s * (T::one() + x * (T::one() - s))
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
    let s = u.sigmoid_::<FMA>();
    s * (T::one() + x * du * (T::one() - s))
}

#[inline(always)]
fn gelu_<T: Kernel, const FMA: bool>(x: T) -> T {
    gated(x, x.normal_::<FMA>())
}

/// `P(x) + x p(x)`, `p` the density `e^(-x^2 / 2) / sqrt(2 pi)`.
#[inline(always)]
fn gelu_slope<T: Kernel, const FMA: bool>(x: T) -> T {
    let x = near(x);
    let density = T::of_(0.5 * std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2);
    let density = density * (-(x * x) * T::of_(0.5)).exp_::<FMA>();
    x.mul_add_::<FMA>(density, x.normal_::<FMA>())
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
    silu_into, silu_;
    /// `x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2` of each of `xs`, into `ys`.
    gelu_tanh_into, gelu_tanh_;
    /// `x P(x)` of each of `xs`, `P` the normal distribution, into `ys`.
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
