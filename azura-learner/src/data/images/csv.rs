//! Pictures as lines of numbers.

use super::{Images, MOST_BYTES, MOST_PIXELS};
use crate::data::{
    DataError,
    table::{csv_error, line_of, unclosed_quote},
};

/// How a CSV file holds pictures: a line each, its pixels row by row, channel after channel, and its class.
///
/// A first line that has a cell `label`, or that holds more texts than numbers, is a header. The default finds the rest: the class
/// is the column `label` of the header or else the last one, pictures are square and grey, black and white are
/// the least and the greatest number.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CsvImages {
    /// Where the class is.
    pub label: Option<LabelColumn>,
    /// Height and width. There are 1 or 3 channels of so many pixels.
    pub size: Option<[usize; 2]>,
    /// The numbers that stand for black and white.
    pub range: Option<(f32, f32)>,
}

/// Which column of a CSV file holds the class.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LabelColumn {
    /// The first.
    First,
    /// The last.
    Last,
    /// That of this name in the header.
    Named(String),
}

const LABEL: &str = "label";

impl Images {
    /// Reads CSV text.
    ///
    /// # Errors
    /// [`DataError::Cell`] and [`DataError::Line`] for what is wrong in a line, [`DataError::UnknownColumn`] for a label that
    /// is not there, [`DataError::File`] if there is no picture, [`DataError::TooLarge`], [`DataError::NotUtf8`],
    /// [`DataError::UnclosedQuote`].
    pub fn from_csv(bytes: &[u8], how: &CsvImages) -> Result<Self, DataError> {
        if bytes.len() > MOST_BYTES {
            return Err(DataError::TooLarge { limit: MOST_BYTES, what: "bytes" });
        }
        if let Some(line) = unclosed_quote(bytes) {
            return Err(DataError::UnclosedQuote { line });
        }
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(bytes);
        let mut layout: Option<Layout> = None;
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        let mut record = csv::StringRecord::new();
        while reader.read_record(&mut record).map_err(|e| csv_error(e, bytes))? {
            let line = line_of(bytes, record.position());
            let layout = if let Some(layout) = &layout {
                layout
            } else {
                let first = &*layout.insert(Layout::of(&record, line, how)?);
                if first.header.is_some() {
                    continue;
                }
                first
            };
            layout.read(&record, line, &mut pixels, &mut labels)?;
        }
        let Some(Layout { shape, .. }) = layout.filter(|_| !labels.is_empty()) else {
            return Err(DataError::file("the CSV text", "there is no picture in it"));
        };
        let least = || pixels.iter().copied().fold(f32::INFINITY, f32::min);
        let greatest = || pixels.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let range = how.range.unwrap_or_else(|| (least(), greatest()));
        Self::new(pixels, shape, &labels, range)
    }
}

/// What the first line tells of all.
struct Layout {
    header: Option<Vec<String>>,
    label: usize,
    cells: usize,
    shape: [usize; 3],
}

impl Layout {
    fn of(first: &csv::StringRecord, line: u64, how: &CsvImages) -> Result<Self, DataError> {
        let is_label = |name: &str| name.eq_ignore_ascii_case(LABEL);
        let texts = first.iter().filter(|cell| cell.parse::<f64>().is_err()).count();
        let header = (first.iter().any(is_label) || 2 * texts > first.len())
            .then(|| first.iter().map(str::to_owned).collect::<Vec<_>>());
        let last = first.len().saturating_sub(1);
        let named = |is: &dyn Fn(&str) -> bool| header.iter().flatten().position(|name| is(name));
        let label = match &how.label {
            Some(LabelColumn::First) => 0,
            Some(LabelColumn::Last) => last,
            Some(LabelColumn::Named(name)) => {
                named(&|other| other == name).ok_or_else(|| DataError::UnknownColumn {
                    name: name.clone(),
                    what: "label",
                    known: header.clone().unwrap_or_default(),
                })?
            }
            None => named(&is_label).unwrap_or(last),
        };
        let shape = shape(last, how.size).map_err(|problem| DataError::Line { line, problem })?;
        Ok(Self { header, label, cells: first.len(), shape })
    }

    fn read(
        &self,
        record: &csv::StringRecord,
        line: u64,
        pixels: &mut Vec<f32>,
        labels: &mut Vec<String>,
    ) -> Result<(), DataError> {
        if record.len() != self.cells {
            let problem = format!("{} cells, but the first line has {}", record.len(), self.cells);
            return Err(DataError::Line { line, problem });
        }
        if pixels.len() + self.cells - 1 > MOST_PIXELS {
            return Err(DataError::TooLarge { limit: MOST_PIXELS, what: "pixels" });
        }
        let error = |i: usize, text: &str, problem: &str| {
            let name = self.header.as_ref().map(|names| names[i].clone()).filter(|name| !name.is_empty());
            let column = name.unwrap_or_else(|| format!("column {}", i + 1));
            DataError::Cell { line, column, text: text.to_owned(), problem: problem.to_owned() }
        };
        for (i, text) in record.iter().enumerate() {
            if i == self.label {
                if text.is_empty() {
                    return Err(error(i, text, "is blank; the picture's class is needed"));
                }
                labels.push(text.to_owned());
                continue;
            }
            match text.parse::<f32>() {
                // Sums and differences stay finite.
                Ok(x) if x.abs() <= 1e30 => pixels.push(x),
                Ok(_) => return Err(error(i, text, "is no finite number that a pixel can be")),
                Err(_) if text.is_empty() => return Err(error(i, text, "is blank; a pixel is needed")),
                Err(_) => return Err(error(i, text, "is not a number")),
            }
        }
        Ok(())
    }
}

