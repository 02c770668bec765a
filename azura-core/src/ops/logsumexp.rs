//! The logarithm of a sum of exponentials.

use super::{
    broadcast::{map, map_slice, zip},
    lanes::{self, Lanes},
    shape::axes as resolve,
};
use crate::{Data, Element, Result, TensorBase, kernels};

impl<E: Element> TensorBase<E> {
    /// `ln(sum(e^x))` along `axes`, computed as `m + ln(sum(e^(x - m)))` with the greatest element `m`, which overflows
    /// nowhere. Negative axes count from the end. With `keepdims` a reduced axis stays, of length 1; otherwise it goes.
    ///
    /// The derivative is the softmax `e^(x - y)`: 0 for an element that is minus infinity, also where all are, and NaN
    /// for one that is infinite. Of nothing the result is minus infinity, `ln 0`.
    ///
    /// ```
    /// use azura_core::Tensor;
    ///
    /// let x = Tensor::from_vec(&[2], vec![1000.0, 1000.0])?;
    /// assert_eq!(x.logsumexp(&[0], false)?.item()?, 1000.0 + 2_f32.ln());
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If an axis does not exist or is named twice.
    pub fn logsumexp(&self, axes: &[isize], keepdims: bool) -> Result<Self> {
        const NAME: &str = "logsumexp";
        let lanes = Lanes::new(self.shape(), resolve(NAME, self.shape(), axes)?);
        Self::record("logsumexp", &[self], |inputs| {
            let x = lanes.fold(inputs.data(0));
            let greatest = if lanes.length == 0 {
                lanes::sum(&x)
            } else {
                // Infinity less infinity would be NaN.
                let greatest = lanes.join(&x, |a, b| if a > b || a.is_nan() { a } else { b });
                map(&greatest, |m| if m.is_infinite() { E::zero() } else { m })
            };
            let exponentials = map_slice(&zip(NAME, &x, &greatest, |x, m| x - m)?, kernels::exp_into);
            let sums = lanes::sum(&exponentials);
            let y = lanes.reduced(&zip(NAME, &greatest, &sums, |m, sum| m + sum.ln())?, keepdims);
            let vjp = move |grad: Data<E>| {
                let by = |g, sum| if sum == E::zero() { sum } else { g / sum };
                let factor = zip(NAME, &lanes.fold_reduced(&grad), &sums, by)?;
                Ok(vec![Some(lanes.unfold(&zip(NAME, &exponentials, &factor, |e, f| e * f)?))])
            };
            Ok((y, Box::new(vjp)))
        })
    }
}
