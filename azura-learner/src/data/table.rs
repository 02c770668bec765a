//! Reading CSV into a table that remembers where each cell stood.

use std::{collections::HashSet, path::Path};

use super::{
    error::DataError,
    read,
    time::{self, Order},
};

/// Numbers beyond this cannot be squared and summed safely in `f64`, so no statistics can be made of them.
const LARGEST_NUMBER: f64 = 1e140;

/// How much input a reader takes before it refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the file.
    pub bytes: usize,
    /// Rows below the header.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// Rows times columns.
    pub cells: usize,
}

impl Default for Limits {
    /// 64 MiB, a million rows, a thousand columns, ten million cells.
    fn default() -> Self {
        Self { bytes: 64 << 20, rows: 1_000_000, columns: 1000, cells: 10_000_000 }
    }
}

/// What most of a column's filled cells are. A minority of other cells does not change the kind; using such a
/// column is then an error that names the cell, instead of the column vanishing from the numeric ones without
/// a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Numbers.
    Number,
    /// Dates or times. Digits alone (`1958`, `19580329`) count as such only in a column with a telling name:
    /// one that is, or has as a word, `date`, `datetime`, `time`, `timestamp`, `year`, `month`, `day`, `week`
    /// or `hour`.
    Time,
    /// Anything else, also a column without any filled cell.
    Text,
}

/// A column's name and kind.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Column {
    /// The header's text, without blanks around it; `column N` where the header is blank.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
}

/// A CSV file in memory: text cells in one buffer, typed when they are asked for.
///
/// ```
/// # use azura_learner::data::{Kind, Table};
/// let table = Table::parse(b"year,sales\n2020,1.5\n2021,oops\n2022,2.5")?;
/// assert_eq!(table.columns()[0].kind, Kind::Time);
/// let error = table.numbers("sales").unwrap_err();
/// assert_eq!(error.to_string(), "line 3, column `sales`: `oops` is not a number");
/// # Ok::<(), azura_learner::data::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    columns: Vec<Column>,
    /// All cells, row after row, trimmed, without separators.
    text: String,
    /// Where each cell ends in `text`.
    ends: Vec<u32>,
    /// Line of each row in the file.
    lines: Vec<u32>,
}

