//! Elementwise operations.

use super::{Result, T, Tested, apart, column, gradients, numbers, row};
use azura_core::{Mask, ndarray};
use ndarray::{Array, IxDyn};
use std::f64::consts::{E, PI};

/// Tests the operation, if it is one of these.
pub(crate) fn cases(t: &mut Tested) -> bool {
    let ln3 = 3_f64.ln();
    match t.op {
        "add" => {
            t.binary(T::add);
            t.value(column(&[10.0, 20.0]).add(&row(&[1.0, 2.0])), &[2, 2], &[11.0, 12.0, 21.0, 22.0]);
        }
        "sub" => {
            t.binary(T::sub);
            t.value(row(&[5.0, 3.0]).sub(&T::scalar(4.0)), &[2], &[1.0, -1.0]);
        }
        "mul" => {
            t.binary(T::mul);
            t.value(row(&[2.0, -3.0]).mul(&row(&[4.0, 5.0])), &[2], &[8.0, -15.0]);
        }
        "div" => {
            // Away from 0 by construction of the numbers, and further by the square.
            t.binary(|a, b| a.div(&b.square()?.shift(0.5)?));
            t.value(row(&[6.0, -3.0]).div(&row(&[4.0, 2.0])), &[2], &[1.5, -1.5]);
        }
        "neg" => t.unary(T::neg, T::neg, &[1.0, -2.0], &[-1.0, 2.0]),
        "abs" => t.unary(T::abs, T::abs, &[-1.5, 0.0, 2.0], &[1.5, 0.0, 2.0]),
        "exp" => t.unary(T::exp, T::exp, &[0.0, 1.0, -ln3], &[1.0, E, 1.0 / 3.0]),
        "ln" => {
            t.unary(|x| x.square()?.shift(0.1)?.ln(), T::ln, &[1.0, E, 1.0 / 3.0], &[0.0, 1.0, -ln3]);
        }
        "sqrt" => {
            t.unary(|x| x.square()?.shift(0.1)?.sqrt(), T::sqrt, &[4.0, 0.25, 0.0], &[2.0, 0.5, 0.0]);
        }
        "square" => t.unary(T::square, T::square, &[-3.0, 0.5], &[9.0, 0.25]),
        "sin" => t.unary(T::sin, T::sin, &[0.0, PI / 6.0, -PI / 2.0], &[0.0, 0.5, -1.0]),
        "cos" => t.unary(T::cos, T::cos, &[0.0, PI / 3.0, PI], &[1.0, 0.5, -1.0]),
        // e^-(ln 3) is 1 / 3: 1 / (1 + 1 / 3) = 3 / 4.
        "sigmoid" => {
            t.unary(|x| x.scale(4.0)?.sigmoid(), T::sigmoid, &[0.0, ln3, -ln3], &[0.5, 0.75, 0.25]);
        }
        // (3 - 1 / 3) / (3 + 1 / 3) = 4 / 5.
        "tanh" => t.unary(|x| x.scale(3.0)?.tanh(), T::tanh, &[0.0, ln3, -ln3], &[0.0, 0.8, -0.8]),
        "scale" => t.unary(|x| x.scale(-2.5), |x| x.scale(-2.5), &[2.0, -4.0], &[-5.0, 10.0]),
        "shift" => {
            t.unary(|x| x.shift(0.5)?.square(), |x| x.shift(0.5), &[1.0, -1.0], &[1.5, -0.5]);
        }
        "pow" => {
            t.binary(|a, b| a.square()?.shift(0.5)?.pow(&b.scale(2.0)?));
            // A whole power of a negative number, by the base alone: 3 a^2.
            t.derivative(&[&[3, 2]], |x| x[0].pow(&T::scalar(3.0)));
            t.value(row(&[2.0, -2.0, 4.0]).pow(&row(&[3.0, -1.0, 0.5])), &[3], &[8.0, -0.5, 2.0]);
        }
        "powf" => {
            t.unary(|x| x.square()?.shift(0.1)?.powf(1.5), |x| x.powf(1.5), &[4.0, 0.0], &[8.0, 0.0]);
            t.unary(|x| x.powf(-3.0), |x| x.powf(-3.0), &[2.0, -0.5], &[0.125, -8.0]);
        }
        "minimum" => {
            t.binary_at(apart, T::minimum);
            t.value(row(&[1.0, 5.0, 2.0]).minimum(&row(&[3.0, 4.0, 2.0])), &[3], &[1.0, 4.0, 2.0]);
            t.value(row(&[1.0, -5.0]).minimum(&T::scalar(0.0)), &[2], &[0.0, -5.0]);
        }
        "maximum" => {
            t.binary_at(apart, T::maximum);
            t.value(row(&[1.0, 5.0, 2.0]).maximum(&row(&[3.0, 4.0, 2.0])), &[3], &[3.0, 5.0, 2.0]);
            t.value(column(&[1.0, -5.0]).maximum(&row(&[0.0])), &[2, 1], &[1.0, 0.0]);
        }
        "sign" => t.unary(T::sign, T::sign, &[-0.5, 0.0, 7.0], &[-1.0, 0.0, 1.0]),
        // ln(1 + 2) and 3 - 1; near 0 both are x to 20 digits.
        "log1p" => t.unary(T::log1p, T::log1p, &[0.0, 2.0, 1e-20], &[0.0, ln3, 1e-20]),
        "expm1" => t.unary(T::expm1, T::expm1, &[0.0, ln3, -ln3], &[0.0, 2.0, -2.0 / 3.0]),
        "clamp" => {
            let clamp = |x: &T| x.clamp(-0.4, 0.3);
            t.unary(clamp, clamp, &[-2.0, -0.4, 0.1, 0.3, 9.0], &[-0.4, -0.4, 0.1, 0.3, 0.3]);
        }
        "where" => t.select(),
        _ => return false,
    }
    true
}

