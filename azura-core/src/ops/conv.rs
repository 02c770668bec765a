//! Convolutions.

use super::{from_vec, slice, standard};
use crate::{
    Element, Error, Result, TensorBase,
    kernels::conv::{self, Dims, Wanted},
};

/// How a convolution of `D` axes goes over its input. `Default` is a dense one that goes from place to place, without padding.
///
/// ```
/// use azura_core::Conv;
///
/// let halving = Conv { stride: [2, 2], padding: [1, 1], ..Conv::default() };
/// assert_eq!((halving.dilation, halving.groups), ([1, 1], 1));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv<const D: usize> {
    /// From one window to the next.
    pub stride: [usize; D],
    /// Zeros on both sides of each axis.
    pub padding: [usize; D],
    /// From one place in the window to the next.
    pub dilation: [usize; D],
    /// Channels are cut into so many groups, which do not see each other.
    pub groups: usize,
}

impl<const D: usize> Default for Conv<D> {
    fn default() -> Self {
        Self { stride: [1; D], padding: [0; D], dilation: [1; D], groups: 1 }
    }
}

impl<E: Element> TensorBase<E> {
    /// The convolution (as usual: the cross-correlation) over the last axis of `[batch, channels, length]` with `weight`
    /// `[outputs, channels / groups, window]` and `bias` `[outputs]`, of shape `[batch, outputs, length']`:
    ///
    /// ```text
    /// y[n, o, i] = bias[o] + sum over c, u of weight[o, c, u] x[n, c, i stride + u dilation - padding]
    /// length' = floor((length + 2 padding - dilation (window - 1) - 1) / stride) + 1
    /// ```
    ///
    /// where x is 0 outside, and c runs over the channels of o's group. All is laid out as in PyTorch.
    ///
    /// ```
    /// use azura_core::{Conv, Tensor};
    ///
    /// let x = Tensor::from_vec(&[1, 1, 4], vec![1.0, 2.0, 4.0, 8.0])?;
    /// let difference = Tensor::from_vec(&[1, 1, 2], vec![-1.0, 1.0])?;
    /// assert_eq!(x.conv1d(&difference, None, &Conv::default())?.to_vec(), [1.0, 2.0, 4.0]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the shapes are not of this form, the groups do not divide the channels, the window does not fit into the padded
    /// input, or a stride, dilation, window or the number of groups is 0.
    pub fn conv1d(&self, weight: &Self, bias: Option<&Self>, conv: &Conv<1>) -> Result<Self> {
        let dims = dims("conv1d", self, weight, bias, conv)?;
        let [_, length] = dims.out().unwrap_or_default();
        let x = self.reshape(&[dims.batch, dims.inputs, 1, dims.size[1]])?;
        let weight = weight.reshape(&[dims.outputs, dims.inputs / dims.groups, 1, dims.kernel[1]])?;
        let over = Conv {
            stride: [1, conv.stride[0]],
            padding: [0, conv.padding[0]],
            dilation: [1, conv.dilation[0]],
            groups: conv.groups,
        };
        x.conv2d(&weight, bias, &over)?.reshape(&[dims.batch, dims.outputs, length])
    }

