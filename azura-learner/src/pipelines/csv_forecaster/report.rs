//! The report of a forecaster: what was trained on what, how good it is beside simple forecasts, and what is worth looking at.

mod charts;
mod look;
mod words;

use std::ops::Range;

use serde_json::Value;

use super::{config::Config, prepare::Prepared};
use crate::{
    data::{Datasets, Windows, count},
    metrics,
    pipelines::{about::about, course::loss_chart},
    report::{Report, code, config_table, number, table},
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
    let loss = words::loss(&config.model_params);
    let mut pictures = vec![
        ("forecast", "Forecast and truth over the test part", charts::forecast(prepared, results, &forecast)),
        ("against", "Forecast against truth", charts::against(&forecast)),
        ("errors", "Errors of the forecast", charts::errors(&forecast)),
    ];
    if !forecast.by_step.is_empty() {
        pictures.push(("steps", "Error by distance", charts::by_step(&forecast)));
    }
    if !forecast.feature_importance.is_empty() {
        pictures.push(("importance", "What each input is worth", charts::importance(&forecast)));
    }
    let linked: Vec<_> =
        pictures.iter().map(|(name, about, _)| format!("![{about}](images/{name}.svg)")).collect();
    let markdown = format!(
        "# Forecast of {target}\n\n{}\n\n## How good it is\n\n{}\n\n{}\n{}\n\
         ## What to look at\n\n- {}\n\n{}\n\n\
         ![Loss by epoch](images/loss.svg)\n\nThe loss is the {loss}.\n\n\
         ## Data\n\n{}\n## Config\n\n{}",
        introduction(config, prepared, &target),
        verdict(results),
        figures(results),
        words::simple_forecasts(results, &forecast, prepared),
        look::points(results, &forecast, config.model_params.interval).join("\n- "),
        linked.join("\n\n"),
        data(config, datasets, prepared),
        config_table(shown),
    );
    let mut images: Vec<_> =
        pictures.into_iter().map(|(name, _, svg)| (format!("{name}.svg"), svg)).collect();
    images.push(("loss.svg".into(), loss_chart(&results.history, loss)));
    Ok(Report::new(markdown, images))
}

fn introduction(config: &Config, prepared: &Prepared, target: &str) -> String {
    let model = &config.model_params;
    let time = |row: usize| &prepared.time_index[row];
    let (train, test) = (&prepared.parts.train, &prepared.parts.test);
    format!(
        "{} looks at {} of {} and says what {target} will be in the next {}. It learned from \
         the {} up to {}; the newest {}, from {} to {}, were kept back to judge it by.\n\n{}",
        words::model(model),
        count(model.sequence_length, "row"),
        count(prepared.inputs.width(), "input"),
        if model.horizon == 1 { "row".to_owned() } else { count(model.horizon, "row") },
        count(train.len(), "row"),
        time(train.end - 1),
        count(test.len(), "row"),
        time(test.start),
        time(test.end - 1),
        words::target(config, prepared),
    )
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
    if model.is_none() || base.is_none() {
        return "It cannot be compared with **persistence**, the forecast that the next value equals the last: \
                one of the two has no error that could be measured."
            .into();
    }
    let change = |metric| {
        let base = results.baseline_figure("persistence", metric)?;
        Some(metrics::times(results.figure(metric)?, base)? - 1.0)
    };
    let Some(rmse) = change("rmse") else {
        return "**Worse than persistence: its typical error (RMSE) is nothing beside the model's.** Persistence knows nothing and says \
                that the next value equals the last one."
            .into();
    };
    let percent = |change: f64| format!("{:.1} %", 100.0 * change.abs());
    let how = match rmse {
        ..0.0 => format!("{} lower", percent(rmse)),
        ..1.0 => format!("{} higher", percent(rmse)),
        _ => format!("{} times as large", number(Some(rmse + 1.0))),
    };
    // One that contradicts the other, by more than is rounded away.
    let mae = change("mae").filter(|mae| mae * rmse < 0.0 && mae.abs() >= 0.0005);
    let verdict = match (rmse, mae) {
        (rmse, _) if rmse.abs() <= CLOSE => {
            let side = if rmse < 0.0 { "lower" } else { "higher" };
            let percent = 100.0 * rmse.abs();
            format!(
                "**No better than persistence: the typical errors (RMSE) differ by only {percent:.2} %, \
                 the model's being the {side}.**"
            )
        }
        (_, Some(mae)) => {
            let side = if mae < 0.0 { "lower" } else { "higher" };
            format!(
                "**Neither better nor worse than persistence: the typical error (RMSE), in which great errors count most, is {how}, but the mean \
                 error (MAE) {} {side}.**",
                percent(mae)
            )
        }
        (..0.0, None) => format!("**Better than persistence: the typical error (RMSE) is {how}.**"),
        _ => format!(
            "**Worse than persistence: the typical error (RMSE) is {how}.** As it stands, taking the last \
             value is the better forecast."
        ),
    };
    format!("{verdict} Persistence knows nothing and says that the next value equals the last one.")
}

fn figures(results: &Results) -> String {
    // A difference in percent says something of errors only.
    let row = |name: &str, metric: &str, error: bool| {
        let (model, base) = (results.figure(metric), results.baseline_figure("persistence", metric));
        let times = model.zip(base).filter(|_| error).and_then(|(m, b)| metrics::times(m, b));
        let change = times.map_or("–".into(), |t| format!("{:+.1} %", 100.0 * (t - 1.0)).replace('-', "−"));
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

#[cfg(test)]
#[cfg(feature = "datasets")]
mod tests;
