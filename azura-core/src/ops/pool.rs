//! Pooling: the greatest or the mean of each window.

use super::{from_vec, slice, standard};
use crate::{
    Element, Error, Result, TensorBase,
    kernels::pool::{self, Bins, Window},
};

impl<E: Element> TensorBase<E> {
    /// The greatest element of each window of `[batch, channels, height, width]`, of shape
    /// `[batch, channels, height', width']` with `height' = floor((height + 2 padding - kernel) / stride) + 1` and `width'`
    /// likewise. What lies outside is less than all.
    ///
    /// The gradient goes to the greatest element; of equal ones to the first, row by row. NaN counts as the greatest. All is
    /// as in PyTorch.
    ///
    /// ```
    /// use azura_core::Tensor;
    ///
    /// let x = Tensor::from_vec(&[1, 1, 2, 4], vec![1.0, 5.0, 2.0, 0.0, 4.0, 3.0, 7.0, 6.0])?;
    /// assert_eq!(x.max_pool2d([2, 2], [2, 2], [0, 0])?.to_vec(), [5.0, 7.0]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the shape is not of this form, height or width is 0, the kernel is 0 or larger than the padded input, a stride is
    /// 0, or the padding is more than half of the kernel.
    pub fn max_pool2d(&self, kernel: [usize; 2], stride: [usize; 2], padding: [usize; 2]) -> Result<Self> {
        let (window, shape) = window("max_pool2d", self, kernel, stride, padding)?;
        if u32::try_from(window.size[0] * window.size[1]).is_err() {
            return Err(Error::shape("max_pool2d", self.shape(), "wants at most 2^32 places in a plane"));
        }
        Self::record("max_pool2d", &[self], |inputs| {
            let x = standard(inputs.data(0));
            let (y, places) = pool::max(&window, slice(&x));
            let x = x.shape().to_vec();
            let vjp = move |grad| {
                let dx = pool::max_backward(&window, &places, slice(&standard(&grad)));
                Ok(vec![Some(from_vec(&x, dx))])
            };
            Ok((from_vec(&shape, y), Box::new(vjp)))
        })
    }

    /// The mean of each window of `[batch, channels, height, width]`, of the shape that [`TensorBase::max_pool2d`] gives.
    /// Padding counts as zeros: each sum is divided by the size of the kernel (PyTorch's default).
    ///
    /// ```
    /// use azura_core::Tensor;
    ///
    /// let x = Tensor::from_vec(&[1, 1, 2, 2], vec![1.0, 2.0, 3.0, 6.0])?;
    /// assert_eq!(x.avg_pool2d([2, 2], [2, 2], [0, 0])?.to_vec(), [3.0]);
    /// assert_eq!(x.avg_pool2d([2, 2], [2, 2], [1, 1])?.to_vec(), [0.25, 0.5, 0.75, 1.5]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`TensorBase::max_pool2d`].
    pub fn avg_pool2d(&self, kernel: [usize; 2], stride: [usize; 2], padding: [usize; 2]) -> Result<Self> {
        let (window, shape) = window("avg_pool2d", self, kernel, stride, padding)?;
        Self::record("avg_pool2d", &[self], |inputs| {
            let x = standard(inputs.data(0));
            let bins = Bins::sliding(&window);
            let y = pool::avg(&bins, slice(&x));
            let (x, planes) = (x.shape().to_vec(), shape[0] * shape[1]);
            let vjp = move |grad| {
                let dx = pool::avg_backward(&bins, planes, slice(&standard(&grad)));
                Ok(vec![Some(from_vec(&x, dx))])
            };
            Ok((from_vec(&shape, y), Box::new(vjp)))
        })
    }

    /// The means of `out` windows that cover `[batch, channels, height, width]`, of shape `[batch, channels, out..]`. Along an
    /// axis, window i of n goes from `floor(i length / n)` up to `ceil((i + 1) length / n)`, as in PyTorch; `[1, 1]` is the
    /// mean of all.
    ///
    /// ```
    /// use azura_core::Tensor;
    ///
    /// let x = Tensor::from_vec(&[1, 1, 1, 3], vec![1.0, 3.0, 8.0])?;
    /// assert_eq!(x.adaptive_avg_pool2d([1, 1])?.to_vec(), [4.0]);
    /// assert_eq!(x.adaptive_avg_pool2d([1, 2])?.to_vec(), [2.0, 5.5]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the shape is not of this form, height or width is 0, or the result would be too large.
    pub fn adaptive_avg_pool2d(&self, out: [usize; 2]) -> Result<Self> {
        const OP: &str = "adaptive_avg_pool2d";
        let &[batch, channels, height, width] = self.shape() else {
            return Err(Error::shape(OP, self.shape(), "wants [batch, channels, height, width]"));
        };
        if height == 0 || width == 0 {
            return Err(Error::shape(OP, self.shape(), "there is no mean of nothing"));
        }
        let shape = [batch, channels, out[0], out[1]];
        if !countable::<E>(&shape) {
            return Err(Error::shape(OP, self.shape(), format!("{out:?} windows are too many")));
        }
        Self::record("adaptive_avg_pool2d", &[self], |inputs| {
            let x = standard(inputs.data(0));
            let bins = Bins::adaptive([height, width], out);
            let y = pool::avg(&bins, slice(&x));
            let vjp = move |grad| {
                let dx = pool::avg_backward(&bins, batch * channels, slice(&standard(&grad)));
                Ok(vec![Some(from_vec(&[batch, channels, height, width], dx))])
            };
            Ok((from_vec(&shape, y), Box::new(vjp)))
        })
    }

