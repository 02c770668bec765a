//! The gated recurrent unit.

use super::{
    from_vec,
    rnn::{Shapes, outputs},
    slice, standard,
};
use crate::{
    Data, Element, Error, Result, TensorBase,
    kernels::gru::{self, Direction, Steps},
};

/// The weights of a GRU and, if not zero, its initial state.
#[derive(Debug, Clone, Copy)]
pub struct GruInputs<'a, E: Element> {
    /// `[3 hidden, inputs]`, gates in the order r, z, n.
    pub weight_ih: &'a TensorBase<E>,
    /// `[3 hidden, hidden]`.
    pub weight_hh: &'a TensorBase<E>,
    /// `[3 hidden]`.
    pub bias_ih: &'a TensorBase<E>,
    /// `[3 hidden]`. Not the same as more of `bias_ih`: that of n is inside what r scales.
    pub bias_hh: &'a TensorBase<E>,
    /// The initial h, `[batch, hidden]`; zeros if there is none.
    pub state: Option<&'a TensorBase<E>>,
    /// Which way time runs.
    pub direction: Direction,
}

/// What a GRU computes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GruOutput<E: Element> {
    /// The output of every step, `[batch, time, hidden]`; of the last one only with [`Steps::Last`], `[batch, 1, hidden]`.
    pub y: TensorBase<E>,
    /// The last h, `[batch, hidden]`; in reverse that of time 0.
    pub h: TensorBase<E>,
}

impl<E: Element> TensorBase<E> {
    /// A gated recurrent unit over whole sequences `[batch, time, inputs]`, as one operation:
    ///
    /// ```text
    /// r, z = sigmoid(x W' + b + h_(t-1) U' + d)     n = tanh(x W' + b + r * (h_(t-1) U' + d))
    /// h_t = (1 - z) * n + z * h_(t-1)
    /// ```
    ///
    /// (Cho et al. 2014, in the form of PyTorch's `nn.GRU`, where r scales the product with U.) W is `weight_ih`, U is
    /// `weight_hh`, b and d are `bias_ih` and `bias_hh`, and each gate has its rows of them. With
    /// [`Direction::Reverse`] it is the reverse half of a bidirectional layer: `h_(t+1)` stands where `h_(t-1)` does
    /// here. The derivative is truncated nowhere: back-propagation through all steps.
    ///
    /// ```
    /// use azura_core::{Direction, GruInputs, Steps, Tensor};
    ///
    /// // One row, three steps, two features; four units.
    /// let x = Tensor::zeros(&[1, 3, 2]);
    /// let [weight_ih, weight_hh, bias] = [&[12, 2][..], &[12, 4], &[12]].map(Tensor::zeros);
    /// let h0 = Tensor::from_vec(&[1, 4], vec![1.0; 4])?;
    /// let inputs = GruInputs {
    ///     weight_ih: &weight_ih,
    ///     weight_hh: &weight_hh,
    ///     bias_ih: &bias,
    ///     bias_hh: &bias,
    ///     state: Some(&h0),
    ///     direction: Direction::Reverse,
    /// };
    /// let out = x.gru(&inputs, Steps::All)?;
    /// assert_eq!(out.y.shape(), [1, 3, 4]);
    /// // Gates of 0 open half way: each step halves h, and in reverse the last is that of time 0.
    /// assert_eq!(out.y.to_vec(), [[0.125; 4], [0.25; 4], [0.5; 4]].concat());
    /// assert_eq!(out.h.to_vec(), [0.125; 4]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If a shape does not fit, or there is no time step.
    pub fn gru(&self, inputs: &GruInputs<'_, E>, steps: Steps) -> Result<GruOutput<E>> {
        let GruInputs { weight_ih, weight_hh, bias_ih, bias_hh, state, direction } = *inputs;
        let dims = Shapes {
            op: "gru",
            gates: 3,
            x: self,
            weights: [weight_ih, weight_hh],
            biases: &[("bias_ih", bias_ih), ("bias_hh", bias_hh)],
            states: state.map(|h| ("h", h)).as_slice(),
        }
        .dims()?;
        let mut all = vec![self, weight_ih, weight_hh, bias_ih, bias_hh];
        all.extend(state);
        let count = if steps == Steps::All { dims.steps } else { 1 };
        let packed = Self::record("gru", &all, |inputs| {
            let data: Vec<_> = (0..all.len()).map(|i| standard(inputs.data(i))).collect();
            let needs: Vec<_> = (0..all.len()).map(|i| inputs.needs(i)).collect();
            let (x, h0) = (slice(&data[0]), data.get(5).map(slice));
            let pass = gru::forward(dims, x, weights(&data), h0, steps, direction, inputs.any());
            let saved = pass.saved;
            let vjp = move |grad: Data<E>| {
                let Some(saved) = saved else { return Err(Error::Consumed { op: "gru" }) };
                let wanted = gru::Wanted { x: needs[0], state: needs.get(5) == Some(&true) };
                let grads = gru::backward(saved, weights(&data), slice(&standard(&grad)), wanted);
                let given = |i: usize, values| from_vec(data[i].shape(), values);
                let weight = |i: usize, values| needs[i].then(|| given(i, values));
                let mut all = vec![
                    grads.x.map(|values| given(0, values)),
                    weight(1, grads.w_ih),
                    weight(2, grads.w_hh),
                    weight(3, grads.b_ih),
                    weight(4, grads.b_hh),
                ];
                if needs.len() > 5 {
                    all.push(grads.state.map(|values| given(5, values)));
                }
                Ok(all)
            };
            Ok((from_vec(&[count, dims.batch, dims.hidden], pass.y), Box::new(vjp)))
        })?;
        let (y, h) = outputs(&packed, count, direction)?;
        Ok(GruOutput { y, h })
    }
}

fn weights<E: Element>(data: &[Data<E>]) -> gru::Weights<'_, E> {
    gru::Weights {
        w_ih: slice(&data[1]),
        w_hh: slice(&data[2]),
        b_ih: slice(&data[3]),
        b_hh: slice(&data[4]),
    }
}
