//! A model at a glance.

use crate::{Cx, Module, Result};
use azura_core::{Param, ParamId, Tensor};
use std::{collections::BTreeSet, fmt};

/// The parts of a model with their output shapes and parameters, as a table.
///
/// The parts are those that are called by [`Cx::call`], as containers do; a model that calls none is one row. A part's
/// parameters are those that none of its own parts has, so that the rows add up to the total. What is called twice has
/// two rows, and its parameters in the first.
///
/// ```
/// use azura_learner::{Linear, Relu, Sequential, seeded, summary};
///
/// let rng = &mut seeded(1);
/// let model = Sequential::new().push(Linear::new(4, 16, rng)).push(Relu).push(Linear::new(16, 1, rng));
/// let table = summary(&model, &[8, 4])?.to_string();
/// assert_eq!(table.lines().collect::<Vec<_>>(), [
///     "layer        output   parameters",
///     "Sequential   [8, 1]            0",
///     "  0: Linear  [8, 16]          80", // 4 * 16 + 16
///     "  1: Relu    [8, 16]           0",
///     "  2: Linear  [8, 1]           17", // 16 + 1
///     "total                         97",
/// ]);
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// The model first, then its parts in the order in which they were called.
    pub rows: Vec<Row>,
    /// The numbers in buffers, which are no parameters.
    pub buffers: usize,
}

/// A part of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Row {
    /// How deep within others: 0 is the model itself.
    pub depth: usize,
    /// The name that its parameters have before their own; empty for the model.
    pub name: String,
    /// What it is.
    pub kind: String,
    /// The shape of its output.
    pub output: Vec<usize>,
    /// How many numbers of its own it trains.
    pub parameters: usize,
}

/// The [`Summary`] of a model of tensors for zeros of this shape, batch included. One forward pass is run, as in
/// evaluation.
///
/// # Errors
/// If the model does not take this shape.
///
/// # Panics
/// If the shape asks for more elements than can be addressed.
pub fn summary<M: Module + ?Sized>(model: &M, shape: &[usize]) -> Result<Summary> {
    Summary::of(model, &Tensor::zeros(shape))
}

impl Summary {
    /// The summary of a model whatever it takes.
    ///
    /// # Errors
    /// If the model does not take `x`.
    pub fn of<X: ?Sized, M: Module<X> + ?Sized>(model: &M, x: &X) -> Result<Self> {
        let mut cx = Cx::tracing();
        cx.call("", model, x)?;
        let Trace { rows, buffers, .. } = cx.into_trace();
        Ok(Self { rows, buffers })
    }

    /// The numbers that are trained.
    pub fn parameters(&self) -> usize {
        self.rows.iter().map(|row| row.parameters).sum()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |row: &Row| {
            let colon = if row.name.is_empty() { "" } else { ": " };
            let layer = format!("{:indent$}{}{colon}{}", "", row.name, row.kind, indent = 2 * row.depth);
            [layer, format!("{:?}", row.output), row.parameters.to_string()]
        };
        let mut lines = vec![["layer", "output", "parameters"].map(str::to_owned)];
        lines.extend(self.rows.iter().map(line));
        lines.push(["total".into(), String::new(), self.parameters().to_string()]);
        if self.buffers > 0 {
            lines.push(["in buffers".into(), String::new(), self.buffers.to_string()]);
        }
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let [layers, outputs, numbers] = [0, 1, 2].map(width);
        for [layer, output, number] in &lines {
            writeln!(f, "{layer:layers$}  {output:outputs$}  {number:>numbers$}")?;
        }
        Ok(())
    }
}

/// What is written down while a forward pass runs.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    rows: Vec<Row>,
    depth: usize,
    seen: BTreeSet<ParamId>,
    buffers: usize,
}

impl Trace {
    /// A part begins; the number of its row.
    pub(crate) fn enter(&mut self, name: String, kind: String) -> usize {
        self.rows.push(Row { depth: self.depth, name, kind, output: Vec::new(), parameters: 0 });
        self.depth += 1;
        self.rows.len() - 1
    }

    /// A part has ended: parameters that nobody within has claimed are its own.
    pub(crate) fn leave(
        &mut self,
        row: usize,
        output: &[usize],
        visit: impl FnOnce(&mut dyn FnMut(&str, &Param)),
    ) {
        let Self { rows, depth, seen, buffers } = self;
        let mut parameters = 0;
        visit(&mut |_, param| {
            if seen.insert(param.id()) {
                *(if param.is_trained() { &mut parameters } else { &mut *buffers }) += param.data().len();
            }
        });
        *depth -= 1;
        (rows[row].output, rows[row].parameters) = (output.to_vec(), parameters);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        BatchNorm1d, Linear, Parameters as _, Relu, Residual, Sequential, parameters, seeded, visit,
    };

    /// Calls one part twice, and has a part that it never calls and a parameter of its own.
    struct Odd {
        gain: Param,
        twice: Residual<Linear>,
        never: BatchNorm1d,
    }

    impl Module for Odd {
        fn forward(&self, x: &Tensor, cx: &mut Cx) -> Result<Tensor> {
            let x = cx.call("twice", &self.twice, x)?;
            Ok(cx.call("twice", &self.twice, &x)?.mul(&cx.param(&self.gain))?)
        }

        visit! { params: gain; parts: twice, never; }
    }

    #[test]
    fn rows_add_up_to_the_total_whatever_is_called() {
        let rng = &mut seeded(1);
        let gain = Param::new(ndarray::arr0(1.0));
        let odd = Odd { gain, twice: Residual::new(Linear::new(3, 3, rng)), never: BatchNorm1d::new(5) };
        let mut model = Sequential::new().push(odd).push(Relu);
        let summary = summary(&model, &[2, 3]).unwrap();
        let rows: Vec<_> =
            summary.rows.iter().map(|row| (row.depth, &*row.name, &*row.kind, row.parameters)).collect();
        assert_eq!(
            rows,
            [
                (0, "", "Sequential", 0),
                // 1 and the 2 * 5 that nobody calls.
                (1, "0", "Odd", 11),
                (2, "twice", "Residual", 0),
                (3, "module", "Linear", 12),
                (2, "twice", "Residual", 0),
                (3, "module", "Linear", 0),
                (1, "1", "Relu", 0),
            ]
        );
        assert_eq!((summary.parameters(), summary.buffers), (23, 10));
        assert_eq!(parameters(&mut model).count(), 23);
        let table = summary.to_string();
        let last: Vec<Vec<_>> =
            table.lines().rev().take(2).map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(last, [vec!["in", "buffers", "10"], vec!["total", "23"]]);
    }

    #[test]
    fn a_shape_that_does_not_fit_is_the_layers_error() {
        let model = Sequential::new().push(Linear::new(3, 1, &mut seeded(1)));
        assert!(summary(&model, &[2, 4]).unwrap_err().to_string().starts_with("linear: shapes"));
    }
}
