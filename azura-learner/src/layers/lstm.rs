use super::recurrent::{Kind, Recurrent, layer};
use crate::{Cx, Result};
use azura_core::{Direction, LstmInputs, Steps, Tensor};

/// A long short-term memory layer (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000),
/// over whole sequences `[batch, time, inputs]`:
///
/// ```text
/// i, f, o = sigmoid(x W' + h U' + b)     g = tanh(x W' + h U' + b)
/// c_t = f * c_(t-1) + i * g              h_t = o * tanh(c_t)
/// ```
///
/// Parameters: `weight_ih` `[4 hidden, inputs]`, `weight_hh` `[4 hidden, hidden]` and `bias` `[4 hidden]`, with the
/// gates in PyTorch's order i, f, g, o; all drawn uniformly from `-1/sqrt(hidden) .. 1/sqrt(hidden)`. (PyTorch adds
/// two biases; their sum is this one.) Of a [`Stack`](crate::Stack) the second layer's names end in `_l1` and so on,
/// and those of the backward direction in `_reverse`: `weight_ih_l1_reverse`.
///
/// ```
/// use azura_core::Tensor;
/// use azura_learner::{Cx, Lstm, Module, Stack, seeded};
///
/// let x = Tensor::zeros(&[8, 20, 3]); // 8 sequences of 20 steps with 3 features
/// let all = Lstm::new(3, 16, &mut seeded(1));
/// assert_eq!(all.forward(&x, &mut Cx::eval())?.shape(), [8, 20, 16]);
/// let last = Lstm::new(3, 16, &mut seeded(1)).last_step();
/// assert_eq!(last.forward(&x, &mut Cx::eval())?.shape(), [8, 16]);
///
/// let stack = Stack { layers: 2, bidirectional: true, dropout: 0.1 };
/// let deep = Lstm::stacked(3, 16, stack, &mut seeded(1))?;
/// assert_eq!(deep.forward(&x, &mut Cx::eval())?.shape(), [8, 20, 32]);
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Debug)]
pub struct Lstm(Recurrent<LstmKind>);

/// What a pass of an [`Lstm`] gives.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LstmRun {
    /// The output, as the forward pass gives it.
    pub y: Tensor,
    /// The last hidden state of each layer and direction, `[layers * directions, batch, hidden]`, as in PyTorch: the
    /// lowest layer first, and within a layer forward before backward. "Last" is time 0 for the backward direction.
    pub h: Tensor,
    /// The last cell state, likewise.
    pub c: Tensor,
}

impl Lstm {
    /// The forward pass with an initial state in (zeros if `None`) and the final state out. Both h and c are
    /// `[layers * directions, batch, hidden]`.
    ///
    /// # Errors
    /// If a shape does not fit.
    pub fn run(&self, x: &Tensor, state: Option<(&Tensor, &Tensor)>, cx: &mut Cx) -> Result<LstmRun> {
        let states: Vec<_> = state.into_iter().flat_map(|(h, c)| [h, c]).collect();
        let (y, states) = self.0.run(x, &states, cx)?;
        let [h, c] = [&states[0], &states[1]].map(Clone::clone);
        Ok(LstmRun { y, h, c })
    }
}

layer!(Lstm);

#[derive(Debug)]
struct LstmKind;

