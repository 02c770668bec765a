use crate::{Cx, Module, Result};
use azura_core::Tensor;

/// Poolings differ in what they make of a window.
macro_rules! pools {
    ($($(#[$doc:meta])* $name:ident => $op:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name {
            kernel: [usize; 2],
            stride: [usize; 2],
            padding: [usize; 2],
        }

        impl $name {
            /// Windows of `kernel` `[height, width]` side by side: the stride is the kernel, as by default in PyTorch.
            /// The forward pass refuses a kernel or stride of 0, and a padding of more than half of the kernel.
            pub fn new(kernel: [usize; 2]) -> Self {
                Self { kernel, stride: kernel, padding: [0, 0] }
            }

            /// Sets how far it is from one window to the next.
            #[must_use]
            pub fn stride(mut self, stride: [usize; 2]) -> Self {
                self.stride = stride;
                self
            }

            /// Sets how much is added on both sides of height and width.
            #[must_use]
            pub fn padding(mut self, padding: [usize; 2]) -> Self {
                self.padding = padding;
                self
            }
        }

        impl Module for $name {
            fn forward(&self, x: &Tensor, _: &mut Cx) -> Result<Tensor> {
                Ok(x.$op(self.kernel, self.stride, self.padding)?)
            }
        }
    )*};
}

pools! {
    /// The greatest number of each window of images `[batch, channels, height, width]`, of shape
    /// `[batch, channels, height', width']` with `height' = floor((height + 2 padding - kernel) / stride) + 1` and
    /// `width'` likewise. What lies outside is less than all.
    ///
    /// ```
    /// use azura_core::Tensor;
    /// use azura_learner::{Cx, MaxPool2d, Module};
    ///
    /// let x = Tensor::from_vec(&[1, 1, 2, 4], vec![1.0, 5.0, 2.0, 0.0, 4.0, 3.0, 7.0, 6.0])?;
    /// assert_eq!(MaxPool2d::new([2, 2]).forward(&x, &mut Cx::eval())?.to_vec(), [5.0, 7.0]);
    /// # Ok::<(), azura_learner::Error>(())
    /// ```
    MaxPool2d => max_pool2d;
    /// The mean of each window of images, with shapes as [`MaxPool2d`]. Padding counts as zeros: each sum is divided by
    /// the size of the kernel, as by default in PyTorch.
    ///
    /// ```
    /// use azura_core::Tensor;
    /// use azura_learner::{AvgPool2d, Cx, Module};
    ///
    /// let x = Tensor::from_vec(&[1, 1, 2, 2], vec![1.0, 2.0, 3.0, 6.0])?;
    /// assert_eq!(AvgPool2d::new([2, 2]).forward(&x, &mut Cx::eval())?.to_vec(), [3.0]);
    /// # Ok::<(), azura_learner::Error>(())
    /// ```
    AvgPool2d => avg_pool2d;
}
