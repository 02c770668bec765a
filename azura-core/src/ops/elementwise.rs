//! Elementwise operations: a table of names, forwards and derivatives.

use super::{slice, standard, sums};
use crate::{Data, Element, Error, Result, TensorBase, kernels};
use ndarray::{Axis, IxDyn, Zip};
use std::ops::{Add, Div, Mul, Neg, Sub};

/// The shape that `a` and `b` broadcast to: axes are aligned at the end, and an axis of length 1 is repeated.
fn broadcast_shape(op: &'static str, a: &[usize], b: &[usize]) -> Result<Vec<usize>> {
    let rank = a.len().max(b.len());
    let axis = |shape: &[usize], i: usize| (i + shape.len()).checked_sub(rank).map_or(1, |i| shape[i]);
    (0..rank)
        .map(|i| match (axis(a, i), axis(b, i)) {
            (x, y) if x == y || y == 1 => Ok(x),
            (1, y) => Ok(y),
            _ => Err(Error::shapes(op, a, b, "each axis must be equal or 1, aligned at the last")),
        })
        .collect()
}

/// The derivative of broadcasting: sums over the axes that were repeated.
fn unbroadcast<E: Element>(grad: Data<E>, shape: &[usize]) -> Data<E> {
    if grad.shape() == shape {
        return grad;
    }
    let mut grad = grad.into_owned();
    while grad.ndim() > shape.len() {
        grad = sums::over_axis(grad.view(), 0);
    }
    for (i, &length) in shape.iter().enumerate() {
        if grad.shape()[i] != length {
            grad = sums::over_axis(grad.view(), i).insert_axis(Axis(i));
        }
    }
    grad.into_shared()
}

/// `f` of each pair of elements, broadcast.
fn zip<E: Element>(op: &'static str, a: &Data<E>, b: &Data<E>, f: impl Fn(E, E) -> E) -> Result<Data<E>> {
    if a.shape() == b.shape()
        && let (Some(x), Some(y)) = (a.as_slice(), b.as_slice())
    {
        let values = x.iter().zip(y).map(|(&x, &y)| f(x, y)).collect();
        return Ok(super::from_vec(a.shape(), values));
    }
    let shape = broadcast_shape(op, a.shape(), b.shape())?;
    match (a.broadcast(IxDyn(&shape)), b.broadcast(IxDyn(&shape))) {
        (Some(x), Some(y)) => Ok(Zip::from(x).and(y).map_collect(|&x, &y| f(x, y)).into_shared()),
        _ => Err(Error::shapes(op, a.shape(), b.shape(), "too large to broadcast")),
    }
}

/// `f` of each element, in place where nobody else shares them.
fn map<E: Element>(data: Data<E>, f: impl Fn(E) -> E) -> Data<E> {
    let mut data = data.into_owned();
    data.mapv_inplace(f);
    data.into_shared()
}

/// A kernel over the elements as one slice.
fn map_slice<E: Element>(data: &Data<E>, f: impl Fn(&[E], &mut [E])) -> Data<E> {
    let data = standard(data);
    let mut out = vec![E::zero(); data.len()];
    f(slice(&data), &mut out);
    super::from_vec(data.shape(), out)
}

