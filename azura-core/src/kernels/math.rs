//! exp, sigmoid and tanh over slices.
//!
//! For `f32` all three rest on one idea: with `x = n ln 2 + r`, `|r| <= ln 2 / 2`, `e^x = 2^n (1 + r + r^2
//! P(r))`, `P` the minimax polynomial of degree 4 (relative error 3.1e-9 before rounding). `f64` takes the
//! standard library's functions.

use super::isa::multiversion;

/// Scalar functions written so that a loop over them vectorises; `FMA` as in `multiversion`.
#[doc(hidden)]
pub trait Functions: Sized {
    fn exp_<const FMA: bool>(self) -> Self;
    /// `e^x` of x <= 0; 0 where that is no normal number.
    fn exp_negative_<const FMA: bool>(self) -> Self;
    /// `ln(1 + x)` of `0 <= x <= 1`.
    fn ln_1p_unit_<const FMA: bool>(self) -> Self;
    fn sigmoid_<const FMA: bool>(self) -> Self;
    fn tanh_<const FMA: bool>(self) -> Self;
    /// The normal distribution `(1 + erf(x / sqrt 2)) / 2`, and `e^(-x^2 / 2)`.
    fn normal_<const FMA: bool>(self) -> (Self, Self);
    fn mul_add_<const FMA: bool>(self, a: Self, b: Self) -> Self;
    /// x, or 0 below 1e-31 (`f64`: 1e-292).
    fn flushed_(self) -> Self;
    /// The nearest number of this type.
    fn of_(x: f64) -> Self;
}

/// 1.5 * 2^23 + 127: adding it rounds to an integer n, and the low bits of the sum are n + 127, the exponent of 2^n.
const ROUND: f32 = 12_583_039.0;
const LN2_HIGH: f32 = 0.693_359_4;
const LN2_LOW: f32 = -2.121_944_4e-4;
const P: [f32; 5] = [0.499_999_93, 0.166_665_21, 0.041_668_387, 0.008_368_71, 0.001_381_461_3];

/// Coefficients of R of the normal distribution, after the first power of `t = 1 / (1 + 0.3 |x|)`. Found with weighted
/// least squares on Chebyshev nodes, weights after Lawson.
const TAIL: [f32; 10] = [
    0.119_686_38,
    0.119_577_46,
    0.110_191_1,
    0.078_585_45,
    0.095_619_12,
    -0.078_469_48,
    0.190_688_62,
    -0.227_425_97,
    0.112_113_59,
    -0.020_566_297,
];

/// `n + ROUND` and `e^r - 1` of `x = n ln 2 + r`.
#[inline(always)]
fn reduce<const FMA: bool>(x: f32) -> (f32, f32) {
    let rounded = x.mul_add_::<FMA>(std::f32::consts::LOG2_E, ROUND);
    let n = rounded - ROUND;
    let r = n.mul_add_::<FMA>(-LN2_LOW, n.mul_add_::<FMA>(-LN2_HIGH, x));
    let p = P[4]
        .mul_add_::<FMA>(r, P[3])
        .mul_add_::<FMA>(r, P[2])
        .mul_add_::<FMA>(r, P[1])
        .mul_add_::<FMA>(r, P[0]);
    (rounded, (r * r).mul_add_::<FMA>(p, r))
}

/// `2^n` of `n + ROUND`, `-127 <= n <= 128`; the ends give 0 and infinity.
#[inline(always)]
fn power_of_two(rounded: f32) -> f32 {
    f32::from_bits(rounded.to_bits() << 23)
}

/// 1 / d for `1 <= d <= 2`: a quadratic that is right to 1/99 and two steps of Newton. A vector division costs more.
#[inline(always)]
fn reciprocal<const FMA: bool>(d: f32) -> f32 {
    let mut y = (32.0f32 / 99.0).mul_add_::<FMA>(d, -144.0 / 99.0).mul_add_::<FMA>(d, 210.0 / 99.0);
    for _ in 0..2 {
        y = (-d).mul_add_::<FMA>(y, 1.0).mul_add_::<FMA>(y, y);
    }
    y
}

/// The greater one; NaN stays NaN.
#[inline(always)]
fn at_least(x: f32, least: f32) -> f32 {
    if x < least { least } else { x }
}

