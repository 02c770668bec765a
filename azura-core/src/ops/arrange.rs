//! More operations that only move elements: rows put together, taken apart, repeated, turned round.

use super::{
    broadcast::{self, countable},
    shape::{axes as resolve, axis_index},
};
use crate::{Data, Element, Error, Result, TensorBase};
use ndarray::{Axis, Dimension, IxDyn, Slice};

impl<E: Element> TensorBase<E> {
    /// Inserts an axis of length 1, so that it is axis `axis` of the result; -1 puts it last.
    ///
    /// ```
    /// use azura_core::Tensor;
    ///
    /// let x = Tensor::zeros(&[2, 3]);
    /// assert_eq!(x.unsqueeze(1)?.shape(), [2, 1, 3]);
    /// assert_eq!(x.unsqueeze(-1)?.shape(), [2, 3, 1]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the result has no such axis.
    pub fn unsqueeze(&self, axis: isize) -> Result<Self> {
        let mut shape = self.shape().to_vec();
        shape.push(1);
        let index = axis_index("unsqueeze", &shape, axis)?;
        shape.pop();
        shape.insert(index, 1);
        self.reshape(&shape)
    }

    /// Removes an axis of length 1.
    ///
    /// ```
    /// use azura_core::Tensor;
    ///
    /// assert_eq!(Tensor::zeros(&[2, 1, 3]).squeeze(1)?.shape(), [2, 3]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the axis does not exist or has another length.
    pub fn squeeze(&self, axis: isize) -> Result<Self> {
        let index = axis_index("squeeze", self.shape(), axis)?;
        let mut shape = self.shape().to_vec();
        if shape.remove(index) != 1 {
            return Err(Error::shape("squeeze", self.shape(), format!("axis {axis} is not of length 1")));
        }
        self.reshape(&shape)
    }

    /// The tensors, all of one shape, side by side along a new axis: axis `axis` of the result; -1 puts it last.
    ///
    /// ```
    /// use azura_core::Tensor;
    ///
    /// let (a, b) = (Tensor::from_vec(&[2], vec![1.0, 2.0])?, Tensor::from_vec(&[2], vec![3.0, 4.0])?);
    /// assert_eq!(Tensor::stack(0, &[&a, &b])?.to_vec(), [1.0, 2.0, 3.0, 4.0]);
    /// assert_eq!(Tensor::stack(1, &[&a, &b])?.to_vec(), [1.0, 3.0, 2.0, 4.0]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there is no tensor, the shapes differ, or the result has no such axis.
    pub fn stack(axis: isize, tensors: &[&Self]) -> Result<Self> {
        let first = tensors.first().ok_or_else(|| Error::argument("stack", "wants at least one tensor"))?;
        if let Some(other) = tensors.iter().find(|tensor| tensor.shape() != first.shape()) {
            return Err(Error::shapes("stack", first.shape(), other.shape(), "all must be equal"));
        }
        axis_index("stack", &[first.shape(), &[1]].concat(), axis)?;
        let rows = tensors.iter().map(|tensor| tensor.unsqueeze(axis)).collect::<Result<Vec<_>>>()?;
        Self::concat(axis, &rows.iter().collect::<Vec<_>>())
    }

    /// Cuts into parts of these lengths along `axis`, which together are its length. Shares the elements.
    ///
    /// ```
    /// use azura_core::Tensor;
    ///
    /// let x = Tensor::from_vec(&[3], vec![1.0, 2.0, 3.0])?;
    /// let parts = x.split(0, &[1, 2])?;
    /// assert_eq!(parts[1].to_vec(), [2.0, 3.0]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the axis does not exist or the lengths do not add up to its own.
    pub fn split(&self, axis: isize, lengths: &[usize]) -> Result<Vec<Self>> {
        let index = axis_index("split", self.shape(), axis)?;
        let total = lengths.iter().try_fold(0_usize, |sum, &length| sum.checked_add(length));
        if total != Some(self.shape()[index]) {
            let why = format!("lengths {lengths:?} do not add up to that of axis {axis}");
            return Err(Error::shape("split", self.shape(), why));
        }
        let parts = lengths.iter().scan(0, |start, &length| {
            let part = *start..*start + length;
            *start = part.end;
            Some(self.slice(axis, part))
        });
        parts.collect()
    }

