//! Putting columns onto a common scale, and back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a column is scaled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ScalerKind {
    /// To mean 0 and standard deviation 1: (x − mean) / σ, with σ² the mean squared deviation (divided by n).
    #[default]
    Standard,
    /// To the range 0 to 1: (x − min) / (max − min).
    MinMax,
    /// By what outliers do not move: (x − median) / (q₃ − q₁), with the quartiles q.
    Robust,
}

/// A scaled value is (x − offset) / scale. A column without any spread has scale 1, so nothing is divided by
/// zero.
///
/// Fit on the training part only: the other parts are scaled by what was known then, and may leave the range.
///
/// ```
/// # use azura_learner::data::{Scaler, ScalerKind};
/// let scaler = Scaler::fit(ScalerKind::MinMax, &[10.0, 20.0]);
/// assert_eq!(scaler.transform(15.0), 0.5);
/// assert_eq!(scaler.inverse(2.0), 30.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Scaler {
    /// How it was fitted.
    pub kind: ScalerKind,
    /// Subtracted first; in the column's units.
    pub offset: f64,
    /// Divided by then; in the column's units, above zero.
    pub scale: f64,
}

impl Scaler {
    /// Fits one column's values. Without any value: the identity.
    pub fn fit(kind: ScalerKind, values: &[f64]) -> Self {
        let (offset, scale) = match kind {
            ScalerKind::Standard => return Self::standard(values.iter().copied()),
            ScalerKind::MinMax => {
                let min = values.iter().copied().reduce(f64::min).unwrap_or(0.0);
                let max = values.iter().copied().reduce(f64::max).unwrap_or(0.0);
                (min, max - min)
            }
            ScalerKind::Robust => {
                let mut sorted = values.to_vec();
                sorted.sort_by(f64::total_cmp);
                (quantile(&sorted, 0.5), quantile(&sorted, 0.75) - quantile(&sorted, 0.25))
            }
        };
        Self::new(kind, offset, scale)
    }

    /// Fits values that are not in one place to mean 0 and standard deviation 1.
    pub fn standard(values: impl Iterator<Item = f64> + Clone) -> Self {
        // Running means stay exact for a constant column and do not overflow.
        let mean = running_mean(values.clone());
        let variance = running_mean(values.map(|x| (x - mean).powi(2)));
        Self::new(ScalerKind::Standard, mean, variance.sqrt())
    }

    fn new(kind: ScalerKind, offset: f64, scale: f64) -> Self {
        Self { kind, offset, scale: if scale > 0.0 { scale } else { 1.0 } }
    }

    /// From the column's units to the model's.
    pub fn transform(&self, x: f64) -> f32 {
        ((x - self.offset) / self.scale) as f32
    }

    /// From the model's units back to the column's.
    pub fn inverse(&self, scaled: f32) -> f64 {
        f64::from(scaled) * self.scale + self.offset
    }
}

/// The value below which a share `q` of sorted ones lies, on the straight line between the two next to it (Hyndman and Fan
/// 1996, definition 7); 0 for none.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let place = q * last as f64;
    let below = place.floor() as usize;
    sorted[below] + (sorted[(below + 1).min(last)] - sorted[below]) * place.fract()
}

fn running_mean(values: impl Iterator<Item = f64>) -> f64 {
    values.zip(1_u32..).fold(0.0, |mean, (x, n)| mean + (x - mean) / f64::from(n))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn by_hand() {
        // Mean 5; squared deviations 9 + 1 + 1 + 9 = 20; σ² = 20 / 4 = 5.
        let scaler = Scaler::fit(ScalerKind::Standard, &[2.0, 4.0, 6.0, 8.0]);
        let one = scaler.transform(5.0 + 5.0_f64.sqrt());
        assert_eq!((scaler.offset, scaler.scale, one), (5.0, 5.0_f64.sqrt(), 1.0));
        let scaler = Scaler::fit(ScalerKind::MinMax, &[2.0, 4.0, 6.0, 10.0]);
        assert_eq!((scaler.transform(4.0), scaler.inverse(0.25)), (0.25, 4.0));
        // Sorted 1, 2, 3, 4, 1000: median 3, quartiles 2 and 4. Of 1, 2, 3, 10 they are 1.75 and 3 + 7 / 4 = 4.75.
        let scaler = Scaler::fit(ScalerKind::Robust, &[1000.0, 2.0, 3.0, 4.0, 1.0]);
        assert_eq!((scaler.offset, scaler.scale, scaler.transform(5.0)), (3.0, 2.0, 1.0));
        let scaler = Scaler::fit(ScalerKind::Robust, &[1.0, 2.0, 3.0, 10.0]);
        assert_eq!((scaler.offset, scaler.scale), (2.5, 3.0));
    }

    #[test]
    fn no_spread_and_no_values() {
        for kind in [ScalerKind::Standard, ScalerKind::MinMax, ScalerKind::Robust] {
            let constant = Scaler::fit(kind, &[0.1; 1000]);
            assert_eq!((constant.offset, constant.scale), (0.1, 1.0));
            assert_eq!((constant.transform(0.1), constant.inverse(0.0)), (0.0, 0.1));
            let nothing = Scaler::fit(kind, &[]);
            assert_eq!((nothing.offset, nothing.scale), (0.0, 1.0));
        }
        let huge = Scaler::fit(ScalerKind::Standard, &[-1e140, 1e140, -1e140]);
        assert!(huge.scale.is_finite());
    }

    #[test]
    fn saved_and_read_again() {
        let scaler = Scaler::fit(ScalerKind::Standard, &[0.1, 0.7, 1.0 / 3.0]);
        let text = serde_json::to_string(&scaler).unwrap();
        assert_eq!(serde_json::from_str::<Scaler>(&text).unwrap(), scaler);
    }

    proptest! {
        #[test]
        fn inverse_undoes_transform(values in prop::collection::vec(-1e9..1e9_f64, 1..50), min_max: bool) {
            let kind = if min_max { ScalerKind::MinMax } else { ScalerKind::Standard };
            let scaler = Scaler::fit(kind, &values);
            for x in values {
                // One rounding to f32, relative to the distance from the offset.
                let error = (scaler.inverse(scaler.transform(x)) - x).abs();
                prop_assert!(error <= (x - scaler.offset).abs() * f64::from(f32::EPSILON) + x.abs() * 1e-14);
            }
        }

        #[test]
        fn scaled_values_are_standard(values in prop::collection::vec(-1e6..1e6_f64, 2..50)) {
            let scaler = Scaler::fit(ScalerKind::Standard, &values);
            let scaled: Vec<f64> = values.iter().map(|x| (x - scaler.offset) / scaler.scale).collect();
            let n = scaled.len() as f64;
            prop_assert!((scaled.iter().sum::<f64>() / n).abs() < 1e-6);
            let square = scaled.iter().map(|x| x * x).sum::<f64>() / n;
            prop_assert!((square - 1.0).abs() < 1e-6 || square == 0.0);
        }
    }
}
