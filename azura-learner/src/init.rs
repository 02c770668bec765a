//! How parameters start.

use crate::{
    Error, Result, Rng,
    rng::{normal, uniform},
};
use azura_core::Param;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::value::StrDeserializer};
use std::str::FromStr;

/// A scheme that parameters are drawn by. Layers draw theirs as PyTorch's do; this is for those who want another.
///
/// Of a weight `[outputs, inputs, window..]`, `fan_in` is the inputs times the size of the window, and `fan_out` the
/// outputs times that. What depends on them takes weights only, of two axes or more.
///
/// ```
/// use azura_learner::{Init, Linear, Parameters, StateDict, parameters, seeded};
///
/// let rng = &mut seeded(1);
/// let mut layer = Linear::new(64, 32, rng);
/// let scheme: Init = "he_normal".parse()?;
/// parameters(&mut layer).visit_mut(&mut |name, param| match name {
///     "weight" => scheme.fill(param, rng).unwrap(),
///     _ => Init::Zeros.fill(param, rng).unwrap(),
/// });
/// let state = StateDict::of(&parameters(&mut layer));
/// assert_eq!(state.get("bias"), Some((&[32][..], &[0.0; 32][..])));
/// # Ok::<(), azura_learner::Error>(())
/// ```
///
/// In a config it is a name, or a name with numbers: `"orthogonal"`, `{"normal": {"mean": 0.0, "std": 0.02}}`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Init {
    /// Uniform in `-b .. b`, `b = sqrt(6 / (fan_in + fan_out))` (Glorot and Bengio 2010); for tanh and sigmoid.
    #[serde(alias = "glorot_uniform")]
    XavierUniform,
    /// Normal with mean 0 and variance `2 / (fan_in + fan_out)`.
    #[serde(alias = "glorot_normal")]
    XavierNormal,
    /// Uniform in `-b .. b`, `b = sqrt(6 / fan_in)` (He et al. 2015); for relu.
    #[serde(alias = "he_uniform")]
    KaimingUniform,
    /// Normal with mean 0 and variance `2 / fan_in`.
    #[serde(alias = "he_normal")]
    KaimingNormal,
    /// As `[outputs, rest]`, a random matrix with orthogonal rows of length 1, or orthogonal columns if there are more
    /// rows than columns (Saxe et al. 2014); for recurrent weights.
    Orthogonal,
    /// All 0.
    Zeros,
    /// All this number.
    Constant(f32),
    /// Normal.
    Normal {
        /// The mean.
        mean: f32,
        /// The standard deviation.
        std: f32,
    },
    /// Uniform in `low <= x < high`.
    Uniform {
        /// The least.
        low: f32,
        /// Above all.
        high: f32,
    },
}

impl Init {
    /// Draws the values of a parameter anew.
    ///
    /// # Errors
    /// If the scheme is for weights, of two axes or more, and this has fewer; or if a standard deviation is negative,
    /// or a range not in order. Nothing is changed then.
    pub fn fill(self, param: &mut Param, rng: &mut Rng) -> Result<()> {
        let plain = self.plain(param.shape())?;
        let columns = param.data().len() / param.shape().first().map_or(1, |&rows| rows.max(1));
        param.update(|values| match plain {
            Self::Orthogonal => orthogonal(values, columns, rng),
            Self::Normal { mean, std } => values.fill_with(|| mean + std * normal(rng)),
            Self::Uniform { low, high } => values.fill_with(|| uniform(rng, low, high)),
            Self::Constant(value) => values.fill(value),
            _ => unreachable!("`plain` leaves these only"),
        });
        Ok(())
    }

