//! Operations that pick elements by integers.

use super::{broadcast::offsets, from_vec, shape::axis_index, slice, standard};
use crate::{Data, Element, Error, Ids, Result, TensorBase};
use ndarray::{Dimension, IxDyn};

impl<E: Element> TensorBase<E> {
    /// The slices along `axis` that `ids`, of one axis, names, in their order; each as often as it is named.
    /// The derivative adds them up again, in the order of `ids`.
    ///
    /// ```
    /// use azura_core::{Ids, Tensor};
    ///
    /// let x = Tensor::from_vec(&[3, 2], vec![0.0, 1.0, 10.0, 11.0, 20.0, 21.0])?;
    /// let ids: Ids = ndarray::arr1(&[2, 0, 2]).into_dyn().into_shared();
    /// assert_eq!(x.index_select(0, &ids)?.to_vec(), [20.0, 21.0, 0.0, 1.0, 20.0, 21.0]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the axis does not exist, `ids` has not one axis, or an id is not below the axis' length.
    pub fn index_select(&self, axis: isize, ids: &Ids) -> Result<Self> {
        let index = axis_index("index_select", self.shape(), axis)?;
        if ids.ndim() != 1 {
            return Err(Error::shapes("index_select", self.shape(), ids.shape(), "ids want one axis"));
        }
        let ids = below("index_select", self.shape(), index, ids)?;
        Self::record("index_select", &[self], |inputs| {
            let x = standard(inputs.data(0));
            let before = x.raw_dim();
            let (length, inner) = (before[index], before.slice()[index + 1..].iter().product::<usize>());
            let mut after = before.clone();
            after[index] = ids.len();
            let mut values = Vec::with_capacity(after.size());
            // Slices of no elements need no place.
            for block in slice(&x).chunks_exact((length * inner).max(1)) {
                for &id in &ids {
                    values.extend_from_slice(&block[id * inner..][..inner]);
                }
            }
            let vjp = move |grad: Data<E>| {
                let grad = standard(&grad);
                let mut sums = vec![E::zero(); before.size()];
                let blocks = slice(&grad).chunks_exact((ids.len() * inner).max(1));
                for (sums, grads) in sums.chunks_exact_mut((length * inner).max(1)).zip(blocks) {
                    for (&id, grads) in ids.iter().zip(grads.chunks_exact(inner)) {
                        sums[id * inner..][..inner].iter_mut().zip(grads).for_each(|(sum, &g)| *sum += g);
                    }
                }
                Ok(vec![Some(from_vec(before.slice(), sums))])
            };
            Ok((from_vec(after.slice(), values), Box::new(vjp)))
        })
    }

    /// Picks one element for each id: with axis 0 of three, `y[i, j, k] = x[ids[i, j, k], j, k]`. The result has
    /// the shape of `ids`, which has as many axes and, but for `axis`, is nowhere longer.
    /// The derivative adds up what was picked more than once, in the order of `ids`.
    ///
    /// ```
    /// use azura_core::{Ids, Tensor};
    ///
    /// let x = Tensor::from_vec(&[2, 3], vec![0.0, 1.0, 2.0, 10.0, 11.0, 12.0])?;
    /// let ids: Ids = ndarray::arr2(&[[2], [0]]).into_dyn().into_shared();
    /// assert_eq!(x.gather(1, &ids)?.to_vec(), [2.0, 10.0]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the axis does not exist, the shapes do not fit, or an id is not below the axis' length.
    pub fn gather(&self, axis: isize, ids: &Ids) -> Result<Self> {
        let places = places("gather", self.shape(), axis, ids)?;
        Self::record("gather", &[self], |inputs| {
            let before = inputs.data(0).raw_dim();
            let y = picked(inputs.data(0), &places, ids.shape());
            let vjp = move |grad: Data<E>| {
                let zeros = vec![E::zero(); before.size()];
                Ok(vec![Some(added(zeros, &before, &places, &grad))])
            };
            Ok((y, Box::new(vjp)))
        })
    }

    /// Adds each element of `source` to the one that [`gather`](Self::gather) would pick by the same ids: with axis 0
    /// of three, `y[ids[i, j, k], j, k] += source[i, j, k]`, in the order of `ids`.
    ///
    /// ```
    /// use azura_core::{Ids, Tensor};
    ///
    /// let ids: Ids = ndarray::arr1(&[1, 1, 0]).into_dyn().into_shared();
    /// let source = Tensor::from_vec(&[3], vec![1.0, 2.0, 4.0])?;
    /// assert_eq!(Tensor::zeros(&[3]).scatter_add(0, &ids, &source)?.to_vec(), [4.0, 3.0, 0.0]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the axis does not exist, `source` has not the shape of `ids`, the shapes do not fit as for
    /// [`gather`](Self::gather), or an id is not below the axis' length.
    pub fn scatter_add(&self, axis: isize, ids: &Ids, source: &Self) -> Result<Self> {
        if source.shape() != ids.shape() {
            return Err(Error::shapes(
                "scatter_add",
                source.shape(),
                ids.shape(),
                "source and ids must be equal",
            ));
        }
        let places = places("scatter_add", self.shape(), axis, ids)?;
        Self::record("scatter_add", &[self, source], |inputs| {
            let x = inputs.data(0);
            let y = added(x.iter().copied().collect(), &x.raw_dim(), &places, inputs.data(1));
            let (needs, after) = ([inputs.needs(0), inputs.needs(1)], ids.raw_dim());
            let vjp = move |grad: Data<E>| {
                let source = needs[1].then(|| picked(&grad, &places, after.slice()));
                Ok(vec![needs[0].then_some(grad), source])
            };
            Ok((y, Box::new(vjp)))
        })
    }
}

/// The ids as indices of an axis.
fn below(op: &'static str, shape: &[usize], axis: usize, ids: &Ids) -> Result<Vec<usize>> {
    let length = shape[axis];
    let index = |&id: &u32| {
        let index = id as usize;
        let out = || Error::shape(op, shape, format!("id {id} is not below the length of axis {axis}"));
        if index < length { Ok(index) } else { Err(out()) }
    };
    ids.iter().map(index).collect()
}

/// Where, in row-major order, each id's element is.
fn places(op: &'static str, shape: &[usize], axis: isize, ids: &Ids) -> Result<Vec<usize>> {
    let index = axis_index(op, shape, axis)?;
    let fits =
        ids.ndim() == shape.len() && (0..shape.len()).all(|i| i == index || ids.shape()[i] <= shape[i]);
    if !fits {
        let why = format!("ids want as many axes, none longer but {axis}");
        return Err(Error::shapes(op, shape, ids.shape(), why));
    }
    let mut strides: Vec<isize> =
        (0..shape.len()).map(|i| shape[i + 1..].iter().product::<usize>() as isize).collect();
    let stride = std::mem::take(&mut strides[index]) as usize;
    let starts = offsets(ids.shape(), &strides);
    Ok(below(op, shape, index, ids)?.iter().zip(starts).map(|(&id, start)| start + id * stride).collect())
}

fn picked<E: Element>(x: &Data<E>, places: &[usize], shape: &[usize]) -> Data<E> {
    let x = standard(x);
    let values = slice(&x);
    from_vec(shape, places.iter().map(|&place| values[place]).collect())
}

fn added<E: Element>(mut sums: Vec<E>, shape: &IxDyn, places: &[usize], source: &Data<E>) -> Data<E> {
    for (&place, &x) in places.iter().zip(source) {
        sums[place] += x;
    }
    from_vec(shape.slice(), sums)
}
