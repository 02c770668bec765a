//! Dates and times as people write them.

use jiff::{
    Timestamp,
    civil::{Date, DateTime, Time},
    tz::Offset,
};

use super::{
    error::DataError,
    table::{Kind, Table},
};

/// Which number comes first in `03/04/2012`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    MonthFirst,
    DayFirst,
}

/// The time column of a table: strictly increasing.
///
/// These forms are read, alone or followed by a time of day (`T` or a blank between them, an offset or `Z`
/// behind): `2012-01-31`, `2012/1/31`, `2012.01.31`, `31.01.2012`, `20120131`, and `1/31/2012` or `31/1/2012`
/// where the column as a whole shows which is meant; and `2012-01` (the month's first day) and `2012` (the
/// year's). Times with an offset are turned into UTC; the others are taken as they stand.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Times {
    /// Name of the column.
    pub column: String,
    /// One for each row.
    pub at: Vec<DateTime>,
}

impl Times {
    /// The named column, or the table's first one of [`Kind::Time`].
    ///
    /// # Errors
    /// [`DataError::NoTimeColumn`], [`DataError::UnknownColumn`]; [`DataError::Cell`] for the first cell that
    /// is no date or does not come after the one above it.
    pub fn of(table: &Table, column: Option<&str>) -> Result<Self, DataError> {
        let columns = || table.columns().iter();
        let column = match column {
            Some(name) if columns().any(|c| c.name == name) => name.to_owned(),
            Some(name) => {
                let known = columns().map(|c| c.name.clone()).collect();
                return Err(DataError::UnknownColumn { name: name.into(), what: "time", known });
            }
            None => columns().find(|c| c.kind == Kind::Time).map(|c| c.name.clone()).ok_or_else(|| {
                DataError::NoTimeColumn { columns: columns().map(|c| c.name.clone()).collect() }
            })?,
        };
        let at = read(table, &column)?;
        let texts: Vec<&str> = table.texts(&column).collect();
        for row in 1..at.len() {
            let (now, before) = (at[row], at[row - 1]);
            if now <= before {
                let (line, text) = (table.line(row - 1), super::error::shown(texts[row - 1]));
                let problem = if now == before {
                    format!("repeats the time of line {line}")
                } else {
                    format!("comes before {text} of line {line}; rows must run from the oldest to the newest")
                };
                return Err(table.cell_error(row, &column, texts[row], problem));
            }
        }
        Ok(Self { column, at })
    }

    /// Times that are known to rise.
    pub(crate) fn at(column: String, at: Vec<DateTime>) -> Self {
        Self { column, at }
    }

    /// The usual distance between rows in seconds: the median. None for a single row.
    pub fn step_seconds(&self) -> Option<i64> {
        let mut steps: Vec<i64> =
            self.at.windows(2).map(|pair| pair[1].duration_since(pair[0]).as_secs()).collect();
        let middle = steps.len() / 2;
        (!steps.is_empty()).then(|| *steps.select_nth_unstable(middle).1)
    }

    /// ISO 8601 texts: dates where every row falls on midnight, else dates with times.
    pub fn iso(&self) -> Vec<String> {
        let dates = self.at.iter().all(|t| t.time() == Time::midnight());
        self.at.iter().map(|t| if dates { t.date().to_string() } else { t.to_string() }).collect()
    }
}

/// Reads a column in the one order of day and month in which all of it makes sense.
fn read(table: &Table, column: &str) -> Result<Vec<DateTime>, DataError> {
    let all = |order| {
        let cell = |(row, text)| {
            let problem =
                if str::is_empty(text) { "is blank; a date is needed" } else { "is not a date or time" };
            parse(text, order).ok_or((row, text, problem))
        };
        table.texts(column).enumerate().map(cell).collect::<Result<Vec<_>, _>>()
    };
    let error = |(row, text, problem)| table.cell_error(row, column, text, problem);
    match (all(Order::MonthFirst), all(Order::DayFirst)) {
        (Ok(months), Ok(days)) => match months.iter().zip(&days).position(|(m, d)| m != d) {
            None => Ok(months),
            Some(row) => {
                let text = table.texts(column).nth(row).unwrap_or_default();
                let problem = "could be month/day or day/month; write year-month-day";
                Err(error((row, text, problem)))
            }
        },
        (Ok(at), Err(_)) | (Err(_), Ok(at)) => Ok(at),
        // The reading that holds for longer names the cell which is really wrong.
        (Err(a), Err(b)) => Err(error(if a.0 >= b.0 { a } else { b })),
    }
}

/// One date or time, in any of the forms of [`Times`] that can be read in one way only.
pub(crate) fn parse_cell(text: &str) -> Result<DateTime, &'static str> {
    match [Order::MonthFirst, Order::DayFirst].map(|order| parse(text, order)) {
        [Some(a), Some(b)] if a != b => Err("could be month/day or day/month; write year-month-day"),
        [a, b] => a.or(b).ok_or("is not a date or time"),
    }
}

