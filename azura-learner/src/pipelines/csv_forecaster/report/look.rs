//! What is worth looking at in a forecaster's results, in words that its numbers bear out.

use crate::{
    pipelines::course::course,
    report::{code, number},
    results::{ForecastResults, Results},
};

/// So far from the promised share an interval may be.
const OFF: f64 = 0.05;
/// A mean error of so much of the RMSE is a leaning.
const LEANING: f64 = 0.25;
/// An input that is worth less of the RMSE than this is worth nothing.
const WORTH: f64 = 0.01;
/// An error so many times the RMSE stands out.
const OUTSTANDING: f64 = 4.0;

/// The sentences, the most important first; each is a point of a list.
pub(super) fn points(results: &Results, forecast: &ForecastResults, interval: Option<f64>) -> Vec<String> {
    let mut points = Vec::new();
    points.extend(best_baseline(results));
    points.extend(leaning(results, forecast));
    points.extend(outstanding(results, forecast));
    points.extend(interval.and_then(|wanted| coverage(results, wanted)));
    points.extend(inputs(results, forecast));
    points.push(course(&results.history).join(" "));
    points
}

/// The simple forecast that is the hardest to beat, where that is not persistence.
fn best_baseline(results: &Results) -> Option<String> {
    let rmse = |name: &str| results.baseline_figure(name, "rmse");
    let names = results.baselines.keys().filter_map(|name| Some((name, rmse(name)?)));
    let (name, best) = names.min_by(|a, b| a.1.total_cmp(&b.1)).filter(|(name, _)| *name != "persistence")?;
    let model = results.figure("rmse")?;
    let side = if model < best { "below" } else { "not below" };
    Some(format!(
        "Of the simple forecasts {} is the hardest to beat, with an RMSE of {}; the model is {side} it.",
        name.replace('_', " "),
        number(Some(best)),
    ))
}

fn errors(forecast: &ForecastResults) -> Vec<(usize, f64)> {
    let pairs = forecast.y_true.iter().zip(&forecast.y_pred).enumerate();
    pairs.filter_map(|(i, (truth, predicted))| Some((i, (*predicted)? - (*truth)?))).collect()
}

fn leaning(results: &Results, forecast: &ForecastResults) -> Option<String> {
    let errors = errors(forecast);
    let mean = errors.iter().map(|error| error.1).sum::<f64>() / errors.len() as f64;
    let rmse = results.figure("rmse").filter(|rmse| mean.abs() > LEANING * rmse)?;
    let side = if mean > 0.0 { "high" } else { "low" };
    Some(format!(
        "The forecast is too {side} by {} on average, which is much beside its RMSE of {}: the test part differs from what was learned.",
        number(Some(mean.abs())),
        number(Some(rmse)),
    ))
}

fn outstanding(results: &Results, forecast: &ForecastResults) -> Option<String> {
    let worst = errors(forecast).into_iter().max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()))?;
    results.figure("rmse").filter(|rmse| worst.1.abs() > OUTSTANDING * rmse)?;
    let (i, error) = worst;
    Some(format!(
        "The greatest error stands out: on {} the forecast was {} too {}, {}.",
        forecast.time_index[i],
        number(Some(error.abs())),
        if error > 0.0 { "high" } else { "low" },
        "which is worth a look at the data",
    ))
}

fn coverage(results: &Results, wanted: f64) -> Option<String> {
    let found = results.figure("interval_coverage")?;
    let verdict = match found - wanted {
        off if off < -OFF => "it is too narrow",
        off if off > OFF => "it is wider than it need be",
        _ => "it keeps its promise",
    };
    Some(format!(
        "The interval is made to hold {:.0} % of the values, and held {:.1} % of the test part: {verdict}. It is {} wide on average.",
        100.0 * wanted,
        100.0 * found,
        number(results.figure("interval_width")),
    ))
}

/// The input that counts most, and those that are worth nothing.
fn inputs(results: &Results, forecast: &ForecastResults) -> Option<String> {
    let least = WORTH * results.figure("rmse")?;
    let rows =
        forecast.feature_importance.iter().filter_map(|row| Some((code(&row.feature), row.rmse_increase?)));
    let (useful, useless): (Vec<_>, Vec<_>) = rows.partition(|(_, rise)| *rise > least);
    let Some((most, rise)) = useful.into_iter().max_by(|a, b| a.1.total_cmp(&b.1)) else {
        return (!useless.is_empty()).then(|| {
            "No input by itself counts for much: shuffled, none of them raises the RMSE by a hundredth."
                .into()
        });
    };
    let most =
        format!("Of the inputs {most} counts most: shuffled, it raises the RMSE by {}.", number(Some(rise)));
    if useless.is_empty() {
        return Some(most);
    }
    let names: Vec<_> = useless.into_iter().map(|(name, _)| name).collect();
    Some(format!("{most} Without {} the model would do about as well.", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{History, results::FeatureImportance};

    /// What is said of forecasts of a truth that is 0 throughout, and of inputs that are worth so much.
    fn said(predicted: &[f64], coverage: f64, worth: &[f64]) -> String {
        let squares = predicted.iter().map(|x| x * x).sum::<f64>();
        let results = Results::new(History::default())
            .metric("rmse", Some((squares / predicted.len() as f64).sqrt()))
            .metric("interval_coverage", Some(coverage))
            .metric("interval_width", Some(3.0))
            .baseline("persistence", "rmse", Some(2.0))
            .baseline("drift", "rmse", Some(1.5));
        let names = ["a", "b", "c"];
        let importance = |(name, rise): (&&str, &f64)| FeatureImportance {
            feature: (*name).to_owned(),
            rmse_increase: Some(*rise),
        };
        let forecast = ForecastResults {
            y_true: vec![Some(0.0); predicted.len()],
            y_pred: predicted.iter().copied().map(Some).collect(),
            time_index: (1..=predicted.len()).map(|day| format!("day {day}")).collect(),
            feature_importance: names.iter().zip(worth).map(importance).collect(),
            ..ForecastResults::default()
        };
        points(&results, &forecast, Some(0.8)).join("\n")
    }

    #[test]
    fn words_follow_the_numbers() {
        // 1, -1, 1, -1: RMSE 1, mean 0.
        let plain = said(&[1.0, -1.0, 1.0, -1.0], 0.79, &[0.5, 0.001, -0.2]);
        assert!(
            plain.contains("drift is the hardest to beat, with an RMSE of 1.500; the model is below it"),
            "{plain}"
        );
        assert!(
            plain.contains("held 79.0 % of the test part: it keeps its promise. It is 3.000 wide"),
            "{plain}"
        );
        assert!(
            plain.contains("`a` counts most: shuffled, it raises the RMSE by 0.5000. Without `b`, `c` the"),
            "{plain}"
        );
        assert!(!plain.contains("on average, which is much") && !plain.contains("stands out"), "{plain}");
        // All 2: RMSE 2 and mean 2, and no better than drift.
        let high = said(&[2.0; 4], 0.5, &[0.001]);
        assert!(high.contains("too high by 2.000 on average") && high.contains("it is too narrow"), "{high}");
        assert!(high.contains("the model is not below it") && high.contains("No input by itself"), "{high}");
        // One error of 10 among 99 of 0: RMSE 1.
        let mut one = [0.0; 100];
        one[41] = -10.0;
        let one = said(&one, 0.9, &[]);
        assert!(
            one.contains("on day 42 the forecast was 10.00 too low") && one.contains("wider than it need be"),
            "{one}"
        );
    }
}
