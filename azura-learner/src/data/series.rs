//! Columns of a table along its time, without a blank left in them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    error::{DataError, shown},
    table::Table,
    time::Times,
};

/// What becomes of cells without a value: blank ones, and those that say `NA`, `N/A`, `NaN`, `null`, `none` or `?`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Missing {
    /// The first of them is an error that names its place.
    #[default]
    Error,
    /// The whole row is left out.
    Drop,
    /// The last value before it stands in. Rows before a column's first value are left out.
    ForwardFill,
    /// The straight line, along time, between the values around it; at the ends the nearest value. It looks ahead: a value
    /// filled this way knows of the next one.
    Interpolate,
}

/// Columns of numbers along time, of equal length, oldest row first.
///
/// ```
/// # use azura_learner::data::{Missing, Series, Table};
/// let table = Table::parse(b"day,a\n2020-01-01,1\n2020-01-02,\n2020-01-03,5\n2020-01-05,7")?;
/// let series = Series::read(&table, None, &["a".to_owned()], Missing::Interpolate)?;
/// // Half way from 1 to 5.
/// assert_eq!(series.columns, [[1.0, 3.0, 5.0, 7.0]]);
/// assert_eq!(series.notes(), ["1 missing value of `a` was interpolated", "1 step in time is missing, after 2020-01-03"]);
/// # Ok::<(), azura_learner::data::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Series {
    /// When each row is.
    pub times: Times,
    /// The columns' names.
    pub names: Vec<String>,
    /// Their values, `[columns][rows]`.
    pub columns: Vec<Vec<f64>>,
    /// What was done about missing values.
    pub missing: Missing,
    /// How many values were filled in, column by column.
    pub filled: Vec<usize>,
    /// How many rows were left out.
    pub dropped: usize,
}

impl Series {
    /// Reads the columns `names` along the time column `time`, or the table's first one of times.
    ///
    /// # Errors
    /// As [`Times::of`] and [`Table::numbers`]; [`DataError::Empty`] if no row is left.
    pub fn read(
        table: &Table,
        time: Option<&str>,
        names: &[String],
        missing: Missing,
    ) -> Result<Self, DataError> {
        Self::along(Times::of(table, time)?, table, names, missing)
    }

    /// As [`Series::read`], along times that were read from the same table.
    pub(crate) fn along(
        mut times: Times,
        table: &Table,
        names: &[String],
        missing: Missing,
    ) -> Result<Self, DataError> {
        let rows = table.rows();
        let mut keep = vec![true; rows];
        let (mut columns, mut filled) = (Vec::new(), Vec::new());
        for name in names {
            let column = if missing == Missing::Error {
                table.numbers(name)?.into_iter().map(Some).collect()
            } else {
                table.sparse(name)?
            };
            let column = match missing {
                Missing::Error | Missing::Drop => column,
                Missing::ForwardFill => forward(column),
                Missing::Interpolate => between(&column, &times),
            };
            keep.iter_mut().zip(&column).for_each(|(keep, value)| *keep &= value.is_some());
            columns.push(column);
        }
        for (name, column) in names.iter().zip(&mut columns) {
            let mut kept = keep.iter();
            column.retain(|_| kept.next() == Some(&true));
            // What is left was there or was filled in.
            let mut kept = keep.iter();
            let there =
                table.sparse(name)?.into_iter().filter(|_| kept.next() == Some(&true)).flatten().count();
            filled.push(column.len() - there);
        }
        let mut kept = keep.iter();
        times.at.retain(|_| kept.next() == Some(&true));
        if times.at.is_empty() {
            return Err(DataError::Empty);
        }
        let columns = columns.into_iter().map(|column| column.into_iter().flatten().collect()).collect();
        let dropped = rows - times.at.len();
        Ok(Self { times, names: names.to_vec(), columns, missing, filled, dropped })
    }

