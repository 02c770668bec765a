//! Running sums.

use super::{from_vec, lanes::Lanes, shape::axis_index, slice};
use crate::{Data, Element, Result, TensorBase};

impl<E: Element> TensorBase<E> {
    /// The running sum along `axis`: each element becomes the sum of itself and all before it, added up in `f64`.
    ///
    /// ```
    /// use azura_core::Tensor;
    ///
    /// let x = Tensor::from_vec(&[2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0])?;
    /// assert_eq!(x.cumsum(1)?.to_vec(), [1.0, 3.0, 6.0, 4.0, 9.0, 15.0]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the axis does not exist.
    pub fn cumsum(&self, axis: isize) -> Result<Self> {
        let index = axis_index("cumsum", self.shape(), axis)?;
        let lanes = Lanes::new(self.shape(), vec![index]);
        Self::record("cumsum", &[self], |inputs| {
            let y = running(&lanes, inputs.data(0), false);
            // Each element is in all sums from its own on.
            Ok((y, Box::new(move |grad| Ok(vec![Some(running(&lanes, &grad, true))]))))
        })
    }
}

fn running<E: Element>(lanes: &Lanes, x: &Data<E>, backward: bool) -> Data<E> {
    let x = lanes.fold(x);
    let mut sums = vec![E::zero(); x.len()];
    let (inner, block) = (lanes.inner.max(1), (lanes.length * lanes.inner).max(1));
    let mut running = vec![0.0; inner];
    for (x, sums) in slice(&x).chunks_exact(block).zip(sums.chunks_exact_mut(block)) {
        running.fill(0.0);
        for i in 0..lanes.length {
            let start = inner * if backward { lanes.length - 1 - i } else { i };
            let row = running.iter_mut().zip(&x[start..][..inner]).zip(&mut sums[start..][..inner]);
            for ((running, x), sum) in row {
                *running += x.f64();
                *sum = E::of(*running);
            }
        }
    }
    lanes.unfold(&from_vec(x.shape(), sums))
}
