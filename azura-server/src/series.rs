//! Results that are short enough for a list of them.

use std::collections::BTreeMap;

use azura_learner::report::thin;
use serde_json::{Map, Value};

/// The most points of a series in a list.
pub(crate) const FEW: usize = 100;
/// Where lists of numbers are no series.
const METRICS: &str = "metrics";

/// Thins the series in results: lists of more numbers, or nulls, than these in a record. Those of one record that are equally long belong together,
/// with the texts beside them: the same points stay of each, among them the ends, and the least and the greatest value of each stretch.
pub(crate) fn thin_all(results: &mut Value, points: usize) {
    let Value::Object(record) = results else { return };
    let mut lengths: BTreeMap<usize, Vec<Vec<f64>>> = BTreeMap::new();
    for (name, value) in &mut *record {
        if let Some(numbers) = numbers(value, points) {
            lengths.entry(numbers.len()).or_default().push(numbers);
        } else if name != METRICS {
            thin_all(value, points);
        }
    }
    for (length, series) in lengths {
        let series: Vec<_> = series.iter().map(Vec::as_slice).collect();
        keep(record, length, &thin(&series, points));
    }
}

/// The values of a series that is too long.
fn numbers(value: &Value, points: usize) -> Option<Vec<f64>> {
    let values = value.as_array().filter(|values| values.len() > points)?;
    let number = |value: &Value| if value.is_null() { Some(f64::NAN) } else { value.as_f64() };
    values.iter().map(number).collect()
}

/// Keeps these of all lists of this length.
fn keep(record: &mut Map<String, Value>, length: usize, kept: &[usize]) {
    for value in record.values_mut() {
        match value {
            Value::Array(values) if values.len() == length && is_flat(values) => {
                *values = kept.iter().map(|&i| values[i].take()).collect();
            }
            _ => {}
        }
    }
}

fn is_flat(values: &[Value]) -> bool {
    !values.iter().any(|value| value.is_array() || value.is_object())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_belongs_together_is_thinned_together() {
        let n = 1000;
        let mut truth: Vec<_> = (0..n).map(|i| json!(i)).collect();
        // Whatever the stretches are, these two are the greatest and the least of theirs.
        (truth[333], truth[700]) = (json!(5000.5), json!(-7));
        let mut results = json!({
            "y_true": truth,
            "y_pred": vec![json!(1.5); n],
            "time_index": (0..n).map(|i| format!("day {i}")).collect::<Vec<_>>(),
            "history": {"loss": (0..200).map(|i| json!(200 - i)).collect::<Vec<_>>(), "val_loss": vec![Value::Null; 200]},
            "confusion_matrix": vec![vec![json!(3); 150]; 150],
            "class_names": (0..150).map(|i| i.to_string()).collect::<Vec<_>>(),
            "metrics": {"by_class": vec![json!(0.5); 300]},
            "short": vec![json!(1); 100],
        });
        let before = results.clone();
        thin_all(&mut results, FEW);
        let list = |at: &str| results.pointer(at).unwrap().as_array().unwrap().clone();
        let (truth, times) = (list("/y_true"), list("/time_index"));
        assert!((48..=100).contains(&truth.len()), "{}", truth.len());
        assert_eq!((times.len(), list("/y_pred").len()), (truth.len(), truth.len()));
        for (value, time) in truth.iter().zip(&times) {
            let day: usize = time.as_str().unwrap()[4..].parse().unwrap();
            assert_eq!(*value, before["y_true"][day]);
        }
        assert!(truth.contains(&json!(5000.5)) && truth.contains(&json!(-7)));
        assert_eq!((&truth[0], truth.last().unwrap()), (&json!(0), &json!(999)));
        let (loss, val_loss) = (list("/history/loss"), list("/history/val_loss"));
        // Two series, 98 / 4 = 24 stretches, of each the first and the last of what falls; the ends are among them.
        assert_eq!((loss.len(), val_loss.len()), (48, 48));
        assert_eq!((&loss[0], loss.last().unwrap()), (&json!(200), &json!(1)));
        for whole in ["confusion_matrix", "class_names", "metrics", "short"] {
            assert_eq!(results[whole], before[whole], "{whole}");
        }
    }
}