    /// Puts so many elements of `value` before and after those of each axis: one pair for each.
    ///
    /// ```
    /// use azura_core::Tensor;
    ///
    /// let x = Tensor::from_vec(&[1, 2], vec![1.0, 2.0])?;
    /// let y = x.pad(&[(1, 0), (0, 1)], 9.0)?;
    /// assert_eq!((y.shape(), y.to_vec()), (&[2, 3][..], vec![9.0, 9.0, 9.0, 1.0, 2.0, 9.0]));
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there is not one pair for each axis, or the result is too large.
    pub fn pad(&self, margins: &[(usize, usize)], value: E) -> Result<Self> {
        if margins.len() != self.shape().len() {
            return Err(Error::shape(
                "pad",
                self.shape(),
                format!("wants a pair for each axis, not {margins:?}"),
            ));
        }
        let lengths = self.shape().iter().zip(margins);
        let shape: Option<Vec<usize>> = lengths
            .map(|(length, (before, after))| length.checked_add(*before)?.checked_add(*after))
            .collect();
        let Some(shape) = shape.filter(|shape| countable(shape).is_some()) else {
            return Err(Error::shape("pad", self.shape(), format!("{margins:?} is too much")));
        };
        let inner: Vec<_> =
            self.shape().iter().zip(margins).map(|(&length, &(before, _))| before..before + length).collect();
        Self::record("pad", &[self], |inputs| {
            let mut y = Data::from_elem(IxDyn(&shape), value);
            y.slice_each_axis_mut(|axis| Slice::from(inner[axis.axis.index()].clone()))
                .assign(inputs.data(0));
            Ok((
                y,
                Box::new(move |mut grad| {
                    grad.slice_each_axis_inplace(|axis| Slice::from(inner[axis.axis.index()].clone()));
                    Ok(vec![Some(grad)])
                }),
            ))
        })
    }

    /// The elements in reverse order along these axes. Shares them.
    ///
    /// ```
    /// use azura_core::Tensor;
    ///
    /// let x = Tensor::from_vec(&[2, 2], vec![1.0, 2.0, 3.0, 4.0])?;
    /// assert_eq!(x.flip(&[1])?.to_vec(), [2.0, 1.0, 4.0, 3.0]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If an axis does not exist or is named twice.
    pub fn flip(&self, axes: &[isize]) -> Result<Self> {
        let axes = resolve("flip", self.shape(), axes)?;
        Self::record("flip", &[self], |inputs| {
            let flipped = move |mut data: Data<E>| {
                for &axis in &axes {
                    data.invert_axis(Axis(axis));
                }
                data
            };
            let y = flipped(inputs.data(0).clone());
            Ok((y, Box::new(move |grad| Ok(vec![Some(flipped(grad))]))))
        })
    }

    /// Repeats the elements under `shape`: axes are aligned at the last, and one of length 1 is repeated. This is a
    /// copy; elementwise operations broadcast without one.
    ///
    /// ```
    /// use azura_core::Tensor;
    ///
    /// let x = Tensor::from_vec(&[2, 1], vec![1.0, 2.0])?;
    /// assert_eq!(x.expand(&[2, 3])?.to_vec(), [1.0, 1.0, 1.0, 2.0, 2.0, 2.0]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If this does not broadcast to `shape`.
    pub fn expand(&self, shape: &[usize]) -> Result<Self> {
        Self::record("expand", &[self], |inputs| {
            let x = inputs.data(0);
            let Some(y) = broadcast::full(x, shape) else {
                let why = "each axis must be equal or 1, aligned at the last";
                return Err(Error::shapes("expand", x.shape(), shape, why));
            };
            let before = x.raw_dim();
            Ok((y, Box::new(move |grad| Ok(vec![Some(broadcast::undo(grad, before.slice()))]))))
        })
    }
}
