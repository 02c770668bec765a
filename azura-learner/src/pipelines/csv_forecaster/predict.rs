//! Forecasts from a run that has ended, without its data.

use std::collections::BTreeMap;

use azura_core::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    config::Config,
    forecast::ordered,
    inputs::Inputs,
    last_rows::{LastRows, MOST_HISTORY},
    network::network,
};
use crate::{
    Cx, Module, PipelineError, Prediction, SavedRun, Sequential,
    config::{Invalid, Problem, parse, pointer},
    data::{Times, count, parse_cell, shown},
};

/// What a forecaster can be asked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Request {
    /// Rows to forecast.
    #[schemars(range(min = 1, max = 1000))]
    prediction_steps: usize,
    /// The rows to go on from, oldest first, in place of the newest ones of the run's data: the time column and all columns that the
    /// model reads, in real units.
    data: Option<Vec<Map<String, Value>>>,
}

impl Default for Request {
    fn default() -> Self {
        Self { prediction_steps: 1, data: None }
    }
}

/// What a forecaster answers. Values are in real units, by time (ISO 8601).
#[derive(Debug, Serialize)]
struct Answer {
    /// The first value that is forecast.
    prediction: f64,
    target_col: String,
    /// The newest values that are known, a hundred of them at most.
    actual_history: BTreeMap<String, f64>,
    forecasted_series: BTreeMap<String, f64>,
    /// The ends of the intervals: of the steps that the model forecasts at once, for those behind them have none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    forecast_lower: BTreeMap<String, f64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    forecast_upper: BTreeMap<String, f64>,
}

/// Goes on from the newest rows, or from those of the request. Beyond the horizon the forecast is fed with itself: the target has the values
/// that were forecast, the calendar moves on, and all other columns keep their last value.
pub(crate) fn predict(
    config: &Config,
    run: &SavedRun<'_>,
    request: &Value,
) -> Result<Prediction, PipelineError> {
    let request: Request = parse(request).map_err(PipelineError::Request)?;
    let inputs: Inputs = run.json("inputs.json")?;
    let mut rows: LastRows = run.json("last_rows.json")?;
    let (length, learned) = (config.model_params.sequence_length, inputs.sequence_length);
    if length != learned {
        let message = format!(
            "the run's config.json says that its model looks at {}, but it has learned with {learned}",
            count(length, "row")
        );
        return Err(PipelineError::Value(message));
    }
    let needed = length + inputs.transform.lead();
    if !rows.fit(&inputs, needed) {
        let message = "the run's last_rows.json is damaged: it does not fit its config and inputs.json";
        return Err(PipelineError::Value(message.into()));
    }
    if let Some(data) = &request.data {
        (rows.times, rows.columns) =
            read(data, &inputs, &rows.time_col, needed).map_err(PipelineError::Request)?;
    }
    let mut network = network(config, inputs.width())?;
    run.load(&mut network)?;

    let known = rows.times.len();
    let ends = go_on(&mut rows, config, &inputs, &network, request.prediction_steps, run)?;
    let target = &rows.columns[inputs.target];
    let times = Times::at(rows.time_col, rows.times).iso();
    let by_time = |from: usize, values: &[f64]| -> BTreeMap<String, f64> {
        times[from..].iter().cloned().zip(values.iter().copied()).collect()
    };
    let history = known.saturating_sub(MOST_HISTORY);
    let [lower, upper] = [0, 1].map(|end| ends.iter().map(|ends| ends[end]).collect::<Vec<_>>());
    Prediction::of(&Answer {
        prediction: target[known],
        target_col: inputs.target_col().to_owned(),
        actual_history: by_time(history, &target[history..known]),
        forecasted_series: by_time(known, &target[known..]),
        forecast_lower: by_time(known, &lower),
        forecast_upper: by_time(known, &upper),
    })
}

/// Adds so many rows to `rows`, and gives the ends of the intervals of the first of them.
fn go_on(
    rows: &mut LastRows,
    config: &Config,
    inputs: &Inputs,
    network: &Sequential,
    steps: usize,
    run: &SavedRun<'_>,
) -> Result<Vec<[f64; 2]>, PipelineError> {
    let (length, horizon) = (config.model_params.sequence_length, config.model_params.horizon);
    let lead = inputs.transform.lead();
    let (mut done, mut ends) = (0, Vec::new());
    while done < steps {
        if run.is_cancelled() {
            return Err(PipelineError::Cancelled);
        }
        let from = rows.times.len() - length - lead;
        let window: Vec<Vec<f64>> = rows.columns.iter().map(|column| column[from..].to_vec()).collect();
        let window = inputs.encode(&window, &rows.times[from..]).split_off(lead * inputs.width());
        let x = Tensor::from_vec(&[1, length, inputs.width()], window)?;
        let last = rows.columns[inputs.target][from + lead + length - 1];
        let output = network.forward(&x, &mut Cx::eval())?.to_vec();
        let real: Vec<f64> = output.into_iter().map(|x| inputs.decode(last, x)).collect();
        let (points, quantiles) = real.split_at(horizon);
        let now = horizon.min(steps - done);
        if done == 0 {
            let (lower, upper) = quantiles.split_at(quantiles.len() / 2);
            ends = lower.iter().zip(upper).map(|(&a, &b)| ordered(a, b)).take(now).collect();
        }
        for &value in &points[..now] {
            done += 1;
            if !value.is_finite() {
                return Err(PipelineError::Value(format!("the forecast of step {done} is no finite number")));
            }
            rows.push(inputs.target, value, done)?;
        }
    }
    Ok(ends)
}