impl Kind for LstmKind {
    const NAME: &'static str = "Lstm";
    const GATES: usize = 4;
    const PARAMS: &'static [&'static str] = &["weight_ih", "weight_hh", "bias"];
    const STATES: &'static [&'static str] = &["h", "c"];

    fn run(
        x: &Tensor,
        weights: &[Tensor],
        states: &[Tensor],
        direction: Direction,
        steps: Steps,
    ) -> Result<(Tensor, Vec<Tensor>)> {
        let inputs = LstmInputs {
            weight_ih: &weights[0],
            weight_hh: &weights[1],
            bias: &weights[2],
            state: states.first().zip(states.get(1)),
            direction,
        };
        let out = x.lstm(&inputs, steps)?;
        Ok((out.y, vec![out.h, out.c]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Module as _, Parameters as _, Stack, parameters, seeded};

    #[test]
    fn a_sequence_goes_on_from_the_state_of_its_first_part() {
        let numbers = (0..2 * 5 * 3).map(|i| (i as f32 * 0.7).sin()).collect();
        let x = Tensor::from_vec(&[2, 5, 3], numbers).unwrap();
        let deep = || {
            let stack = Stack { layers: 2, ..Stack::default() };
            Lstm::stacked(3, 4, stack, &mut seeded(1)).unwrap()
        };
        let single = || Lstm::new(3, 4, &mut seeded(1));
        for lstm in [single(), single().last_step(), deep(), deep().last_step()] {
            let run = |x: &Tensor, state| lstm.run(x, state, &mut Cx::eval()).unwrap();
            let part = |range| x.slice(1, range).unwrap();
            let (whole, first) = (run(&x, None), run(&part(0..2), None));
            let second = run(&part(2..5), Some((&first.h, &first.c)));
            for (parts, whole) in [(&second.h, &whole.h), (&second.c, &whole.c)] {
                assert_eq!(parts.shape(), whole.shape());
                let close = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-6;
                assert!(parts.data().iter().zip(whole.data()).all(close), "{parts:?} {whole:?}");
            }
            // From another state it would have come elsewhere.
            let astray = run(&part(2..5), None);
            assert!(astray.h.data().iter().zip(whole.h.data()).any(|(a, b)| (a - b).abs() > 1e-3));
        }
    }

    #[test]
    fn names_say_layer_and_direction() {
        let stack = Stack { layers: 2, bidirectional: true, dropout: 0.0 };
        let mut lstm = Lstm::stacked(3, 4, stack, &mut seeded(1)).unwrap();
        let mut found = Vec::new();
        parameters(&mut lstm).visit(&mut |name, param| found.push((name.to_owned(), param.shape().to_vec())));
        let of_layer = |suffix: &str, inputs| {
            let names = ["weight_ih", "weight_hh", "bias"].map(|name| format!("{name}{suffix}"));
            names.into_iter().zip([vec![16, inputs], vec![16, 4], vec![16]])
        };
        let first = of_layer("", 3).chain(of_layer("_reverse", 3));
        assert!(found.into_iter().eq(first.chain(of_layer("_l1", 8)).chain(of_layer("_l1_reverse", 8))));
    }

    #[test]
    fn dropout_acts_between_layers_and_only_in_training() {
        let x = Tensor::from_vec(&[1, 4, 2], (0..8).map(|i| (i as f32).cos()).collect()).unwrap();
        let layers = |layers| {
            let stack = Stack { layers, dropout: 0.5, ..Stack::default() };
            Lstm::stacked(2, 16, stack, &mut seeded(1)).unwrap()
        };
        let y = |lstm: &Lstm, mut cx: Cx| lstm.forward(&x, &mut cx).unwrap().to_vec();
        assert_eq!(y(&layers(1), Cx::train(seeded(1))), y(&layers(1), Cx::eval()));
        assert_ne!(y(&layers(2), Cx::train(seeded(1))), y(&layers(2), Cx::eval()));
    }

    #[test]
    fn what_is_not_allowed_is_said() {
        let error = |stack| Lstm::stacked(3, 4, stack, &mut seeded(1)).unwrap_err().to_string();
        assert_eq!(error(Stack { layers: 0, ..Stack::default() }), "Lstm: wants one layer or more, not 0");
        assert!(error(Stack { dropout: 1.0, ..Stack::default() }).contains("dropout"));

        let lstm = Lstm::new(3, 4, &mut seeded(1));
        let (x, h) = (Tensor::zeros(&[2, 5, 3]), Tensor::zeros(&[2, 4]));
        let error = lstm.run(&x, Some((&h, &h)), &mut Cx::eval()).unwrap_err().to_string();
        let wants = "wants the state h as [layers * directions, batch, hidden] = [1, 2, 4], not [2, 4]";
        assert_eq!(error, format!("Lstm: {wants}"));
    }
}
