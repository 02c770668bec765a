//! Embeddings.

use super::{axes::countable, from_vec, slice, standard};
use crate::{Element, Error, Ids, Result, TensorBase, kernels::rows};

impl<E: Element> TensorBase<E> {
    /// The rows of this table, `[V, D]`, that `ids` of any shape name: `[ids.., D]`. The gradient of a row is the sum over
    /// all places where it was taken.
    ///
    /// ```
    /// use azura_core::{Tensor, ndarray::arr1};
    ///
    /// let table = Tensor::from_vec(&[2, 3], vec![0.0, 1.0, 2.0, 10.0, 11.0, 12.0])?;
    /// let y = table.embedding(&arr1(&[1, 0, 1]).into_dyn().into_shared())?;
    /// assert_eq!(y.shape(), [3, 3]);
    /// assert_eq!(y.to_vec()[..6], [10.0, 11.0, 12.0, 0.0, 1.0, 2.0]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If this is no table, an id is not below V, or the result is too large.
    pub fn embedding(&self, ids: &Ids) -> Result<Self> {
        let &[count, columns] = self.shape() else {
            return Err(Error::shape("embedding", self.shape(), "wants a table [V, D]"));
        };
        if let Some(id) = ids.iter().find(|&&id| id as usize >= count) {
            return Err(Error::shape("embedding", self.shape(), format!("has no row {id}")));
        }
        let shape: Vec<usize> = ids.shape().iter().copied().chain([columns]).collect();
        if !countable(&shape) {
            return Err(Error::shapes("embedding", self.shape(), ids.shape(), "too large"));
        }
        Self::record("embedding", &[self], |inputs| {
            let table = standard(inputs.data(0));
            let ids: Vec<u32> = ids.iter().copied().collect();
            let y = from_vec(&shape, rows::gather(slice(&table), columns, &ids));
            let vjp = move |grad| {
                let grad = rows::scatter(slice(&standard(&grad)), columns, &ids, count);
                Ok(vec![Some(from_vec(&[count, columns], grad))])
            };
            Ok((y, Box::new(vjp)))
        })
    }
}
