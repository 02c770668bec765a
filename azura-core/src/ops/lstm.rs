//! The long short-term memory.

use super::{
    from_vec,
    rnn::{Shapes, outputs},
    slice, standard,
};
use crate::{
    Data, Element, Error, Result, TensorBase,
    kernels::lstm::{self, Direction, Steps},
};

/// The weights of an LSTM and, if not zero, its initial state.
#[derive(Debug, Clone, Copy)]
pub struct LstmInputs<'a, E: Element> {
    /// `[4 hidden, inputs]`, gates in the order i, f, g, o.
    pub weight_ih: &'a TensorBase<E>,
    /// `[4 hidden, hidden]`.
    pub weight_hh: &'a TensorBase<E>,
    /// `[4 hidden]`.
    pub bias: &'a TensorBase<E>,
    /// The initial h and c, `[batch, hidden]` each; zeros if there are none.
    pub state: Option<(&'a TensorBase<E>, &'a TensorBase<E>)>,
    /// Which way time runs.
    pub direction: Direction,
}

/// What an LSTM computes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LstmOutput<E: Element> {
    /// The output of every step, `[batch, time, hidden]`; of the last one only with [`Steps::Last`], `[batch, 1, hidden]`.
    pub y: TensorBase<E>,
    /// The last h, `[batch, hidden]`; in reverse that of time 0.
    pub h: TensorBase<E>,
    /// The last c, likewise.
    pub c: TensorBase<E>,
}

impl<E: Element> TensorBase<E> {
    /// A long short-term memory over whole sequences `[batch, time, inputs]`, as one operation:
    ///
    /// ```text
    /// i, f, o = sigmoid(x W' + h U' + b)     g = tanh(x W' + h U' + b)
    /// c_t = f * c_(t-1) + i * g              h_t = o * tanh(c_t)
    /// ```
    ///
    /// (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000; weights as in PyTorch's `nn.LSTM`.)
    /// W is `weight_ih`, U is `weight_hh`, and each gate has its rows of them. With [`Direction::Reverse`] it is the
    /// reverse half of a bidirectional layer: `c_(t+1)` and `h_(t+1)` stand where `c_(t-1)` and `h_(t-1)` do here.
    /// The derivative is truncated nowhere: back-propagation through all steps.
    ///
    /// ```
    /// use azura_core::{Direction, LstmInputs, Steps, Tensor};
    ///
    /// // One row, three steps, two features; four units.
    /// let x = Tensor::zeros(&[1, 3, 2]);
    /// let [weight_ih, weight_hh, bias] = [&[16, 2][..], &[16, 4], &[16]].map(Tensor::zeros);
    /// let (h0, c0) = (Tensor::zeros(&[1, 4]), Tensor::from_vec(&[1, 4], vec![1.0; 4])?);
    /// let inputs = LstmInputs {
    ///     weight_ih: &weight_ih,
    ///     weight_hh: &weight_hh,
    ///     bias: &bias,
    ///     state: Some((&h0, &c0)),
    ///     direction: Direction::Forward,
    /// };
    /// let out = x.lstm(&inputs, Steps::All)?;
    /// assert_eq!(out.y.shape(), [1, 3, 4]);
    /// // Gates of 0 open half way: each step halves c.
    /// assert_eq!(out.c.to_vec(), [0.125; 4]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If a shape does not fit, or there is no time step.
    pub fn lstm(&self, inputs: &LstmInputs<'_, E>, steps: Steps) -> Result<LstmOutput<E>> {
        let direction = inputs.direction;
        let dims = Shapes {
            op: "lstm",
            gates: 4,
            x: self,
            weights: [inputs.weight_ih, inputs.weight_hh],
            biases: &[("bias", inputs.bias)],
            states: &inputs.state.map_or(Vec::new(), |(h, c)| vec![("h", h), ("c", c)]),
        }
        .dims()?;
        let mut all = vec![self, inputs.weight_ih, inputs.weight_hh, inputs.bias];
        all.extend(inputs.state.iter().flat_map(|(h, c)| [h, c]));
        let count = if steps == Steps::All { dims.steps } else { 1 };
        let (batch, hidden) = (dims.batch, dims.hidden);
        // The outputs, time-major, and behind them the last c.
        let packed = Self::record("lstm", &all, |inputs| {
            let data: Vec<_> = (0..all.len()).map(|i| standard(inputs.data(i))).collect();
            let needs: Vec<_> = (0..all.len()).map(|i| inputs.needs(i)).collect();
            let state = |i: usize| data.get(i).map(slice);
            let state = state(4).zip(state(5));
            let x = slice(&data[0]);
            let pass = lstm::forward(dims, x, weights(&data), state, steps, direction, inputs.any());
            let mut values = pass.y;
            values.extend(pass.c);
            let saved = pass.saved;
            let vjp = move |grad: Data<E>| {
                let Some(saved) = saved else { return Err(Error::Consumed { op: "lstm" }) };
                let grad = standard(&grad);
                let (dy, dc) = slice(&grad).split_at(count * batch * hidden);
                let given = needs.len() > 4;
                let wanted = lstm::Wanted { x: needs[0], state: given && (needs[4] || needs[5]) };
                let grads = lstm::backward(saved, weights(&data), dy, Some(dc), wanted);
                let weight = |i: usize, values| needs[i].then(|| from_vec(data[i].shape(), values));
                let mut all = vec![
                    grads.x.map(|values| from_vec(data[0].shape(), values)),
                    weight(1, grads.w_ih),
                    weight(2, grads.w_hh),
                    weight(3, grads.bias),
                ];
                if given {
                    let (h, c) = grads.state.map_or((None, None), |(h, c)| (weight(4, h), weight(5, c)));
                    all.extend([h, c]);
                }
                Ok(all)
            };
            Ok((from_vec(&[count + 1, batch, hidden], values), Box::new(vjp)))
        })?;
        let (y, h) = outputs(&packed, count, direction)?;
        Ok(LstmOutput { y, h, c: packed.slice(0, count..count + 1)?.reshape(&[batch, hidden])? })
    }
}

fn weights<E: Element>(data: &[Data<E>]) -> lstm::Weights<'_, E> {
    lstm::Weights { w_ih: slice(&data[1]), w_hh: slice(&data[2]), bias: slice(&data[3]) }
}
