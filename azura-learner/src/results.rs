//! What a training has to say for itself, as it is written to `results.json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::History;

/// The results of a run. Holds nothing that depends on time or machine, so that equal runs give equal bytes;
/// and no `NaN`: a value that is missing or not finite is null.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Results {
    /// Version of this form: 1.
    pub schema_version: u32,
    /// `loss` and `val_loss` by epoch, in the scale in which the model was trained, and what else was measured.
    pub history: History,
    /// The last epoch's training loss.
    pub final_loss: Option<f64>,
    /// Figures of the test part by name (`r2_score`, `mae`, `rmse`, ...), in real units.
    pub metrics: Map<String, Value>,
    /// The same figures for simple forecasts that know nothing: `{"persistence": {"rmse": .., ..}}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub baselines: BTreeMap<String, Map<String, Value>>,
    /// What only this kind of pipeline has, beside the other keys: for forecasts those of
    /// [`ForecastResults`].
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// What the results of a forecasting pipeline hold beside the common keys.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ForecastResults {
    /// The true values of the test part, in real units. Where several steps are forecast at once, those of the first.
    pub y_true: Vec<Option<f64>>,
    /// The forecasts for them.
    pub y_pred: Vec<Option<f64>>,
    /// The lower ends of their intervals; empty without.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub y_lower: Vec<Option<f64>>,
    /// The upper ends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub y_upper: Vec<Option<f64>>,
    /// The errors of each step, where several are forecast at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_step: Vec<StepFigures>,
    /// How much better than each baseline the forecast is: 1 - rmse / the baseline's rmse. 1 is perfect, 0 as good, below 0 worse.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub skill: BTreeMap<String, Option<f64>>,
    /// By how much the error rises when an input tells nothing: input by input.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub feature_importance: Vec<FeatureImportance>,
    /// Their times, ISO 8601.
    pub time_index: Vec<String>,
    /// What the values are, with the unit where it is known.
    pub y_label: String,
    /// The column that was forecast.
    pub target_col: String,
    /// The model's inputs in order: columns, then calendar features.
    pub feature_cols: Vec<String>,
}

/// What the results of a classifying pipeline hold beside the common keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ClassificationResults {
    /// How often which class of the test part was taken for which: `[true class][predicted class]`.
    pub confusion_matrix: Vec<Vec<usize>>,
    /// The classes' names.
    pub class_names: Vec<String>,
}

/// What the results of a pipeline that makes sound hold beside the common keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AudioResults {
    /// The sound that was made.
    pub generated_audio: GeneratedAudio,
}

/// A WAV file that a model made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GeneratedAudio {
    /// The file's name, beside the results.
    pub file_name: String,
    /// Samples a second.
    pub sample_rate: u32,
    /// How long it is.
    pub seconds: f64,
}

/// The errors of one step of a forecast, over the test part and in real units.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StepFigures {
    /// Which step, 1 for the first.
    pub step: usize,
    /// The root of the mean squared error.
    pub rmse: Option<f64>,
    /// The mean absolute error.
    pub mae: Option<f64>,
    /// The root of the mean squared error that persistence makes.
    pub persistence: Option<f64>,
}

/// How much a forecast relies on an input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FeatureImportance {
    /// The input.
    pub feature: String,
    /// By how much the RMSE rises, in real units, when the input's values are shuffled.
    pub rmse_increase: Option<f64>,
}

impl Results {
    /// Results with a history and as yet no figures.
    pub fn new(mut history: History) -> Self {
        // Readers count on both losses, also where nothing was validated.
        history.declare("loss");
        history.declare("val_loss");
        Self {
            schema_version: 1,
            final_loss: history.last("loss"),
            history,
            metrics: Map::new(),
            baselines: BTreeMap::new(),
            extra: Map::new(),
        }
    }

    /// Adds a figure of the test part.
    #[must_use]
    pub fn metric(mut self, name: &str, value: Option<f64>) -> Self {
        self.metrics.insert(name.into(), value.into());
        self
    }

    /// Adds a figure of a baseline.
    #[must_use]
    pub fn baseline(mut self, name: &str, metric: &str, value: Option<f64>) -> Self {
        self.baselines.entry(name.into()).or_default().insert(metric.into(), value.into());
        self
    }

    /// Adds the fields of a record beside the common keys.
    ///
    /// # Errors
    /// If the record does not serialise, or not to a JSON object.
    pub fn with(mut self, record: &impl Serialize) -> Result<Self, serde_json::Error> {
        let fields: Map<String, Value> = serde_json::from_value(serde_json::to_value(record)?)?;
        self.extra.extend(fields);
        Ok(self)
    }

    /// Reads a record back from the fields beside the common keys.
    ///
    /// # Errors
    /// If they do not hold such a record.
    pub fn extra_as<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        T::deserialize(&self.extra)
    }

    /// A metric that is a number.
    pub fn figure(&self, metric: &str) -> Option<f64> {
        self.metrics.get(metric)?.as_f64()
    }

    /// A baseline's figure.
    pub fn baseline_figure(&self, baseline: &str, metric: &str) -> Option<f64> {
        self.baselines.get(baseline)?.get(metric)?.as_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_the_contract_and_nothing_is_nan() {
        let history = [vec![("loss", 0.5), ("val_loss", 0.25)], vec![("loss", f64::NAN)]];
        let history =
            history.map(|epoch| epoch.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
        let history = history.into_iter().collect::<History>();
        let forecast = ForecastResults {
            y_true: vec![Some(1.0)],
            y_pred: vec![None],
            time_index: vec!["2012-01-01".into()],
            ..ForecastResults::default()
        };
        let results = Results::new(history)
            .metric("r2_score", None)
            .metric("rmse", Some(f64::INFINITY))
            .metric("mae", Some(2.5))
            .baseline("persistence", "rmse", Some(3.0))
            .with(&forecast)
            .unwrap();
        assert_eq!(
            serde_json::to_value(&results).unwrap(),
            serde_json::json!({
                "schema_version": 1,
                "history": {"loss": [0.5, null], "val_loss": [0.25, null]},
                "final_loss": null,
                "metrics": {"r2_score": null, "rmse": null, "mae": 2.5},
                "baselines": {"persistence": {"rmse": 3.0}},
                "y_true": [1.0],
                "y_pred": [null],
                "time_index": ["2012-01-01"],
                "y_label": "",
                "target_col": "",
                "feature_cols": [],
            })
        );
        let again: Results = serde_json::from_str(&serde_json::to_string(&results).unwrap()).unwrap();
        assert_eq!(again, results);
        assert_eq!(again.extra_as::<ForecastResults>().unwrap(), forecast);
        assert_eq!((again.figure("mae"), again.figure("rmse")), (Some(2.5), None));
        assert_eq!(again.baseline_figure("persistence", "rmse"), Some(3.0));
    }
}