    /// The same as one of the schemes whose numbers are given, or orthogonal.
    fn plain(self, shape: &[usize]) -> Result<Self> {
        let refused = |why: String| Err(Error::Argument(format!("{self:?}: {why}")));
        match self {
            Self::Zeros => return Ok(Self::Constant(0.0)),
            Self::Normal { std, .. } if std < 0.0 || std.is_nan() => {
                return refused("the standard deviation must not be negative".into());
            }
            Self::Uniform { low, high } if low > high || low.is_nan() || high.is_nan() => {
                return refused("low must not be above high".into());
            }
            Self::Constant(_) | Self::Normal { .. } | Self::Uniform { .. } => return Ok(self),
            _ => {}
        }
        let [outputs, inputs, window @ ..] = shape else {
            return refused(format!("wants a weight [outputs, inputs, ..], not one of shape {shape:?}"));
        };
        let window: usize = window.iter().product();
        let (fan_in, fan_out) = (inputs * window, outputs * window);
        let variance = |fan: usize| 2.0 / fan.max(1) as f32;
        let range =
            |variance: f32| Self::Uniform { low: -(3.0 * variance).sqrt(), high: (3.0 * variance).sqrt() };
        let bell = |variance: f32| Self::Normal { mean: 0.0, std: variance.sqrt() };
        Ok(match self {
            Self::XavierUniform => range(variance(fan_in + fan_out)),
            Self::XavierNormal => bell(variance(fan_in + fan_out)),
            Self::KaimingUniform => range(variance(fan_in)),
            Self::KaimingNormal => bell(variance(fan_in)),
            other => other,
        })
    }
}

/// Random rows of so many `columns`, orthogonal to each other and of length 1, or the columns if they are fewer: those
/// of a normally distributed matrix, made so one after the other (Gram and Schmidt), which is its QR decomposition with
/// a positive diagonal and therefore distributed evenly.
fn orthogonal(values: &mut [f32], columns: usize, rng: &mut Rng) {
    let rows = values.len() / columns.max(1);
    let (count, length) = (rows.min(columns), rows.max(columns));
    let mut vectors: Vec<Vec<f64>> = Vec::with_capacity(count);
    for _ in 0..count {
        let mut vector: Vec<f64> = (0..length).map(|_| f64::from(normal(rng))).collect();
        // Twice, since the first time leaves the rounding of what was taken away.
        for other in vectors.iter().chain(&vectors) {
            let along: f64 = vector.iter().zip(other).map(|(a, b)| a * b).sum();
            vector.iter_mut().zip(other).for_each(|(a, b)| *a -= along * b);
        }
        let norm = vector.iter().map(|a| a * a).sum::<f64>().sqrt();
        vectors.push(vector.into_iter().map(|a| a / norm).collect());
    }
    for (i, value) in values.iter_mut().enumerate() {
        let (row, column) = (i / columns, i % columns);
        *value = if rows <= columns { vectors[row][column] } else { vectors[column][row] } as f32;
    }
}

