//! What a training has measured so far.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The metrics of one epoch by name: `loss` always, `val_loss` on validated epochs.
pub type Metrics = BTreeMap<String, f64>;

/// One series for each metric, with one place for each epoch; `None` where an epoch had no such metric.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct History(BTreeMap<String, Vec<Option<f64>>>);

impl History {
    /// Adds an epoch. A value that is not finite counts as missing.
    pub fn push(&mut self, metrics: &Metrics) {
        for name in metrics.keys() {
            self.declare(name);
        }
        for (name, series) in &mut self.0 {
            series.push(metrics.get(name).copied().filter(|value| value.is_finite()));
        }
    }

    /// Makes room for a metric that no epoch may ever have.
    pub fn declare(&mut self, name: &str) {
        if !self.0.contains_key(name) {
            self.0.insert(name.to_owned(), vec![None; self.epochs()]);
        }
    }

    /// The number of epochs.
    pub fn epochs(&self) -> usize {
        self.0.values().next().map_or(0, Vec::len)
    }

    /// One metric over the epochs; empty if there is none of this name.
    pub fn get(&self, name: &str) -> &[Option<f64>] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// The newest value of a metric, if the newest epoch has one.
    pub fn last(&self, name: &str) -> Option<f64> {
        self.get(name).last().copied().flatten()
    }

    /// All metrics with their series.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[Option<f64>])> {
        self.0.iter().map(|(name, series)| (name.as_str(), series.as_slice()))
    }
}

impl FromIterator<Metrics> for History {
    fn from_iter<I: IntoIterator<Item = Metrics>>(epochs: I) -> Self {
        let mut history = Self::default();
        epochs.into_iter().for_each(|metrics| history.push(&metrics));
        history
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_that_comes_late_or_now_and_then_keeps_its_epochs() {
        let mut history = History::default();
        history.push(&Metrics::from([("loss".into(), 3.0)]));
        history.push(&Metrics::from([("loss".into(), 2.0), ("val_loss".into(), 2.5)]));
        history.push(&Metrics::from([("loss".into(), 1.0), ("val_loss".into(), f64::NAN)]));
        assert_eq!(history.get("val_loss"), [None, Some(2.5), None]);
        assert_eq!(history.last("loss"), Some(1.0));
        assert_eq!(history.last("val_loss"), None);
        assert_eq!(
            serde_json::to_string(&history).unwrap(),
            r#"{"loss":[3.0,2.0,1.0],"val_loss":[null,2.5,null]}"#
        );
    }
}
