//! What is kept of a tensor: few numbers that every entry and its place have a share in.

use crate::generator::Numbers;

/// The sum of all entries with random weights, the root of the sum of squares, and three entries.
#[derive(Debug)]
pub(crate) struct Digest {
    weighted: f64,
    norm: f64,
    samples: Vec<f64>,
}

impl Digest {
    pub(crate) fn parse(text: &str) -> Self {
        let mut numbers = text.split_whitespace().map(|number| number.parse().unwrap());
        Self { weighted: numbers.next().unwrap(), norm: numbers.next().unwrap(), samples: numbers.collect() }
    }

    /// Whether these are the values; `weights` are fresh ones if none are given.
    pub(crate) fn check(
        &self,
        what: &str,
        values: &[f32],
        weights: Option<&[f32]>,
        numbers: &mut Numbers,
        tolerance: f64,
    ) -> Result<(), String> {
        let values: Vec<f64> = values.iter().map(|&x| x.into()).collect();
        let weights = weights.map_or_else(|| numbers.values(values.len(), 1.0, 0.0), <[f32]>::to_vec);
        let weights: Vec<f64> = weights.into_iter().map(f64::from).collect();
        assert_eq!(values.len(), weights.len(), "{what}: as many values as weights");

        let compare = |part: String, found: f64, expected: f64, scale: f64| {
            let difference = (found - expected).abs();
            let error = difference / scale.max(expected.abs());
            // Of nothing there is no share, and below its normal numbers f32 has few digits left.
            let none = difference <= f32::MIN_POSITIVE.into()
                || (found.is_nan() && expected.is_nan())
                // Where a difference of equals is 0 here, the rounding of float64 may be left there.
                || (found == 0.0 && expected.abs() < 1e-14);
            let right = none || error <= tolerance;
            let off = || format!("{what}, {part}: {found} where PyTorch has {expected}, off by {error:.1e}");
            if right { Ok(()) } else { Err(off()) }
        };
        let norm = |values: &[f64]| values.iter().map(|x| x * x).sum::<f64>().sqrt();
        let root_mean_square = self.norm / (values.len() as f64).sqrt();
        for i in 0..self.samples.len() {
            let place = numbers.below(values.len() as u64) as usize;
            compare(format!("entry {place}"), values[place], self.samples[i], root_mean_square)?;
        }
        compare("norm".into(), norm(&values), self.norm, 0.0)?;
        let weighted = values.iter().zip(&weights).map(|(x, w)| x * w).sum();
        compare("weighted sum".into(), weighted, self.weighted, self.norm * norm(&weights))
    }
}
