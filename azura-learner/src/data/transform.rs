//! What becomes of a column before it is scaled, and the way back to its own units.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the values of a column that is forecast become what a model learns.
///
/// With y the values, t the last row that is known and k the steps from it:
///
/// | | model input in row t | what is forecast for step k | the way back from it, z |
/// |---|---|---|---|
/// | none | y\[t\] | y\[t + k\] | z |
/// | log1p | ln(1 + y\[t\]) | ln(1 + y\[t + k\]) | exp(z) − 1 |
/// | difference | y\[t\] − y\[t − 1\], 0 in the first row | y\[t + k\] − y\[t\] | y\[t\] + z |
///
/// ```
/// # use azura_learner::data::Transform;
/// let levels = [10.0, 12.0, 11.0, 15.0];
/// assert_eq!(Transform::Difference.inputs(&levels), [0.0, 2.0, -1.0, 4.0]);
/// // Two steps after row 1, whose value is known.
/// let change = Transform::Difference.target(levels[1], levels[3]);
/// assert_eq!((change, Transform::Difference.inverse(levels[1], change)), (3.0, 15.0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Transform {
    /// The values as they are.
    #[default]
    None,
    /// The logarithm of 1 + the value, for values above -1 that spread over orders of magnitude.
    Log1p,
    /// The change from the last value, for series without a level of their own.
    Difference,
}

impl Transform {
    /// A column of values as model input, before scaling.
    pub fn inputs(self, values: &[f64]) -> Vec<f64> {
        let before = values.iter().take(1).chain(values);
        values.iter().zip(before).map(|(&value, &before)| self.target(before, value)).collect()
    }

    /// What is forecast for a `value` after the last one that is known.
    pub fn target(self, last: f64, value: f64) -> f64 {
        match self {
            Self::None => value,
            Self::Log1p => value.ln_1p(),
            Self::Difference => value - last,
        }
    }

    /// The value, from what is forecast for it and the last one that is known.
    pub fn inverse(self, last: f64, target: f64) -> f64 {
        match self {
            Self::None => target,
            Self::Log1p => target.exp_m1(),
            Self::Difference => last + target,
        }
    }

    /// The first row whose value it cannot take.
    pub fn refuses(self, values: &[f64]) -> Option<usize> {
        values.iter().position(|&value| self == Self::Log1p && value <= -1.0)
    }

    /// How many rows before a window its first row needs: 1 for a change.
    pub fn lead(self) -> usize {
        usize::from(self == Self::Difference)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: [Transform; 3] = [Transform::None, Transform::Log1p, Transform::Difference];

    #[test]
    fn by_hand() {
        let e = std::f64::consts::E;
        let values = [0.0, e - 1.0, e * e - 1.0];
        assert_eq!(Transform::None.inputs(&values), values);
        for (found, wanted) in Transform::Log1p.inputs(&values).into_iter().zip([0.0, 1.0, 2.0]) {
            assert!((found - wanted).abs() < 1e-15, "{found} is not {wanted}");
        }
        assert_eq!(Transform::Difference.inputs(&[3.0, 7.0, 2.0]), [0.0, 4.0, -5.0]);
        assert!(Transform::Difference.inputs(&[]).is_empty());
        assert_eq!(Transform::Log1p.refuses(&[0.0, -0.99, -1.0, -2.0]), Some(2));
        assert_eq!(Transform::None.refuses(&[-5.0]), None);
        assert_eq!(ALL.map(Transform::lead), [0, 0, 1]);
        assert_eq!(serde_json::to_value(ALL).unwrap(), serde_json::json!(["none", "log1p", "difference"]));
    }

    proptest! {
        #[test]
        fn the_inverse_is_exact(last in -0.5..1e6_f64, value in -0.5..1e6_f64) {
            for transform in ALL {
                let again = transform.inverse(last, transform.target(last, value));
                // A few roundings of f64, relative to the numbers that were added.
                let scale = value.abs().max(last.abs()).max(1.0);
                prop_assert!((again - value).abs() <= 16.0 * f64::EPSILON * scale, "{transform:?}: {again}");
            }
        }
    }
}