impl Table {
    /// Reads CSV text within the default [`Limits`].
    ///
    /// # Errors
    /// Whatever keeps the bytes from being a table: see [`DataError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, DataError> {
        Self::parse_within(bytes, Limits::default())
    }

    /// Reads a CSV file within the default [`Limits`]; no more of it is read than they allow.
    ///
    /// # Errors
    /// As [`Table::parse`], [`DataError::Io`], and [`DataError::File`] if its name says that it is no CSV file.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let limits = Limits::default();
        read::expect_csv(path)?;
        Self::parse_within(&read::whole(path, limits.bytes)?, limits)
    }

    /// Reads CSV text within limits of one's own.
    ///
    /// # Errors
    /// As [`Table::parse`].
    pub fn parse_within(bytes: &[u8], limits: Limits) -> Result<Self, DataError> {
        let limit = |count, limit, what| {
            if count > limit { Err(DataError::TooLarge { limit, what }) } else { Ok(()) }
        };
        limit(bytes.len(), limits.bytes.min(u32::MAX as usize), "bytes")?;
        if let Some(line) = unclosed_quote(bytes) {
            return Err(DataError::UnclosedQuote { line });
        }
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
        let names = names(reader.headers().map_err(|e| csv_error(e, bytes))?)?;
        limit(names.len(), limits.columns, "columns")?;
        let mut table =
            Self { columns: Vec::new(), text: String::new(), ends: Vec::new(), lines: Vec::new() };
        let mut record = csv::StringRecord::new();
        while reader.read_record(&mut record).map_err(|e| csv_error(e, bytes))? {
            limit(table.rows() + 1, limits.rows, "rows")?;
            limit(table.ends.len() + record.len(), limits.cells, "cells")?;
            table.lines.push(line_of(bytes, record.position()) as u32);
            for cell in &record {
                table.text.push_str(cell);
                table.ends.push(table.text.len() as u32);
            }
        }
        if table.rows() == 0 {
            return Err(DataError::Empty);
        }
        let kinds: Vec<Kind> = (0..names.len()).map(|i| table.kind(i, &names)).collect();
        table.columns = names.into_iter().zip(kinds).map(|(name, kind)| Column { name, kind }).collect();
        Ok(table)
    }

    /// Rows below the header; at least one.
    pub fn rows(&self) -> usize {
        self.lines.len()
    }

    /// The columns in the file's order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Names of the columns of one kind, in the file's order.
    pub fn names_of(&self, kind: Kind) -> Vec<String> {
        self.columns.iter().filter(|c| c.kind == kind).map(|c| c.name.clone()).collect()
    }

    /// The cells of a column as written, without blanks around them; none for an unknown column.
    pub fn texts(&self, column: &str) -> impl Iterator<Item = &str> {
        let index = self.columns.iter().position(|c| c.name == column);
        index.into_iter().flat_map(|i| self.cells(i, self.columns.len()))
    }

    /// A column's numbers.
    ///
    /// # Errors
    /// [`DataError::UnknownColumn`] where there is none of that name or it is not a numeric one;
    /// [`DataError::Cell`] for the first cell that is blank, not a number, `NaN`, infinite or beyond ±1e140.
    pub fn numbers(&self, column: &str) -> Result<Vec<f64>, DataError> {
        let there = |(row, value): (usize, Option<f64>)| {
            value.ok_or_else(|| {
                let text = self.texts(column).nth(row).unwrap_or_default();
                let problem = if text.is_empty() {
                    "is blank; a number is needed"
                } else {
                    "stands for no value; a number is needed"
                };
                self.cell_error(row, column, text, problem)
            })
        };
        self.sparse(column)?.into_iter().enumerate().map(there).collect()
    }

    /// A column's numbers, and `None` for cells without a value: blank ones, and those that say `NA`, `N/A`, `NaN`, `null`,
    /// `none` or `?`, in capital letters or small ones.
    ///
    /// # Errors
    /// As [`Table::numbers`], but for those cells.
    pub fn sparse(&self, column: &str) -> Result<Vec<Option<f64>>, DataError> {
        if !self.columns.iter().any(|c| c.name == column && c.kind == Kind::Number) {
            let known = self.names_of(Kind::Number);
            return Err(DataError::UnknownColumn { name: column.into(), what: "numeric", known });
        }
        let number = |(row, text): (usize, &str)| match text.parse::<f64>() {
            _ if stands_for_none(text) => Ok(None),
            Ok(x) if x.abs() <= LARGEST_NUMBER => Ok(Some(x)),
            Ok(x) if x.is_finite() => Err(self.cell_error(row, column, text, "is beyond ±1e140")),
            Ok(_) => Err(self.cell_error(row, column, text, "is not a finite number")),
            Err(_) => Err(self.cell_error(row, column, text, "is not a number")),
        };
        self.texts(column).enumerate().map(number).collect()
    }

    /// The error that names a cell.
    pub(crate) fn cell_error(
        &self,
        row: usize,
        column: &str,
        text: &str,
        problem: impl Into<String>,
    ) -> DataError {
        let (column, text) = (column.to_owned(), text.to_owned());
        DataError::Cell { line: self.line(row), column, text, problem: problem.into() }
    }

    /// The line of the file on which a row begins.
    pub(crate) fn line(&self, row: usize) -> u64 {
        self.lines[row].into()
    }

    fn cells(&self, column: usize, width: usize) -> impl Iterator<Item = &str> {
        (column..self.ends.len()).step_by(width).map(|i| {
            let start = if i == 0 { 0 } else { self.ends[i - 1] };
            &self.text[start as usize..self.ends[i] as usize]
        })
    }

    fn kind(&self, column: usize, names: &[String]) -> Kind {
        let filled = || self.cells(column, names.len()).filter(|text| !stands_for_none(text));
        let total = filled().count();
        let most = |holds: fn(&str) -> bool| 2 * filled().filter(|text| holds(text)).count() > total;
        let dates =
            || most(|t| time::parse(t, Order::MonthFirst).or(time::parse(t, Order::DayFirst)).is_some());
        if telling(&names[column]) && dates() {
            Kind::Time
        } else if most(|text| text.parse::<f64>().is_ok()) {
            Kind::Number
        } else if dates() {
            Kind::Time
        } else {
            Kind::Text
        }
    }
}

