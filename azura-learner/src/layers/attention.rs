use super::{Linear, uniform_param};
use crate::{Cx, Error, Module, Result, Rng, visit};
use azura_core::{
    Attention, Mask, Param, Tensor,
    ndarray::{Array, Axis},
};
use std::ops::Range;

/// What an attention must not look at. By default nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct AttentionMask<'a> {
    /// Whether query i attends to the keys 0 to i only.
    pub causal: bool,
    /// `[batch, keys]`, `true` where a key is padding, which no query attends to (PyTorch's `key_padding_mask`).
    pub key_padding: Option<&'a Mask>,
}

/// Attention with several heads (Vaswani et al. 2017, section 3.2.2) of queries `[batch, L, size]` to keys and values
/// `[batch, S, size]`, of shape `[batch, L, size]`:
///
/// ```text
/// head_i = softmax(Q_i . K_i' / sqrt(size / heads)) . V_i      Q, K, V = the inputs, each by its part of in_proj
/// y = [head_1 .. head_heads] out_proj.weight' + out_proj.bias
/// ```
///
/// where each head has its `size / heads` numbers of Q, K and V. A query that may attend to nothing gets zeros for its
/// heads.
///
/// Parameters: `in_proj_weight` `[3 size, size]` and `in_proj_bias` `[3 size]`, for queries, keys and values in this
/// order; `out_proj.weight` `[size, size]` and `out_proj.bias` `[size]`. At first as in PyTorch: the first is drawn
/// uniformly from `-b .. b` with `b = sqrt(6 / (4 size))` (Glorot and Bengio 2010), the output's weight as a
/// [`Linear`]'s, biases are zeros.
///
/// ```
/// use azura_core::Tensor;
/// use azura_learner::{AttentionMask, Cx, MultiHeadAttention, seeded};
///
/// let attention = MultiHeadAttention::new(16, 4, &mut seeded(1))?;
/// let (queries, memory) = (Tensor::zeros(&[8, 5, 16]), Tensor::zeros(&[8, 30, 16]));
/// let y = attention.attend(&queries, &memory, &memory, AttentionMask::default(), &mut Cx::eval())?;
/// assert_eq!(y.shape(), [8, 5, 16]);
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Debug)]
pub struct MultiHeadAttention {
    in_proj_weight: Param,
    in_proj_bias: Param,
    out_proj: Linear,
    heads: usize,
}

impl MultiHeadAttention {
    /// A layer with random parameters.
    ///
    /// # Errors
    /// If `heads` does not divide `size`, or either is 0.
    pub fn new(size: usize, heads: usize, rng: &mut Rng) -> Result<Self> {
        if size == 0 || heads == 0 || !size.is_multiple_of(heads) {
            return Err(Error::Argument(format!(
                "MultiHeadAttention: {heads} heads must divide a size of {size}, and neither be 0"
            )));
        }
        let bound = (6.0 / (4 * size) as f32).sqrt();
        let in_proj_weight = uniform_param(&[3 * size, size], bound, rng);
        let in_proj_bias = Param::new(Array::zeros([3 * size]));
        Ok(Self { in_proj_weight, in_proj_bias, out_proj: Linear::new(size, size, rng).zero_bias(), heads })
    }

    /// The attention of `query` to `key` with its `value`. If all three are the same tensor, as in self-attention, they
    /// are projected in one product.
    ///
    /// # Errors
    /// If a shape does not fit.
    pub fn attend(
        &self,
        query: &Tensor,
        key: &Tensor,
        value: &Tensor,
        mask: AttentionMask<'_>,
        cx: &mut Cx,
    ) -> Result<Tensor> {
        let [q, k, v] = if std::ptr::eq(query, key) && std::ptr::eq(key, value) {
            self.project(query, 0..3, cx)?
        } else {
            let [q] = self.project(query, 0..1, cx)?;
            let [k] = self.project(key, 1..2, cx)?;
            let [v] = self.project(value, 2..3, cx)?;
            [q, k, v]
        };
        let allowed = mask.key_padding.map(|padding| allowed(padding, key)).transpose()?;
        let how = Attention { causal: mask.causal, mask: allowed.as_ref(), scale: None };
        let y = q.attention(&k, &v, &how)?.permute(&[0, 2, 1, 3])?;
        cx.call("out_proj", &self.out_proj, &y.reshape(query.shape())?)
    }