/// Channels, height and width of so many pixels.
fn shape(pixels: usize, size: Option<[usize; 2]>) -> Result<[usize; 3], String> {
    if pixels == 0 {
        return Err("one cell, which leaves no pixels beside the class".into());
    }
    if let Some([height, width]) = size {
        let channels =
            [1, 3].into_iter().find(|&c| height.saturating_mul(width).checked_mul(c) == Some(pixels));
        return channels.map(|c| [c, height, width]).ok_or_else(|| {
            format!("{pixels} pixels are no picture of {height} by {width}, with one channel or three")
        });
    }
    let side = pixels.isqrt();
    if side * side == pixels {
        return Ok([1, side, side]);
    }
    Err(format!("{pixels} pixels beside the class are no square; say height and width"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, how: &CsvImages) -> Result<Images, String> {
        Images::from_csv(text.as_bytes(), how).map_err(|e| e.to_string())
    }

    #[test]
    fn where_the_class_may_be() {
        let of = |text: &str, label: Option<LabelColumn>| {
            let images = read(text, &CsvImages { label, ..CsvImages::default() }).unwrap();
            let classes: Vec<String> =
                images.labels().iter().map(|&i| images.classes()[i as usize].clone()).collect();
            (images.image(1).to_vec(), classes)
        };
        let expected = (vec![4.0, 3.0, 2.0, 1.0], vec!["10".to_owned(), "9".to_owned()]);
        assert_eq!(of("1,2,3,4,10\n4,3,2,1,9\n", None), expected);
        assert_eq!(of("10,1,2,3,4\n9,4,3,2,1\n", Some(LabelColumn::First)), expected);
        assert_eq!(of("Label,0,1,2,3\n10,1,2,3,4\n9,4,3,2,1\n", None), expected);
        assert_eq!(
            of("a,b,what,c,d\n1,2,10,3,4\n4,3,9,2,1\n", Some(LabelColumn::Named("what".into()))),
            expected
        );
        assert_eq!(of("a,b,c,d,digit\n1,2,3,4,10\n4,3,2,1,9\n", None), expected);
        // A class in words makes no header of the first line.
        assert_eq!(of("1,2,3,4,cat\n4,3,2,1,dog\n", None).1, ["cat", "dog"]);
        // Numbers are in their own order, names in that of the alphabet.
        assert_eq!(read("1,10\n1,9\n", &CsvImages::default()).unwrap().classes(), ["9", "10"]);
        assert_eq!(read("1,10\n1,9\n1,x\n", &CsvImages::default()).unwrap().classes(), ["10", "9", "x"]);
    }

    #[test]
    fn size_channels_and_range_as_told() {
        let how = CsvImages { size: Some([1, 2]), range: Some((0.0, 255.0)), ..CsvImages::default() };
        let images = read("1,2,3,4,5,6,a\n", &how).unwrap();
        assert_eq!((images.shape(), images.range()), ([3, 1, 2], (0.0, 255.0)));
        assert_eq!(read("1,2,a\n", &how).unwrap().shape(), [1, 1, 2]);
    }

    #[test]
    fn what_is_wrong_and_where() {
        let told = CsvImages { size: Some([2, 3]), ..CsvImages::default() };
        let named = CsvImages { label: Some(LabelColumn::Named("x".into())), ..CsvImages::default() };
        for (text, how, expected) in [
            ("", &CsvImages::default(), "the CSV text: there is no picture in it"),
            ("a,b,c,d,label\n", &CsvImages::default(), "the CSV text: there is no picture in it"),
            ("7\n", &CsvImages::default(), "line 1: one cell, which leaves no pixels beside the class"),
            (
                "1,2,3,7\n",
                &CsvImages::default(),
                "line 1: 3 pixels beside the class are no square; say height and width",
            ),
            ("1,2,3,7\n", &told, "line 1: 3 pixels are no picture of 2 by 3, with one channel or three"),
            ("1,7\n\n2\n", &CsvImages::default(), "line 3: 1 cells, but the first line has 2"),
            ("1,7\nx,7\n", &CsvImages::default(), "line 2, column `column 1`: `x` is not a number"),
            (
                "p,label\n,7\n",
                &CsvImages::default(),
                "line 2, column `p`: the cell is blank; a pixel is needed",
            ),
            (
                "1,7\ninf,7\n",
                &CsvImages::default(),
                "line 2, column `column 1`: `inf` is no finite number that a pixel can be",
            ),
            (
                "1,7\n1,\n",
                &CsvImages::default(),
                "line 2, column `column 2`: the cell is blank; the picture's class is needed",
            ),
            ("a,label\n1,7\n", &named, "no label column `x`; there are: `a`, `label`"),
            ("1,\"7\n", &CsvImages::default(), "line 1: the quote that is opened here is never closed"),
        ] {
            assert_eq!(read(text, how).unwrap_err(), expected);
        }
        let error = Images::from_csv(b"1,7\n1,\xff\n", &CsvImages::default()).unwrap_err().to_string();
        assert_eq!(error, "line 2: not valid UTF-8 text");
        let many = (0..1001).map(|i| format!("1,{i}\n")).collect::<Vec<_>>().concat();
        assert_eq!(
            read(&many, &CsvImages::default()).unwrap_err(),
            "the data are too large: more than 1000 classes"
        );
    }
}