/// Rows of two inputs: `name: forward, derivative by the left, derivative by the right`; the derivatives are given
/// the output's gradient and both inputs, element by element.
macro_rules! binary {
    ($($(#[$doc:meta])* $name:ident: $f:expr, $da:expr, $db:expr;)*) => {
        impl<E: Element> TensorBase<E> {$(
            $(#[$doc])*
            ///
            /// Shapes broadcast: axes are aligned at the last, and an axis of length 1 is repeated.
            ///
            /// # Errors
            /// If the shapes do not broadcast.
            pub fn $name(&self, other: &Self) -> Result<Self> {
                const NAME: &str = stringify!($name);
                Self::record(NAME, &[self, other], |inputs| {
                    let (a, b) = (inputs.data(0).clone(), inputs.data(1).clone());
                    let needs = [inputs.needs(0), inputs.needs(1)];
                    let y = zip(NAME, &a, &b, $f)?;
                    Ok((y, Box::new(move |grad| {
                        let da = needs[0].then(|| unbroadcast(derivative(&grad, &a, &b, $da), a.shape()));
                        let db = needs[1].then(|| unbroadcast(derivative(&grad, &a, &b, $db), b.shape()));
                        Ok(vec![da, db])
                    })))
                })
            }
        )*}
    };
}

/// `d(grad, a, b)` of each element, with `a` and `b` broadcast to the gradient's shape.
fn derivative<E: Element>(grad: &Data<E>, a: &Data<E>, b: &Data<E>, d: impl Fn(E, E, E) -> E) -> Data<E> {
    match (a.broadcast(grad.raw_dim()), b.broadcast(grad.raw_dim())) {
        (Some(a), Some(b)) => {
            Zip::from(grad).and(a).and(b).map_collect(|&g, &a, &b| d(g, a, b)).into_shared()
        }
        _ => unreachable!("the gradient has the shape that both inputs broadcast to"),
    }
}

binary! {
    /// The sum `self + other`.
    add: |a, b| a + b, |g, _, _| g, |g, _, _| g;
    /// The difference `self - other`.
    sub: |a, b| a - b, |g, _, _| g, |g, _, _| -g;
    /// The product `self * other`, element by element.
    mul: |a, b| a * b, |g, _, b| g * b, |g, a, _| g * a;
    /// The quotient `self / other`.
    div: |a, b| a / b, |g, _, b| g / b, |g, a, b| -g * a / (b * b);
}

/// The chain rule: the gradient times `d` of what was saved, element by element.
fn chain<E: Element>(
    op: &'static str,
    grad: &Data<E>,
    saved: &Data<E>,
    d: impl Fn(E) -> E,
) -> Result<Data<E>> {
    zip(op, grad, saved, |g, s| g * d(s))
}

/// Rows of one input: `name: forward; derivative of what is saved`, where `input` or `output` is saved. The
/// forward is `each` element's function or a `kernel` over slices.
macro_rules! unary {
    ($($(#[$doc:meta])* $name:ident: $how:ident($f:expr), $saved:ident($d:expr);)*) => {
        impl<E: Element> TensorBase<E> {$(
            $(#[$doc])*
            ///
            /// # Errors
            /// None; the result is one for the sake of chaining.
            pub fn $name(&self) -> Result<Self> {
                Self::record(stringify!($name), &[self], |inputs| {
                    let x = inputs.data(0);
                    let y = unary!(@forward $how, x, $f);
                    let saved = unary!(@saved $saved, x, y);
                    Ok((y, Box::new(move |grad| {
                        Ok(vec![Some(chain(stringify!($name), &grad, &saved, $d)?)])
                    })))
                })
            }
        )*}
    };
    (@forward each, $x:ident, $f:expr) => { map($x.clone(), $f) };
    (@forward kernel, $x:ident, $f:expr) => { map_slice($x, $f) };
    (@saved input, $x:ident, $y:ident) => { $x.clone() };
    (@saved output, $x:ident, $y:ident) => { $y.clone() };
}

unary! {
    /// The negative `-x`.
    neg: each(|x: E| -x), input(|_| -E::one());
    /// The absolute value `|x|`. Its derivative at 0 is taken as 0.
    abs: each(E::abs), input(|x| if x == E::zero() { x } else { x.signum() });
    /// The exponential `e^x`.
    exp: kernel(kernels::exp_into), output(|y| y);
    /// The natural logarithm `ln x`; NaN below 0.
    ln: each(E::ln), input(E::recip);
    /// The square root; NaN below 0, derivative infinite at 0.
    sqrt: each(E::sqrt), output(|y| (y + y).recip());
    /// The square `x^2`.
    square: each(|x: E| x * x), input(|x| x + x);
    /// The sine, `x` in radians.
    sin: each(E::sin), input(E::cos);
    /// The cosine, `x` in radians.
    cos: each(E::cos), input(|x| -x.sin());
    /// The logistic function `1 / (1 + e^-x)`.
    sigmoid: kernel(kernels::sigmoid_into), output(|y| y * (E::one() - y));
    /// The hyperbolic tangent.
    tanh: kernel(kernels::tanh_into), output(|y| E::one() - y * y);
    /// The rectifier `max(x, 0)`; NaN stays NaN. Its derivative at 0 is taken as 0.
    relu: each(|x: E| if x < E::zero() { E::zero() } else { x }),
        output(|y| if y > E::zero() { E::one() } else { E::zero() });
}

impl<E: Element> TensorBase<E> {
    /// The multiple `factor * x`.
    ///
    /// # Errors
    /// None; the result is one for the sake of chaining.
    pub fn scale(&self, factor: E) -> Result<Self> {
        Self::record("scale", &[self], |inputs| {
            let y = map(inputs.data(0).clone(), |x| x * factor);
            Ok((y, Box::new(move |grad| Ok(vec![Some(map(grad, |g| g * factor))]))))
        })
    }

    /// The sum `x + offset`.
    ///
    /// # Errors
    /// None; the result is one for the sake of chaining.
    pub fn shift(&self, offset: E) -> Result<Self> {
        Self::record("shift", &[self], |inputs| {
            let y = map(inputs.data(0).clone(), |x| x + offset);
            Ok((y, Box::new(move |grad| Ok(vec![Some(grad)]))))
        })
    }
}

/// Operators for convenience, by reference or by value. They panic where the named method returns an error.
macro_rules! operators {
    ($($op:ident::$method:ident),*) => {$(
        /// # Panics
        /// If the shapes do not broadcast. The method of the same name returns an error instead.
        impl<E: Element> $op for &TensorBase<E> {
            type Output = TensorBase<E>;

            fn $method(self, other: Self) -> TensorBase<E> {
                match TensorBase::$method(self, other) {
                    Ok(tensor) => tensor,
                    Err(error) => panic!("{error}"),
                }
            }
        }

        /// # Panics
        /// If the shapes do not broadcast. The method of the same name returns an error instead.
        impl<E: Element> $op for TensorBase<E> {
            type Output = TensorBase<E>;

            fn $method(self, other: Self) -> TensorBase<E> {
                $op::$method(&self, &other)
            }
        }
    )*};
}

operators!(Add::add, Sub::sub, Mul::mul, Div::div);

impl<E: Element> Neg for &TensorBase<E> {
    type Output = TensorBase<E>;

    fn neg(self) -> TensorBase<E> {
        match TensorBase::neg(self) {
            Ok(tensor) => tensor,
            Err(error) => panic!("{error}"),
        }
    }
}