impl Functions for f32 {
    #[inline(always)]
    fn exp_<const FMA: bool>(self) -> Self {
        let x = at_least(-at_least(-self, -89.0), -104.0);
        let (rounded, p) = reduce::<FMA>(x);
        // Two factors, since 2^n alone may be out of range where the product is not.
        let n = rounded.to_bits().wrapping_sub(ROUND.to_bits()).cast_signed();
        let power = |n: i32| f32::from_bits((n.wrapping_add(127) as u32) << 23);
        (1.0 + p) * power(n >> 1) * power(n.wrapping_sub(n >> 1))
    }

    #[inline(always)]
    fn exp_negative_<const FMA: bool>(self) -> Self {
        let (rounded, p) = reduce::<FMA>(at_least(self, -88.0));
        let scale = power_of_two(rounded);
        p.mul_add_::<FMA>(scale, scale)
    }

    /// By `2 artanh(z)`, `z = x / (2 + x) <= 1 / 3`: the series to `z^13`, whose rest is 1.4e-8 at most.
    #[inline(always)]
    fn ln_1p_unit_<const FMA: bool>(self) -> Self {
        let half = 0.5 * self;
        let z = half * reciprocal::<FMA>(1.0 + half);
        let square = z * z;
        let mut sum = 2.0 / 13.0;
        for n in [11.0, 9.0, 7.0, 5.0, 3.0, 1.0f32] {
            sum = square.mul_add_::<FMA>(sum, 2.0 / n);
        }
        z * sum
    }

    #[inline(always)]
    fn sigmoid_<const FMA: bool>(self) -> Self {
        let (rounded, p) = reduce::<FMA>(at_least(-self.abs(), -88.0));
        let scale = power_of_two(rounded);
        let e = p.mul_add_::<FMA>(scale, scale);
        (if self < 0.0 { e } else { 1.0 }) * reciprocal::<FMA>(1.0 + e)
    }

    #[inline(always)]
    fn tanh_<const FMA: bool>(self) -> Self {
        let (rounded, p) = reduce::<FMA>(at_least(-2.0 * self.abs(), -20.0));
        let scale = power_of_two(rounded);
        let e1 = p.mul_add_::<FMA>(scale, scale - 1.0); // e^(-2|x|) - 1, without cancellation near 0
        (-e1 * reciprocal::<FMA>(2.0 + e1)).copysign(self)
    }

    /// Beyond |x| the distribution has `Q = e^(-x^2 / 2) R`, and R is smooth enough for a polynomial in `t`, as that of
    /// Hastings 1955, with a relative error of 3.4e-9 for `|x| <= 13`.
    #[inline(always)]
    fn normal_<const FMA: bool>(self) -> (Self, Self) {
        // Further out it is 0 or 1 to the last bit.
        let x = at_least(-at_least(-self, -15.0), -15.0);
        // What the square loses in rounding would be felt: up to 100 times that of the result.
        let square = x * x;
        let lost = if FMA {
            x.mul_add(x, -square)
        } else {
            let high = f32::from_bits(x.to_bits() & 0xffff_f000);
            let low = x - high;
            (high * high - square) + 2.0 * high * low + low * low
        };
        let e = (-0.5 * square).exp_::<FMA>();
        let e = (-0.5 * lost).mul_add_::<FMA>(e, e);
        let t = 1.0 / x.abs().mul_add_::<FMA>(0.3, 1.0);
        let r = TAIL.iter().rev().fold(0.0f32, |r, &c| r.mul_add_::<FMA>(t, c));
        let tail = e * (r * t);
        (if self < 0.0 { tail } else { 1.0 - tail }, e)
    }

    #[inline(always)]
    fn of_(x: f64) -> Self {
        x as f32
    }

    #[inline(always)]
    fn flushed_(self) -> Self {
        if self.abs() < Self::MIN_POSITIVE / Self::EPSILON { 0.0 } else { self }
    }

    #[inline(always)]
    fn mul_add_<const FMA: bool>(self, a: Self, b: Self) -> Self {
        if FMA { self.mul_add(a, b) } else { self * a + b }
    }
}

impl Functions for f64 {
    #[inline(always)]
    fn exp_<const FMA: bool>(self) -> Self {
        self.exp()
    }

    #[inline(always)]
    fn exp_negative_<const FMA: bool>(self) -> Self {
        self.exp()
    }

