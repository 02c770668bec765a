//! Elementwise arithmetic.

use super::{
    broadcast::{self, zip_grad},
    table::{binary, unary},
};
use crate::{Data, Element, Error, Mask, Result, TensorBase, kernels};
use ndarray::{Dimension, IxDyn};
use std::{
    cmp::Ordering,
    ops::{Add, Div, Mul, Neg, Sub},
};

binary! {
    /// The sum `self + other`.
    add: |a, b| a + b; pass(), pass();
    /// The difference `self - other`.
    sub: |a, b| a - b; pass(), gradient(|g: E| -g);
    /// The product `self * other`, element by element.
    mul: |a, b| a * b; right(|g, b| g * b), left(|g, a| g * a);
    /// The quotient `self / other`.
    div: |a, b| a / b; right(|g, b| g / b), both(|g: E, a, b| -g * a / (b * b));
    /// The power `self^other`: `a^b` of each pair. Its derivative by `a`, `b a^(b - 1)`, is 0 where `b` is 0, and that
    /// by `b`, `a^b ln a`, is 0 where `a` is 0 and `b` is not negative. A negative `a` has a power for whole `b` only,
    /// and no derivative by `b`: NaN.
    ///
    /// ```
    /// use azura_core::Tensor;
    ///
    /// let base = Tensor::from_vec(&[3], vec![2.0, 3.0, 4.0])?;
    /// let exponent = Tensor::from_vec(&[3], vec![3.0, 2.0, 0.5])?;
    /// assert_eq!(base.pow(&exponent)?.to_vec(), [8.0, 9.0, 2.0]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    pow: E::powf; both(power_by_base), both(power_by_exponent);
    /// The lesser of each pair, `min(self, other)`; NaN if either is. Where both are equal each gets half of the
    /// gradient, as in PyTorch.
    ///
    /// ```
    /// use azura_core::Tensor;
    ///
    /// let x = Tensor::from_vec(&[3], vec![-1.0, 0.5, 2.0])?;
    /// assert_eq!(x.minimum(&Tensor::scalar(1.0))?.to_vec(), [-1.0, 0.5, 1.0]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    minimum: |a, b| if a < b || a.is_nan() { a } else { b };
        both(|g, a, b| share(g, a, b)), both(|g, a, b| share(g, b, a));
    /// The greater of each pair, `max(self, other)`; NaN if either is. Where both are equal each gets half of the
    /// gradient, as in PyTorch.
    ///
    /// ```
    /// use azura_core::Tensor;
    ///
    /// let x = Tensor::from_vec(&[3], vec![-1.0, 0.5, 2.0])?;
    /// assert_eq!(x.maximum(&Tensor::scalar(1.0))?.to_vec(), [1.0, 1.0, 2.0]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    maximum: |a, b| if a > b || a.is_nan() { a } else { b };
        both(|g, a, b| share(g, b, a)), both(|g, a, b| share(g, a, b));
}

fn power_by_base<E: Element>(grad: E, a: E, b: E) -> E {
    if b == E::zero() { E::zero() } else { grad * b * a.powf(b - E::one()) }
}

fn power_by_exponent<E: Element>(grad: E, a: E, b: E) -> E {
    if a == E::zero() && b >= E::zero() { E::zero() } else { grad * a.powf(b) * a.ln() }
}

/// What the lesser one gets of the gradient: all of it, half if both are equal. With a NaN both get all.
fn share<E: Element>(grad: E, lesser: E, other: E) -> E {
    if lesser > other {
        E::zero()
    } else if lesser == other {
        grad / E::of(2.0)
    } else {
        grad
    }
}

