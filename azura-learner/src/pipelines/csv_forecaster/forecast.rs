//! A model's output beside what came true, in real units.

use serde::Serialize;

use super::prepare::Prepared;
use crate::{data::Windows, metrics, report::thin};

/// Forecasts from several windows beside what came true, in real units. Those of all steps stand window by window, `[windows,
/// horizon]`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Forecast {
    /// Steps of each.
    pub horizon: usize,
    /// The last row that each knows.
    pub last: Vec<usize>,
    /// The times of their first steps, ISO 8601.
    pub time_index: Vec<String>,
    /// What came true.
    pub y_true: Vec<f64>,
    /// What was forecast.
    pub y_pred: Vec<f64>,
    /// The lower ends of the intervals; empty without.
    pub y_lower: Vec<f64>,
    /// The upper ends.
    pub y_upper: Vec<f64>,
}

/// A forecast as watchers of a running training see it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ValidationData {
    /// Times, ISO 8601.
    pub x_axis: Vec<String>,
    /// What came true.
    pub y_true: Vec<f64>,
    /// What was forecast.
    pub y_pred: Vec<f64>,
}

impl Prepared {
    /// The model's output for all of these windows, in their order, as a forecast in real units.
    ///
    /// # Panics
    /// If there are not as many outputs as windows.
    pub fn forecast(&self, windows: &Windows, scaled: &[f32]) -> Forecast {
        self.forecast_of(windows, &(0..windows.len()).collect::<Vec<_>>(), scaled)
    }

    /// As [`Prepared::forecast`], for some of the windows.
    ///
    /// # Panics
    /// If there are not as many outputs as indices.
    pub(super) fn forecast_of(&self, windows: &Windows, indices: &[usize], scaled: &[f32]) -> Forecast {
        let horizon = windows.targets();
        assert_eq!(scaled.len(), indices.len() * self.outputs, "as many outputs as windows");
        let mut forecast = Forecast {
            horizon,
            last: indices.iter().map(|&i| windows.target_row(i) - 1).collect(),
            time_index: Vec::with_capacity(indices.len()),
            y_true: Vec::with_capacity(indices.len() * horizon),
            y_pred: Vec::with_capacity(indices.len() * horizon),
            y_lower: Vec::new(),
            y_upper: Vec::new(),
        };
        for (&last, output) in forecast.last.iter().zip(scaled.chunks(self.outputs.max(1))) {
            let rows = last + 1..=last + horizon;
            forecast.time_index.push(self.time_index[*rows.start()].clone());
            forecast.y_true.extend(&self.truth[rows]);
            let real: Vec<f64> = output.iter().map(|&x| self.inputs.decode(self.truth[last], x)).collect();
            let (points, ends) = real.split_at(horizon);
            forecast.y_pred.extend(points);
            let (lower, upper) = ends.split_at(ends.len() / 2);
            for (&a, &b) in lower.iter().zip(upper) {
                let [low, high] = ordered(a, b);
                forecast.y_lower.push(low);
                forecast.y_upper.push(high);
            }
        }
        forecast
    }
}

/// Two ends of an interval, the lower one first: two quantiles that were learned apart from each other may cross (they are then put in order, as
/// in Chernozhukov et al. 2010).
pub(super) fn ordered(a: f64, b: f64) -> [f64; 2] {
    if a > b { [b, a] } else { [a, b] }
}

impl Forecast {
    /// What of `[windows, horizon]` belongs to a step, 1 for the first.
    pub fn step<'a>(&self, values: &'a [f64], step: usize) -> impl Iterator<Item = f64> + 'a {
        values.iter().skip(step - 1).step_by(self.horizon).copied()
    }

    /// The root of the mean squared error of all steps.
    pub fn rmse(&self) -> Option<f64> {
        metrics::rmse(&self.y_true, &self.y_pred)
    }

    /// How many of the true values lie within the intervals, from 0 to 1; none without intervals.
    pub fn coverage(&self) -> Option<f64> {
        let ends = self.y_lower.iter().zip(&self.y_upper);
        let within = ends.zip(&self.y_true).filter(|((low, high), y)| (*low..=*high).contains(y)).count();
        (!self.y_lower.is_empty()).then(|| within as f64 / self.y_lower.len() as f64)
    }

    /// The mean width of the intervals.
    pub fn width(&self) -> Option<f64> {
        metrics::mae(&self.y_upper, &self.y_lower)
    }

    /// At most `limit` points of its first step, the extremes among them.
    pub fn thinned(&self, limit: usize) -> ValidationData {
        let [y_true, y_pred] = [&self.y_true, &self.y_pred].map(|y| self.step(y, 1).collect::<Vec<_>>());
        let kept = thin(&[&y_true, &y_pred], limit);
        ValidationData {
            x_axis: kept.iter().map(|&i| self.time_index[i].clone()).collect(),
            y_true: kept.iter().map(|&i| y_true[i]).collect(),
            y_pred: kept.iter().map(|&i| y_pred[i]).collect(),
        }
    }
}
