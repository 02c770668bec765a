//! Dividing data into parts: a series by time, other samples at random.

use std::{collections::BTreeMap, ops::Range};

use super::error::DataError;
use crate::rng::{seeded, shuffle};

/// Three parts of the rows of a series, one after the other: the past to learn from, then the rows to watch
/// over the learning, then the rows to judge it by.
///
/// A window lies wholly within its part: neither its inputs nor its target reach into another. The first
/// `length` rows of a part are therefore never targets. That gives away a few targets and in return no row
/// has a role in two parts at once.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parts {
    /// What the model and the scalers see.
    pub train: Range<usize>,
    /// Empty where none is asked for.
    pub validation: Range<usize>,
    /// The newest rows.
    pub test: Range<usize>,
}

impl Parts {
    /// Splits `rows` rows. `validation` and `test` are fractions of all rows, rounded to whole rows; training
    /// gets the rest.
    pub fn by_fraction(rows: usize, validation: f64, test: f64) -> Self {
        let share = |fraction: f64, most: usize| ((rows as f64 * fraction).round() as usize).min(most);
        let test = rows - share(test, rows);
        let train = test - share(validation, test);
        Self { train: 0..train, validation: train..test, test: test..rows }
    }

    /// Checks that a window of `length` rows and its targets, the `horizon` rows behind it, fit into each part; into the
    /// validation part only `with_validation`.
    ///
    /// # Errors
    /// [`DataError::WindowTooLong`] with the largest length that fits; [`DataError::TooFewRows`] if not even one row does.
    pub fn check_window(
        &self,
        length: usize,
        horizon: usize,
        with_validation: bool,
    ) -> Result<(), DataError> {
        let mut parts = vec![("training", &self.train), ("test", &self.test)];
        if with_validation {
            parts.insert(1, ("validation", &self.validation));
        }
        let smallest = parts.into_iter().map(|(part, range)| (range.len(), part)).min();
        let (rows, part) = smallest.unwrap_or((0, "training"));
        if rows < 2 {
            return Err(DataError::TooFewRows { all: self.test.end, part, rows });
        }
        let largest = rows.saturating_sub(horizon);
        if length > largest {
            return Err(DataError::WindowTooLong { length, horizon, part, rows, largest });
        }
        Ok(())
    }
}

/// Three parts of samples that have no order in time, by index. Each part is in rising order.
///
/// ```
/// # use azura_learner::data::Split;
/// let labels = [0, 0, 0, 0, 1, 1, 1, 1];
/// let split = Split::stratified(&labels, 0.25, 0.25, 42);
/// let ones = split.test.iter().filter(|&&i| labels[i] == 1).count();
/// assert_eq!((split.train.len(), split.validation.len(), split.test.len(), ones), (4, 2, 2, 1));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Split {
    /// What the model learns from.
    pub train: Vec<usize>,
    /// What the training is watched by.
    pub validation: Vec<usize>,
    /// What the model is judged by.
    pub test: Vec<usize>,
}

impl Split {
    /// Splits `samples` samples at random. `validation` and `test` are fractions, rounded to whole samples; training gets the
    /// rest. Equal seeds give equal parts.
    pub fn random(samples: usize, validation: f64, test: f64, seed: u64) -> Self {
        Self::of([(0..samples).collect()], validation, test, seed)
    }

    /// As [`Split::random`], for each class by itself, so that each part has its share of every class.
    pub fn stratified(labels: &[u32], validation: f64, test: f64, seed: u64) -> Self {
        let mut classes: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (i, label) in labels.iter().enumerate() {
            classes.entry(*label).or_default().push(i);
        }
        Self::of(classes.into_values(), validation, test, seed)
    }

    fn of(groups: impl IntoIterator<Item = Vec<usize>>, validation: f64, test: f64, seed: u64) -> Self {
        let (mut split, mut rng) = (Self::default(), seeded(seed));
        for mut group in groups {
            shuffle(&mut rng, &mut group);
            let parts = Parts::by_fraction(group.len(), validation, test);
            split.train.extend(&group[parts.train]);
            split.validation.extend(&group[parts.validation]);
            split.test.extend(&group[parts.test]);
        }
        for part in [&mut split.train, &mut split.validation, &mut split.test] {
            part.sort_unstable();
        }
        split
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_parts_are_all_samples_once() {
        let split = Split::random(100, 0.1, 0.2, 3);
        assert_eq!((split.train.len(), split.validation.len(), split.test.len()), (70, 10, 20));
        let mut all = [&split.train[..], &split.validation, &split.test].concat();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..100));
        assert_eq!(Split::random(100, 0.1, 0.2, 3), split);
        assert_ne!(Split::random(100, 0.1, 0.2, 4), split);
    }

    #[test]
    fn every_class_has_its_share_of_every_part() {
        // 60 of one class, 30 of the next, 10 of the last, in turn mixed.
        let labels: Vec<u32> = (0..100)
            .map(|i| {
                if i % 10 < 6 {
                    5
                } else if i % 10 < 9 {
                    0
                } else {
                    2
                }
            })
            .collect();
        let split = Split::stratified(&labels, 0.1, 0.2, 1);
        let count =
            |part: &[usize]| [5, 0, 2].map(|class| part.iter().filter(|&&i| labels[i] == class).count());
        assert_eq!(count(&split.train), [42, 21, 7]);
        assert_eq!((count(&split.validation), count(&split.test)), ([6, 3, 1], [12, 6, 2]));
    }

    #[test]
    fn parts_follow_each_other() {
        // 10 % of 1461 are 146.1 rows, 20 % are 292.2.
        let parts = Parts::by_fraction(1461, 0.1, 0.2);
        assert_eq!((parts.train, parts.validation, parts.test), (0..1023, 1023..1169, 1169..1461));
        let parts = Parts::by_fraction(10, 0.0, 0.5);
        assert_eq!((parts.train, parts.validation, parts.test), (0..5, 5..5, 5..10));
        let parts = Parts::by_fraction(3, 0.9, 0.9);
        assert_eq!((parts.train, parts.validation, parts.test), (0..0, 0..0, 0..3));
    }

    #[test]
    fn longest_window() {
        let parts = Parts::by_fraction(100, 0.1, 0.2);
        assert!(parts.check_window(9, 1, true).is_ok());
        let error = parts.check_window(10, 1, true).unwrap_err().to_string();
        assert_eq!(
            error,
            "windows of 10 rows do not fit: the smallest part (validation) has 10 rows, which allows at most 9"
        );
        assert!(parts.check_window(19, 1, false).is_ok() && parts.check_window(20, 1, false).is_err());
        let error = |rows, test| {
            Parts::by_fraction(rows, 0.1, test).check_window(9, 1, true).unwrap_err().to_string()
        };
        let needed = "2 are needed, one to look at and one to foresee";
        assert_eq!(error(1, 0.2), format!("1 row is too few: the test part would have 0 rows, and {needed}"));
        assert_eq!(
            error(100, 0.01),
            format!("100 rows are too few: the test part would have 1 row, and {needed}")
        );
        assert!(parts.check_window(7, 3, true).is_ok());
        let error = parts.check_window(8, 3, true).unwrap_err().to_string();
        assert_eq!(
            error,
            "windows of 8 rows with 3 to forecast do not fit: the smallest part (validation) has 10 rows, which allows at \
             most 7"
        );
    }
}
