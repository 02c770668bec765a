//! The simple forecasts beside which a model is judged. They know nothing but the past values of the target.

/// A forecast by a rule (Hyndman and Athanasopoulos 2021, section 5.2). With y the values of all rows, t the last one that is known and k the
/// steps from it:
///
/// | | value of step k |
/// |---|---|
/// | persistence | y\[t\] |
/// | seasonal naive, m rows in a season | y\[t + k − m ⌈k / m⌉\]: what was at that place in the last season that is known |
/// | drift | y\[t\] + k (y\[t\] − y\[0\]) / t: the straight line from the first row through the last |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Baseline {
    Persistence,
    Seasonal(usize),
    Drift,
}

impl Baseline {
    /// Those that there are for a series with or without a season.
    pub(super) fn all(season: Option<usize>) -> Vec<Self> {
        [Some(Self::Persistence), season.map(Self::Seasonal), Some(Self::Drift)]
            .into_iter()
            .flatten()
            .collect()
    }

    /// The name in results.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Persistence => "persistence",
            Self::Seasonal(_) => "seasonal_naive",
            Self::Drift => "drift",
        }
    }

    /// The forecast from row `t` for step `k`, 1 for the first.
    ///
    /// # Panics
    /// If a season is 0, or reaches back before the first row.
    pub(super) fn value(self, y: &[f64], t: usize, k: usize) -> f64 {
        match self {
            Self::Persistence => y[t],
            Self::Seasonal(m) => y[t + k - m * k.div_ceil(m)],
            Self::Drift if t == 0 => y[0],
            Self::Drift => y[t] + k as f64 * (y[t] - y[0]) / t as f64,
        }
    }
}

/// What errors of a forecast are measured by (Hyndman and Koehler 2006): the mean absolute error that persistence makes, one step ahead, in
/// the training part. None if it makes no error.
pub(super) fn naive_error(training: &[f64]) -> Option<f64> {
    let steps = training.windows(2).map(|pair| (pair[1] - pair[0]).abs());
    let mean = steps.sum::<f64>() / training.len().saturating_sub(1) as f64;
    Some(mean).filter(|mean| mean.is_finite() && *mean > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let y = [2.0, 5.0, 3.0, 8.0, 100.0];
        let ahead = |baseline: Baseline| (1..=5).map(|k| baseline.value(&y, 3, k)).collect::<Vec<_>>();
        assert_eq!(ahead(Baseline::Persistence), [8.0; 5]);
        // Seasons of three rows: after row 3 come the values of rows 1, 2, 3 and again.
        assert_eq!(ahead(Baseline::Seasonal(3)), [5.0, 3.0, 8.0, 5.0, 3.0]);
        assert_eq!(ahead(Baseline::Seasonal(1)), [8.0; 5]);
        // From 2 to 8 in three steps: 2 in each.
        assert_eq!(ahead(Baseline::Drift), [10.0, 12.0, 14.0, 16.0, 18.0]);
        assert!((Baseline::Drift.value(&y, 0, 3) - 2.0).abs() < 1e-12);
    }

    #[test]
    fn there_is_a_seasonal_one_where_there_are_seasons() {
        let names = |season| Baseline::all(season).into_iter().map(Baseline::name).collect::<Vec<_>>();
        assert_eq!(names(None), ["persistence", "drift"]);
        assert_eq!(names(Some(7)), ["persistence", "seasonal_naive", "drift"]);
    }

    #[test]
    fn errors_are_measured_by_the_mean_step() {
        // Steps of 3, -2 and 5.
        assert_eq!(naive_error(&[2.0, 5.0, 3.0, 8.0]), Some(10.0 / 3.0));
        assert_eq!(naive_error(&[7.0; 5]), None);
        assert_eq!((naive_error(&[7.0]), naive_error(&[])), (None, None));
    }
}