/// Whether a cell says that there is no value.
fn stands_for_none(text: &str) -> bool {
    text.is_empty()
        || ["na", "n/a", "nan", "null", "none", "?"].iter().any(|none| text.eq_ignore_ascii_case(none))
}

/// Whether a name says that the column holds times.
fn telling(name: &str) -> bool {
    const WORDS: [&str; 9] =
        ["date", "datetime", "time", "timestamp", "year", "month", "day", "week", "hour"];
    name.split(|c: char| !c.is_alphanumeric()).any(|word| WORDS.iter().any(|w| word.eq_ignore_ascii_case(w)))
}

fn names(header: &csv::StringRecord) -> Result<Vec<String>, DataError> {
    if header.is_empty() {
        return Err(DataError::Empty);
    }
    if let (1, Some(separator)) = (header.len(), [";", "\t", "|"].iter().find(|s| header[0].contains(**s))) {
        return Err(DataError::NoCommas { separator: (*separator).to_owned() });
    }
    let mut seen = HashSet::new();
    let named = |(i, name): (usize, &str)| {
        let name = if name.is_empty() { format!("column {}", i + 1) } else { name.to_owned() };
        if seen.insert(name.clone()) { Ok(name) } else { Err(DataError::DuplicateColumn { name }) }
    };
    header.iter().enumerate().map(named).collect()
}

/// The line of a quote that is opened and never closed: all that follows would be one cell.
pub(super) fn unclosed_quote(bytes: &[u8]) -> Option<u64> {
    #[derive(PartialEq)]
    enum At {
        Start,
        Bare,
        Quoted,
        Closed,
    }
    let (mut at, mut line, mut opened) = (At::Start, 1, 0);
    for byte in bytes {
        at = match (at, byte) {
            (At::Start, b'"') => {
                opened = line;
                At::Quoted
            }
            (At::Quoted, b'"') => At::Closed,
            // Two in a row stand for one.
            (At::Quoted, _) | (At::Closed, b'"') => At::Quoted,
            (_, b',' | b'\n' | b'\r') => At::Start,
            _ => At::Bare,
        };
        line += u64::from(*byte == b'\n');
    }
    (at == At::Quoted).then_some(opened)
}

/// The line on which a record begins: the reader's own count is from before the line breaks that it skips.
pub(super) fn line_of(bytes: &[u8], position: Option<&csv::Position>) -> u64 {
    let Some(position) = position else { return 1 };
    let rest = bytes.get(position.byte() as usize..).unwrap_or_default();
    let skipped = rest.iter().take_while(|b| matches!(b, b'\n' | b'\r'));
    position.line() + skipped.filter(|&&b| b == b'\n').count() as u64
}

pub(super) fn csv_error(error: csv::Error, bytes: &[u8]) -> DataError {
    let line = line_of(bytes, error.position());
    match error.into_kind() {
        csv::ErrorKind::Utf8 { .. } => DataError::NotUtf8 { line },
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            DataError::Ragged { line, found: len, expected: expected_len }
        }
        // Bytes in memory cannot fail to be read, and nothing is deserialised or sought.
        _ => DataError::Empty,
    }
}

#[cfg(test)]
mod tests;
