use proptest::prelude::*;

use super::*;
use crate::data::Times;

fn numbers(csv: &[u8], column: &str) -> Result<Vec<f64>, String> {
    Table::parse(csv).and_then(|table| table.numbers(column)).map_err(|e| e.to_string())
}

#[test]
fn header_quoted_padded_blank_and_with_a_byte_order_mark() {
    let table = Table::parse(b"\xef\xbb\xbf\"Adj Close\",\"a,b\", \n1.5, -2e3 ,x\n").unwrap();
    let names: Vec<&str> = table.columns().iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["Adj Close", "a,b", "column 3"]);
    assert_eq!(table.numbers("Adj Close").unwrap(), [1.5]);
    assert_eq!(table.numbers("a,b").unwrap(), [-2000.0]);
    assert_eq!(table.texts("column 3").collect::<Vec<_>>(), ["x"]);
    assert_eq!(table.texts("nope").count(), 0);
}

#[test]
fn bad_cells_are_named() {
    let broken = |cell: &str| {
        let csv = format!("t,temp_max\n2012-01-01,1\n2012-01-02,{cell}\n2012-01-03,3\n");
        numbers(csv.as_bytes(), "temp_max").unwrap_err()
    };
    assert_eq!(broken("abc"), "line 3, column `temp_max`: `abc` is not a number");
    assert_eq!(broken(""), "line 3, column `temp_max`: the cell is blank; a number is needed");
    assert_eq!(broken("NaN"), "line 3, column `temp_max`: `NaN` stands for no value; a number is needed");
    assert_eq!(broken("-inf"), "line 3, column `temp_max`: `-inf` is not a finite number");
    assert_eq!(broken("1e999"), "line 3, column `temp_max`: `1e999` is not a finite number");
    assert_eq!(broken("1e200"), "line 3, column `temp_max`: `1e200` is beyond ±1e140");
    assert_eq!(broken("\"1\n2\""), "line 3, column `temp_max`: `1\\n2` is not a number");
    let long = "9".repeat(5000) + "x";
    assert!(broken(&long).len() < 150);
}

#[test]
fn lines_are_those_of_the_file() {
    // Windows line ends, a blank line, a cell over two lines.
    for csv in ["a,b\r\n1,1\r\n\r\n\"2\r\n\",2\r\n3,bad\r\n4,4\r\n", "a,b\n1,1\n\n\"2\n\",2\n3,bad\n4,4"] {
        assert_eq!(numbers(csv.as_bytes(), "b").unwrap_err(), "line 6, column `b`: `bad` is not a number");
    }
    let csv = b"a,b\r\n\r\n1,1\r\n2,2,2\r\n";
    assert_eq!(numbers(csv, "b").unwrap_err(), "line 4: 3 cells, but the header has 2");
}

#[test]
fn no_table() {
    let error = |bytes: &[u8]| Table::parse(bytes).unwrap_err().to_string();
    let empty = "the table is empty: a header line and at least one row are needed";
    assert_eq!(error(b""), empty);
    assert_eq!(error(b"\n\n"), empty);
    assert_eq!(error(b"a,b\n"), empty);
    assert_eq!(error(b"a,b\n1,2\n3"), "line 3: 1 cells, but the header has 2");
    assert_eq!(error(b"a,b\n1,2\n3,\xff\n"), "line 3: not valid UTF-8 text");
    assert_eq!(error(b"a,\xff\n1,2\n"), "line 1: not valid UTF-8 text");
    assert_eq!(error(b"a,b,a\n1,2,3\n"), "two columns are named `a`");
    let missing = Table::open(Path::new("no/such/file.csv")).unwrap_err().to_string();
    assert!(missing.starts_with("cannot read no/such/file.csv: "), "{missing}");
    assert!(Table::open(Path::new(".")).is_err());
}