impl Tested {
    /// `f` is differentiated where the operation has a derivative; `op` is the operation itself.
    pub(crate) fn unary(
        &mut self,
        f: impl Fn(&T) -> Result,
        op: impl Fn(&T) -> Result,
        x: &[f64],
        y: &[f64],
    ) {
        for shape in [&[][..], &[7], &[2, 3], &[0, 2]] {
            self.derivative(&[shape], |x| f(&x[0]));
        }
        self.derivative(&[&[3, 4]], |x| f(&x[0].transpose()?));
        self.value(op(&row(x)), &[x.len()], y);
    }

    fn select(&mut self) {
        let mask = |shape: &[usize]| {
            let values = (0..shape.iter().product()).map(|i| i % 3 != 1).collect();
            Mask::from_shape_vec(shape, values).unwrap()
        };
        let shapes: [[&[usize]; 3]; 6] = [
            [&[2, 3], &[2, 3], &[2, 3]],
            [&[3], &[2, 3], &[]],
            [&[4, 1, 3], &[2, 1], &[3]],
            [&[2, 16], &[16], &[2, 1]],
            [&[], &[], &[]],
            [&[0, 3], &[3], &[1]],
        ];
        for [m, a, b] in shapes {
            self.derivative(&[a, b], |x| T::select(&mask(m), &x[0], &x[1]));
        }
        let turned = mask(&[2, 3]).reversed_axes();
        self.derivative(&[&[2, 3], &[3, 2]], |x| T::select(&turned, &x[0].transpose()?, &x[1]));
        // The mask is [true, false, true].
        let y = T::select(&mask(&[3]), &row(&[1.0, 2.0, 3.0]), &T::scalar(-1.0));
        self.value(y, &[3], &[1.0, -1.0, 3.0]);
    }

    fn binary(&mut self, f: impl Fn(&T, &T) -> Result) {
        self.binary_at(numbers, f);
    }

    fn binary_at(&mut self, values: fn(&[usize], u64) -> Array<f64, IxDyn>, f: impl Fn(&T, &T) -> Result) {
        let shapes: [(&[usize], &[usize]); 12] = [
            (&[2, 3], &[2, 3]),
            (&[2, 3], &[3]),
            (&[3], &[2, 3]),
            (&[2, 1], &[1, 3]),
            (&[], &[2, 2]),
            (&[4, 1, 2], &[3, 1]),
            (&[0, 2], &[2]),
            (&[1], &[1, 1]),
            // Long enough for whole rows: repeated rows, a repeated number, and in between.
            (&[3, 10], &[10]),
            (&[3, 1], &[3, 10]),
            (&[2, 2, 9], &[2, 1, 9]),
            (&[2, 1, 3, 4], &[5, 1, 1]),
        ];
        for (a, b) in shapes {
            self.derivative_at(&[a, b], values, |x| f(&x[0], &x[1]));
        }
        self.derivative_at(&[&[2, 3], &[3, 2]], values, |x| f(&x[0], &x[1].transpose()?));
    }
}

