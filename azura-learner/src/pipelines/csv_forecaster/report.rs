//! The report of a forecaster: what was trained on what, how good it is beside the simplest forecast, and two
//! pictures.

mod words;

use std::ops::Range;

use serde_json::Value;

use super::{config::Config, prepare::Prepared};
use crate::{
    data::{Datasets, Windows},
    pipelines::{
        about::about,
        course::{course, loss_chart},
    },
    report::{Chart, Colour, Report, code, config_table, number, table},
    results::{ForecastResults, Results},
};

/// Writes a run's report; nothing in it depends on time or machine.
///
/// # Errors
/// If the results are not those of a forecaster.
pub(super) fn report(
    config: &Config,
    shown: &Value,
    datasets: &Datasets,
    prepared: &Prepared,
    results: &Results,
) -> Result<Report, serde_json::Error> {
    let forecast: ForecastResults = results.extra_as()?;
    let target = code(&forecast.target_col);
    let markdown = format!(
        "# Forecast of {target}\n\n{}\n\n## How good it is\n\n{}\n\n{}\n{}\n\
         ![Forecast and truth over the test part](images/forecast.svg)\n\n\
         ## Training\n\n{} The loss is the {}.\n\n![Loss by epoch](images/loss.svg)\n\n\
         ## Data\n\n{}\n## Config\n\n{}",
        introduction(config, prepared, &target),
        verdict(results),
        figures(results),
        words::simple_forecasts(config, results, &forecast, prepared),
        course(&results.history).join(" "),
        words::loss(&config.model_params),
        data(config, datasets, prepared),
        config_table(shown),
    );
    let images = vec![
        ("loss.svg".into(), loss_chart(&results.history, words::loss(&config.model_params))),
        ("forecast.svg".into(), forecast_chart(prepared, results, &forecast)),
    ];
    Ok(Report::new(markdown, images))
}

fn introduction(config: &Config, prepared: &Prepared, target: &str) -> String {
    let model = &config.model_params;
    let time = |row: usize| &prepared.time_index[row];
    let (train, test) = (&prepared.parts.train, &prepared.parts.test);
    format!(
        "{} looks at {} of {} and says what {target} will be in the next {}. It learned from \
         the {} rows up to {}; the newest {} rows, from {} to {}, were kept back to judge it by.\n\n{}",
        words::model(model),
        count(model.sequence_length, "row"),
        count(prepared.inputs.width(), "input"),
        if model.horizon == 1 { "row".to_owned() } else { count(model.horizon, "row") },
        train.len(),
        time(train.end - 1),
        test.len(),
        time(test.start),
        time(test.end - 1),
        words::target(config, prepared),
    )
}

fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// The comparison with persistence, in words that its numbers bear out.
fn verdict(results: &Results) -> String {
    const CLOSE: f64 = 0.01;
    let (model, base) = (results.figure("rmse"), results.baseline_figure("persistence", "rmse"));
    if let (Some(model), Some(0.0)) = (model, base) {
        let verdict = if model > 0.0 { "Worse than" } else { "As good as" };
        return format!(
            "**{verdict} persistence, which makes no error here: the target never changes in the test part.** \
             Persistence knows nothing and says that the next value equals the last one."
        );
    }
    let (Some(model), Some(base)) = (model, base) else {
        return "It cannot be compared with **persistence**, the forecast that the next value equals the last: \
                one of the two has no error that could be measured."
            .into();
    };
    let change = model / base - 1.0;
    let percent = 100.0 * change.abs();
    let verdict = if change < -CLOSE {
        format!("**Better than persistence: the typical error (RMSE) is {percent:.1} % lower.**")
    } else if change > CLOSE {
        let how = if change < 1.0 {
            format!("{percent:.1} % higher")
        } else {
            format!("{} times as large", number(Some(model / base)))
        };
        format!(
            "**Worse than persistence: the typical error (RMSE) is {how}.** As it stands, taking the last \
             value is the better forecast."
        )
    } else {
        let side = if change < 0.0 { "lower" } else { "higher" };
        format!(
            "**No better than persistence: the typical errors (RMSE) differ by only {percent:.2} %, \
             the model's being the {side}.**"
        )
    };
    format!("{verdict} Persistence knows nothing and says that the next value equals the last one.")
}

fn figures(results: &Results) -> String {
    // A difference in percent says something of errors only.
    let row = |name: &str, metric: &str, error: bool| {
        let (model, base) = (results.figure(metric), results.baseline_figure("persistence", metric));
        let change = model.zip(base.filter(|&b| error && b > 0.0)).map(|(m, b)| 100.0 * (m / b - 1.0));
        let change = change.map_or("–".into(), |c| format!("{c:+.1} %").replace('-', "−"));
        [name.to_owned(), number(model), number(base), change]
    };
    let rows = [row("RMSE", "rmse", true), row("MAE", "mae", true), row("R²", "r2_score", false)];
    table(["test part", "model", "persistence", "difference"], &rows)
}

fn data(config: &Config, datasets: &Datasets, prepared: &Prepared) -> String {
    let sourcing = &config.data_sourcing;
    let about = about(sourcing.file.as_deref(), &sourcing.dataset, datasets);
    let row = |name: &str, rows: &Range<usize>, windows: Option<&Windows>| {
        let time = |row: Option<usize>| row.map_or("–".into(), |row| prepared.time_index[row].clone());
        let last = rows.end.checked_sub(1).filter(|_| !rows.is_empty());
        [
            name.to_owned(),
            rows.len().to_string(),
            windows.map_or(0, Windows::len).to_string(),
            time(last.map(|_| rows.start)),
            time(last),
        ]
    };
    let parts = &prepared.parts;
    let rows = [
        row("training", &parts.train, Some(&prepared.train)),
        row("validation", &parts.validation, prepared.validation.as_ref()),
        row("test", &parts.test, Some(&prepared.test)),
    ];
    let inputs: Vec<String> = prepared.inputs.feature_cols().iter().map(|name| code(name)).collect();
    let notes = match &prepared.notes[..] {
        [] => String::new(),
        notes => format!("\nWhat is missing:\n\n- {}\n", notes.join("\n- ")),
    };
    format!(
        "{about}\n{notes}\n{}\nA window and its target lie within one part, and only the training part decides how \
         values are scaled.\n\nInputs: {}.\n\n",
        table(["part", "rows", "windows", "from", "to"], &rows),
        inputs.join(", "),
    )
}

fn forecast_chart(prepared: &Prepared, results: &Results, forecast: &ForecastResults) -> String {
    let windows = &prepared.test;
    let times = (0..windows.len()).map(|i| prepared.times[windows.target_row(i)]);
    let (model, base) = match forecast.by_step.first() {
        Some(first) => (first.rmse, first.persistence),
        None => (results.figure("rmse"), results.baseline_figure("persistence", "rmse")),
    };
    Chart::over_times(format!("{}: forecast and truth", forecast.target_col), times)
        .subtitle(format!(
            "test part, one row ahead  ·  RMSE {}, persistence {}",
            number(model),
            number(base)
        ))
        .y_label(&forecast.y_label)
        .line("truth", Colour::Slate, forecast.y_true.iter().copied())
        .line("forecast", Colour::Indigo, forecast.y_pred.iter().copied())
        .svg()
}

#[cfg(test)]
#[cfg(feature = "datasets")]
mod tests;
