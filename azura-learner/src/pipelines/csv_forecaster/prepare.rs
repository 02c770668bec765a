//! From a config to windows that a model can train on, and from its output back to real units.

mod plan;

use std::sync::Arc;

use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

use self::plan::Plan;
use super::config::Config;
use crate::{
    History,
    config::{Invalid, Problem},
    data::{Cycle, Datasets, Parts, Scaler, Series, Windows, shown},
    metrics,
    report::thin,
    results::{ForecastResults, Results},
};

pub(crate) use plan::check_data;

/// A config's data, ready for training.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Prepared {
    /// What the model learns from.
    pub train: Windows,
    /// What the training is watched by, where that is wanted.
    pub validation: Option<Windows>,
    /// What the model is judged by.
    pub test: Windows,
    /// How rows become model input: to be saved with the model.
    pub inputs: Inputs,
    /// The rows of the three parts.
    pub parts: Parts,
    /// What the target's values are, with the unit where it is known.
    pub y_label: String,
    /// The time of each row.
    pub times: Vec<DateTime>,
    /// The same, ISO 8601.
    pub time_index: Vec<String>,
    /// The target's value in each row, in real units.
    pub truth: Vec<f64>,
    /// What was missing in the data and what was done about it, in words.
    pub notes: Vec<String>,
}

/// How a row becomes model input: the scaled columns, then sine and cosine of each calendar cycle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Inputs {
    /// The columns in order, each with the scale fitted to its training rows.
    pub columns: Vec<InputColumn>,
    /// The cycles behind them.
    pub calendar: Vec<Cycle>,
    /// Which of the columns is forecast.
    pub target: usize,
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

/// A forecast beside what came true, in real units.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Forecast {
    /// Times, ISO 8601.
    pub time_index: Vec<String>,
    /// What came true.
    pub y_true: Vec<f64>,
    /// What was forecast.
    pub y_pred: Vec<f64>,
    /// What persistence forecasts: the value before.
    pub persistence: Vec<f64>,
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

/// Reads, scales and splits the data of a config.
///
/// # Errors
/// [`Invalid`] with the problems that the schema and the data tell of.
pub fn prepare(config: &Config, datasets: &Datasets, allow_files: bool) -> Result<Prepared, Invalid> {
    let plan = Plan::new(config, datasets, allow_files).map_err(Invalid)?;
    let fit = |name: &String, values: &Vec<f64>| InputColumn {
        name: name.clone(),
        scaler: Scaler::fit(config.feature_engineering.scaler, &values[plan.parts.train.clone()]),
    };
    let Series { times, names, columns, .. } = &plan.series;
    let inputs = Inputs {
        columns: names.iter().zip(columns).map(|(name, values)| fit(name, values)).collect(),
        calendar: plan.calendar,
        target: plan.target,
    };
    let series: Arc<[f32]> = inputs.encode(columns, &times.at).into();
    // A column that is all but constant in the training part can leave the range of f32 later.
    if let Some(i) = series.iter().position(|x| !x.is_finite()) {
        let (row, column) = (i / inputs.width(), i % inputs.width());
        let (time, column) = (&times.iso()[row], shown(&names[column]));
        let message = format!("column {column} leaves the range of its training part too far at {time}");
        return Err(Invalid(vec![Problem::new("/feature_engineering/scaler", message)]));
    }
    let length = config.model_params.sequence_length;
    let windows = |rows| Windows::new(Arc::clone(&series), inputs.width(), inputs.target, length, rows);
    Ok(Prepared {
        train: windows(plan.parts.train.clone()),
        validation: (!plan.parts.validation.is_empty()).then(|| windows(plan.parts.validation.clone())),
        test: windows(plan.parts.test.clone()),
        inputs,
        parts: plan.parts,
        y_label: plan.y_label,
        notes: plan.series.notes(),
        time_index: times.iso(),
        truth: plan.series.columns.into_iter().nth(plan.target).unwrap_or_default(),
        times: plan.series.times.at,
    })
}

impl Prepared {
    /// The column that is forecast.
    pub fn target_col(&self) -> &str {
        &self.inputs.columns[self.inputs.target].name
    }

    /// The model's output for all of these windows, in their order, as a forecast in real units.
    ///
    /// # Panics
    /// If there are not as many outputs as windows.
    pub fn forecast(&self, windows: &Windows, scaled: &[f32]) -> Forecast {
        assert_eq!(scaled.len(), windows.len(), "as many outputs as windows");
        let rows = || (0..windows.len()).map(|i| windows.target_row(i));
        let scaler = self.inputs.columns[self.inputs.target].scaler;
        Forecast {
            time_index: rows().map(|row| self.time_index[row].clone()).collect(),
            y_true: rows().map(|row| self.truth[row]).collect(),
            y_pred: scaled.iter().map(|&x| scaler.inverse(x)).collect(),
            persistence: rows().map(|row| self.truth[row - 1]).collect(),
        }
    }

    /// The results of a training from its history and the model's output for all test windows.
    ///
    /// # Errors
    /// Only if the results do not serialise.
    ///
    /// # Panics
    /// As [`Prepared::forecast`].
    pub fn results(&self, history: History, scaled: &[f32]) -> Result<Results, serde_json::Error> {
        let Forecast { time_index, y_true, y_pred, persistence } = self.forecast(&self.test, scaled);
        let finite = |values: &[f64]| values.iter().map(|&x| Some(x).filter(|x| x.is_finite())).collect();
        Results::new(history)
            .metric("r2_score", metrics::r2(&y_true, &y_pred))
            .metric("mae", metrics::mae(&y_true, &y_pred))
            .metric("rmse", metrics::rmse(&y_true, &y_pred))
            .baseline("persistence", "r2_score", metrics::r2(&y_true, &persistence))
            .baseline("persistence", "rmse", metrics::rmse(&y_true, &persistence))
            .baseline("persistence", "mae", metrics::mae(&y_true, &persistence))
            .with(&ForecastResults {
                y_true: finite(&y_true),
                y_pred: finite(&y_pred),
                time_index,
                y_label: self.y_label.clone(),
                target_col: self.target_col().to_owned(),
                feature_cols: self.inputs.feature_cols(),
            })
    }
}

impl Inputs {
    /// Numbers in a row of model input.
    pub fn width(&self) -> usize {
        self.columns.len() + 2 * self.calendar.len()
    }

    /// Their names.
    pub fn feature_cols(&self) -> Vec<String> {
        let columns = self.columns.iter().map(|c| c.name.clone());
        columns.chain(self.calendar.iter().flat_map(|c| c.names()).map(str::to_owned)).collect()
    }

    /// Columns in real units, each with one value for each time, as model input of shape `[rows, width]`.
    pub fn encode(&self, columns: &[Vec<f64>], at: &[DateTime]) -> Vec<f32> {
        let mut out = Vec::with_capacity(at.len() * self.width());
        for (row, &at) in at.iter().enumerate() {
            out.extend(self.columns.iter().zip(columns).map(|(c, values)| c.scaler.transform(values[row])));
            out.extend(self.calendar.iter().flat_map(|cycle| cycle.features(at)));
        }
        out
    }
}

impl Forecast {
    /// At most `limit` points of it, the extremes among them.
    pub fn thinned(&self, limit: usize) -> ValidationData {
        let kept = thin(&[&self.y_true, &self.y_pred], limit);
        ValidationData {
            x_axis: kept.iter().map(|&i| self.time_index[i].clone()).collect(),
            y_true: kept.iter().map(|&i| self.y_true[i]).collect(),
            y_pred: kept.iter().map(|&i| self.y_pred[i]).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
