//! What kind of model it is, how it learns its target, and the simple forecasts beside it.

use crate::{
    data::{Transform, count},
    pipelines::csv_forecaster::{
        config::{Config, ModelKind, ModelParams},
        prepare::Prepared,
    },
    report::{code, number, table},
    results::{ForecastResults, Results},
};

/// The model as the subject of a sentence.
pub(super) fn model(model: &ModelParams) -> String {
    let name = match model.kind {
        ModelKind::Lstm => "An LSTM",
        ModelKind::Gru => "A GRU",
        ModelKind::Mlp => "A dense network",
        ModelKind::Transformer => "A transformer",
    };
    let layers =
        if model.num_layers > 1 { format!("{} layers of ", model.num_layers) } else { String::new() };
    format!("{name} with {layers}{}", count(model.hidden_size, "unit"))
}

/// How the target is learned, and who says so.
pub(super) fn target(config: &Config, prepared: &Prepared) -> String {
    let target = code(prepared.target_col());
    let how = match prepared.inputs.transform {
        Transform::None => format!("It learns the values of {target} as they are"),
        Transform::Log1p => format!("It learns ln(1 + value) of {target}"),
        Transform::Difference => format!("It learns by how much {target} changes from its last value"),
    };
    let who = if prepared.transform_of_set {
        "the data set's default"
    } else if config.feature_engineering.target_col_transform.is_some() {
        "chosen by the config"
    } else {
        "the default"
    };
    let fed = "Further ahead than that, a forecast is fed with itself: the target has the values that were forecast, the calendar \
               moves on, and all other columns keep their last value.";
    format!("{how}: the transform {}, {who}. {fed}", code(name(prepared.inputs.transform)))
}

/// What the loss is, as the label of an axis.
pub(super) fn loss(model: &ModelParams) -> &'static str {
    match model.interval {
        None => "mean squared error of scaled values",
        Some(_) => "squared and quantile errors of scaled values",
    }
}

fn name(transform: Transform) -> &'static str {
    match transform {
        Transform::None => "none",
        Transform::Log1p => "log1p",
        Transform::Difference => "difference",
    }
}

/// The simple forecasts in a table, and the figures that compare with them.
pub(super) fn simple_forecasts(results: &Results, forecast: &ForecastResults, prepared: &Prepared) -> String {
    let rows: Vec<[String; 5]> = results
        .baselines
        .keys()
        .map(|name| {
            let figure = |metric| number(results.baseline_figure(name, metric));
            let skill = forecast.skill.get(name).copied().flatten();
            let told = match (name.as_str(), prepared.season) {
                ("seasonal_naive", Some(season)) => format!("seasonal naive, {}", count(season, "row")),
                _ => name.clone(),
            };
            [told, figure("rmse"), figure("mae"), figure("r2_score"), number(skill)]
        })
        .collect();
    let steps: Vec<[String; 4]> = forecast
        .by_step
        .iter()
        .map(|step| [step.step.to_string(), number(step.rmse), number(step.mae), number(step.persistence)])
        .collect();
    let head = ["simple forecast", "RMSE", "MAE", "R²", "skill of the model"];
    let mut words = vec![table(head, &rows).trim_end().to_owned()];
    words.push(
        "Persistence says that the last value stays, seasonal naive that the last season comes again, drift that the straight line \
         from the first value to the last goes on. The skill is 1 − RMSE of the model / RMSE of the simple forecast: above \
         0 the model is better."
            .into(),
    );
    if let Some(mase) = results.figure("mase") {
        words.push(format!(
            "MASE {}: the model's mean absolute error, divided by that of persistence one row ahead in the training part.",
            number(Some(mase))
        ));
    }
    if !steps.is_empty() {
        words.push("The figures above are of all steps together. Step by step:".into());
        words.push(table(["step", "RMSE", "MAE", "RMSE of persistence"], &steps));
    }
    words.join("\n\n") + "\n"
}