/// One date or time in any of the forms of [`Times`].
pub(crate) fn parse(text: &str, order: Order) -> Option<DateTime> {
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, Some(time.trim())),
        None => (text, None),
    };
    let separator = date.chars().find(|c| !c.is_ascii_digit());
    let numbers: Vec<&str> = separator.map_or_else(|| vec![date], |s| date.split(s).collect());
    if !numbers.iter().all(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit())) {
        return None;
    }
    let short = |n: &str| n.len() <= 2;
    let (year, month, day) = match (numbers.as_slice(), separator) {
        ([n], _) if n.len() == 8 => (&n[..4], &n[4..6], &n[6..]),
        ([year], _) if year.len() == 4 => (*year, "1", "1"),
        ([year, month], Some('-' | '/')) if year.len() == 4 && short(month) => (*year, *month, "1"),
        ([a, b, c], Some('-' | '/' | '.')) if a.len() == 4 && short(b) && short(c) => (*a, *b, *c),
        ([a, b, c], Some(separator @ ('-' | '/' | '.'))) if short(a) && short(b) && c.len() == 4 => {
            if separator == '.' || order == Order::DayFirst {
                (*c, *b, *a)
            } else {
                (*c, *a, *b)
            }
        }
        _ => return None,
    };
    let date = Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()?;
    let Some(time) = time else { return Some(date.to_datetime(Time::midnight())) };
    let whole = format!("{date}T{time}");
    let instant = whole.parse::<Timestamp>().map(|t| Offset::UTC.to_datetime(t));
    instant.or_else(|_| whole.parse::<DateTime>()).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn times(cells: &[&str]) -> Result<Vec<String>, String> {
        let csv = format!("date,x\n{}", cells.join(",1\n") + ",1\n");
        let table = Table::parse(csv.as_bytes()).map_err(|e| e.to_string())?;
        Times::of(&table, Some("date")).map(|t| t.iso()).map_err(|e| e.to_string())
    }

    #[test]
    fn forms() {
        for (text, iso) in [
            ("2012-01-31", "2012-01-31"),
            ("2012/1/31", "2012-01-31"),
            ("2012.01.31", "2012-01-31"),
            ("31.01.2012", "2012-01-31"),
            ("1/31/2012", "2012-01-31"),
            ("31/01/2012", "2012-01-31"),
            ("20120131", "2012-01-31"),
            ("2012-02", "2012-02-01"),
            ("1700", "1700-01-01"),
            ("2012-01-31T06:30", "2012-01-31T06:30:00"),
            ("2012/01/31 06:30:15", "2012-01-31T06:30:15"),
            ("20120131 06:30", "2012-01-31T06:30:00"),
            ("2012-01-31T23:30:00-02:00", "2012-02-01T01:30:00"),
            ("2012-01-31T06:30:00Z", "2012-01-31T06:30:00"),
        ] {
            assert_eq!(times(&[text]).as_deref(), Ok(&[iso.to_owned()][..]), "{text}");
        }
        for text in
            ["2012-13-01", "2012-02-30", "20121301", "31/31/2012", "12", "2012-1-2-3", "x", "2012-01-01Tx"]
        {
            assert_eq!(times(&[text]), Err(format!("line 2, column `date`: `{text}` is not a date or time")));
        }
    }

    #[test]
    fn the_column_shows_which_number_is_the_month() {
        assert_eq!(times(&["1/12/2012", "1/13/2012"]).unwrap(), ["2012-01-12", "2012-01-13"]);
        assert_eq!(times(&["12/1/2012", "13/1/2012"]).unwrap(), ["2012-01-12", "2012-01-13"]);
        let error = times(&["1/1/2012", "1/2/2012", "1/3/2012"]).unwrap_err();
        assert_eq!(
            error,
            "line 3, column `date`: `1/2/2012` could be month/day or day/month; write year-month-day"
        );
        let error = times(&["1/31/2012", "1/32/2012"]).unwrap_err();
        assert_eq!(error, "line 3, column `date`: `1/32/2012` is not a date or time");
    }

    #[test]
    fn rows_run_forward() {
        let error = times(&["2012-01-01", "2012-01-03", "2012-01-02"]).unwrap_err();
        assert_eq!(
            error,
            "line 4, column `date`: `2012-01-02` comes before `2012-01-03` of line 3; rows must \
             run from the oldest to the newest"
        );
        let error = times(&["2012-01-01", "2012/1/1"]).unwrap_err();
        assert_eq!(error, "line 3, column `date`: `2012/1/1` repeats the time of line 2");
        let error = times(&["2012-01-01", ""]).unwrap_err();
        assert_eq!(error, "line 3, column `date`: the cell is blank; a date is needed");
    }

    #[test]
    fn the_column_is_found_or_said_to_be_missing() {
        let find = |csv: &str, name| {
            Times::of(&Table::parse(csv.as_bytes()).unwrap(), name)
                .map(|t| t.column)
                .map_err(|e| e.to_string())
        };
        assert_eq!(find("x,day\n1,2012-01-01\n2,2012-01-02", None).unwrap(), "day");
        assert_eq!(find("x,when it was\n1,2012-01-01\n2,2012-01-02", None).unwrap(), "when it was");
        // Numbers are years only where the name says so, or the config.
        assert_eq!(find("\"YEAR\",\"S\"\n1700,5\n1701,11", None).unwrap(), "YEAR");
        assert_eq!(find("y,s\n1700,5\n1701,11", Some("y")).unwrap(), "y");
        let error = find("y,s\n1700,5\n1701,11", None).unwrap_err();
        assert_eq!(error, "no column holds dates or times; the columns are: `y`, `s`");
        let error = find("y,s\n1700,5\n1701,11", Some("t")).unwrap_err();
        assert_eq!(error, "no time column `t`; there are: `y`, `s`");
        // One broken date among many does not hide the column.
        let error = find("date,x\n2012-01-01,1\n2012-01-O2,1\n2012-01-03,1", None).unwrap_err();
        assert_eq!(error, "line 3, column `date`: `2012-01-O2` is not a date or time");
    }

    proptest! {
        #[test]
        fn any_text_is_a_date_or_none(text in "\\PC{0,24}") {
            let _ = parse(&text, Order::MonthFirst);
        }

        #[test]
        fn nearly_dates(text in "[0-9]{1,4}[-/.]?[0-9]{1,2}[-/.]?[0-9]{0,4}([T ][0-9:.+Z-]{0,12})?") {
            let _ = parse(&text, Order::DayFirst);
        }
    }
}
