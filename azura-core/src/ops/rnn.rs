//! Recurrent layers over whole sequences, each one operation with a derivative of its own.

use super::{from_vec, slice, standard};
use crate::{
    Data, Element, Error, Result, TensorBase,
    kernels::lstm::{self, Steps},
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
}

/// What an LSTM computes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LstmOutput<E: Element> {
    /// The output of every step, `[batch, time, hidden]`; of the last one only with [`Steps::Last`], `[batch, 1, hidden]`.
    pub y: TensorBase<E>,
    /// The last h, `[batch, hidden]`.
    pub h: TensorBase<E>,
    /// The last c, `[batch, hidden]`.
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
    /// Its derivative is truncated nowhere: back-propagation through all steps.
    ///
    /// # Errors
    /// If a shape does not fit, or there is no time step.
    pub fn lstm(&self, inputs: &LstmInputs<'_, E>, steps: Steps) -> Result<LstmOutput<E>> {
        let dims = dims(self, inputs)?;
        let mut all = vec![self, inputs.weight_ih, inputs.weight_hh, inputs.bias];
        all.extend(inputs.state.iter().flat_map(|(h, c)| [h, c]));
        let count = if steps == Steps::All { dims.steps } else { 1 };
        let (batch, hidden) = (dims.batch, dims.hidden);
        // The outputs, time-major, and behind them the last c.
        let packed = Self::record("lstm", &all, |inputs| {
            let data: Vec<_> = (0..all.len()).map(|i| standard(inputs.data(i))).collect();
            let needs: Vec<_> = (0..all.len()).map(|i| inputs.needs(i)).collect();
            let state = |i: usize| data.get(i).map(slice);
            let pass =
                lstm::forward(dims, slice(&data[0]), weights(&data), state(4), state(5), steps, inputs.any());
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
        Ok(LstmOutput {
            y: packed.slice(0, 0..count)?.permute(&[1, 0, 2])?,
            h: packed.slice(0, count - 1..count)?.reshape(&[batch, hidden])?,
            c: packed.slice(0, count..count + 1)?.reshape(&[batch, hidden])?,
        })
    }
}

fn weights<E: Element>(data: &[Data<E>]) -> lstm::Weights<'_, E> {
    lstm::Weights { w_ih: slice(&data[1]), w_hh: slice(&data[2]), bias: slice(&data[3]) }
}

fn dims<E: Element>(x: &TensorBase<E>, inputs: &LstmInputs<'_, E>) -> Result<lstm::Dims> {
    let &[batch, steps, input] = x.shape() else {
        return Err(Error::shape("lstm", x.shape(), "wants x [batch, time, inputs]"));
    };
    if steps == 0 {
        return Err(Error::shape("lstm", x.shape(), "wants at least one time step"));
    }
    let &[gates, hidden] = inputs.weight_hh.shape() else {
        return Err(Error::shape("lstm", inputs.weight_hh.shape(), "wants weight_hh [4 hidden, hidden]"));
    };
    let wants = |tensor: &TensorBase<E>, shape: &[usize], why: &str| {
        let fits = tensor.shape() == shape;
        if fits { Ok(()) } else { Err(Error::shapes("lstm", x.shape(), tensor.shape(), why)) }
    };
    if gates != 4 * hidden {
        return Err(Error::shape("lstm", inputs.weight_hh.shape(), "wants weight_hh [4 hidden, hidden]"));
    }
    wants(inputs.weight_ih, &[gates, input], "wants x [.., inputs], weight_ih [4 hidden, inputs]")?;
    wants(inputs.bias, &[gates], "wants bias [4 hidden]")?;
    if let Some((h, c)) = inputs.state {
        wants(h, &[batch, hidden], "wants h [batch, hidden]")?;
        wants(c, &[batch, hidden], "wants c [batch, hidden]")?;
    }
    Ok(lstm::Dims { batch, steps, input, hidden })
}