impl LastRows {
    /// Whether they are rows of such inputs, and enough.
    fn fit(&self, inputs: &Inputs, needed: usize) -> bool {
        self.columns.len() == inputs.columns.len()
            && inputs.target < inputs.columns.len()
            && self.columns.iter().all(|column| column.len() == self.times.len())
            && self.times.len() >= needed
    }

    /// Adds the row that is so many steps ahead: all columns keep their last value, but for the target.
    fn push(&mut self, target: usize, value: f64, steps: usize) -> Result<(), PipelineError> {
        let unknown = |why: &str| PipelineError::Value(why.to_owned());
        let step = self.step.ok_or_else(|| unknown("the distance of rows is not known"))?;
        let last = self.times.last().ok_or_else(|| unknown("there is no row to go on from"))?;
        let next = step.next(*last).ok_or_else(|| {
            let message = format!("step {steps} lies beyond the year 9999; at most {}", steps - 1);
            PipelineError::Request(Invalid(vec![Problem::new("/prediction_steps", message)]))
        });
        self.times.push(next?);
        for (i, column) in self.columns.iter_mut().enumerate() {
            column.extend(if i == target { Some(value) } else { column.last().copied() });
        }
        Ok(())
    }
}

type Rows = (Vec<jiff::civil::DateTime>, Vec<Vec<f64>>);

/// The rows of a request: times and columns.
fn read(
    data: &[Map<String, Value>],
    inputs: &Inputs,
    time_col: &str,
    needed: usize,
) -> Result<Rows, Invalid> {
    const MOST_PROBLEMS: usize = 100;
    let mut problems = Vec::new();
    if data.len() < needed {
        let why = if inputs.transform.lead() > 0 { ", and one more to tell the first change" } else { "" };
        let message = format!(
            "{} too few; at least {needed}: as many as the model looks back{why}",
            if data.len() == 1 { "1 row is".to_owned() } else { format!("{} rows are", data.len()) }
        );
        problems.push(Problem::new("/data", message));
    }
    let cell = |i: usize, column: &str| {
        let row = pointer("/data", &i.to_string());
        let missing = || Problem::new(&row, format!("the column {} is missing", shown(column)));
        data[i].get(column).ok_or_else(missing).map(|value| (pointer(&row, column), value))
    };
    let mut times = Vec::with_capacity(data.len());
    for i in 0..data.len() {
        match cell(i, time_col).and_then(|(place, value)| time(&place, value)) {
            Ok(at) => {
                if times.last().is_some_and(|last| *last >= at) {
                    let place = pointer(&pointer("/data", &i.to_string()), time_col);
                    problems.push(Problem::new(place, "must come after the row above it"));
                }
                times.push(at);
            }
            Err(problem) => problems.push(problem),
        }
    }
    let mut columns = Vec::with_capacity(inputs.columns.len());
    for (c, column) in inputs.columns.iter().enumerate() {
        let mut values = Vec::with_capacity(data.len());
        for i in 0..data.len() {
            match cell(i, &column.name).and_then(|(place, value)| number(&place, value)) {
                Ok(value) => values.push(value),
                Err(problem) => problems.push(problem),
            }
        }
        if let Some(row) = inputs.transform.refuses(&values).filter(|_| c == inputs.target) {
            let place = pointer(&pointer("/data", &row.to_string()), &column.name);
            problems.push(Problem::new(place, "log1p takes values above -1"));
        }
        columns.push(values);
    }
    problems.truncate(MOST_PROBLEMS);
    if problems.is_empty() { Ok((times, columns)) } else { Err(Invalid(problems)) }
}

fn number(place: &str, value: &Value) -> Result<f64, Problem> {
    const LARGEST: f64 = 1e140;
    let number = value.as_f64().ok_or_else(|| Problem::new(place, "expected a number"))?;
    if number.abs() <= LARGEST { Ok(number) } else { Err(Problem::new(place, "is beyond ±1e140")) }
}

/// A time as a text, or a year as a number.
fn time(place: &str, value: &Value) -> Result<jiff::civil::DateTime, Problem> {
    let text = value.as_str().map(str::to_owned).or_else(|| Some(value.as_u64()?.to_string()));
    let text = text.ok_or_else(|| Problem::new(place, "expected a date or time"))?;
    parse_cell(text.trim()).map_err(|why| Problem::new(place, format!("{} {why}", shown(&text))))
}
