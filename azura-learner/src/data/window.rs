//! Windows of a series, cut when they are asked for.

use std::{ops::Range, sync::Arc};

use super::scaler::Scaler;

/// All windows of `length` rows within a range of rows of a series, each with the values that follow it as
/// its targets: one, or as many as the [`horizon`](Self::horizon).
///
/// The series is stored once and shared by all windows and all parts. Window `i` reads the rows `start + i ..
/// start + i + length`; its targets are the target column of the rows from `start + i + length` on.
///
/// ```
/// # use azura_learner::data::Windows;
/// // Four rows of two features; the second is the target.
/// let series = vec![0.0, 10.0, 1.0, 11.0, 2.0, 12.0, 3.0, 13.0];
/// let windows = Windows::new(series.into(), 2, 1, 2, 0..4);
/// assert_eq!(windows.len(), 2);
/// let (mut inputs, mut targets) = ([0.0; 4], [0.0; 1]);
/// windows.gather(&[1], &mut inputs);
/// windows.gather_targets(&[1], &mut targets);
/// assert_eq!((inputs, targets), ([1.0, 11.0, 2.0, 12.0], [13.0]));
///
/// let windows = windows.horizon(2);
/// let mut targets = [0.0; 2];
/// windows.gather_targets(&[0], &mut targets);
/// assert_eq!((windows.len(), targets), (1, [12.0, 13.0]));
/// ```
#[derive(Clone, Debug)]
pub struct Windows {
    series: Arc<[f32]>,
    features: usize,
    target: usize,
    length: usize,
    rows: Range<usize>,
    horizon: usize,
    changes: Option<(Arc<[f64]>, Scaler)>,
}

impl Windows {
    /// Windows over `rows` of a series of shape `[all rows, features]`, row by row in memory.
    ///
    /// # Panics
    /// If the series is not whole rows, the range exceeds it, the target is no feature, or a size is zero.
    pub fn new(
        series: Arc<[f32]>,
        features: usize,
        target: usize,
        length: usize,
        rows: Range<usize>,
    ) -> Self {
        assert!(
            length > 0 && target < features,
            "a window needs rows, and its target is one of the features"
        );
        assert!(series.len().is_multiple_of(features), "the series is not made of whole rows");
        assert!(rows.start <= rows.end && rows.end * features <= series.len(), "rows outside the series");
        Self { series, features, target, length, rows, horizon: 1, changes: None }
    }

    /// Lets each window have the next `horizon` values as its targets.
    ///
    /// # Panics
    /// If it is zero.
    #[must_use]
    pub fn horizon(mut self, horizon: usize) -> Self {
        assert!(horizon > 0, "a window has a target");
        self.horizon = horizon;
        self
    }

    /// Lets the targets be how far the following `levels` are from that of the window's last row, scaled. Levels, one for each
    /// row of the series, stand in their own units and precision: a change in single precision would be lost beside a high level.
    ///
    /// # Panics
    /// If there are not as many as rows.
    #[must_use]
    pub fn changes_of(mut self, levels: Arc<[f64]>, scaler: Scaler) -> Self {
        assert_eq!(levels.len() * self.features, self.series.len(), "as many levels as rows");
        self.changes = Some((levels, scaler));
        self
    }

