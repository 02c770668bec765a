use super::{inverse_root, uniform_param};
use crate::{Cx, Error, Module, Result, Rng, visit};
use azura_core::{Conv, Param, Tensor};

/// A convolution over images `[batch, channels, height, width]`, to `[batch, outputs, height', width']`:
///
/// ```text
/// y[n, o, i, j] = bias[o] + sum over c, u, v of
///     weight[o, c, u, v] x[n, c, i stride + u dilation - padding, j stride + v dilation - padding]
/// height' = floor((height + 2 padding - dilation (kernel height - 1) - 1) / stride) + 1, and width' likewise
/// ```
///
/// where x is 0 outside, and c runs over the channels of o's group.
///
/// Parameters: `weight` `[outputs, channels / groups, kernel height, kernel width]` and `bias` `[outputs]`, both drawn
/// uniformly from `-1/sqrt(n) .. 1/sqrt(n)` as in PyTorch, n the numbers that one output is computed from.
///
/// ```
/// use azura_core::{Conv, Tensor};
/// use azura_learner::{Conv2d, Cx, Module, seeded};
///
/// let halving = Conv { stride: [2, 2], padding: [1, 1], ..Conv::default() };
/// let layer = Conv2d::new(3, 8, [3, 3], halving, &mut seeded(1))?;
/// let y = layer.forward(&Tensor::zeros(&[4, 3, 32, 32]), &mut Cx::eval())?;
/// assert_eq!(y.shape(), [4, 8, 16, 16]);
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Debug)]
pub struct Conv2d {
    weight: Param,
    bias: Param,
    how: Conv<2>,
}

impl Conv2d {
    /// A layer from `channels` to `outputs` channels with random parameters and a window of `kernel` `[height, width]`,
    /// which goes over its input as `how` says.
    ///
    /// # Errors
    /// If a side of the kernel, a stride or a dilation is 0, or the groups do not divide channels and outputs.
    pub fn new(
        channels: usize,
        outputs: usize,
        kernel: [usize; 2],
        how: Conv<2>,
        rng: &mut Rng,
    ) -> Result<Self> {
        if [kernel, how.stride, how.dilation].as_flattened().contains(&0) {
            return Err(Error::Argument(format!(
                "Conv2d: kernel {kernel:?}, stride {:?} and dilation {:?} must be 1 or more",
                how.stride, how.dilation
            )));
        }
        let groups = how.groups;
        if groups == 0 || !channels.is_multiple_of(groups) || !outputs.is_multiple_of(groups) {
            return Err(Error::Argument(format!(
                "Conv2d: {groups} groups must divide {channels} channels and {outputs} outputs"
            )));
        }
        let [height, width] = kernel;
        let shape = [outputs, channels / groups, height, width];
        let bound = inverse_root(shape[1..].iter().product());
        let weight = uniform_param(&shape, bound, rng);
        Ok(Self { weight, bias: uniform_param(&[outputs], bound, rng), how })
    }
}

impl Module for Conv2d {
    fn forward(&self, x: &Tensor, cx: &mut Cx) -> Result<Tensor> {
        Ok(x.conv2d(&cx.param(&self.weight), Some(&cx.param(&self.bias)), &self.how)?)
    }

    visit! { params: weight, bias; }
}