/// The schemes without numbers, by their names.
impl FromStr for Init {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let by_name = Self::deserialize(StrDeserializer::<serde::de::value::Error>::new(name));
        by_name.map_err(|error| Error::Argument(format!("initialisation: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeded;
    use azura_core::ndarray::{Array, IxDyn};

    fn drawn(init: Init, shape: &[usize]) -> Vec<f32> {
        let mut param = Param::new(Array::<f32, _>::from_elem(IxDyn(shape), f32::NAN));
        init.fill(&mut param, &mut seeded(5)).unwrap();
        param.as_slice().to_vec()
    }

    /// 60 x 40 x 3 x 3: `fan_in` 360, `fan_out` 540.
    const SHAPE: [usize; 4] = [60, 40, 3, 3];

    #[test]
    fn uniform_schemes_fill_their_range() {
        let range = Init::Uniform { low: -2.0, high: 2.0 };
        for (init, bound) in [
            (Init::XavierUniform, (6.0_f32 / 900.0).sqrt()),
            (Init::KaimingUniform, (6.0_f32 / 360.0).sqrt()),
            (range, 2.0),
        ] {
            let values = drawn(init, &SHAPE);
            let greatest = values.iter().fold(0.0_f32, |max, x| max.max(x.abs()));
            // Of 21 600 numbers the greatest is missed by a part in a thousand once in e^-21.
            assert!((0.999 * bound..=bound).contains(&greatest), "{init:?}: {greatest} of {bound}");
        }
    }

    #[test]
    fn normal_schemes_have_their_variance() {
        let other = Init::Normal { mean: 1.0, std: 0.5 };
        for (init, mean, variance) in [
            (Init::XavierNormal, 0.0, 2.0 / 900.0),
            (Init::KaimingNormal, 0.0, 2.0 / 360.0),
            (other, 1.0, 0.25),
        ] {
            let values: Vec<f64> = drawn(init, &SHAPE).into_iter().map(f64::from).collect();
            let n = values.len() as f64;
            let found = values.iter().sum::<f64>() / n;
            // Four standard errors: sqrt(variance / n) of the mean, variance sqrt(2 / n) of the variance.
            assert!((found - mean).abs() < 4.0 * (variance / n).sqrt(), "{init:?}: mean {found}");
            let spread = values.iter().map(|x| (x - found).powi(2)).sum::<f64>() / n;
            assert!((spread / variance - 1.0).abs() < 4.0 * (2.0 / n).sqrt(), "{init:?}: variance {spread}");
            // 2.275 % lie beyond two deviations on either side; four standard errors of that are 0.4 %.
            let beyond = values.iter().filter(|&x| x - mean > 2.0 * variance.sqrt()).count() as f64 / n;
            assert!((beyond - 0.02275).abs() < 0.0041, "{init:?}: {beyond}");
        }
    }

    #[test]
    fn orthogonal_rows_or_columns_are_orthogonal() {
        for [rows, columns] in [[5, 12], [12, 5], [7, 7]] {
            let values = drawn(Init::Orthogonal, &[rows, columns]);
            let value = |vector: usize, i: usize| {
                f64::from(values[if rows <= columns { vector * columns + i } else { i * columns + vector }])
            };
            for a in 0..rows.min(columns) {
                for b in 0..rows.min(columns) {
                    let product: f64 = (0..rows.max(columns)).map(|i| value(a, i) * value(b, i)).sum();
                    let expected = if a == b { 1.0 } else { 0.0 };
                    assert!((product - expected).abs() < 1e-6, "{rows} x {columns}: {a} . {b} = {product}");
                }
            }
        }
        // The window counts as columns.
        let kernel = drawn(Init::Orthogonal, &[2, 2, 3, 3]);
        let along: f32 = kernel[..18].iter().zip(&kernel[18..]).map(|(a, b)| a * b).sum();
        assert!(along.abs() < 1e-6);
    }

    #[test]
    fn constants_and_names() {
        assert_eq!(drawn(Init::Zeros, &[3]), [0.0; 3]);
        assert_eq!(drawn(Init::Constant(0.5), &[3]), [0.5; 3]);
        for (name, init) in [
            ("xavier_uniform", Init::XavierUniform),
            ("glorot_uniform", Init::XavierUniform),
            ("glorot_normal", Init::XavierNormal),
            ("he_uniform", Init::KaimingUniform),
            ("kaiming_normal", Init::KaimingNormal),
            ("orthogonal", Init::Orthogonal),
            ("zeros", Init::Zeros),
        ] {
            assert_eq!(name.parse::<Init>().unwrap(), init);
        }
        let error = "xavier".parse::<Init>().unwrap_err().to_string();
        assert!(error.contains("unknown variant `xavier`, expected one of "), "{error}");
        let normal: Init = serde_json::from_str(r#"{"normal": {"mean": 0.0, "std": 0.02}}"#).unwrap();
        assert_eq!(normal, Init::Normal { mean: 0.0, std: 0.02 });
    }

    #[test]
    fn what_is_not_allowed_is_said_and_changes_nothing() {
        let mut bias = Param::new(Array::<f32, _>::zeros([3]));
        for (init, why) in [
            (
                Init::XavierUniform,
                "XavierUniform: wants a weight [outputs, inputs, ..], not one of shape [3]",
            ),
            (Init::Normal { mean: 0.0, std: -1.0 }, "the standard deviation must not be negative"),
            (Init::Uniform { low: 1.0, high: 0.0 }, "low must not be above high"),
        ] {
            let error = init.fill(&mut bias, &mut seeded(1)).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        assert_eq!(bias.as_slice(), [0.0; 3]);
    }
}
