//! The greatest and the least along axes.

use super::{
    from_vec,
    lanes::Lanes,
    shape::{axes as resolve, axis_index},
    slice, standard,
};
use crate::{Data, Element, Error, Ids, Result, TensorBase};
use ndarray::Axis;

impl<E: Element> TensorBase<E> {
    /// The greatest element along `axes`; NaN if there is one. Negative axes count from the end. With `keepdims` a
    /// reduced axis stays, of length 1; otherwise it goes. Elements that are the greatest together share the gradient
    /// evenly, as in PyTorch's `amax`.
    ///
    /// ```
    /// use azura_core::Tensor;
    ///
    /// let x = Tensor::from_vec(&[2, 2], vec![1.0, 5.0, 7.0, 3.0])?;
    /// assert_eq!(x.max(&[1], false)?.to_vec(), [5.0, 7.0]);
    /// assert_eq!(x.max(&[0, 1], true)?.shape(), [1, 1]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If an axis does not exist, is named twice, or has no element: nothing has no greatest.
    pub fn max(&self, axes: &[isize], keepdims: bool) -> Result<Self> {
        let lanes = lanes("max", self.shape(), axes)?;
        Self::record("max", &[self], |inputs| {
            let x = lanes.fold(inputs.data(0));
            let y = lanes.join(&x, |a, b| if a > b || a.is_nan() { a } else { b });
            let reduced = lanes.reduced(&y, keepdims);
            Ok((reduced, Box::new(move |grad| Ok(vec![Some(shared(&lanes, &x, &y, &grad))]))))
        })
    }

    /// The least element along `axes`, as [`max`](Self::max).
    ///
    /// ```
    /// use azura_core::Tensor;
    ///
    /// let x = Tensor::from_vec(&[2, 2], vec![1.0, 5.0, 7.0, 3.0])?;
    /// assert_eq!(x.min(&[-1], false)?.to_vec(), [1.0, 3.0]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`max`](Self::max).
    pub fn min(&self, axes: &[isize], keepdims: bool) -> Result<Self> {
        let lanes = lanes("min", self.shape(), axes)?;
        Self::record("min", &[self], |inputs| {
            let x = lanes.fold(inputs.data(0));
            let y = lanes.join(&x, |a, b| if a < b || a.is_nan() { a } else { b });
            let reduced = lanes.reduced(&y, keepdims);
            Ok((reduced, Box::new(move |grad| Ok(vec![Some(shared(&lanes, &x, &y, &grad))]))))
        })
    }

    /// Where the greatest element along `axis` is: its index; of several the first. The first NaN, if there is one,
    /// counts as the greatest. With `keepdims` the axis stays, of length 1; otherwise it goes. Has no gradient.
    ///
    /// ```
    /// use azura_core::Tensor;
    ///
    /// let x = Tensor::from_vec(&[2, 3], vec![1.0, 5.0, 5.0, 7.0, 3.0, 0.0])?;
    /// assert_eq!(x.argmax(1, false)?.as_slice(), Some(&[1, 0][..]));
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the axis does not exist, has no element, or is longer than a `u32` can count.
    pub fn argmax(&self, axis: isize, keepdims: bool) -> Result<Ids> {
        let index = axis_index("argmax", self.shape(), axis)?;
        let length = self.shape()[index];
        if length == 0 || u32::try_from(length - 1).is_err() {
            return Err(Error::shape(
                "argmax",
                self.shape(),
                format!("axis {axis} has no or too many elements"),
            ));
        }
        let x = self.data();
        let greatest = |lane: ndarray::ArrayView1<'_, E>| {
            let mut best = (0, E::neg_infinity());
            for (i, &x) in (0..).zip(lane) {
                if i == 0 || x > best.1 || x.is_nan() && !best.1.is_nan() {
                    best = (i, x);
                }
            }
            best.0
        };
        let ids = x.map_axis(Axis(index), greatest);
        Ok(if keepdims { ids.insert_axis(Axis(index)) } else { ids }.into_shared())
    }
}

fn lanes(op: &'static str, shape: &[usize], axes: &[isize]) -> Result<Lanes> {
    let lanes = Lanes::new(shape, resolve(op, shape, axes)?);
    if lanes.length == 0 {
        return Err(Error::shape(op, shape, format!("nothing to choose from along axes {axes:?}")));
    }
    Ok(lanes)
}

/// The gradient of each lane, shared out evenly among those of its numbers `x` that are the chosen `y`.
fn shared<E: Element>(lanes: &Lanes, x: &Data<E>, y: &Data<E>, grad: &Data<E>) -> Data<E> {
    let chosen = |x: E, y: E| x == y || x.is_nan() && y.is_nan();
    let grad = standard(grad);
    let mut dx = Vec::with_capacity(x.len());
    let per_block = lanes.inner.max(1);
    let reduced = slice(y).chunks_exact(per_block).zip(slice(&grad).chunks_exact(per_block));
    let blocks = slice(x).chunks_exact((lanes.length * lanes.inner).max(1));
    let mut shares = vec![E::zero(); lanes.inner];
    for (block, (y, grad)) in blocks.zip(reduced) {
        if let ([y], [g]) = (y, grad) {
            let count = block.iter().filter(|&&x| chosen(x, *y)).count();
            let share = *g / E::of(count as f64);
            dx.extend(block.iter().map(|&x| if chosen(x, *y) { share } else { E::zero() }));
            continue;
        }
        shares.fill(E::zero());
        for row in block.chunks_exact(per_block) {
            for ((count, &x), &y) in shares.iter_mut().zip(row).zip(y) {
                *count += if chosen(x, y) { E::one() } else { E::zero() };
            }
        }
        for (share, &g) in shares.iter_mut().zip(grad) {
            *share = g / *share;
        }
        for row in block.chunks_exact(per_block) {
            let numbers = row.iter().zip(y).zip(&shares);
            dx.extend(numbers.map(|((&x, &y), &share)| if chosen(x, y) { share } else { E::zero() }));
        }
    }
    lanes.unfold(&from_vec(x.shape(), dx))
}
