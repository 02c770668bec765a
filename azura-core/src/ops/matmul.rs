//! The matrix product.

use super::{from_vec, slice, standard};
use crate::{
    Data, Element, Error, Result, TensorBase,
    kernels::{Mat, gemm},
};
use ndarray::Dimension;

/// `[.., m, k]` as a matrix of `rows` by `k`: all leading axes become rows.
pub(super) fn rows<E: Element>(data: &Data<E>) -> Mat<'_, E> {
    let columns = data.shape().last().copied().unwrap_or(1);
    let rows = data.shape().iter().rev().skip(1).product();
    Mat::new(slice(data), rows, columns)
}

/// The product of two matrices into fresh, row-major elements.
pub(super) fn product<E: Element>(a: Mat<'_, E>, b: Mat<'_, E>) -> Vec<E> {
    let mut c = vec![E::zero(); a.rows() * b.cols()];
    gemm(a, b, &mut c, b.cols(), false);
    c
}

impl<E: Element> TensorBase<E> {
    /// The matrix product `self . other` of `[.., m, k]` and `[k, n]`, of shape `[.., m, n]`:
    /// `y[.., i, j] = sum_k self[.., i, k] * other[k, j]`.
    ///
    /// ```
    /// use azura_core::Tensor;
    ///
    /// let a = Tensor::from_vec(&[2, 2], vec![1.0, 2.0, 3.0, 4.0])?;
    /// let b = Tensor::from_vec(&[2, 1], vec![10.0, 1.0])?;
    /// assert_eq!(a.matmul(&b)?.to_vec(), [12.0, 34.0]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the shapes are not of this form, or the two `k` differ.
    pub fn matmul(&self, other: &Self) -> Result<Self> {
        let fits = match (self.shape(), other.shape()) {
            ([_, .., k], [l, _]) => k == l,
            _ => false,
        };
        if !fits {
            return Err(Error::shapes("matmul", self.shape(), other.shape(), "wants [.., m, k] and [k, n]"));
        }
        Self::record("matmul", &[self, other], |inputs| {
            let (a, b) = (standard(inputs.data(0)), standard(inputs.data(1)));
            let mut shape = a.shape().to_vec();
            shape[a.ndim() - 1] = b.shape()[1];
            let y = from_vec(&shape, product(rows(&a), rows(&b)));
            let (a_shape, b_shape) = (a.raw_dim(), b.raw_dim());
            // Each factor is saved for the derivative by the other.
            let (a, b) = (inputs.needs(1).then_some(a), inputs.needs(0).then_some(b));
            Ok((
                y,
                Box::new(move |grad| {
                    let grad = standard(&grad);
                    let g = rows(&grad);
                    let da = b.map(|b| from_vec(a_shape.slice(), product(g, rows(&b).t())));
                    let db = a.map(|a| from_vec(b_shape.slice(), product(rows(&a).t(), g)));
                    Ok(vec![da, db])
                }),
            ))
        })
    }
}
