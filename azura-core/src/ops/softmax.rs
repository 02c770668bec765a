//! Softmax and its logarithm.

use super::{
    axes::{from_last, in_place, to_last},
    from_vec,
    shape::axes,
    slice,
};
use crate::{Data, Element, Result, TensorBase, Vjp, kernels::softmax};

impl<E: Element> TensorBase<E> {
    /// The softmax `e^x / sum e^x` along `axis`, which may be negative to count from the end.
    ///
    /// The greatest x is subtracted from all first, so that large ones do no harm. A lane that is minus infinity
    /// throughout, or has an infinity or NaN, gives NaN.
    ///
    /// ```
    /// use azura_core::Tensor;
    ///
    /// let x = Tensor::from_vec(&[2, 2], vec![0.0, 3.0_f32.ln(), 1e4, 1e4])?;
    /// let y = x.softmax(-1)?.to_vec();
    /// assert!((y[0] - 0.25).abs() < 1e-6 && (y[1] - 0.75).abs() < 1e-6); // 1 / (1 + 3), 3 / (1 + 3)
    /// assert_eq!(y[2..], [0.5, 0.5]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the axis does not exist.
    pub fn softmax(&self, axis: isize) -> Result<Self> {
        let axis = axes("softmax", self.shape(), &[axis])?[0];
        Self::record("softmax", &[self], |inputs| {
            along(inputs.data(0), axis, softmax::softmax, softmax::softmax_backward)
        })
    }

    /// The logarithm of the [`softmax`](Self::softmax) along `axis`, `x - ln(sum e^x)`, without the detour over numbers
    /// that may be too small.
    ///
    /// ```
    /// use azura_core::Tensor;
    ///
    /// let x = Tensor::from_vec(&[2], vec![-1e4, 1e4])?;
    /// assert_eq!(x.log_softmax(0)?.to_vec(), [-2e4, 0.0]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the axis does not exist.
    pub fn log_softmax(&self, axis: isize) -> Result<Self> {
        let axis = axes("log_softmax", self.shape(), &[axis])?[0];
        Self::record("log_softmax", &[self], |inputs| {
            along(inputs.data(0), axis, softmax::log_softmax, softmax::log_softmax_backward)
        })
    }
}

/// `y = forward(x)` and, of it, the derivative: both of rows of so many numbers.
#[expect(clippy::unnecessary_wraps, reason = "what `record` wants")]
fn along<E: Element>(
    x: &Data<E>,
    axis: usize,
    forward: fn(&[E], usize) -> Vec<E>,
    backward: fn(&[E], usize, &mut [E]),
) -> Result<(Data<E>, Vjp<E>)> {
    let columns = x.shape()[axis];
    let x = to_last(x.clone(), axis);
    let y = from_vec(x.shape(), forward(slice(&x), columns));
    let result = from_last(y.clone(), axis);
    let vjp = move |grad| {
        let grad = in_place(to_last(grad, axis), |grad| backward(slice(&y), columns, grad));
        Ok(vec![Some(from_last(grad, axis))])
    };
    Ok((result, Box::new(vjp)))
}