    /// The convolution (as usual: the cross-correlation) over the last two axes of `[batch, channels, height, width]` with
    /// `weight` `[outputs, channels / groups, window height, window width]` and `bias` `[outputs]`, of shape
    /// `[batch, outputs, height', width']`:
    ///
    /// ```text
    /// y[n, o, i, j] = bias[o] + sum over c, u, v of
    ///     weight[o, c, u, v] x[n, c, i stride + u dilation - padding, j stride + v dilation - padding]
    /// height' = floor((height + 2 padding - dilation (window height - 1) - 1) / stride) + 1, and width' likewise
    /// ```
    ///
    /// where x is 0 outside, and c runs over the channels of o's group. All is laid out as in PyTorch.
    ///
    /// ```
    /// use azura_core::{Conv, Tensor};
    ///
    /// let x = Tensor::from_vec(&[1, 1, 2, 2], vec![1.0, 2.0, 3.0, 4.0])?;
    /// let ones = Tensor::from_vec(&[1, 1, 3, 3], vec![1.0; 9])?;
    /// let same = Conv { padding: [1, 1], ..Conv::default() };
    /// assert_eq!(x.conv2d(&ones, None, &same)?.to_vec(), [10.0; 4]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the shapes are not of this form, the groups do not divide the channels, the window does not fit into the padded
    /// input, or a stride, dilation, window or the number of groups is 0.
    pub fn conv2d(&self, weight: &Self, bias: Option<&Self>, conv: &Conv<2>) -> Result<Self> {
        let dims = dims("conv2d", self, weight, bias, conv)?;
        let [height, width] = dims.out().unwrap_or_default();
        let all: &[&Self] = match bias {
            Some(bias) => &[self, weight, bias],
            None => &[self, weight],
        };
        Self::record("conv2d", all, |inputs| {
            let (x, w) = (standard(inputs.data(0)), standard(inputs.data(1)));
            let b = bias.map(|_| standard(inputs.data(2)));
            let y = conv::forward(&dims, slice(&x), slice(&w), b.as_ref().map(slice));
            let (x_shape, w_shape) = (x.shape().to_vec(), w.shape().to_vec());
            let wanted =
                Wanted { x: inputs.needs(0), w: inputs.needs(1), bias: bias.is_some() && inputs.needs(2) };
            // Each factor is saved for the derivative by the other.
            let (x, w) = (wanted.w.then_some(x), wanted.x.then_some(w));
            let given = bias.is_some();
            Ok((
                from_vec(&[dims.batch, dims.outputs, height, width], y),
                Box::new(move |grad| {
                    let grad = standard(&grad);
                    let [x, w] = [&x, &w].map(|saved| saved.as_ref().map(slice).unwrap_or_default());
                    let grads = conv::backward(&dims, x, w, slice(&grad), wanted);
                    let mut all = vec![
                        wanted.x.then(|| from_vec(&x_shape, grads.x)),
                        wanted.w.then(|| from_vec(&w_shape, grads.w)),
                    ];
                    all.extend(given.then(|| wanted.bias.then(|| from_vec(&[dims.outputs], grads.bias))));
                    Ok(all)
                }),
            ))
        })
    }
}

/// The sizes, if they make a convolution; one axis is the last of two.
fn dims<E: Element, const D: usize>(
    op: &'static str,
    x: &TensorBase<E>,
    weight: &TensorBase<E>,
    bias: Option<&TensorBase<E>>,
    conv: &Conv<D>,
) -> Result<Dims> {
    let wrong = |why: &str| Err(Error::shapes(op, x.shape(), weight.shape(), why));
    let ([batch, inputs, size @ ..], [outputs, group, kernel @ ..]) = (x.shape(), weight.shape()) else {
        return wrong("wants x [batch, channels, ..] and weight [outputs, channels / groups, ..]");
    };
    if size.len() != D || kernel.len() != D {
        return wrong(&format!("wants {D} axes behind batch and channels"));
    }
    let &Conv { stride, padding, dilation, groups } = conv;
    if groups == 0 || stride.contains(&0) || dilation.contains(&0) {
        return Err(Error::argument(op, format!("groups, stride and dilation start at 1: {conv:?}")));
    }
    if kernel.contains(&0) {
        return Err(Error::shape(op, weight.shape(), "the window is empty"));
    }
    if inputs % groups > 0 || outputs % groups > 0 || *group != inputs / groups {
        return wrong(&format!(
            "wants {groups} groups of channels on both sides, and weight [.., channels / groups, ..]"
        ));
    }
    if let Some(bias) = bias
        && bias.shape() != [*outputs]
    {
        return Err(Error::shapes(
            op,
            weight.shape(),
            bias.shape(),
            "wants weight [outputs, ..], bias [outputs]",
        ));
    }
    let two = |axes: &[usize], none: usize| match *axes {
        [height, width] => [height, width],
        [.., width] => [none, width],
        [] => [none; 2],
    };
    let dims = Dims {
        batch: *batch,
        inputs: *inputs,
        outputs: *outputs,
        groups,
        size: two(size, 1),
        kernel: two(kernel, 1),
        stride: two(&stride, 1),
        padding: two(&padding, 0),
        dilation: two(&dilation, 1),
    };
    if dims.out().is_none() {
        return wrong(&format!("the window is larger than the padded input, or all is too large: {conv:?}"));
    }
    Ok(dims)
}