    /// What a reader of results should know of the data, in words; empty if nothing was missing.
    pub fn notes(&self) -> Vec<String> {
        let was = |n: usize| if n == 1 { "was" } else { "were" };
        let s = |n: usize| if n == 1 { "" } else { "s" };
        let how = if self.missing == Missing::Interpolate {
            "interpolated"
        } else {
            "replaced by the last one before"
        };
        let mut notes = Vec::new();
        for (name, &n) in self.names.iter().zip(&self.filled).filter(|(_, n)| **n > 0) {
            notes.push(format!("{n} missing value{} of {} {} {how}", s(n), shown(name), was(n)));
        }
        if self.dropped > 0 {
            let n = self.dropped;
            notes.push(format!("{n} row{} with missing values {} left out", s(n), was(n)));
        }
        let gaps = self.times.gaps();
        if let Some((row, _)) = gaps.iter().max_by_key(|(row, steps)| (*steps, std::cmp::Reverse(*row))) {
            let steps: i64 = gaps.iter().map(|(_, steps)| steps).sum();
            let after = &self.times.iso()[*row];
            notes.push(if let [_] = gaps[..] {
                let (s, is) = if steps == 1 { ("", "is") } else { ("s", "are") };
                format!("{steps} step{s} in time {is} missing, after {after}")
            } else {
                format!("{steps} steps in time are missing, in {} places; most after {after}", gaps.len())
            });
        }
        notes
    }
}

fn forward(column: Vec<Option<f64>>) -> Vec<Option<f64>> {
    let mut last = None;
    let filled = column.into_iter().map(|value| {
        last = value.or(last);
        last
    });
    filled.collect()
}

fn between(column: &[Option<f64>], times: &Times) -> Vec<Option<f64>> {
    let seconds = |from: usize, to: usize| times.at[to].duration_since(times.at[from]).as_secs_f64();
    let known: Vec<(usize, f64)> =
        column.iter().enumerate().filter_map(|(row, value)| value.map(|value| (row, value))).collect();
    let at = |row: usize| {
        let next = known.partition_point(|(known, _)| *known < row);
        match (next.checked_sub(1).map(|last| known[last]), known.get(next)) {
            (_, Some(&(there, value))) if there == row => value,
            (Some((a, from)), Some(&(b, to))) => from + (to - from) * (seconds(a, row) / seconds(a, b)),
            (Some((_, value)), None) | (None, Some(&(_, value))) => value,
            (None, None) => f64::NAN,
        }
    };
    (0..column.len()).map(|row| Some(at(row))).collect()
}

