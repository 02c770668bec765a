//! From rows to model input, and from a model's output back to real units.

use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

use crate::data::{Cycle, Scaler, Transform};

/// How a row becomes model input: the scaled columns, the target's transformed before, then sine and cosine of each calendar
/// cycle. Nothing in it but what the training part shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Inputs {
    /// The columns in order, each with the scale fitted to its training rows.
    pub columns: Vec<InputColumn>,
    /// The cycles behind them.
    pub calendar: Vec<Cycle>,
    /// Which of the columns is forecast.
    pub target: usize,
    /// Rows that the model looks at, of which the weights of some models do not tell.
    pub sequence_length: usize,
    /// What is learned of it.
    #[serde(default)]
    pub transform: Transform,
}

/// A column and its scale.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct InputColumn {
    /// The column's name.
    pub name: String,
    /// Its scale.
    pub scaler: Scaler,
}

impl Inputs {
    /// The column that is forecast.
    pub fn target_col(&self) -> &str {
        &self.columns[self.target].name
    }

    /// Numbers in a row of model input.
    pub fn width(&self) -> usize {
        self.columns.len() + 2 * self.calendar.len()
    }

    /// Their names.
    pub fn feature_cols(&self) -> Vec<String> {
        let columns = self.columns.iter().map(|c| c.name.clone());
        columns.chain(self.calendar.iter().flat_map(|c| c.names()).map(str::to_owned)).collect()
    }

    /// Columns in real units, each with one value for each time, as model input of shape `[rows, width]`. In the first row a change
    /// is 0.
    pub fn encode(&self, columns: &[Vec<f64>], at: &[DateTime]) -> Vec<f32> {
        let target = self.transform.inputs(&columns[self.target]);
        let values = |i: usize| if i == self.target { &target } else { &columns[i] };
        let columns: Vec<_> = self.columns.iter().enumerate().map(|(i, c)| (c.scaler, values(i))).collect();
        let mut out = Vec::with_capacity(at.len() * self.width());
        for (row, &at) in at.iter().enumerate() {
            out.extend(columns.iter().map(|(scaler, values)| scaler.transform(values[row])));
            out.extend(self.calendar.iter().flat_map(|cycle| cycle.features(at)));
        }
        out
    }

    /// A number that the model gives, in real units; `last` is the target's last value that is known.
    pub fn decode(&self, last: f64, output: f32) -> f64 {
        self.transform.inverse(last, self.columns[self.target].scaler.inverse(output))
    }
}
