//! Variance and standard deviation.

use super::{
    broadcast::{map, zip},
    lanes::{self, Lanes},
    shape::axes as resolve,
};
use crate::{Data, Element, Result, TensorBase};

impl<E: Element> TensorBase<E> {
    /// The variance `sum((x - mean)^2) / (n - ddof)` over the `n` elements along `axes`: of a whole population with
    /// `ddof` 0, estimated from a sample with `ddof` 1 (PyTorch's default). Negative axes count from the end. With
    /// `keepdims` a reduced axis stays, of length 1; otherwise it goes.
    ///
    /// Two passes, so that a large mean costs no digits. Where `n <= ddof` the result is NaN, or infinite.
    ///
    /// ```
    /// use azura_core::Tensor;
    ///
    /// let x = Tensor::from_vec(&[4], vec![1e6 + 1.0, 1e6 + 2.0, 1e6 + 3.0, 1e6 + 4.0])?;
    /// assert_eq!(x.var(&[0], false, 0)?.item()?, 1.25); // (2.25 + 0.25 + 0.25 + 2.25) / 4
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If an axis does not exist or is named twice.
    pub fn var(&self, axes: &[isize], keepdims: bool, ddof: usize) -> Result<Self> {
        let lanes = Lanes::new(self.shape(), resolve("var", self.shape(), axes)?);
        Self::record("var", &[self], |inputs| {
            let (deviations, variance, count) = variance("var", &lanes, inputs.data(0), ddof)?;
            let y = lanes.reduced(&variance, keepdims);
            let vjp = move |grad: Data<E>| {
                let factor = map(&lanes.fold_reduced(&grad), |g| E::of(2.0) * g / count);
                Ok(vec![Some(lanes.unfold(&zip("var", &deviations, &factor, |d, f| d * f)?))])
            };
            Ok((y, Box::new(vjp)))
        })
    }

    /// The standard deviation, the square root of [`var`](Self::var). Where it is 0 its derivative is taken as 0, as in
    /// PyTorch.
    ///
    /// ```
    /// use azura_core::Tensor;
    ///
    /// let x = Tensor::from_vec(&[2, 2], vec![1.0, 3.0, 5.0, 5.0])?;
    /// assert_eq!(x.std(&[1], false, 0)?.to_vec(), [1.0, 0.0]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If an axis does not exist or is named twice.
    pub fn std(&self, axes: &[isize], keepdims: bool, ddof: usize) -> Result<Self> {
        let lanes = Lanes::new(self.shape(), resolve("std", self.shape(), axes)?);
        Self::record("std", &[self], |inputs| {
            let (deviations, variance, count) = variance("std", &lanes, inputs.data(0), ddof)?;
            let std = map(&variance, E::sqrt);
            let y = lanes.reduced(&std, keepdims);
            let vjp = move |grad: Data<E>| {
                let by = |g, std| if std == E::zero() { std } else { g / (count * std) };
                let factor = zip("std", &lanes.fold_reduced(&grad), &std, by)?;
                Ok(vec![Some(lanes.unfold(&zip("std", &deviations, &factor, |d, f| d * f)?))])
            };
            Ok((y, Box::new(vjp)))
        })
    }
}

/// The deviations from the mean, folded; the variance of each lane; and what the squares were divided by.
fn variance<E: Element>(
    op: &'static str,
    lanes: &Lanes,
    x: &Data<E>,
    ddof: usize,
) -> Result<(Data<E>, Data<E>, E)> {
    let length = E::of(lanes.length as f64);
    let centred = |x: &Data<E>| zip(op, x, &map(&lanes::sum(x), |sum| sum / length), |x, mean| x - mean);
    // Again, since the mean is rounded, and by much if it is large.
    let deviations = centred(&centred(&lanes.fold(x))?)?;
    let count = E::of(lanes.length.saturating_sub(ddof) as f64);
    let variance = map(&lanes::sum(&map(&deviations, |d| d * d)), |sum| sum / count);
    Ok((deviations, variance, count))
}
