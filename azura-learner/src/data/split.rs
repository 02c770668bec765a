//! Dividing a series by time.

use std::ops::Range;

use super::error::DataError;

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

    /// Checks that a window of `length` rows and its target, the row behind it, fit into each part; into the validation
    /// part only `with_validation`.
    ///
    /// # Errors
    /// [`DataError::WindowTooLong`] with the largest length that fits.
    pub fn check_window(&self, length: usize, with_validation: bool) -> Result<(), DataError> {
        let mut parts = vec![("training", &self.train), ("test", &self.test)];
        if with_validation {
            parts.insert(1, ("validation", &self.validation));
        }
        let smallest = parts.into_iter().map(|(part, range)| (range.len(), part)).min();
        let (rows, part) = smallest.unwrap_or((0, "training"));
        let largest = rows.saturating_sub(1);
        if length > largest {
            return Err(DataError::WindowTooLong { length, part, rows, largest });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(parts.check_window(9, true).is_ok());
        let error = parts.check_window(10, true).unwrap_err().to_string();
        assert_eq!(
            error,
            "windows of 10 rows do not fit: the smallest part (validation) has 10 rows, which allows at most 9"
        );
        assert!(parts.check_window(19, false).is_ok() && parts.check_window(20, false).is_err());
        assert!(Parts::by_fraction(100, 0.001, 0.2).check_window(1, true).is_err());
    }
}
