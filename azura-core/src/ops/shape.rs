//! Operations that only move elements.

use super::{broadcast::countable, standard};
use crate::{Data, Element, Error, Result, TensorBase};
use ndarray::{Axis, IxDyn, Slice};
use std::ops::Range;

/// The index of `axis`, which counts from the end if negative.
pub(super) fn axis_index(op: &'static str, shape: &[usize], axis: isize) -> Result<usize> {
    let index = if axis < 0 { axis + shape.len() as isize } else { axis };
    usize::try_from(index).ok().filter(|&i| i < shape.len()).ok_or_else(|| Error::Axis {
        op,
        axis,
        shape: shape.to_vec(),
    })
}

/// The indices of `axes` in rising order, each at most once.
pub(super) fn axes(op: &'static str, shape: &[usize], axes: &[isize]) -> Result<Vec<usize>> {
    let mut indices = Vec::with_capacity(axes.len());
    for &axis in axes {
        let index = axis_index(op, shape, axis)?;
        if indices.contains(&index) {
            return Err(Error::Axis { op, axis, shape: shape.to_vec() });
        }
        indices.push(index);
    }
    indices.sort_unstable();
    Ok(indices)
}

/// The same elements under another shape of as many elements, laid out in row-major order whatever they were before.
pub(super) fn reshaped<E: Element>(data: &Data<E>, shape: &[usize]) -> Data<E> {
    match standard(data).into_shape_with_order(IxDyn(shape)) {
        Ok(data) => data,
        Err(_) => unreachable!("row-major data takes any shape of as many elements"),
    }
}

impl<E: Element> TensorBase<E> {
    /// The same elements in row-major order under another shape; without a copy where they are laid out so already.
    ///
    /// # Errors
    /// If `shape` asks for another number of elements.
    pub fn reshape(&self, shape: &[usize]) -> Result<Self> {
        if countable(shape) != Some(self.len()) {
            return Err(Error::shapes("reshape", self.shape(), shape, "wants the same number of elements"));
        }
        Self::record("reshape", &[self], |inputs| {
            let x = inputs.data(0);
            let before = x.shape().to_vec();
            Ok((reshaped(x, shape), Box::new(move |grad| Ok(vec![Some(reshaped(&grad, &before))]))))
        })
    }

    /// The axes in another order: axis `i` of the result is axis `order[i]` of this. Shares its elements.
    ///
    /// # Errors
    /// If `order` does not name every axis exactly once.
    pub fn permute(&self, order: &[isize]) -> Result<Self> {
        let forward: Vec<usize> =
            order.iter().map(|&axis| axis_index("permute", self.shape(), axis)).collect::<Result<_>>()?;
        if axes("permute", self.shape(), order)?.len() != self.shape().len() {
            return Err(Error::shape(
                "permute",
                self.shape(),
                format!("order {order:?} must name every axis once"),
            ));
        }
        let mut inverse = vec![0; forward.len()];
        for (to, &from) in forward.iter().enumerate() {
            inverse[from] = to;
        }
        Self::record("permute", &[self], |inputs| {
            let y = inputs.data(0).clone().permuted_axes(forward);
            Ok((y, Box::new(move |grad| Ok(vec![Some(grad.permuted_axes(inverse))]))))
        })
    }

    /// The transpose: the last two axes swapped.
    ///
    /// # Errors
    /// If there are fewer than two axes.
    pub fn transpose(&self) -> Result<Self> {
        let rank = self.shape().len() as isize;
        if rank < 2 {
            return Err(Error::shape("permute", self.shape(), "a transpose wants two axes or more"));
        }
        let mut order: Vec<isize> = (0..rank).collect();
        order.swap(rank as usize - 2, rank as usize - 1);
        self.permute(&order)
    }

    /// The elements whose index along `axis` lies in `range`. Shares its elements.
    ///
    /// # Errors
    /// If the axis does not exist or the range does not lie within it.
    pub fn slice(&self, axis: isize, range: Range<usize>) -> Result<Self> {
        let index = axis_index("slice", self.shape(), axis)?;
        if range.start > range.end || range.end > self.shape()[index] {
            let why = format!("{range:?} does not lie within axis {axis}");
            return Err(Error::shape("slice", self.shape(), why));
        }
        let part = Slice::from(range);
        Self::record_part("slice", self, |x| {
            let mut y = x.clone();
            y.slice_axis_inplace(Axis(index), part);
            let add = move |grad: &Data<E>, whole: &mut Data<E>| {
                let mut place = whole.slice_axis_mut(Axis(index), part);
                place += grad;
            };
            Ok((y, Box::new(add)))
        })
    }

    /// The tensors one after the other along `axis`; all other axes must agree.
    ///
    /// # Errors
    /// If there is no tensor, the axis does not exist, or another axis differs.
    pub fn concat(axis: isize, tensors: &[&Self]) -> Result<Self> {
        let first = tensors.first().ok_or_else(|| Error::argument("concat", "wants at least one tensor"))?;
        let index = axis_index("concat", first.shape(), axis)?;
        for tensor in tensors {
            let fits = tensor.shape().len() == first.shape().len()
                && (0..first.shape().len()).all(|i| i == index || tensor.shape()[i] == first.shape()[i]);
            if !fits {
                let why = format!("all axes but {axis} must be equal");
                return Err(Error::shapes("concat", first.shape(), tensor.shape(), why));
            }
        }
        Self::record("concat", tensors, |inputs| {
            let views: Vec<_> = (0..tensors.len()).map(|i| inputs.data(i).view()).collect();
            let y = match ndarray::concatenate(Axis(index), &views) {
                Ok(y) => y.into_shared(),
                Err(_) => return Err(Error::argument("concat", "the result is too large")),
            };
            let parts: Vec<_> =
                (0..tensors.len()).map(|i| (inputs.needs(i), views[i].shape()[index])).collect();
            Ok((
                y,
                Box::new(move |grad| {
                    let mut start = 0;
                    let grads = parts.into_iter().map(|(needs, length)| {
                        let part = Slice::from(start..start + length);
                        start += length;
                        needs.then(|| {
                            let mut grad = grad.clone();
                            grad.slice_axis_inplace(Axis(index), part);
                            grad
                        })
                    });
                    Ok(grads.collect())
                }),
            ))
        })
    }
}
