//! What the recurrent layers share: layers on layers, both directions of time, and states.

use super::{Dropout, inverse_root, uniform_param};
use crate::{Cx, Error, Module, Result, Rng};
use azura_core::{Direction, Param, Steps, Tensor};
use std::{fmt, marker::PhantomData};

/// How a recurrent layer is built of several. The default: one layer, forward in time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stack {
    /// How many layers, each fed with the output of the one below.
    pub layers: usize,
    /// Whether each layer also runs backward in time, with weights of its own. Its output is that of the forward
    /// direction, and behind it that of the backward one.
    pub bidirectional: bool,
    /// The probability of [`Dropout`] between one layer and the next.
    pub dropout: f64,
}

impl Default for Stack {
    fn default() -> Self {
        Self { layers: 1, bidirectional: false, dropout: 0.0 }
    }
}

impl Stack {
    fn directions(&self) -> usize {
        1 + usize::from(self.bidirectional)
    }
}

/// What tells one recurrent layer from another.
pub(super) trait Kind: fmt::Debug {
    /// The layer's name in error texts.
    const NAME: &'static str;
    /// How often the weights hold `hidden` rows.
    const GATES: usize;
    /// The names of the parameters: weights of the input, those of the hidden state, and biases.
    const PARAMS: &'static [&'static str];
    /// The names of the states that go from step to step, the hidden one first.
    const STATES: &'static [&'static str];

    /// The output of the steps and the last states, of one layer in one direction. There are as many `weights` as
    /// [`PARAMS`](Self::PARAMS), and as many `states` as [`STATES`](Self::STATES) or none.
    fn run(
        x: &Tensor,
        weights: &[Tensor],
        states: &[Tensor],
        direction: Direction,
        steps: Steps,
    ) -> Result<(Tensor, Vec<Tensor>)>;
}

/// Cells from the lowest layer up; within a layer forward before backward.
#[derive(Debug)]
pub(super) struct Recurrent<K> {
    /// The parameters of each cell.
    cells: Vec<Vec<Param>>,
    hidden: usize,
    stack: Stack,
    dropout: Dropout,
    pub(super) steps: Steps,
    kind: PhantomData<K>,
}

/// The output, and the last states of each cell.
type Pass = (Tensor, Vec<Vec<Tensor>>);

impl<K: Kind> Recurrent<K> {
    pub(super) fn new(inputs: usize, hidden: usize, stack: Stack, rng: &mut Rng) -> Result<Self> {
        if stack.layers == 0 {
            return Err(Error::Argument(format!("{}: wants one layer or more, not 0", K::NAME)));
        }
        let dropout = Dropout::new(stack.dropout)?;
        let bound = inverse_root(hidden);
        let directions = stack.directions();
        let mut cell = |layer: usize| {
            let inputs = if layer == 0 { inputs } else { directions * hidden };
            let rows = K::GATES * hidden;
            let param = |i| match i {
                0 => uniform_param(&[rows, inputs], bound, rng),
                1 => uniform_param(&[rows, hidden], bound, rng),
                _ => uniform_param(&[rows], bound, rng),
            };
            (0..K::PARAMS.len()).map(param).collect()
        };
        let cells = (0..stack.layers * directions).map(|i| cell(i / directions)).collect();
        Ok(Self { cells, hidden, stack, dropout, steps: Steps::All, kind: PhantomData })
    }

    /// The output: `[batch, time, directions hidden]`, or without time if only the last step is wanted.
    pub(super) fn forward(&self, x: &Tensor, cx: &mut Cx) -> Result<Tensor> {
        Ok(self.pass(x, &[], cx)?.0)
    }

    /// The output, and each of the last states as `[layers directions, batch, hidden]`.
    pub(super) fn run(&self, x: &Tensor, states: &[&Tensor], cx: &mut Cx) -> Result<(Tensor, Vec<Tensor>)> {
        let batch = x.shape().first().copied().unwrap_or_default();
        let wanted = [self.cells.len(), batch, self.hidden];
        for (name, state) in K::STATES.iter().zip(states) {
            if state.shape() != wanted {
                let (layer, found) = (K::NAME, state.shape());
                return Err(Error::Argument(format!(
                    "{layer}: wants the state {name} as [layers * directions, batch, hidden] = {wanted:?}, not \
                     {found:?}"
                )));
            }
        }
        let (y, last) = self.pass(x, states, cx)?;
        let stacked = |i: usize| {
            let of_each: Vec<_> = last.iter().filter_map(|states| states.get(i)).collect();
            Tensor::stack(0, &of_each)
        };
        Ok((y, (0..K::STATES.len()).map(stacked).collect::<Result<_, _>>()?))
    }

