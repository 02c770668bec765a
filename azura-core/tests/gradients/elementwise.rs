//! Elementwise operations.

use super::{Result, T, Tested, column, row};
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
        "relu" => {
            t.unary(T::relu, T::relu, &[-2.0, 0.0, 3.0], &[0.0, 0.0, 3.0]);
            assert!(T::scalar(f64::NAN).relu().unwrap().item().unwrap().is_nan());
        }
        "scale" => t.unary(|x| x.scale(-2.5), |x| x.scale(-2.5), &[2.0, -4.0], &[-5.0, 10.0]),
        "shift" => {
            t.unary(|x| x.shift(0.5)?.square(), |x| x.shift(0.5), &[1.0, -1.0], &[1.5, -0.5]);
        }
        _ => return false,
    }
    true
}

impl Tested {
    /// `f` is differentiated where the operation has a derivative; `op` is the operation itself.
    fn unary(&mut self, f: impl Fn(&T) -> Result, op: impl Fn(&T) -> Result, x: &[f64], y: &[f64]) {
        for shape in [&[][..], &[7], &[2, 3], &[0, 2]] {
            self.derivative(&[shape], |x| f(&x[0]));
        }
        self.derivative(&[&[3, 4]], |x| f(&x[0].transpose()?));
        self.value(op(&row(x)), &[x.len()], y);
    }

    fn binary(&mut self, f: impl Fn(&T, &T) -> Result) {
        let shapes: [(&[usize], &[usize]); 7] = [
            (&[2, 3], &[2, 3]),
            (&[2, 3], &[3]),
            (&[3], &[2, 3]),
            (&[2, 1], &[1, 3]),
            (&[], &[2, 2]),
            (&[4, 1, 2], &[3, 1]),
            (&[0, 2], &[2]),
        ];
        for (a, b) in shapes {
            self.derivative(&[a, b], |x| f(&x[0], &x[1]));
        }
        self.derivative(&[&[2, 3], &[3, 2]], |x| f(&x[0], &x[1].transpose()?));
    }
}
