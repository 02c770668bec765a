//! Dropout.

use super::{from_vec, standard};
use crate::{Element, Error, Result, TensorBase};

impl<E: Element> TensorBase<E> {
    /// Sets each element to 0 with probability `p` and multiplies the others by `1 / (1 - p)`, so that the
    /// expectation stays (Srivastava et al. 2014, in the inverted form). `bits` gives one uniformly distributed
    /// `u32` for each element in row-major order; any seeded generator will do.
    ///
    /// # Errors
    /// If `p` does not lie in `0 <= p < 1`.
    pub fn dropout(&self, p: f64, mut bits: impl FnMut() -> u32) -> Result<Self> {
        if !(0.0..1.0).contains(&p) {
            return Err(Error::argument("dropout", format!("p = {p} must lie in 0 <= p < 1")));
        }
        let dropped_below = (p * 2_f64.powi(32)) as u32;
        let kept = E::of(1.0 / (1.0 - p));
        Self::record("dropout", &[self], |inputs| {
            let x = standard(inputs.data(0));
            let factors =
                (0..x.len()).map(|_| if bits() < dropped_below { E::zero() } else { kept }).collect();
            let mask = from_vec(x.shape(), factors);
            Ok((
                (&x * &mask).into_shared(),
                Box::new(move |grad| Ok(vec![Some((&grad * &mask).into_shared())])),
            ))
        })
    }
}
