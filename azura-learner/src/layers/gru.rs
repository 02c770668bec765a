use super::recurrent::{Kind, Recurrent, layer};
use crate::{Cx, Result};
use azura_core::{Direction, GruInputs, Steps, Tensor};

/// A gated recurrent unit layer (Cho et al. 2014, in the form of PyTorch's `nn.GRU`), over whole sequences
/// `[batch, time, inputs]`:
///
/// ```text
/// r, z = sigmoid(x W' + b + h_(t-1) U' + d)     n = tanh(x W' + b + r * (h_(t-1) U' + d))
/// h_t = (1 - z) * n + z * h_(t-1)
/// ```
///
/// Parameters: `weight_ih` `[3 hidden, inputs]`, `weight_hh` `[3 hidden, hidden]`, `bias_ih` and `bias_hh` `[3
/// hidden]`, with the gates in PyTorch's order r, z, n; all drawn uniformly from `-1/sqrt(hidden) .. 1/sqrt(hidden)`.
/// Of a [`Stack`](crate::Stack) they are named as those of an [`Lstm`](crate::Lstm).
///
/// ```
/// use azura_core::Tensor;
/// use azura_learner::{Cx, Gru, Module, Stack, seeded};
///
/// let x = Tensor::zeros(&[8, 20, 3]); // 8 sequences of 20 steps with 3 features
/// let all = Gru::new(3, 16, &mut seeded(1));
/// assert_eq!(all.forward(&x, &mut Cx::eval())?.shape(), [8, 20, 16]);
///
/// let both = Stack { bidirectional: true, ..Stack::default() };
/// let last = Gru::stacked(3, 16, both, &mut seeded(1))?.last_step();
/// assert_eq!(last.forward(&x, &mut Cx::eval())?.shape(), [8, 32]);
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Debug)]
pub struct Gru(Recurrent<GruKind>);

/// What a pass of a [`Gru`] gives.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GruRun {
    /// The output, as the forward pass gives it.
    pub y: Tensor,
    /// The last hidden state of each layer and direction, `[layers * directions, batch, hidden]`, as in PyTorch: the
    /// lowest layer first, and within a layer forward before backward. "Last" is time 0 for the backward direction.
    pub h: Tensor,
}

impl Gru {
    /// The forward pass with an initial h in (zeros if `None`) and the final one out, `[layers * directions, batch,
    /// hidden]`.
    ///
    /// # Errors
    /// If a shape does not fit.
    pub fn run(&self, x: &Tensor, state: Option<&Tensor>, cx: &mut Cx) -> Result<GruRun> {
        let (y, states) = self.0.run(x, state.as_slice(), cx)?;
        Ok(GruRun { y, h: states[0].clone() })
    }
}

layer!(Gru);

#[derive(Debug)]
struct GruKind;

impl Kind for GruKind {
    const NAME: &'static str = "Gru";
    const GATES: usize = 3;
    const PARAMS: &'static [&'static str] = &["weight_ih", "weight_hh", "bias_ih", "bias_hh"];
    const STATES: &'static [&'static str] = &["h"];

    fn run(
        x: &Tensor,
        weights: &[Tensor],
        states: &[Tensor],
        direction: Direction,
        steps: Steps,
    ) -> Result<(Tensor, Vec<Tensor>)> {
        let inputs = GruInputs {
            weight_ih: &weights[0],
            weight_hh: &weights[1],
            bias_ih: &weights[2],
            bias_hh: &weights[3],
            state: states.first(),
            direction,
        };
        let out = x.gru(&inputs, steps)?;
        Ok((out.y, vec![out.h]))
    }
}
