//! Losses.

use super::{from_vec, slice, standard, sums};
use crate::{Data, Element, Error, Result, TensorBase};
use ndarray::Dimension;

impl<E: Element> TensorBase<E> {
    /// The mean squared error `mean((self - target)^2)` over all elements, a scalar. The mean of nothing is NaN.
    ///
    /// ```
    /// use azura_core::Tensor;
    ///
    /// let y = Tensor::from_vec(&[2], vec![1.0, 4.0])?;
    /// let target = Tensor::from_vec(&[2], vec![2.0, 2.0])?;
    /// assert_eq!(y.mse(&target)?.item()?, 2.5); // (1 + 4) / 2
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the shapes differ: nothing is broadcast, since that is hardly ever what was meant.
    pub fn mse(&self, target: &Self) -> Result<Self> {
        if self.shape() != target.shape() {
            return Err(Error::shapes(
                "mse",
                self.shape(),
                target.shape(),
                "prediction and target must be equal",
            ));
        }
        Self::record("mse", &[self, target], |inputs| {
            let (y, target) = (standard(inputs.data(0)), standard(inputs.data(1)));
            let difference: Vec<E> = slice(&y).iter().zip(slice(&target)).map(|(&y, &t)| y - t).collect();
            let count = E::of(difference.len() as f64);
            let loss = sums::total(&difference, |d| d * d) / count;
            let (shape, needs) = (y.raw_dim(), [inputs.needs(0), inputs.needs(1)]);
            let loss = ndarray::arr0(loss).into_dyn().into_shared();
            Ok((
                loss,
                Box::new(move |grad| {
                    let factor = grad.first().copied().unwrap_or_else(E::zero) * E::of(2.0) / count;
                    let by = |factor: E| -> Data<E> {
                        from_vec(shape.slice(), difference.iter().map(|&d| d * factor).collect())
                    };
                    Ok(vec![needs[0].then(|| by(factor)), needs[1].then(|| by(-factor))])
                }),
            ))
        })
    }
}
