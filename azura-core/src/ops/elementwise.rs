//! Elementwise operations: a table of names, forwards and derivatives.

use super::{slice, standard, sums};
use crate::{Data, Element, Error, Result, TensorBase, kernels};
use ndarray::{Axis, Dimension, IxDyn, Zip};
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

/// A kernel over the elements as one slice.
fn map_slice<E: Element>(data: &Data<E>, f: impl Fn(&[E], &mut [E])) -> Data<E> {
    let data = standard(data);
    let mut out = vec![E::zero(); data.len()];
    f(slice(&data), &mut out);
    super::from_vec(data.shape(), out)
}

/// Rows of two inputs: `name: forward; derivative by the left, derivative by the right`. A derivative is a function of
/// the output's `gradient` alone, of it and the `left` or `right` input, or its product with a function of `both`; the
/// inputs that it does not name are not saved for it.
macro_rules! binary {
    ($($(#[$doc:meta])* $name:ident: $f:expr; $by_left:ident($da:expr), $by_right:ident($db:expr);)*) => {
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
                    let (a, b) = (inputs.data(0), inputs.data(1));
                    let y = zip(NAME, a, b, $f)?;
                    let da = inputs.needs(0).then(|| (a.raw_dim(), binary!(@saved $by_left, $da, a, b)));
                    let db = inputs.needs(1).then(|| (b.raw_dim(), binary!(@saved $by_right, $db, a, b)));
                    Ok((y, Box::new(move |grad| {
                        let da = da.map(|(shape, d)| Ok(unbroadcast(d(&grad)?, shape.slice())));
                        let db = db.map(|(shape, d)| Ok(unbroadcast(d(&grad)?, shape.slice())));
                        Ok(vec![da.transpose()?, db.transpose()?])
                    })))
                })
            }
        )*}
    };
    (@saved gradient, $d:expr, $a:ident, $b:ident) => {
        |grad: &Data<E>| Ok(grad.mapv($d).into_shared())
    };
    (@saved left, $d:expr, $a:ident, $b:ident) => {{
        let a = $a.clone();
        move |grad: &Data<E>| zip(NAME, grad, &a, $d)
    }};
    (@saved right, $d:expr, $a:ident, $b:ident) => {{
        let b = $b.clone();
        move |grad: &Data<E>| zip(NAME, grad, &b, $d)
    }};
    (@saved both, $d:expr, $a:ident, $b:ident) => {{
        let (a, b) = ($a.clone(), $b.clone());
        move |grad: &Data<E>| zip(NAME, grad, &zip(NAME, &a, &b, $d)?, |g, d| g * d)
    }};
}

binary! {
    /// The sum `self + other`.
    add: |a, b| a + b; gradient(|g| g), gradient(|g| g);
    /// The difference `self - other`.
    sub: |a, b| a - b; gradient(|g| g), gradient(|g: E| -g);
    /// The product `self * other`, element by element.
    mul: |a, b| a * b; right(|g, b| g * b), left(|g, a| g * a);
    /// The quotient `self / other`.
    div: |a, b| a / b; right(|g, b| g / b), both(|a, b| -a / (b * b));
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
    (@forward each, $x:ident, $f:expr) => { $x.mapv($f).into_shared() };
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
            let y = inputs.data(0).mapv(|x| x * factor).into_shared();
            Ok((y, Box::new(move |grad| Ok(vec![Some(grad.mapv(|g| g * factor).into_shared())]))))
        })
    }

    /// The sum `x + offset`.
    ///
    /// # Errors
    /// None; the result is one for the sake of chaining.
    pub fn shift(&self, offset: E) -> Result<Self> {
        Self::record("shift", &[self], |inputs| {
            let y = inputs.data(0).mapv(|x| x + offset).into_shared();
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
