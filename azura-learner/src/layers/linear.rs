use super::{inverse_root, uniform_param};
use crate::{Cx, Module, Result, Rng};
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
}

impl Module for Linear {
    fn forward(&self, x: &Tensor, cx: &mut Cx) -> Result<Tensor> {
        Ok(x.linear(&cx.param(&self.weight), Some(&cx.param(&self.bias)))?)
    }

    fn visit(&self, f: &mut dyn FnMut(&str, &Param)) {
        f("weight", &self.weight);
        f("bias", &self.bias);
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Param)) {
        f("weight", &mut self.weight);
        f("bias", &mut self.bias);
    }
}
