//! Sums and means over axes.

use super::{shape::axes as resolve, slice, standard, sums};
use crate::{Data, Element, Result, TensorBase};
use ndarray::{Axis, IxDyn};

impl<E: Element> TensorBase<E> {
    /// The sum over `axes`. Negative axes count from the end. With `keepdims` a summed axis stays, of length 1;
    /// otherwise it goes. No axes: nothing is summed. The sum of nothing is 0.
    ///
    /// # Errors
    /// If an axis does not exist or is named twice.
    pub fn sum(&self, axes: &[isize], keepdims: bool) -> Result<Self> {
        let axes = resolve("sum", self.shape(), axes)?;
        Self::record("sum", &[self], |inputs| {
            let x = inputs.data(0);
            let shape = x.raw_dim();
            let y = reduce(x, &axes, keepdims);
            Ok((y, Box::new(move |grad| Ok(vec![Some(expand(grad, &axes, &shape, keepdims, E::one()))]))))
        })
    }

    /// The mean over `axes`, as [`sum`](Self::sum). The mean of nothing is NaN.
    ///
    /// # Errors
    /// If an axis does not exist or is named twice.
    pub fn mean(&self, axes: &[isize], keepdims: bool) -> Result<Self> {
        let axes = resolve("mean", self.shape(), axes)?;
        Self::record("mean", &[self], |inputs| {
            let x = inputs.data(0);
            let shape = x.raw_dim();
            let count = E::of(axes.iter().map(|&axis| x.shape()[axis]).product::<usize>() as f64);
            let mut y = reduce(x, &axes, keepdims);
            y.mapv_inplace(|y| y / count);
            Ok((
                y,
                Box::new(move |grad| Ok(vec![Some(expand(grad, &axes, &shape, keepdims, count.recip()))])),
            ))
        })
    }

    /// The sum of all elements, a scalar.
    ///
    /// # Errors
    /// None; the result is one for the sake of chaining.
    pub fn sum_all(&self) -> Result<Self> {
        self.sum(&self.all_axes(), false)
    }

    /// The mean of all elements, a scalar.
    ///
    /// # Errors
    /// None; the result is one for the sake of chaining.
    pub fn mean_all(&self) -> Result<Self> {
        self.mean(&self.all_axes(), false)
    }

    fn all_axes(&self) -> Vec<isize> {
        (0..self.shape().len() as isize).collect()
    }
}

/// Sums over `axes`, given in rising order.
fn reduce<E: Element>(x: &Data<E>, axes: &[usize], keepdims: bool) -> Data<E> {
    if axes.len() == x.ndim() {
        let shape = if keepdims { vec![1; x.ndim()] } else { Vec::new() };
        return Data::from_elem(IxDyn(&shape), sums::total(slice(&standard(x)), |x| x));
    }
    let mut sum = x.clone();
    for &axis in axes.iter().rev() {
        sum = sums::over_axis(sum.view(), axis).into_shared();
        if keepdims {
            sum = sum.insert_axis(Axis(axis));
        }
    }
    sum
}

/// The derivative of [`reduce`]: `factor` times the gradient, repeated along `axes`.
fn expand<E: Element>(
    mut grad: Data<E>,
    axes: &[usize],
    shape: &IxDyn,
    keepdims: bool,
    factor: E,
) -> Data<E> {
    if !keepdims {
        for &axis in axes {
            grad = grad.insert_axis(Axis(axis));
        }
    }
    match grad.broadcast(shape.clone()) {
        Some(grad) => grad.mapv(|g| g * factor).into_shared(),
        None => unreachable!("the gradient has the reduced shape"),
    }
}
