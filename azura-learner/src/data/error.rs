//! What can be wrong with data, told so that a user finds the place.

use std::{fmt, io, path::PathBuf};

use super::datasets::DatasetKind;

/// An error in data or in what is asked of it. Lines count from 1, the header being the first of most files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The file cannot be opened or read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There is no header, or nothing below it.
    #[error("the table is empty: a header line and at least one row are needed")]
    Empty,
    /// The input is greater than the limits allow.
    #[error("the data are too large: more than {limit} {what}")]
    TooLarge {
        /// The largest number allowed.
        limit: usize,
        /// Of what: bytes, rows, columns, cells, pixels.
        what: &'static str,
    },
    /// Two columns share a name, so that neither could be meant.
    #[error("two columns are named {}", shown(name))]
    DuplicateColumn {
        /// The name.
        name: String,
    },
    /// A quote is opened and never closed.
    #[error("line {line}: the quote that is opened here is never closed")]
    UnclosedQuote {
        /// Line of the quote.
        line: u64,
    },
    /// The header has one cell, in which something else than commas separates names.
    #[error("line 1: the columns are separated by {}; commas are needed", shown(separator))]
    NoCommas {
        /// What seems to separate them.
        separator: String,
    },
    /// A row has another number of cells than the header.
    #[error("line {line}: {found} cells, but the header has {expected}")]
    Ragged {
        /// Line of the row.
        line: u64,
        /// Cells in the row.
        found: u64,
        /// Cells in the header.
        expected: u64,
    },
    /// The bytes are no UTF-8 text.
    #[error("line {line}: not valid UTF-8 text")]
    NotUtf8 {
        /// Line of the row.
        line: u64,
    },
    /// A line that is no picture, or none like those before.
    #[error("line {line}: {problem}")]
    Line {
        /// The line.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// A file, or one in a zip, that cannot be used.
    #[error("{}: {problem}", clipped(name))]
    File {
        /// Its name.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A data set of another kind than is needed.
    #[error("the data set {} {}; {} needed", shown(id), holds(*found), needed(*wanted))]
    WrongKind {
        /// The data set's id.
        id: String,
        /// What it is.
        found: DatasetKind,
        /// What is needed.
        wanted: DatasetKind,
    },
    /// A cell that cannot be used.
    #[error("line {line}, column {}: {} {problem}", shown(column), cell(text))]
    Cell {
        /// Line of the row.
        line: u64,
        /// Name of the column.
        column: String,
        /// The cell as written.
        text: String,
        /// What is wrong with it, as the end of a sentence.
        problem: String,
    },
    /// A column that does not exist or cannot serve.
    #[error("no {what} column {}; {}", shown(name), there_are(known))]
    UnknownColumn {
        /// The name asked for.
        name: String,
        /// Kind of column wanted: `numeric`, `time`.
        what: &'static str,
        /// The names that would do.
        known: Vec<String>,
    },
    /// No column holds dates, and none was named.
    #[error("no column holds dates or times; the columns are: {}", listed(columns))]
    NoTimeColumn {
        /// All columns.
        columns: Vec<String>,
    },
    /// A data set that is not known here.
    #[error("unknown data set {}; known: {}", shown(id), listed(known))]
    UnknownDataset {
        /// The id asked for.
        id: String,
        /// The ids that exist.
        known: Vec<String>,
    },
    /// Data from elsewhere that did not come.
    #[error("cannot fetch the data: {problem}")]
    Fetch {
        /// Why.
        problem: String,
    },
    /// A part of the data into which no window fits.
    #[error("{} {}: the {part} part would have {}, and 2 are needed, one to look at and one to foresee", count(*all, "row"), if *all == 1 { "is too few" } else { "are too few" }, count(*rows, "row"))]
    TooFewRows {
        /// All rows.
        all: usize,
        /// Name of the smallest part.
        part: &'static str,
        /// Rows of that part.
        rows: usize,
    },
    /// A window that does not fit into a part of the data.
    #[error(
        "windows of {}{} do not fit: the smallest part ({part}) has {}, \
         which allows at most {largest}",
        count(*length, "row"),
        if *horizon > 1 { format!(" with {horizon} to forecast") } else { String::new() },
        count(*rows, "row")
    )]
    WindowTooLong {
        /// The length asked for.
        length: usize,
        /// The rows behind it that are forecast.
        horizon: usize,
        /// Name of the smallest part.
        part: &'static str,
        /// Rows of that part.
        rows: usize,
        /// The greatest length that fits every part.
        largest: usize,
    },
}

impl DataError {
    pub(super) fn file(name: impl Into<String>, problem: impl fmt::Display) -> Self {
        Self::File { name: name.into(), problem: problem.to_string() }
    }
}

fn holds(kind: DatasetKind) -> &'static str {
    match kind {
        DatasetKind::Table => "is a table",
        DatasetKind::Images => "holds pictures",
        DatasetKind::Audio => "is sound",
    }
}

fn needed(kind: DatasetKind) -> &'static str {
    match kind {
        DatasetKind::Table => "a table is",
        DatasetKind::Images => "pictures are",
        DatasetKind::Audio => "sound is",
    }
}

fn there_are(known: &[String]) -> String {
    if known.is_empty() { "there is none".into() } else { format!("there are: {}", listed(known)) }
}

/// A cell as the subject of a sentence.
fn cell(text: &str) -> String {
    if text.is_empty() { "the cell".into() } else { shown(text) }
}

/// A number of things: `1 row`, `2 rows`.
pub(crate) fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// A name or cell in back quotes, as [`clipped`].
pub(crate) fn shown(text: &str) -> String {
    format!("`{}`", clipped(text))
}

/// Text fit for a message: line breaks and the like escaped, long text cut.
pub(crate) fn clipped(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut out = String::new();
    for c in text.chars().take(LONGEST) {
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    if text.chars().nth(LONGEST).is_some() {
        out.push('…');
    }
    out
}

/// Names in back quotes, the first thirty of them.
pub(crate) fn listed<S: AsRef<str>>(names: &[S]) -> String {
    const MOST: usize = 30;
    if names.is_empty() {
        return "none".into();
    }
    let first = names.iter().take(MOST).map(|n| shown(n.as_ref())).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MOST) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}
