//! The pictures of a forecaster's report.

use super::super::prepare::Prepared;
use crate::{
    report::{Bars, Chart, Colour, number},
    results::{ForecastResults, Results},
};

/// Ranges of the histogram of errors.
const RANGES: usize = 30;

/// Truth, forecast and, where there is one, the interval around it, over the test part.
pub(super) fn forecast(prepared: &Prepared, results: &Results, forecast: &ForecastResults) -> String {
    let windows = &prepared.test;
    let times = (0..windows.len()).map(|i| prepared.times[windows.target_row(i)]);
    let (model, base) = match forecast.by_step.first() {
        Some(first) => (first.rmse, first.persistence),
        None => (results.figure("rmse"), results.baseline_figure("persistence", "rmse")),
    };
    let chart = Chart::over_times(format!("{}: forecast and truth", forecast.target_col), times)
        .subtitle(format!(
            "test part, one row ahead  ·  RMSE {}, persistence {}",
            number(model),
            number(base)
        ))
        .y_label(&forecast.y_label);
    let chart = if forecast.y_lower.is_empty() {
        chart
    } else {
        let (lower, upper) = (forecast.y_lower.iter().copied(), forecast.y_upper.iter().copied());
        chart.band("interval", Colour::Indigo, lower, upper)
    };
    chart
        .line("truth", Colour::Slate, forecast.y_true.iter().copied())
        .line("forecast", Colour::Indigo, forecast.y_pred.iter().copied())
        .svg()
}

/// How often the forecast was off by how much.
pub(super) fn errors(forecast: &ForecastResults) -> String {
    let pairs = forecast.y_true.iter().zip(&forecast.y_pred);
    let errors: Vec<f64> = pairs.filter_map(|(truth, predicted)| Some((*predicted)? - (*truth)?)).collect();
    Chart::histogram("Errors of the forecast", &errors, RANGES, Colour::Indigo)
        .subtitle("forecast less truth: to the right of 0 it was too high")
        .x_label(&forecast.y_label)
        .y_label("rows of the test part")
        .svg()
}

/// The forecast of each row against what came true.
pub(super) fn against(forecast: &ForecastResults) -> String {
    let pairs = forecast.y_true.iter().zip(&forecast.y_pred);
    let (truth, predicted): (Vec<f64>, Vec<Option<f64>>) =
        pairs.filter_map(|(truth, predicted)| Some(((*truth)?, *predicted))).unzip();
    Chart::over_numbers("Forecast against truth", truth)
        .subtitle("each point is a row of the test part; on the line the forecast is right")
        .x_label(format!("truth: {}", forecast.y_label))
        .y_label(format!("forecast: {}", forecast.y_label))
        .points("rows", Colour::Indigo, predicted)
        .diagonal("right")
        .svg()
}

/// What each input is worth to the model, the most important first.
pub(super) fn importance(forecast: &ForecastResults) -> String {
    let mut rows: Vec<_> = forecast
        .feature_importance
        .iter()
        .filter_map(|row| Some((row.feature.clone(), row.rmse_increase?)))
        .collect();
    rows.sort_by(|a, b| b.1.total_cmp(&a.1));
    Bars::new("What each input is worth", rows)
        .subtitle(format!("by how much the RMSE rises when it is shuffled, {}", forecast.y_label))
        .colour(Colour::Teal)
        .svg()
}

/// How the error grows with the distance.
pub(super) fn by_step(forecast: &ForecastResults) -> String {
    let steps = || forecast.by_step.iter();
    Chart::over_numbers("Error by distance", steps().map(|step| step.step as f64))
        .subtitle("RMSE of the test part")
        .x_label("rows ahead")
        .y_label(&forecast.y_label)
        .from_zero()
        .line("persistence", Colour::Slate, steps().map(|step| step.persistence))
        .line("model", Colour::Indigo, steps().map(|step| step.rmse))
        .svg()
}