    /// `x` by the `parts` of the projection, each `[batch, heads, time, size / heads]`.
    fn project<const N: usize>(&self, x: &Tensor, parts: Range<usize>, cx: &Cx) -> Result<[Tensor; N]> {
        let size = self.in_proj_weight.shape()[1];
        let &[batch, time, found] = x.shape() else { return Err(self.unfit(x)) };
        if found != size {
            return Err(self.unfit(x));
        }
        let (mut weight, mut bias) = (cx.param(&self.in_proj_weight), cx.param(&self.in_proj_bias));
        if N < 3 {
            let rows = parts.start * size..parts.end * size;
            (weight, bias) = (weight.slice(0, rows.clone())?, bias.slice(0, rows)?);
        }
        let all =
            x.linear(&weight, Some(&bias))?.reshape(&[batch, time, N, self.heads, size / self.heads])?;
        let all = all.permute(&[2, 0, 3, 1, 4])?;
        let part = |i| all.slice(0, i..i + 1)?.squeeze(0);
        let parts = (0..N).map(part).collect::<Result<Vec<_>, _>>()?;
        parts.try_into().map_err(|_| self.unfit(x))
    }

    fn unfit(&self, x: &Tensor) -> Error {
        let (size, shape) = (self.in_proj_weight.shape()[1], x.shape());
        Error::Argument(format!("MultiHeadAttention: wants [batch, time, {size}], not {shape:?}"))
    }
}

/// Where a key is not padding, `[batch, 1, 1, keys]`: for all heads and queries.
fn allowed(padding: &Mask, key: &Tensor) -> Result<Mask> {
    let wants = &key.shape()[..2];
    if padding.shape() != wants {
        let found = padding.shape();
        return Err(Error::Argument(format!(
            "MultiHeadAttention: wants the key padding as [batch, keys] = {wants:?}, not {found:?}"
        )));
    }
    let allowed = padding.mapv(|padding| !padding).into_shared();
    Ok(allowed.insert_axis(Axis(1)).insert_axis(Axis(1)))
}

/// Queries, keys and values, without a mask.
impl Module<[Tensor; 3]> for MultiHeadAttention {
    fn forward(&self, [query, key, value]: &[Tensor; 3], cx: &mut Cx) -> Result<Tensor> {
        self.attend(query, key, value, AttentionMask::default(), cx)
    }

    visit! { params: in_proj_weight, in_proj_bias; parts: out_proj; }
}

/// A [`MultiHeadAttention`] of a sequence `[batch, time, size]` to itself, to the same shape. Parameters as there.
///
/// ```
/// use azura_core::Tensor;
/// use azura_learner::{Cx, Module, SelfAttention, seeded};
///
/// let attention = SelfAttention::new(16, 4, &mut seeded(1))?.causal();
/// assert_eq!(attention.forward(&Tensor::zeros(&[8, 5, 16]), &mut Cx::eval())?.shape(), [8, 5, 16]);
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Debug)]
pub struct SelfAttention {
    inner: MultiHeadAttention,
    causal: bool,
}

impl SelfAttention {
    /// A layer with random parameters.
    ///
    /// # Errors
    /// If `heads` does not divide `size`, or either is 0.
    pub fn new(size: usize, heads: usize, rng: &mut Rng) -> Result<Self> {
        Ok(Self { inner: MultiHeadAttention::new(size, heads, rng)?, causal: false })
    }

    /// Lets each step attend only to itself and those before.
    #[must_use]
    pub fn causal(mut self) -> Self {
        self.causal = true;
        self
    }

    /// The forward pass where some steps are padding, `[batch, time]`: `true` where nobody shall look.
    ///
    /// # Errors
    /// If a shape does not fit.
    pub fn attend(&self, x: &Tensor, key_padding: Option<&Mask>, cx: &mut Cx) -> Result<Tensor> {
        self.inner.attend(x, x, x, AttentionMask { causal: self.causal, key_padding }, cx)
    }
}

impl Module for SelfAttention {
    fn forward(&self, x: &Tensor, cx: &mut Cx) -> Result<Tensor> {
        self.attend(x, None, cx)
    }

    fn visit(&self, f: &mut dyn FnMut(&str, &Param)) {
        self.inner.visit(f);
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Param)) {
        self.inner.visit_mut(f);
    }
}