#[test]
fn limits() {
    let error = |limits| Table::parse_within(b"a,b\n1,2\n3,4\n", limits).unwrap_err().to_string();
    let base = Limits::default();
    assert_eq!(error(Limits { bytes: 11, ..base }), "the data are too large: more than 11 bytes");
    assert_eq!(error(Limits { rows: 1, ..base }), "the data are too large: more than 1 rows");
    assert_eq!(error(Limits { columns: 1, ..base }), "the data are too large: more than 1 columns");
    assert_eq!(error(Limits { cells: 3, ..base }), "the data are too large: more than 3 cells");
    assert!(
        Table::parse_within(b"a,b\n1,2\n3,4\n", Limits { bytes: 12, rows: 2, columns: 2, cells: 4 }).is_ok()
    );
}

#[test]
fn kinds() {
    let table = Table::parse(
        b"year,volume,day,city,gone,mixed\n2001,20010101,2001-01-01,x,,1\n2002,20010102,2001-01-02,y,,b\n",
    );
    let kinds: Vec<Kind> = table.unwrap().columns().iter().map(|c| c.kind).collect();
    assert_eq!(kinds, [Kind::Time, Kind::Number, Kind::Time, Kind::Text, Kind::Text, Kind::Text]);
    let error = numbers(b"a,city\n1,x\n2,y\n", "city").unwrap_err();
    assert_eq!(error, "no numeric column `city`; there are: `a`");
}

proptest! {
    #[test]
    fn any_bytes_are_a_table_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Table::parse(&bytes);
    }

    #[test]
    fn anything_like_a_table_can_be_asked(text in "[a-c,\"\n\r 0-9./:TNaninf-]{0,120}") {
        if let Ok(table) = Table::parse(text.as_bytes()) {
            prop_assert!(table.rows() > 0 && !table.columns().is_empty());
            let _ = Times::of(&table, None);
            for column in table.columns() {
                let numbers = table.numbers(&column.name);
                prop_assert!(numbers.is_err() || numbers.is_ok_and(|n| n.len() == table.rows()));
                prop_assert_eq!(table.texts(&column.name).count(), table.rows());
                let _ = Times::of(&table, Some(&column.name));
            }
        }
    }

    #[test]
    fn numbers_come_back_as_written(values in prop::collection::vec(-1e12..1e12_f64, 1..40)) {
        let csv = String::from("x\n") + &values.iter().map(|v| format!("{v}\n")).collect::<Vec<_>>().concat();
        prop_assert_eq!(numbers(csv.as_bytes(), "x").unwrap(), values);
    }
}

#[test]
fn a_quote_that_is_never_closed_is_named() {
    let error = |text: &str| Table::parse(text.as_bytes()).map(|_| ()).unwrap_err().to_string();
    let never = "the quote that is opened here is never closed";
    assert_eq!(
        error("date,y,note\n2020-01-01,1,a\n2020-01-02,2,\"abc\n2020-01-03,3,c\n"),
        format!("line 3: {never}")
    );
    assert_eq!(error("date,\"y\n2020-01-01,1\n"), format!("line 1: {never}"));
    assert_eq!(error("date,y\n2020-01-01,\"a\"\"\n"), format!("line 2: {never}"));
    // Quotes that are not at the start of a cell are letters, and closed ones may hold anything.
    let text =
        "date,y,note\n2020-01-01,1,5\" pipe\n2020-01-02,2,\"a, \"\"b\"\"\nc\"\n2020-01-03,3,\"d\"e\"\n";
    let table = Table::parse(text.as_bytes()).unwrap();
    assert_eq!(table.texts("note").collect::<Vec<_>>(), ["5\" pipe", "a, \"b\"\nc", "de\""]);
}

#[test]
fn another_separator_is_named() {
    for (text, separator) in [("date;y\n2020-01-01;1,5\n", ";"), ("date\ty\n2020-01-01\t1\n", "\t")] {
        let Err(DataError::NoCommas { separator: found }) = Table::parse(text.as_bytes()) else {
            panic!("{text}")
        };
        assert_eq!(found, separator);
    }
}
