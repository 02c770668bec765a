//! How good a forecast is, in the units of what is forecast, and how good a classification ([`Confusion`]).
//!
//! Each is None rather than NaN or infinite where it has no value: without any pair, with a prediction that
//! is no finite number, and for R² also where the truth never varies.

mod classes;

pub use classes::{ClassFigures, Confusion};

/// Mean absolute error: Σ|y − ŷ| / n.
///
/// ```
/// # use azura_learner::metrics::mae;
/// assert_eq!(mae(&[1.0, 2.0], &[1.5, 1.0]), Some(0.75));
/// assert_eq!(mae(&[], &[]), None);
/// ```
///
/// # Panics
/// If the slices differ in length.
pub fn mae(truth: &[f64], predicted: &[f64]) -> Option<f64> {
    mean(truth, predicted, f64::abs)
}

/// Root of the mean squared error: √(Σ(y − ŷ)² / n).
///
/// # Panics
/// If the slices differ in length.
pub fn rmse(truth: &[f64], predicted: &[f64]) -> Option<f64> {
    mean(truth, predicted, |e| e * e).map(f64::sqrt)
}

/// Coefficient of determination: 1 − Σ(y − ŷ)² / Σ(y − ȳ)². 1 is perfect, 0 as good as always saying the mean
/// ȳ, below 0 is worse than that.
///
/// # Panics
/// If the slices differ in length.
pub fn r2(truth: &[f64], predicted: &[f64]) -> Option<f64> {
    let average = truth.iter().sum::<f64>() / truth.len() as f64;
    let spread = mean(truth, &vec![average; truth.len()], |e| e * e)?;
    // A constant's deviations from its own mean are rounding errors, not spread.
    let varies = truth.iter().any(|y| (y - truth[0]).abs() > 0.0);
    let error = mean(truth, predicted, |e| e * e)?;
    Some(1.0 - error / spread).filter(|r2| varies && r2.is_finite())
}

/// So many times as large is `a` as `b`; none where `b` is nothing beside it, so that the figure says nothing either.
pub(crate) fn times(a: f64, b: f64) -> Option<f64> {
    const MOST: f64 = 1e6;
    Some(a / b).filter(|times| times.abs() <= MOST)
}

fn mean(truth: &[f64], predicted: &[f64], of: impl Fn(f64) -> f64) -> Option<f64> {
    assert_eq!(truth.len(), predicted.len(), "as many predictions as true values");
    let sum: f64 = truth.iter().zip(predicted).map(|(y, p)| of(y - p)).sum();
    Some(sum / truth.len() as f64).filter(|mean| mean.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: Option<f64>, b: f64) {
        assert!(a.is_some_and(|a| (a - b).abs() < 1e-12), "{a:?} is not {b}");
    }

    #[test]
    fn by_hand() {
        // Errors 1, -1, 0, 2: |e| sums to 4, e² to 6. The truth's mean is 4, its squared deviations 9 + 1 + 1
        // + 9 = 20.
        let (truth, predicted) = ([1.0, 3.0, 5.0, 7.0], [0.0, 4.0, 5.0, 5.0]);
        close(mae(&truth, &predicted), 4.0 / 4.0);
        close(rmse(&truth, &predicted), (6.0_f64 / 4.0).sqrt());
        close(r2(&truth, &predicted), 1.0 - 6.0 / 20.0);
        close(r2(&truth, &truth), 1.0);
        close(r2(&truth, &[4.0; 4]), 0.0);
        close(r2(&truth, &[7.0, 5.0, 3.0, 1.0]), 1.0 - 80.0 / 20.0);
    }

    #[test]
    fn no_value_instead_of_nan() {
        for metric in [mae, rmse, r2] {
            assert_eq!(metric(&[], &[]), None);
            assert_eq!(metric(&[1.0, 2.0], &[1.0, f64::NAN]), None);
            assert_eq!(metric(&[1.0, 2.0], &[1.0, f64::INFINITY]), None);
        }
        // The mean of three times 0.1 is not 0.1 in binary: the spread is a rounding error, no spread.
        assert_eq!(r2(&[0.1; 3], &[0.1, 0.2, 0.3]), None);
        assert_eq!(r2(&[5.0], &[4.0]), None);
        close(mae(&[5.0], &[4.0]), 1.0);
    }

    #[test]
    #[should_panic(expected = "as many predictions")]
    fn lengths_must_agree() {
        mae(&[1.0], &[]);
    }
}