#[test]
fn kinks_ties_and_limits_have_the_documented_derivatives() {
    let inf = f64::INFINITY;
    let ties: [&[f64]; 2] = [&[1.0, 2.0, 3.0], &[2.0, 2.0, 2.0]];
    assert_eq!(gradients(|x| x[0].minimum(&x[1]), &ties), [[1.0, 0.5, 0.0], [0.0, 0.5, 1.0]]);
    assert_eq!(gradients(|x| x[0].maximum(&x[1]), &ties), [[0.0, 0.5, 1.0], [1.0, 0.5, 0.0]]);
    assert_eq!(gradients(|x| x[0].abs(), &[&[-3.0, 0.0, 3.0]]), [[-1.0, 0.0, 1.0]]);
    assert_eq!(gradients(|x| x[0].sign(), &[&[-3.0, 0.0, 3.0]]), [[0.0; 3]]);
    let clamped = gradients(|x| x[0].clamp(-1.0, 1.0), &[&[-inf, -1.1, -1.0, 0.0, 1.0, 1.1, f64::NAN]]);
    assert_eq!(clamped, [[0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]]);
    // e^-30, of which e^-30 - 1 holds 4 digits.
    let small = gradients(|x| x[0].expm1(), &[&[-30.0]])[0][0];
    assert!((small / (-30_f64).exp() - 1.0).abs() < 1e-15, "{small}");
    // b a^(b - 1), but 0 for b = 0; a^b ln a, but 0 for a = 0.
    let powers = gradients(|x| x[0].pow(&x[1]), &[&[0.0, 0.0, 0.0, 2.0], &[0.0, 1.0, 2.0, 0.0]]);
    assert_eq!(powers, [[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 2_f64.ln()]]);
    let [of_base, of_exponent] = &gradients(|x| x[0].pow(&x[1]), &[&[-2.0], &[3.0]])[..] else { panic!() };
    assert!(of_base == &[12.0] && of_exponent[0].is_nan());
    assert_eq!(gradients(|x| x[0].powf(0.0), &[&[0.0, -1.0]]), [[0.0; 2]]);
}

/// The reason why `select` is no product with 0 and 1.
#[test]
fn what_is_not_picked_gets_no_gradient_however_steep_it_is() {
    let positive: Mask = ndarray::arr1(&[false, true]).into_dyn().into_shared();
    let safe_root = |x: &[T]| T::select(&positive, &x[0].sqrt()?, &T::scalar(0.0));
    // sqrt' at 0 is infinite, but its gradient there is 0, and 0 / 0 is not what is asked for.
    let [dx] = &gradients(|x| safe_root(&[x[0].maximum(&T::scalar(1e-300))?]), &[&[-1.0, 4.0]])[..] else {
        panic!()
    };
    assert_eq!(dx, &[0.0, 0.25]);
    let infinite = |x: &[T]| T::select(&positive, &x[0], &x[1])?.mul(&row(&[f64::INFINITY, 1.0]));
    assert_eq!(gradients(infinite, &[&[1.0, 1.0], &[1.0, 1.0]]), [[0.0, 1.0], [f64::INFINITY, 0.0]]);
    // The same holds for relu and clamp.
    let steep = |x: &T| x.mul(&T::scalar(f64::INFINITY));
    assert_eq!(gradients(|x| steep(&x[0].relu()?), &[&[-1.0]]), [[0.0]]);
    assert_eq!(gradients(|x| steep(&x[0].clamp(0.0, 1.0)?), &[&[-1.0]]), [[0.0]]);
}

#[test]
fn not_a_number_stays_one() {
    let nan = T::scalar(f64::NAN);
    let one = T::scalar(1.0);
    let results = [
        nan.minimum(&one),
        one.minimum(&nan),
        nan.maximum(&one),
        one.maximum(&nan),
        nan.sign(),
        nan.clamp(-1.0, 1.0),
        nan.log1p(),
        nan.expm1(),
        nan.powf(2.0),
        nan.pow(&one),
    ];
    for result in results {
        assert!(result.unwrap().item().unwrap().is_nan());
    }
}
