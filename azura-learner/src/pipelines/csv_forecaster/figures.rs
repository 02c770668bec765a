//! How good a forecast is: its figures, those of the baselines, and both together.

use super::{
    baselines::{Baseline, naive_error},
    forecast::Forecast,
    prepare::Prepared,
};
use crate::{
    History, metrics,
    results::{ForecastResults, Results, StepFigures},
};

impl Prepared {
    /// The results of a training from its history and the model's output for all test windows. Figures are of all steps together, all in
    /// real units.
    ///
    /// # Errors
    /// Only if the results do not serialise.
    ///
    /// # Panics
    /// As [`Prepared::forecast`].
    pub fn results(&self, history: History, scaled: &[f32]) -> Result<Results, serde_json::Error> {
        let forecast = self.forecast(&self.test, scaled);
        let Forecast { y_true, y_pred, .. } = &forecast;
        let [rmse, mae] = [metrics::rmse, metrics::mae].map(|metric| metric(y_true, y_pred));
        let scale = naive_error(&self.truth[self.parts.train.clone()]);
        let mut results = Results::new(history)
            .metric("r2_score", metrics::r2(y_true, y_pred))
            .metric("mae", mae)
            .metric("rmse", rmse)
            .metric("mase", mae.zip(scale).and_then(|(mae, scale)| metrics::times(mae, scale)));
        if !forecast.y_lower.is_empty() {
            results = results
                .metric("interval_coverage", forecast.coverage())
                .metric("interval_width", forecast.width());
        }
        let mut skill = std::collections::BTreeMap::new();
        for baseline in Baseline::all(self.season) {
            let name = baseline.name();
            let guess = self.baseline(baseline, &forecast);
            let theirs = metrics::rmse(y_true, &guess);
            results = results
                .baseline(name, "r2_score", metrics::r2(y_true, &guess))
                .baseline(name, "rmse", theirs)
                .baseline(name, "mae", metrics::mae(y_true, &guess));
            let ratio = rmse.zip(theirs).and_then(|(ours, theirs)| metrics::times(ours, theirs));
            skill.insert(name.to_owned(), ratio.map(|ratio| 1.0 - ratio));
        }
        let first = |values: &[f64]| {
            forecast.step(values, 1).map(|x| Some(x).filter(|x| x.is_finite())).collect::<Vec<_>>()
        };
        results.with(&ForecastResults {
            y_true: first(y_true),
            y_pred: first(y_pred),
            y_lower: first(&forecast.y_lower),
            y_upper: first(&forecast.y_upper),
            by_step: self.by_step(&forecast),
            skill,
            time_index: forecast.time_index,
            y_label: self.y_label.clone(),
            target_col: self.target_col().to_owned(),
            feature_cols: self.inputs.feature_cols(),
            ..ForecastResults::default()
        })
    }

    /// What a baseline says to the same steps, `[windows, horizon]`.
    fn baseline(&self, baseline: Baseline, forecast: &Forecast) -> Vec<f64> {
        let steps = forecast.last.iter().flat_map(|&t| (1..=forecast.horizon).map(move |k| (t, k)));
        steps.map(|(t, k)| baseline.value(&self.truth, t, k)).collect()
    }

    /// The errors of each step, where there are several.
    fn by_step(&self, forecast: &Forecast) -> Vec<StepFigures> {
        if forecast.horizon == 1 {
            return Vec::new();
        }
        let persistence = self.baseline(Baseline::Persistence, forecast);
        let figures = |step| {
            let [y_true, y_pred, guess] = [&forecast.y_true, &forecast.y_pred, &persistence]
                .map(|values| forecast.step(values, step).collect::<Vec<_>>());
            StepFigures {
                step,
                rmse: metrics::rmse(&y_true, &y_pred),
                mae: metrics::mae(&y_true, &y_pred),
                persistence: metrics::rmse(&y_true, &guess),
            }
        };
        (1..=forecast.horizon).map(figures).collect()
    }
}