    fn pass(&self, x: &Tensor, states: &[&Tensor], cx: &mut Cx) -> Result<Pass> {
        let mut x = x.clone();
        let mut last = Vec::with_capacity(self.cells.len());
        for (layer, cells) in self.cells.chunks(self.stack.directions()).enumerate() {
            let top = layer + 1 == self.stack.layers;
            let steps = if top { self.steps } else { Steps::All };
            let mut outputs = Vec::with_capacity(cells.len());
            for (direction, cell) in [Direction::Forward, Direction::Reverse].into_iter().zip(cells) {
                let i = last.len();
                let first = |state: &&Tensor| state.slice(0, i..i + 1)?.squeeze(0);
                let first = states.iter().map(first).collect::<Result<Vec<_>, _>>()?;
                let weights: Vec<_> = cell.iter().map(|param| cx.param(param)).collect();
                let (y, state) = K::run(&x, &weights, &first, direction, steps)?;
                // The last step of either direction is its last hidden state, without an axis of time.
                outputs.push(if steps == Steps::Last { state[0].clone() } else { y });
                last.push(state);
            }
            x = match outputs.pop() {
                Some(only) if outputs.is_empty() => only,
                backward => Tensor::concat(-1, &outputs.iter().chain(&backward).collect::<Vec<_>>())?,
            };
            if !top {
                x = self.dropout.forward(&x, cx)?;
            }
        }
        Ok((x, last))
    }

    /// What a cell's parameters have behind their names: nothing for the lowest layer forward in time, `_l1` for the
    /// next one, `_reverse` for the other direction, `_l1_reverse` for both.
    fn suffix(&self, cell: usize) -> String {
        let layer = cell / self.stack.directions();
        let layer = if layer == 0 { String::new() } else { format!("_l{layer}") };
        let reverse = if cell % self.stack.directions() == 1 { "_reverse" } else { "" };
        layer + reverse
    }

    pub(super) fn visit(&self, f: &mut dyn FnMut(&str, &Param)) {
        for (i, cell) in self.cells.iter().enumerate() {
            let suffix = self.suffix(i);
            for (name, param) in K::PARAMS.iter().zip(cell) {
                f(&format!("{name}{suffix}"), param);
            }
        }
    }

    pub(super) fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Param)) {
        for i in 0..self.cells.len() {
            let suffix = self.suffix(i);
            for (name, param) in K::PARAMS.iter().zip(&mut self.cells[i]) {
                f(&format!("{name}{suffix}"), param);
            }
        }
    }
}

/// What both layers, around their [`Recurrent`], are made and used by.
macro_rules! layer {
    ($name:ident) => {
        impl $name {
            /// A layer with random parameters whose forward pass returns every step, `[batch, time, hidden]`.
            pub fn new(inputs: usize, hidden: usize, rng: &mut crate::Rng) -> Self {
                match Self::stacked(inputs, hidden, crate::Stack::default(), rng) {
                    Ok(layer) => layer,
                    Err(error) => unreachable!("the default is allowed: {error}"),
                }
            }

            /// Several layers, or both directions of time, with random parameters. The forward pass returns every
            /// step of the highest layer, `[batch, time, directions * hidden]`.
            ///
            /// # Errors
            /// If there is no layer, or the dropout does not lie in `0 <= p < 1`.
            pub fn stacked(
                inputs: usize,
                hidden: usize,
                stack: crate::Stack,
                rng: &mut crate::Rng,
            ) -> crate::Result<Self> {
                Ok(Self(Recurrent::new(inputs, hidden, stack, rng)?))
            }

            /// Lets the forward pass return the last hidden state of the highest layer only, `[batch, directions *
            /// hidden]`: that of the last step, and for the backward direction that of time 0, where it has seen the
            /// whole sequence.
            #[must_use]
            pub fn last_step(mut self) -> Self {
                self.0.steps = Steps::Last;
                self
            }
        }

        impl crate::Module for $name {
            fn forward(&self, x: &Tensor, cx: &mut Cx) -> Result<Tensor> {
                self.0.forward(x, cx)
            }

            fn visit(&self, f: &mut dyn FnMut(&str, &azura_core::Param)) {
                self.0.visit(f);
            }

            fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut azura_core::Param)) {
                self.0.visit_mut(f);
            }
        }
    };
}

pub(super) use layer;
