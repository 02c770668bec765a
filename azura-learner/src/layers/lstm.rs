use super::{inverse_root, uniform_param};
use crate::{Cx, Module, Result, Rng};
use azura_core::{Direction, LstmInputs, LstmOutput, Param, Steps, Tensor};

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
/// two biases; their sum is this one.)
///
/// ```
/// use azura_core::Tensor;
/// use azura_learner::{Cx, Lstm, Module, seeded};
///
/// let x = Tensor::zeros(&[8, 20, 3]); // 8 sequences of 20 steps with 3 features
/// let all = Lstm::new(3, 16, &mut seeded(1));
/// assert_eq!(all.forward(&x, &mut Cx::eval())?.shape(), [8, 20, 16]);
/// let last = Lstm::new(3, 16, &mut seeded(1)).last_step();
/// assert_eq!(last.forward(&x, &mut Cx::eval())?.shape(), [8, 16]);
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Debug)]
pub struct Lstm {
    weight_ih: Param,
    weight_hh: Param,
    bias: Param,
    steps: Steps,
}

impl Lstm {
    /// A layer with random parameters whose forward pass returns every step, `[batch, time, hidden]`.
    pub fn new(inputs: usize, hidden: usize, rng: &mut Rng) -> Self {
        let bound = inverse_root(hidden);
        Self {
            weight_ih: uniform_param(&[4 * hidden, inputs], bound, rng),
            weight_hh: uniform_param(&[4 * hidden, hidden], bound, rng),
            bias: uniform_param(&[4 * hidden], bound, rng),
            steps: Steps::All,
        }
    }

    /// Lets the forward pass return the last step only, `[batch, hidden]`.
    #[must_use]
    pub fn last_step(mut self) -> Self {
        self.steps = Steps::Last;
        self
    }

    /// The forward pass with an initial state in (zeros if `None`) and the final state out.
    ///
    /// # Errors
    /// If a shape does not fit.
    pub fn run(&self, x: &Tensor, state: Option<(&Tensor, &Tensor)>, cx: &mut Cx) -> Result<LstmOutput<f32>> {
        let inputs = LstmInputs {
            weight_ih: &cx.param(&self.weight_ih),
            weight_hh: &cx.param(&self.weight_hh),
            bias: &cx.param(&self.bias),
            state,
            direction: Direction::Forward,
        };
        Ok(x.lstm(&inputs, self.steps)?)
    }
}

impl Module for Lstm {
    fn forward(&self, x: &Tensor, cx: &mut Cx) -> Result<Tensor> {
        let output = self.run(x, None, cx)?;
        match self.steps {
            Steps::Last => Ok(output.h),
            Steps::All => Ok(output.y),
        }
    }

    fn visit(&self, f: &mut dyn FnMut(&str, &Param)) {
        f("weight_ih", &self.weight_ih);
        f("weight_hh", &self.weight_hh);
        f("bias", &self.bias);
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Param)) {
        f("weight_ih", &mut self.weight_ih);
        f("weight_hh", &mut self.weight_hh);
        f("bias", &mut self.bias);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeded;

    #[test]
    fn a_sequence_goes_on_from_the_state_of_its_first_part() {
        let numbers = (0..2 * 5 * 3).map(|i| (i as f32 * 0.7).sin()).collect();
        let x = Tensor::from_vec(&[2, 5, 3], numbers).unwrap();
        for lstm in [Lstm::new(3, 4, &mut seeded(1)), Lstm::new(3, 4, &mut seeded(1)).last_step()] {
            let run = |x: &Tensor, state| lstm.run(x, state, &mut Cx::eval()).unwrap();
            let part = |range| x.slice(1, range).unwrap();
            let (whole, first) = (run(&x, None), run(&part(0..2), None));
            let second = run(&part(2..5), Some((&first.h, &first.c)));
            for (parts, whole) in [(&second.h, &whole.h), (&second.c, &whole.c)] {
                let close = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-6;
                assert!(parts.data().iter().zip(whole.data()).all(close), "{parts:?} {whole:?}");
            }
            // From another state it would have come elsewhere.
            let astray = run(&part(2..5), None);
            assert!(astray.h.data().iter().zip(whole.h.data()).any(|(a, b)| (a - b).abs() > 1e-3));
        }
    }
}