impl Times {
    /// Where rows are further apart than usual: the row before, and how many steps are missing. Weekends without rows are no
    /// gaps if no row is on one.
    pub fn gaps(&self) -> Vec<(usize, i64)> {
        const DAY: i64 = 86_400;
        let Some(step) = self.step_seconds().filter(|step| *step > 0) else { return Vec::new() };
        let workdays = self.on_working_days();
        let gap = |row: usize| {
            let (now, next) = (self.at[row], self.at[row + 1]);
            let seconds = next.duration_since(now).as_secs();
            let missing = if workdays {
                let days = seconds / DAY;
                // Whole weeks have five working days each; a rest that runs over a weekend loses two.
                let from = i64::from(now.weekday().to_monday_zero_offset());
                let rest = days % 7;
                days / 7 * 5 + rest - if from + rest > 4 { 2 } else { 0 } - 1
            } else {
                // Months and years are of unequal lengths.
                (seconds as f64 / step as f64).round() as i64 - 1
            };
            (missing > 0).then_some((row, missing))
        };
        (0..self.at.len().saturating_sub(1)).filter_map(gap).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CSV: &[u8] =
        b"date,a,b\n2020-01-01,,1\n2020-01-02,2,NA\n2020-01-03,,n/a\n2020-01-05,8,4\n2020-01-06,9,";

    fn read(missing: Missing) -> Result<Series, DataError> {
        let table = Table::parse(CSV).unwrap();
        Series::read(&table, None, &["a".to_owned(), "b".to_owned()], missing)
    }

    #[test]
    fn missing_values_are_dealt_with_as_asked() {
        let error = read(Missing::Error).unwrap_err().to_string();
        assert_eq!(error, "line 2, column `a`: the cell is blank; a number is needed");

        let series = read(Missing::Drop).unwrap();
        assert_eq!((series.columns, series.dropped), (vec![vec![8.0], vec![4.0]], 4));
        assert_eq!(series.times.iso(), ["2020-01-05"]);

        // The first row goes: `a` has no value yet.
        let series = read(Missing::ForwardFill).unwrap();
        assert_eq!(series.columns, [[2.0, 2.0, 8.0, 9.0], [1.0, 1.0, 4.0, 4.0]]);
        assert_eq!((&series.filled[..], series.dropped), (&[1, 3][..], 1));
        assert_eq!(
            series.notes(),
            [
                "1 missing value of `a` was replaced by the last one before",
                "3 missing values of `b` were replaced by the last one before",
                "1 row with missing values was left out",
                "1 step in time is missing, after 2020-01-03"
            ]
        );

        // 3 January is a third of the way from the 2nd to the 5th: 2 + 6 / 3 = 4. `b` falls on 1 + 3 * 1/4 and 1 + 3 * 2/4.
        let series = read(Missing::Interpolate).unwrap();
        assert_eq!(series.columns, [[2.0, 2.0, 4.0, 8.0, 9.0], [1.0, 1.75, 2.5, 4.0, 4.0]]);
        assert_eq!((&series.filled[..], series.dropped), (&[2, 3][..], 0));
    }

    #[test]
    fn a_word_that_is_none_of_these_is_an_error_whatever_is_asked() {
        let table = Table::parse(b"date,a\n2020-01-01,1\n2020-01-02,oops\n2020-01-03,2").unwrap();
        for missing in [Missing::Error, Missing::Drop, Missing::ForwardFill, Missing::Interpolate] {
            let error = Series::read(&table, None, &["a".to_owned()], missing).unwrap_err().to_string();
            assert_eq!(error, "line 3, column `a`: `oops` is not a number");
        }
        // A column without any value holds no numbers.
        let table = Table::parse(b"date,a\n2020-01-01,NaN\n2020-01-02,NaN").unwrap();
        let error = Series::read(&table, None, &["a".to_owned()], Missing::Drop).unwrap_err().to_string();
        assert_eq!(error, "no numeric column `a`; there is none");
    }

    #[test]
    fn gaps_by_hand() {
        let gaps = |cells: &[&str]| {
            let csv = format!("date,x\n{},1\n", cells.join(",1\n"));
            Times::of(&Table::parse(csv.as_bytes()).unwrap(), None).unwrap().gaps()
        };
        // 2020-01-03 was a Friday.
        assert_eq!(gaps(&["2020-01-02", "2020-01-03", "2020-01-06", "2020-01-07"]), []);
        // Wednesday the 8th and Thursday the 9th are missing, then Monday the 13th.
        assert_eq!(
            gaps(&["2020-01-06", "2020-01-07", "2020-01-10", "2020-01-14", "2020-01-15", "2020-01-16"]),
            [(1, 2), (2, 1)]
        );
        // Two weeks and a day: 11 working days later, 10 of them missing.
        assert_eq!(gaps(&["2020-01-06", "2020-01-07", "2020-01-08", "2020-01-23"]), [(2, 10)]);
        // With a row on a Saturday, weekends are days like others.
        assert_eq!(gaps(&["2020-01-03", "2020-01-04", "2020-01-05", "2020-01-07"]), [(2, 1)]);
        assert_eq!(gaps(&["2020-01", "2020-02", "2020-03", "2020-05"]), [(2, 1)]);
        assert_eq!(gaps(&["1999", "2000", "2001", "2004"]), [(2, 2)]);
        assert_eq!(gaps(&["2000"]), []);
    }
}