    #[inline(always)]
    fn ln_1p_unit_<const FMA: bool>(self) -> Self {
        self.ln_1p()
    }

    #[inline(always)]
    fn sigmoid_<const FMA: bool>(self) -> Self {
        let e = (-self.abs()).exp();
        (if self < 0.0 { e } else { 1.0 }) / (1.0 + e)
    }

    #[inline(always)]
    fn tanh_<const FMA: bool>(self) -> Self {
        self.tanh()
    }

    #[inline(always)]
    fn normal_<const FMA: bool>(self) -> (Self, Self) {
        (0.5 * libm::erfc(-self * std::f64::consts::FRAC_1_SQRT_2), (-0.5 * self * self).exp())
    }

    #[inline(always)]
    fn of_(x: f64) -> Self {
        x
    }

    #[inline(always)]
    fn flushed_(self) -> Self {
        if self.abs() < Self::MIN_POSITIVE / Self::EPSILON { 0.0 } else { self }
    }

    #[inline(always)]
    fn mul_add_<const FMA: bool>(self, a: Self, b: Self) -> Self {
        if FMA { self.mul_add(a, b) } else { self * a + b }
    }
}

/// `x`, or 0 where it is so small that its products with usual numbers are subnormal: below 1e-31 (`f64`: 1e-292).
///
/// What decays by a factor at each step, as gradients do back in time and momentum does without gradients, ends in
/// subnormal numbers, with which a processor takes some hundred cycles for each operation.
#[inline(always)]
pub fn flushed<T: Functions>(x: T) -> T {
    x.flushed_()
}

