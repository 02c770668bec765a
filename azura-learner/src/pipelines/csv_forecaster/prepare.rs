//! From a config to windows that a model can train on, and from its output back to real units.

mod plan;
mod source;

use std::sync::Arc;

use jiff::civil::DateTime;

use self::plan::Plan;
use super::{
    config::Config,
    inputs::{InputColumn, Inputs},
    last_rows::LastRows,
};
use crate::{
    config::{Invalid, Problem},
    data::{Datasets, Parts, Scaler, Series, Transform, Windows, shown},
};

pub(crate) use plan::{check_data, choices};

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
    pub truth: Arc<[f64]>,
    /// Whether the target's transform is the data set's default.
    pub transform_of_set: bool,
    /// Rows in a season, where there are seasons.
    pub season: Option<usize>,
    /// Numbers that the model gives for a window: the points of all steps, then the lower and the upper ends of their intervals.
    pub outputs: usize,
    /// The newest rows, from which a forecast goes on.
    pub last_rows: LastRows,
    /// What was missing in the data and what was done about it, in words.
    pub notes: Vec<String>,
}

/// Reads, scales and splits the data of a config.
///
/// # Errors
/// [`Invalid`] with the problems that the schema and the data tell of.
pub fn prepare(config: &Config, datasets: &Datasets, allow_files: bool) -> Result<Prepared, Invalid> {
    let plan = Plan::new(config, datasets, allow_files).map_err(Invalid)?;
    let (train, transform) = (plan.parts.train.clone(), plan.transform);
    let fit = |(i, (name, values)): (usize, (&String, &Vec<f64>))| {
        let known = &values[train.clone()];
        let kind = config.feature_engineering.scaler;
        let scaler = if i == plan.target {
            // The first row's change is not known.
            Scaler::fit(kind, &transform.inputs(known)[transform.lead().min(known.len())..])
        } else {
            Scaler::fit(kind, known)
        };
        InputColumn { name: name.clone(), scaler }
    };
    let Series { times, names, columns, .. } = &plan.series;
    let inputs = Inputs {
        columns: names.iter().zip(columns).enumerate().map(fit).collect(),
        calendar: plan.calendar,
        target: plan.target,
        sequence_length: config.model_params.sequence_length,
        transform,
    };
    let series: Arc<[f32]> = inputs.encode(columns, &times.at).into();
    // A column that is all but constant in the training part can leave the range of f32 later.
    if let Some(i) = series.iter().position(|x| !x.is_finite()) {
        let (row, column) = (i / inputs.width(), i % inputs.width());
        let (time, column) = (&times.iso()[row], shown(&names[column]));
        let message = format!("column {column} leaves the range of its training part too far at {time}");
        return Err(Invalid(vec![Problem::new("/feature_engineering/scaler", message)]));
    }
    let model = &config.model_params;
    let truth: Arc<[f64]> = columns[plan.target].as_slice().into();
    let windows = |rows| {
        let series = Arc::clone(&series);
        let windows = Windows::new(series, inputs.width(), inputs.target, model.sequence_length, rows);
        let windows = windows.horizon(model.horizon);
        if transform == Transform::Difference {
            windows.changes_of(Arc::clone(&truth), inputs.columns[inputs.target].scaler)
        } else {
            windows
        }
    };
    Ok(Prepared {
        train: windows(plan.parts.train.clone()),
        validation: (!plan.parts.validation.is_empty()).then(|| windows(plan.parts.validation.clone())),
        test: windows(plan.parts.test.clone()),
        last_rows: LastRows::of(&plan.series, model.sequence_length + transform.lead()),
        outputs: model.outputs(),
        transform_of_set: plan.transform_of_set,
        season: plan.season,
        inputs,
        parts: plan.parts,
        y_label: plan.y_label,
        notes: plan.series.notes(),
        time_index: times.iso(),
        times: plan.series.times.at,
        truth,
    })
}

impl Prepared {
    /// The column that is forecast.
    pub fn target_col(&self) -> &str {
        self.inputs.target_col()
    }
}

#[cfg(test)]
mod tests;