    /// How many windows there are: rows less length and all targets but the first, at least 0.
    pub fn len(&self) -> usize {
        self.rows.len().saturating_sub(self.length + self.horizon - 1)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Rows of a window.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Targets of a window.
    pub fn targets(&self) -> usize {
        self.horizon
    }

    /// Features of a row.
    pub fn features(&self) -> usize {
        self.features
    }

    /// The series' row that holds the first target of window `i`.
    ///
    /// # Panics
    /// If there are not so many windows.
    pub fn target_row(&self, i: usize) -> usize {
        assert!(i < self.len(), "window {i} of {}", self.len());
        self.rows.start + i + self.length
    }

    /// Copies windows into `out`, shape `[indices, length, features]`.
    ///
    /// # Panics
    /// If `out` has another size or an index is too great.
    pub fn gather(&self, indices: &[usize], out: &mut [f32]) {
        let size = self.length * self.features;
        assert_eq!(out.len(), indices.len() * size, "the buffer does not have the batch's size");
        for (&i, out) in indices.iter().zip(out.chunks_exact_mut(size)) {
            let end = self.target_row(i) * self.features;
            out.copy_from_slice(&self.series[end - size..end]);
        }
    }

    /// Copies the windows' targets into `out`, shape `[indices, horizon]`.
    ///
    /// # Panics
    /// As [`Windows::gather`].
    pub fn gather_targets(&self, indices: &[usize], out: &mut [f32]) {
        let size = indices.len() * self.horizon;
        assert_eq!(out.len(), size, "the buffer does not have the batch's size");
        for (&i, out) in indices.iter().zip(out.chunks_exact_mut(self.horizon)) {
            let first = self.target_row(i);
            for (row, out) in (first..).zip(out) {
                *out = match &self.changes {
                    None => self.series[row * self.features + self.target],
                    Some((levels, scaler)) => scaler.transform(levels[row] - levels[first - 1]),
                };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::data::ScalerKind;

    proptest! {
        #[test]
        fn windows_are_slices_of_the_series(
            rows in 1..40_usize,
            features in 1..4_usize,
            length in 1..10_usize,
            horizon in 1..5_usize,
            cut in (0.0..1.0_f64, 0.0..1.0_f64),
        ) {
            let series: Vec<f32> = (0..rows * features).map(|i| i as f32).collect();
            let at = |share: f64| (share * (rows + 1) as f64) as usize;
            let range = at(cut.0).min(at(cut.1))..at(cut.0).max(at(cut.1));
            let target = features - 1;
            let windows = Windows::new(series.clone().into(), features, target, length, range.clone()).horizon(horizon);
            // All windows that a loop over the part's rows finds, in its own words.
            let part: Vec<&[f32]> = series.chunks(features).skip(range.start).take(range.len()).collect();
            let targets = |rows: &[&[f32]]| rows.iter().map(|row| row[target]).collect::<Vec<_>>();
            let expected: Vec<(Vec<f32>, Vec<f32>)> = part
                .windows(length + horizon)
                .map(|w| (w[..length].concat(), targets(&w[length..])))
                .collect();
            prop_assert_eq!(windows.len(), expected.len());
            prop_assert_eq!(windows.is_empty(), expected.is_empty());
            // Backwards, into a buffer that held something else.
            let indices: Vec<usize> = (0..windows.len()).rev().collect();
            let mut inputs = vec![f32::NAN; indices.len() * length * features];
            let mut targets = vec![f32::NAN; indices.len() * horizon];
            windows.gather(&indices, &mut inputs);
            windows.gather_targets(&indices, &mut targets);
            let in_order = expected.iter().rev();
            prop_assert_eq!(inputs, in_order.clone().flat_map(|(w, _)| w.clone()).collect::<Vec<_>>());
            prop_assert_eq!(targets, in_order.flat_map(|(_, t)| t.clone()).collect::<Vec<_>>());
        }
    }

    #[test]
    #[should_panic(expected = "window 2 of 2")]
    fn the_next_part_is_out_of_reach() {
        let windows = Windows::new(vec![0.0; 10].into(), 1, 0, 3, 0..5);
        windows.gather_targets(&[2], &mut [0.0]);
    }

    #[test]
    fn changes_are_counted_from_the_last_row_of_the_window() {
        // Beside such a level a change of 0.5 is nothing in f32.
        let levels = [1e9, 1e9 + 0.5, 1e9 + 1.5, 1e9 - 0.5, 1e9 + 4.5];
        // Mean 1 and deviation 1.
        let scaler = Scaler::fit(ScalerKind::Standard, &[0.0, 2.0]);
        let windows = Windows::new(vec![0.0; 5].into(), 1, 0, 2, 0..5).horizon(2);
        let windows = windows.changes_of(levels.to_vec().into(), scaler);
        let mut targets = [0.0; 4];
        windows.gather_targets(&[0, 1], &mut targets);
        // From row 1: 1 and -1; from row 2: -2 and 3; each less 1.
        assert_eq!(targets.to_vec(), [0.0, -2.0, -3.0, 2.0]);
    }
}
