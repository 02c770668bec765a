use crate::{Cx, Error, Module, Result, visit};
use azura_core::{
    Param, Tensor,
    ndarray::{Array, Ix1},
};

/// What is added to a variance, so that its root is not 0: PyTorch's default.
const EPS: f32 = 1e-5;

/// How much of a batch enters the running statistics: PyTorch's default.
const MOMENTUM: f32 = 0.1;

fn ones(count: usize) -> Array<f32, Ix1> {
    Array::ones([count])
}

fn zeros(count: usize) -> Array<f32, Ix1> {
    Array::zeros([count])
}

/// Layer normalisation (Ba, Kiros and Hinton 2016) of the last axis, `[.., size]` to the same shape:
///
/// ```text
/// y = (x - mean) / sqrt(variance + eps) * weight + bias
/// ```
///
/// with mean and variance (divided by `size`) of each row, and `eps = 1e-5`.
///
/// Parameters: `weight` `[size]`, ones at first, and `bias` `[size]`, zeros.
///
/// ```
/// use azura_core::Tensor;
/// use azura_learner::{Cx, LayerNorm, Module};
///
/// let x = Tensor::from_vec(&[1, 2], vec![100.0, 104.0])?; // mean 102, variance 4
/// let y = LayerNorm::new(2).forward(&x, &mut Cx::eval())?.to_vec();
/// assert!((y[0] + 1.0).abs() < 1e-5 && (y[1] - 1.0).abs() < 1e-5);
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Debug)]
pub struct LayerNorm {
    weight: Param,
    bias: Param,
}

impl LayerNorm {
    /// For rows of `size` numbers.
    pub fn new(size: usize) -> Self {
        Self { weight: Param::new(ones(size)), bias: Param::new(zeros(size)) }
    }
}

impl Module for LayerNorm {
    fn forward(&self, x: &Tensor, cx: &mut Cx) -> Result<Tensor> {
        Ok(x.layer_norm(&cx.param(&self.weight), &cx.param(&self.bias), EPS)?)
    }

    visit! { params: weight, bias; }
}

/// What the batch normalisations share.
#[derive(Debug)]
struct BatchNorm {
    weight: Param,
    bias: Param,
    running_mean: Param,
    running_var: Param,
}

impl BatchNorm {
    fn new(channels: usize) -> Self {
        Self {
            weight: Param::new(ones(channels)),
            bias: Param::new(zeros(channels)),
            running_mean: Param::buffer(zeros(channels)),
            running_var: Param::buffer(ones(channels)),
        }
    }
}

impl Module for BatchNorm {
    fn forward(&self, x: &Tensor, cx: &mut Cx) -> Result<Tensor> {
        let (weight, bias) = (cx.param(&self.weight), cx.param(&self.bias));
        if !cx.is_training() {
            let (mean, var) = (self.running_mean.data(), self.running_var.data());
            return Ok(x.batch_norm_with(&weight, &bias, mean, var, EPS)?);
        }
        let found = x.batch_norm(&weight, &bias, EPS)?;
        // Of the variance that of all numbers like these is estimated.
        let n = (x.len() / found.mean.len().max(1)) as f32;
        let unbiased = n / (n - 1.0);
        for (buffer, found, factor) in
            [(&self.running_mean, found.mean, 1.0), (&self.running_var, found.var, unbiased)]
        {
            cx.update(buffer, move |running| {
                for (running, found) in running.iter_mut().zip(&found) {
                    *running += MOMENTUM * (factor * found - *running);
                }
            });
        }
        Ok(found.y)
    }

    visit! { params: weight, bias, running_mean, running_var; }
}

/// Batch normalisations differ in the axes that they expect.
macro_rules! batch_norms {
    ($($(#[$doc:meta])* $name:ident: $axes:pat, $wants:literal, $example:literal;)*) => {$(
        $(#[$doc])*
        ///
        /// ```text
        /// y = (x - mean) / sqrt(variance + eps) * weight + bias
        /// ```
        ///
        /// In training mean and variance (divided by the count n) are those of the batch, over all axes but the
        /// channels', and enter the running statistics once the step is done:
        /// `running_mean = 0.9 running_mean + 0.1 mean`, and `running_var` likewise with `variance * n / (n - 1)`. In
        /// evaluation the running statistics stand in their place. `eps = 1e-5`. All as in PyTorch.
        ///
        /// Parameters: `weight` `[channels]`, ones at first, and `bias` `[channels]`, zeros. Buffers, which are saved
        /// and not trained: `running_mean` `[channels]`, zeros at first, and `running_var` `[channels]`, ones.
        /// Whoever trains without a [`Learner`](crate::Learner) calls [`Cx::apply`] after each step.
        ///
        /// ```
        /// use azura_core::Tensor;
        #[doc = concat!("use azura_learner::{Cx, Module, ", stringify!($name), ", seeded};")]
        ///
        #[doc = concat!("let norm = ", stringify!($name), "::new(3);")]
        #[doc = concat!("let x = Tensor::zeros(&", $example, ");")]
        /// assert_eq!(norm.forward(&x, &mut Cx::train(seeded(1)))?.shape(), x.shape());
        /// # Ok::<(), azura_learner::Error>(())
        /// ```
        #[derive(Debug)]
        pub struct $name(BatchNorm);

        impl $name {
            /// For inputs of `channels` channels.
            pub fn new(channels: usize) -> Self {
                Self(BatchNorm::new(channels))
            }
        }

        impl Module for $name {
            fn forward(&self, x: &Tensor, cx: &mut Cx) -> Result<Tensor> {
                if matches!(x.shape().len(), $axes) {
                    return self.0.forward(x, cx);
                }
                let (name, shape) = (stringify!($name), x.shape());
                Err(Error::Argument(format!("{name}: wants {}, not {shape:?}", $wants)))
            }

            fn visit(&self, f: &mut dyn FnMut(&str, &Param)) {
                self.0.visit(f);
            }

            fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Param)) {
                self.0.visit_mut(f);
            }
        }
    )*};
}

batch_norms! {
    /// Batch normalisation (Ioffe and Szegedy 2015) of rows `[batch, channels]` or sequences
    /// `[batch, channels, length]`, to the same shape:
    BatchNorm1d: 2 | 3, "[batch, channels] or [batch, channels, length]", "[8, 3]";
    /// Batch normalisation (Ioffe and Szegedy 2015) of images `[batch, channels, height, width]`, to the same shape:
    BatchNorm2d: 4, "[batch, channels, height, width]", "[8, 3, 5, 5]";
}