    /// [`TensorBase::max_pool2d`] over the last axis of `[batch, channels, length]`.
    ///
    /// ```
    /// use azura_core::Tensor;
    ///
    /// let x = Tensor::from_vec(&[1, 1, 4], vec![1.0, 5.0, 2.0, 0.0])?;
    /// assert_eq!(x.max_pool1d(2, 2, 0)?.to_vec(), [5.0, 2.0]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`TensorBase::max_pool2d`].
    pub fn max_pool1d(&self, kernel: usize, stride: usize, padding: usize) -> Result<Self> {
        self.line("max_pool1d", |x| x.max_pool2d([1, kernel], [1, stride], [0, padding]))
    }

    /// [`TensorBase::avg_pool2d`] over the last axis of `[batch, channels, length]`.
    ///
    /// ```
    /// use azura_core::Tensor;
    ///
    /// let x = Tensor::from_vec(&[1, 1, 4], vec![1.0, 5.0, 2.0, 0.0])?;
    /// assert_eq!(x.avg_pool1d(2, 2, 0)?.to_vec(), [3.0, 1.0]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`TensorBase::max_pool2d`].
    pub fn avg_pool1d(&self, kernel: usize, stride: usize, padding: usize) -> Result<Self> {
        self.line("avg_pool1d", |x| x.avg_pool2d([1, kernel], [1, stride], [0, padding]))
    }

    /// [`TensorBase::adaptive_avg_pool2d`] over the last axis of `[batch, channels, length]`.
    ///
    /// ```
    /// use azura_core::Tensor;
    ///
    /// let x = Tensor::from_vec(&[1, 1, 4], vec![1.0, 5.0, 2.0, 0.0])?;
    /// assert_eq!(x.adaptive_avg_pool1d(1)?.to_vec(), [2.0]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`TensorBase::adaptive_avg_pool2d`].
    pub fn adaptive_avg_pool1d(&self, out: usize) -> Result<Self> {
        self.line("adaptive_avg_pool1d", |x| x.adaptive_avg_pool2d([1, out]))
    }

    /// `f` of `[batch, channels, length]` as planes of one row.
    fn line(&self, op: &'static str, f: impl Fn(&Self) -> Result<Self>) -> Result<Self> {
        let &[batch, channels, length] = self.shape() else {
            return Err(Error::shape(op, self.shape(), "wants [batch, channels, length]"));
        };
        let y = f(&self.reshape(&[batch, channels, 1, length])?)?;
        let out = y.shape().last().copied().unwrap_or_default();
        y.reshape(&[batch, channels, out])
    }
}

/// The window, if there is such a pooling, and the shape of the result.
fn window<E: Element>(
    op: &'static str,
    x: &TensorBase<E>,
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
) -> Result<(Window, [usize; 4])> {
    let &[batch, channels, height, width] = x.shape() else {
        return Err(Error::shape(op, x.shape(), "wants [batch, channels, height, width]"));
    };
    if kernel.contains(&0) || stride.contains(&0) {
        return Err(Error::argument(op, format!("kernel {kernel:?} and stride {stride:?} start at 1")));
    }
    if padding.iter().zip(kernel).any(|(&padding, kernel)| padding > kernel / 2) {
        let why = format!("padding {padding:?} is more than half of the kernel {kernel:?}");
        return Err(Error::argument(op, why));
    }
    let window = Window { size: [height, width], kernel, stride, padding };
    let shape = window.out().map(|[height, width]| [batch, channels, height, width]);
    shape.filter(|shape| countable::<E>(shape)).map(|shape| (window, shape)).ok_or_else(|| {
        let why = format!("is empty, or kernel {kernel:?} is larger than it with padding {padding:?}");
        Error::shape(op, x.shape(), why)
    })
}

/// Whether a tensor can have this shape.
fn countable<E>(shape: &[usize]) -> bool {
    let axes = shape.iter().filter(|&&length| length > 0);
    let len = axes.copied().try_fold(size_of::<E>(), usize::checked_mul);
    len.is_some_and(|len| isize::try_from(len).is_ok())
}
