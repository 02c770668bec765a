use super::{Dropout, LayerNorm, Linear, SelfAttention};
use crate::{Cx, Error, Module, Result, Rng, visit};
use azura_core::{Mask, Tensor};

/// A layer of a transformer's encoder (Vaswani et al. 2017, section 3.1), of sequences `[batch, time, size]` to the
/// same shape: self-attention and a small network for each step, both beside a shortcut.
///
/// ```text
/// x = norm1(x + self_attn(x))        y = norm2(x + linear2(relu(linear1(x))))        by default
/// x = x + self_attn(norm1(x))        y = x + linear2(relu(linear1(norm2(x))))        with norm_first
/// ```
///
/// As PyTorch's `nn.TransformerEncoderLayer` with `batch_first`, but that dropout acts on the outputs of attention and
/// network and between the network's layers only, not on the weights of the attention.
///
/// Parameters: those of `self_attn` ([`SelfAttention`]), `linear1` `[width, size]` and `linear2` `[size, width]`
/// ([`Linear`]), `norm1` and `norm2` ([`LayerNorm`]), each behind the part's name and a dot.
///
/// ```
/// use azura_core::Tensor;
/// use azura_learner::{Cx, Linear, PositionalEncoding, Sequential, TransformerEncoderLayer, seeded, summary};
///
/// let rng = &mut seeded(1);
/// let layer = TransformerEncoderLayer::new(32, 4, 64, rng)?.norm_first().dropout(0.1)?;
/// let model = Sequential::new()
///     .push(Linear::new(3, 32, rng))
///     .push(PositionalEncoding::new(32, 100))
///     .push(layer);
/// assert_eq!(summary(&model, &[8, 20, 3])?.rows[0].output, [8, 20, 32]);
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Debug)]
pub struct TransformerEncoderLayer {
    self_attn: SelfAttention,
    linear1: Linear,
    linear2: Linear,
    norm1: LayerNorm,
    norm2: LayerNorm,
    dropout: Dropout,
    norm_first: bool,
}

impl TransformerEncoderLayer {
    /// A layer with random parameters for steps of `size` numbers, whose network is `width` wide. It normalises after
    /// each part, and drops nothing.
    ///
    /// # Errors
    /// If `heads` does not divide `size`, or either is 0.
    pub fn new(size: usize, heads: usize, width: usize, rng: &mut Rng) -> Result<Self> {
        Ok(Self {
            self_attn: SelfAttention::new(size, heads, rng)?,
            linear1: Linear::new(size, width, rng),
            linear2: Linear::new(width, size, rng),
            norm1: LayerNorm::new(size),
            norm2: LayerNorm::new(size),
            dropout: Dropout::new(0.0)?,
            norm_first: false,
        })
    }

    /// Normalises before each part instead of after it, which trains more steadily in deep models (Xiong et al. 2020).
    #[must_use]
    pub fn norm_first(mut self) -> Self {
        self.norm_first = true;
        self
    }

    /// Lets each step attend only to itself and those before.
    #[must_use]
    pub fn causal(mut self) -> Self {
        self.self_attn = self.self_attn.causal();
        self
    }

    /// Sets the probability of dropout.
    ///
    /// # Errors
    /// If `p` does not lie in `0 <= p < 1`.
    pub fn dropout(mut self, p: f64) -> Result<Self, Error> {
        self.dropout = Dropout::new(p)?;
        Ok(self)
    }

    /// The forward pass where some steps are padding, `[batch, time]`: `true` where nobody shall look.
    ///
    /// # Errors
    /// If a shape does not fit.
    pub fn encode(&self, x: &Tensor, key_padding: Option<&Mask>, cx: &mut Cx) -> Result<Tensor> {
        let x = self.beside(x, "norm1", &self.norm1, cx, |x, cx| {
            cx.enter("self_attn", &self.self_attn, |cx| self.self_attn.attend(x, key_padding, cx))
        })?;
        self.beside(&x, "norm2", &self.norm2, cx, |x, cx| {
            let y = cx.call("linear1", &self.linear1, x)?.relu()?;
            let y = self.dropout.forward(&y, cx)?;
            cx.call("linear2", &self.linear2, &y)
        })
    }

    /// A part beside its shortcut, with the norm before or after it.
    fn beside(
        &self,
        x: &Tensor,
        name: &str,
        norm: &LayerNorm,
        cx: &mut Cx,
        part: impl FnOnce(&Tensor, &mut Cx) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let y = if self.norm_first { part(&cx.call(name, norm, x)?, cx)? } else { part(x, cx)? };
        let sum = x.add(&self.dropout.forward(&y, cx)?)?;
        if self.norm_first { Ok(sum) } else { cx.call(name, norm, &sum) }
    }
}

impl Module for TransformerEncoderLayer {
    fn forward(&self, x: &Tensor, cx: &mut Cx) -> Result<Tensor> {
        self.encode(x, None, cx)
    }

    visit! { parts: self_attn, linear1, linear2, norm1, norm2; }
}
