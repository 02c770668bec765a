//! What the recurrent operations share.

use crate::{
    Element, Error, Result, TensorBase,
    kernels::lstm::{Dims, Direction},
};

/// What a recurrent operation is given, each part under its name.
pub(super) struct Shapes<'a, E: Element> {
    pub(super) op: &'static str,
    /// How often the weights hold `hidden` rows.
    pub(super) gates: usize,
    pub(super) x: &'a TensorBase<E>,
    /// `weight_ih` and `weight_hh`.
    pub(super) weights: [&'a TensorBase<E>; 2],
    pub(super) biases: &'a [(&'static str, &'a TensorBase<E>)],
    pub(super) states: &'a [(&'static str, &'a TensorBase<E>)],
}

impl<E: Element> Shapes<'_, E> {
    /// The sizes, which all shapes agree upon.
    pub(super) fn dims(&self) -> Result<Dims> {
        let Self { op, gates, x, weights: [weight_ih, weight_hh], .. } = *self;
        let &[batch, steps, input] = x.shape() else {
            return Err(Error::shape(op, x.shape(), "wants x [batch, time, inputs]"));
        };
        if steps == 0 {
            return Err(Error::shape(op, x.shape(), "wants at least one time step"));
        }
        let hidden = match *weight_hh.shape() {
            [rows, hidden] if gates.checked_mul(hidden) == Some(rows) => hidden,
            _ => {
                let why = format!("wants weight_hh [{gates} hidden, hidden]");
                return Err(Error::shapes(op, x.shape(), weight_hh.shape(), why));
            }
        };
        let rows = gates * hidden;
        let wants = |name: &str, tensor: &TensorBase<E>, shape: &[usize]| {
            if tensor.shape() == shape {
                return Ok(());
            }
            let why = format!("wants {name} {shape:?} with weight_hh {:?}", weight_hh.shape());
            Err(Error::shapes(op, x.shape(), tensor.shape(), why))
        };
        wants("weight_ih", weight_ih, &[rows, input])?;
        self.biases.iter().try_for_each(|(name, bias)| wants(name, bias, &[rows]))?;
        self.states.iter().try_for_each(|(name, state)| wants(name, state, &[batch, hidden]))?;
        Ok(Dims { batch, steps, input, hidden })
    }
}

/// y, batch-first, and the last h, of the first `count` of what is packed time-major.
pub(super) fn outputs<E: Element>(
    packed: &TensorBase<E>,
    count: usize,
    direction: Direction,
) -> Result<(TensorBase<E>, TensorBase<E>)> {
    let (batch, hidden) = (packed.shape()[1], packed.shape()[2]);
    let last = match direction {
        Direction::Forward => count - 1,
        Direction::Reverse => 0,
    };
    let y = packed.slice(0, 0..count)?.permute(&[1, 0, 2])?;
    Ok((y, packed.slice(0, last..last + 1)?.reshape(&[batch, hidden])?))
}