macro_rules! over_slices {
    ($($(#[$attribute:meta])* $name:ident, $into:ident, $scalar:ident;)*) => { $(
        multiversion! {
            $(#[$attribute])*
            pub fn $name<T, const FMA: bool>(xs: &mut [T]) {
                for x in xs {
                    *x = x.$scalar::<FMA>();
                }
            }
        }

        multiversion! {
            #[doc = concat!("[`", stringify!($name), "`] of each of `xs`, into `ys`.")]
            ///
            /// # Panics
            /// When the lengths differ.
            pub fn $into<T, const FMA: bool>(xs: &[T], ys: &mut [T]) {
                assert_eq!(xs.len(), ys.len(), "lengths differ");
                for (x, y) in xs.iter().zip(ys) {
                    *y = x.$scalar::<FMA>();
                }
            }
        }
    )* };
}

over_slices! {
    /// Replaces each x by `e^x`.
    ///
    /// `f32`: relative error at most 1.2e-7 wherever the result is a normal number, and right to the last bit
    /// or two of a subnormal one; 0 and infinity beyond. NaN stays NaN.
    exp, exp_into, exp_;

    /// Replaces each x by `1 / (1 + e^-x)`.
    ///
    /// `f32`: relative error at most 2.5e-7; a result below 1.2e-38 (x < -87.3) may come out as 0. Never
    /// outside 0 ..= 1. NaN stays NaN.
    sigmoid, sigmoid_into, sigmoid_;

    /// Replaces each x by its hyperbolic tangent.
    ///
    /// `f32`: relative error at most 3e-7, never outside -1 ..= 1; the sign of zero is kept. NaN stays NaN.
    tanh, tanh_into, tanh_;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::each_isa;

    /// The greatest relative error over all floats of one in `step` bit patterns for which `counts` holds.
    fn worst(f: fn(&mut [f32]), exact: fn(f64) -> f64, counts: fn(f64) -> bool) -> (f64, f32) {
        let mut worst = (0.0, 0.0);
        let mut xs = Vec::new();
        let mut bits = 0u32;
        loop {
            let x = f32::from_bits(bits);
            if !x.is_nan() {
                xs.push(x);
            }
            let (next, done) = bits.overflowing_add(9973);
            bits = next;
            if xs.len() == 4097 || done {
                let mut ys = xs.clone();
                f(&mut ys);
                for (&x, &y) in xs.iter().zip(&ys) {
                    let want = exact(f64::from(x));
                    let error = (f64::from(y) - want).abs() / want.abs();
                    if counts(want) && (error.is_nan() || error > worst.0) {
                        worst = (error, x);
                    }
                }
                xs.clear();
            }
            if done {
                return worst;
            }
        }
    }

    fn normal(y: f64) -> bool {
        (f64::from(f32::MIN_POSITIVE)..=f64::from(f32::MAX)).contains(&y.abs())
    }

    #[test]
    fn errors_stay_within_the_documented_bounds() {
        each_isa(|isa| {
            for (name, f, exact, bound) in [
                ("exp", exp::<f32> as fn(&mut [f32]), f64::exp as fn(f64) -> f64, 1.2e-7),
                ("sigmoid", sigmoid::<f32>, |x| 1.0 / (1.0 + (-x).exp()), 2.5e-7),
                ("tanh", tanh::<f32>, f64::tanh, 3e-7),
            ] {
                let (error, at) = worst(f, exact, normal);
                eprintln!("{isa:?} {name}: {error:e} at {at:e}");
                assert!(error <= bound, "{isa:?} {name}: {error:e} at {at:e}");
            }
        });
    }

    #[test]
    fn ends_and_special_numbers() {
        each_isa(|_| {
            // 19 numbers: a vectorised part and a rest.
            let run = |f: fn(&mut [f32]), x: f32| {
                let mut xs = [x; 19];
                f(&mut xs);
                assert!(xs.iter().all(|y| y.to_bits() == xs[0].to_bits() || y.is_nan() && xs[0].is_nan()));
                xs[0]
            };
            for f in [exp::<f32> as fn(&mut [f32]), sigmoid, tanh] {
                assert!(run(f, f32::NAN).is_nan());
                assert!(run(f, -f32::NAN).is_nan());
            }
            let ends = [f32::INFINITY, f32::MAX, 200.0]
                .map(|x| [-x, x].map(|x| [exp, sigmoid, tanh].map(|f| run(f, x))));
            assert_eq!(ends, [[[0.0, 0.0, -1.0], [f32::INFINITY, 1.0, 1.0]]; 3]);
            assert_eq!([run(exp, 0.0), run(sigmoid, 0.0), run(tanh, 0.0)], [1.0, 0.5, 0.0]);
            assert!(run(tanh, -0.0).is_sign_negative());
            assert!(run(exp, 88.72) < f32::INFINITY && run(exp, 88.73) == f32::INFINITY);
            assert!(run(exp, -103.0) > 0.0 && run(exp, -104.5) == 0.0);
            assert!((run(exp, -100.0) / 3.8e-44 - 1.0).abs() < 0.05);
        });
    }

    #[test]
    fn only_what_is_tiny_is_flushed() {
        let kept = [0.0, 1e-31, -1e-31, 3.0, f32::MAX, f32::NEG_INFINITY];
        assert_eq!(kept.map(|x| flushed(x).to_bits()), kept.map(f32::to_bits));
        assert!(flushed(f32::NAN).is_nan() && flushed(f64::NAN).is_nan());
        let tiny = [9.8e-32, -9.8e-32, f32::MIN_POSITIVE, -1e-40];
        assert_eq!(tiny.map(flushed), [0.0; 4]);
        assert_eq!([1.1e-292, -9e-293, 5e-324].map(flushed), [1.1e-292, 0.0, 0.0]);
    }

    #[test]
    fn results_stay_in_range_and_forms_agree() {
        each_isa(|_| {
            let xs: Vec<f32> = (-100_000..100_000).map(|i| i as f32 * 3e-4).collect();
            let mut ys = xs.clone();
            sigmoid(&mut ys);
            assert!(ys.iter().all(|y| (0.0..=1.0).contains(y)));
            tanh_into(&xs, &mut ys);
            assert!(ys.iter().all(|y| (-1.0..=1.0).contains(y)));
            let mut zs = xs.clone();
            tanh(&mut zs);
            assert_eq!(ys, zs);
        });
    }

    #[test]
    fn doubles_are_those_of_std() {
        let xs = [-700.0, -1.5, -0.0, 0.3, 40.0, f64::INFINITY];
        let mut ys = xs;
        tanh(&mut ys);
        assert_eq!(ys, xs.map(f64::tanh));
        exp_into(&xs, &mut ys);
        assert_eq!(ys, xs.map(f64::exp));
        sigmoid_into(&xs, &mut ys);
        assert!(xs.iter().zip(ys).all(|(x, y)| (y - 1.0 / (1.0 + (-x).exp())).abs() <= 1e-16 + y * 1e-15));
    }
}
