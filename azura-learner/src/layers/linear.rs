use super::{inverse_root, uniform_param};
use crate::{Cx, Module, Result, Rng, visit};
use azura_core::{Param, Tensor};

/// A dense layer, `y = x W' + b`, from `[.., inputs]` to `[.., outputs]`.
///
/// Parameters: `weight` `[outputs, inputs]` and `bias` `[outputs]`, both drawn uniformly from
/// `-1/sqrt(inputs) .. 1/sqrt(inputs)` as in PyTorch.
///
/// ```
/// use azura_core::Tensor;
/// use azura_learner::{Cx, Linear, Module, seeded};
///
/// let layer = Linear::new(3, 2, &mut seeded(1));
/// let y = layer.forward(&Tensor::zeros(&[8, 3]), &mut Cx::eval())?;
/// assert_eq!(y.shape(), [8, 2]);
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Debug)]
pub struct Linear {
    weight: Param,
    bias: Param,
}

impl Linear {
    /// A layer with random parameters.
    pub fn new(inputs: usize, outputs: usize, rng: &mut Rng) -> Self {
        let bound = inverse_root(inputs);
        Self {
            weight: uniform_param(&[outputs, inputs], bound, rng),
            bias: uniform_param(&[outputs], bound, rng),
        }
    }

    /// With a bias that starts as zeros.
    pub(super) fn zero_bias(mut self) -> Self {
        self.bias.update(|bias| bias.fill(0.0));
        self
    }
}

impl Module for Linear {
    fn forward(&self, x: &Tensor, cx: &mut Cx) -> Result<Tensor> {
        Ok(x.linear(&cx.param(&self.weight), Some(&cx.param(&self.bias)))?)
    }

    visit! { params: weight, bias; }
}