unary! {
    /// The negative `-x`.
    neg: each(|x: E| -x), gradient(|g: E| -g);
    /// The absolute value `|x|`. Its derivative at 0 is taken as 0.
    abs: each(E::abs), input(|g, x| g * sign(x));
    /// The sign of `x`: -1, 0 or 1; NaN stays NaN. Its derivative is 0.
    ///
    /// ```
    /// use azura_core::Tensor;
    ///
    /// let x = Tensor::from_vec(&[3], vec![-0.3, 0.0, 7.0])?;
    /// assert_eq!(x.sign()?.to_vec(), [-1.0, 0.0, 1.0]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    sign: each(sign), gradient(|_| E::zero());
    /// The exponential `e^x`.
    exp: kernel(kernels::exp_into), output(|g, y| g * y);
    /// `e^x - 1`, to all digits also near 0.
    ///
    /// ```
    /// use azura_core::Tensor;
    ///
    /// assert_eq!(Tensor::scalar(1e-20).expm1()?.item()?, 1e-20);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    // Not by the output: where that is near -1, adding 1 again leaves no digits.
    expm1: each(E::exp_m1), input(|g, x| g * x.exp());
    /// The natural logarithm `ln x`; NaN below 0.
    ln: each(E::ln), input(|g, x| g / x);
    /// `ln(1 + x)`, to all digits also near 0; NaN below -1.
    ///
    /// ```
    /// use azura_core::Tensor;
    ///
    /// assert_eq!(Tensor::scalar(1e-20).log1p()?.item()?, 1e-20);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    log1p: each(E::ln_1p), input(|g, x| g / (x + E::one()));
    /// The square root; NaN below 0, derivative infinite at 0.
    sqrt: each(E::sqrt), output(|g, y| g / (y + y));
    /// The square `x^2`.
    square: each(|x: E| x * x), input(|g, x| g * (x + x));
    /// The power `x^exponent` of one exponent for all. Its derivative `exponent x^(exponent - 1)` is 0 for the
    /// exponent 0. A negative `x` has a power for whole exponents only; NaN for others.
    ///
    /// ```
    /// use azura_core::Tensor;
    ///
    /// let x = Tensor::from_vec(&[2], vec![4.0, 9.0])?;
    /// assert_eq!(x.powf(1.5)?.to_vec(), [8.0, 27.0]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    powf(exponent): each(|x: E| x.powf(exponent)), input(|g, x| power_by_base(g, x, exponent));
    /// The sine, `x` in radians.
    sin: each(E::sin), input(|g, x| g * x.cos());
    /// The cosine, `x` in radians.
    cos: each(E::cos), input(|g: E, x: E| -g * x.sin());
    /// The logistic function `1 / (1 + e^-x)`.
    sigmoid: kernel(kernels::sigmoid_into), output(|g, y| g * (y * (E::one() - y)));
    /// The hyperbolic tangent.
    tanh: kernel(kernels::tanh_into), output(|g, y| g * (E::one() - y * y));
    /// The multiple `factor * x`.
    scale(factor): each(|x| x * factor), gradient(|g| g * factor);
    /// The sum `x + offset`.
    shift(offset): each(|x| x + offset), pass();
}

/// -1, 0 or 1; NaN stays NaN.
fn sign<E: Element>(x: E) -> E {
    if x == E::zero() { x } else { x.signum() }
}

impl<E: Element> TensorBase<E> {
    /// Holds each element between `min` and `max`, ends included; NaN stays NaN. The derivative is 1
    /// within, and 0 at the ends and beyond, as in PyTorch 2.15 and as that of relu.
    ///
    /// ```
    /// use azura_core::Tensor;
    ///
    /// let x = Tensor::from_vec(&[3], vec![-2.0, 0.5, 7.0])?;
    /// assert_eq!(x.clamp(-1.0, 1.0)?.to_vec(), [-1.0, 0.5, 1.0]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If not `min <= max`.
    pub fn clamp(&self, min: E, max: E) -> Result<Self> {
        // A NaN is not in order either.
        if min.partial_cmp(&max).is_none_or(Ordering::is_gt) {
            return Err(Error::argument("clamp", format!("wants min <= max, not {min} and {max}")));
        }
        Self::record("clamp", &[self], |inputs| {
            let x = inputs.data(0).clone();
            let y = broadcast::map(&x, |x| {
                if x < min {
                    min
                } else if x > max {
                    max
                } else {
                    x
                }
            });
            let within = move |g, x| if x > min && x < max { g } else { E::zero() };
            Ok((y, Box::new(move |grad| Ok(vec![Some(zip_grad("clamp", grad, &x, within)?)]))))
        })
    }

    /// Picks from `a` where the mask is true and from `b` where it is false; all three broadcast. Each gets the
    /// gradient where it was picked and exactly 0 elsewhere, even if the gradient is infinite there.
    ///
    /// ```
    /// use azura_core::{Mask, Tensor};
    ///
    /// let x = Tensor::from_vec(&[3], vec![-4.0, 0.0, 9.0])?;
    /// let positive: Mask = x.data().mapv(|x| x > 0.0).into_shared();
    /// let roots = Tensor::select(&positive, &x.sqrt()?, &Tensor::scalar(0.0))?;
    /// assert_eq!(roots.to_vec(), [0.0, 0.0, 3.0]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the shapes do not broadcast.
    pub fn select(mask: &Mask, a: &Self, b: &Self) -> Result<Self> {
        Self::record("where", &[a, b], |inputs| {
            let (a, b) = (inputs.data(0), inputs.data(1));
            let y = broadcast::zip3("where", mask, a, b, |of_a, a, b| if of_a { a } else { b })?;
            let shapes = [0, 1].map(|i| inputs.needs(i).then(|| inputs.data(i).raw_dim()));
            let mask = mask.clone();
            let vjp = move |grad: Data<E>| {
                let part =
                    |shape: IxDyn, picked| {
                        let grad = zip_grad("where", grad.clone(), &mask, |g, of_a| {
                            if of_a == picked { g } else { E::zero() }
                        })?;
                        Ok(broadcast::undo(grad, shape.slice()))
                    };
                let [a, b] = shapes;
                Ok(vec![a.map(|a| part(a, true)).transpose()?, b.map(|b| part(b, false)).transpose()?])
            };
            Ok((y, Box::new(vjp)))
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
