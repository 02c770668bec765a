//! Data sets that a config names by id.

use std::{borrow::Cow, collections::BTreeMap};

use serde::Serialize;

use super::{
    audio::Audio, error::DataError, images::Images, series::Missing, table::Table, transform::Transform,
};

/// What a data set is, and so which pipelines can use it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DatasetKind {
    /// A CSV file with a header.
    #[default]
    Table,
    /// Pictures with their classes: a CSV file of pixels, or a zip of class folders.
    Images,
    /// Sound: a WAV file.
    Audio,
}

/// A data set and what is known of it. Serialised, it is its description without the data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DatasetFile {
    /// What configs call it.
    pub id: String,
    /// What it is.
    pub kind: DatasetKind,
    /// A short name for people.
    pub title: String,
    /// What the rows and columns are.
    pub description: String,
    /// Where it comes from.
    pub source: String,
    /// What may be done with it.
    pub terms: String,
    /// Its time column; found by [`Times::of`](super::Times::of) where not given.
    pub time_col: Option<String>,
    /// What is forecast where a config does not say.
    pub default_target: Option<String>,
    /// Units of its columns, as far as they have any.
    pub units: BTreeMap<String, String>,
    /// What becomes of its missing values where a config does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<Missing>,
    /// How its default target is best learned, where a config does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transform: Option<Transform>,
    /// Rows in its cycle, such as 12 months, where a config does not say and the distance of rows does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub season: Option<usize>,
    /// Rows (those below a table's header) or pictures, as stated by whoever described it.
    pub rows: Option<usize>,
    /// The file's bytes.
    #[serde(skip)]
    pub bytes: Cow<'static, [u8]>,
}

impl DatasetFile {
    /// A table of one's own; all else can be set on it.
    pub fn new(id: impl Into<String>, bytes: impl Into<Cow<'static, [u8]>>) -> Self {
        let id = id.into();
        Self {
            title: id.clone(),
            id,
            kind: DatasetKind::Table,
            description: String::new(),
            source: String::new(),
            terms: String::new(),
            time_col: None,
            default_target: None,
            units: BTreeMap::new(),
            missing: None,
            transform: None,
            season: None,
            rows: None,
            bytes: bytes.into(),
        }
    }

    /// Pictures of one's own: a CSV file of pixels, or a zip of class folders.
    pub fn images(id: impl Into<String>, bytes: impl Into<Cow<'static, [u8]>>) -> Self {
        Self { kind: DatasetKind::Images, ..Self::new(id, bytes) }
    }

    /// Sound of one's own: a WAV file.
    pub fn audio(id: impl Into<String>, bytes: impl Into<Cow<'static, [u8]>>) -> Self {
        Self { kind: DatasetKind::Audio, ..Self::new(id, bytes) }
    }

    /// Its rows.
    ///
    /// # Errors
    /// [`DataError::WrongKind`] if it is no table, and as [`Table::parse`].
    pub fn table(&self) -> Result<Table, DataError> {
        self.expect(DatasetKind::Table)?;
        Table::parse(&self.bytes)
    }

    /// Its pictures, those of a zip of the given size.
    ///
    /// # Errors
    /// [`DataError::WrongKind`] if it has none, and as [`Images::from_bytes`].
    pub fn pictures(&self, size: Option<[usize; 2]>) -> Result<Images, DataError> {
        self.expect(DatasetKind::Images)?;
        Images::from_bytes(&self.bytes, size)
    }

    /// Its sound.
    ///
    /// # Errors
    /// [`DataError::WrongKind`] if it has none, and as [`Audio::from_wav`].
    pub fn sound(&self) -> Result<Audio, DataError> {
        self.expect(DatasetKind::Audio)?;
        Audio::from_wav(&self.bytes)
    }

    fn expect(&self, wanted: DatasetKind) -> Result<(), DataError> {
        if self.kind == wanted {
            return Ok(());
        }
        Err(DataError::WrongKind { id: self.id.clone(), found: self.kind, wanted })
    }
}

/// The data sets that configs can name: a plain value.
///
/// ```
/// # use azura_learner::data::{DatasetFile, Datasets};
/// let datasets = Datasets::bundled().with(DatasetFile::new("mine", &b"year,sales\n2020,1\n2021,2\n"[..]));
/// assert_eq!(datasets.get("mine")?.table()?.rows(), 2);
/// assert!(datasets.get("yours").unwrap_err().to_string().starts_with("unknown data set `yours`"));
/// # Ok::<(), azura_learner::data::DataError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Datasets(Vec<DatasetFile>);

impl Datasets {
    /// None at all.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Those that are part of the library; none without the feature `datasets`.
    pub fn bundled() -> Self {
        #[cfg(feature = "datasets")]
        return Self(bundled::all());
        #[cfg(not(feature = "datasets"))]
        Self::empty()
    }

    /// Adds a data set, in place of one with the same id.
    #[must_use]
    pub fn with(mut self, dataset: DatasetFile) -> Self {
        self.0.retain(|d| d.id != dataset.id);
        self.0.push(dataset);
        self
    }

    /// The data set of that id.
    ///
    /// # Errors
    /// [`DataError::UnknownDataset`], which lists the known ones.
    pub fn get(&self, id: &str) -> Result<&DatasetFile, DataError> {
        self.iter().find(|d| d.id == id).ok_or_else(|| DataError::UnknownDataset {
            id: id.into(),
            known: self.iter().map(|d| d.id.clone()).collect(),
        })
    }

    /// The ids of those of a kind, in the order in which they were added.
    pub fn ids(&self, kind: DatasetKind) -> Vec<String> {
        self.iter().filter(|set| set.kind == kind).map(|set| set.id.clone()).collect()
    }

    /// All of them, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &DatasetFile> {
        self.0.iter()
    }
}

/// The ids of the bundled data sets of a kind, which the schemas of configs give as examples.
pub(crate) fn examples(kind: DatasetKind) -> Vec<String> {
    Datasets::bundled().ids(kind)
}

#[cfg(feature = "datasets")]
mod bundled {
    use super::{DatasetFile, Missing, Transform};

    pub(super) fn all() -> Vec<DatasetFile> {
        vec![
            seattle_weather(),
            sunspots(),
            co2(),
            stock("aapl", "Apple", &include_bytes!("../../data/stock-aapl.csv")[..]),
            stock("msft", "Microsoft", &include_bytes!("../../data/stock-msft.csv")[..]),
            digits(),
        ]
    }

    fn units(pairs: &[(&str, &str)]) -> std::collections::BTreeMap<String, String> {
        pairs.iter().map(|&(column, unit)| (column.into(), unit.into())).collect()
    }

    fn seattle_weather() -> DatasetFile {
        DatasetFile {
            title: "Seattle weather".into(),
            description:
                "Daily weather in Seattle, 2012 to 2015: precipitation, highest and lowest temperature, \
                          wind, and the day's weather in a word."
                    .into(),
            source: "NOAA National Climatic Data Center, as packaged by vega_datasets 0.9".into(),
            terms: "public domain (US government)".into(),
            time_col: Some("date".into()),
            default_target: Some("temp_max".into()),
            // Of the transforms, in all sets, the one with the least error on the validation part by the default config.
            transform: Some(Transform::None),
            units: units(&[("precipitation", "mm"), ("temp_max", "°C"), ("temp_min", "°C"), ("wind", "m/s")]),
            rows: Some(1461),
            ..DatasetFile::new("seattle-weather", &include_bytes!("../../data/seattle-weather.csv")[..])
        }
    }

    fn sunspots() -> DatasetFile {
        DatasetFile {
            title: "Sunspots".into(),
            description: "Yearly mean sunspot number, 1700 to 2008: it rises and falls about every 11 years."
                .into(),
            source: "NOAA sunspot numbers, as packaged by statsmodels 0.15".into(),
            terms: "public domain, stated by that package".into(),
            time_col: Some("YEAR".into()),
            default_target: Some("SUNACTIVITY".into()),
            transform: Some(Transform::None),
            season: Some(11),
            rows: Some(309),
            ..DatasetFile::new("sunspots", &include_bytes!("../../data/sunspots.csv")[..])
        }
    }

    fn co2() -> DatasetFile {
        DatasetFile {
            title: "Carbon dioxide at Mauna Loa".into(),
            description:
                "Weekly mean share of carbon dioxide in the air, March 1958 to December 2001; 59 weeks \
                          are blank."
                    .into(),
            source: "Keeling et al., as packaged by statsmodels 0.15".into(),
            terms: "public domain, stated by that package".into(),
            time_col: Some("date".into()),
            default_target: Some("co2".into()),
            transform: Some(Transform::Difference),
            units: units(&[("co2", "ppm")]),
            // Up to eighteen weeks in a row are blank, and a window wants the rows between them.
            missing: Some(Missing::Interpolate),
            rows: Some(2284),
            ..DatasetFile::new("co2", &include_bytes!("../../data/co2.csv")[..])
        }
    }

    fn digits() -> DatasetFile {
        DatasetFile {
            title: "Handwritten digits".into(),
            description: "Digits written by 13 people, 8 by 8 pixels of 17 greys: 64 numbers from 0 to 16, then the digit."
                .into(),
            source: "E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning \
                     Repository (1998), https://doi.org/10.24432/C50P49; its test part, as packaged by scikit-learn 1.9"
                .into(),
            terms: "Creative Commons Attribution 4.0 (CC BY 4.0)".into(),
            rows: Some(1797),
            ..DatasetFile::images("digits", &include_bytes!("../../data/digits.csv")[..])
        }
    }

    fn stock(ticker: &str, company: &str, csv: &'static [u8]) -> DatasetFile {
        DatasetFile {
            title: format!("{company} share price"),
            description: format!(
                "Trading days of {company}'s share ({}), March 2000 to March 2013: open, high, low, close, volume, and \
                 the close adjusted for splits and dividends.",
                ticker.to_uppercase()
            ),
            source: "Quandl WIKI Prices, as packaged by bokeh_sampledata 2026.1".into(),
            terms: "public domain, source-verified by that package".into(),
            time_col: Some("Date".into()),
            // The plain close halves at each split, which no model can foresee.
            default_target: Some("Adj Close".into()),
            transform: Some(Transform::Difference),
            units: units(&[
                ("Open", "USD"),
                ("High", "USD"),
                ("Low", "USD"),
                ("Close", "USD"),
                ("Volume", "shares"),
                ("Adj Close", "USD"),
            ]),
            rows: Some(3270),
            ..DatasetFile::new(format!("stock-{ticker}"), csv)
        }
    }
}

#[cfg(test)]
#[cfg(feature = "datasets")]
mod tests {
    use super::*;
    use crate::data::{Kind, Times};

    #[test]
    fn bundled_sets_are_what_their_descriptions_say() {
        for set in Datasets::bundled().iter().filter(|set| set.kind == DatasetKind::Table) {
            let table = set.table().unwrap();
            assert_eq!(Some(table.rows()), set.rows, "{}", set.id);
            let times = Times::of(&table, None).unwrap();
            assert_eq!(Some(&times.column), set.time_col.as_ref(), "{}", set.id);
            let numeric = table.names_of(Kind::Number);
            assert!(numeric.contains(set.default_target.as_ref().unwrap()), "{}", set.id);
            assert!(set.units.keys().all(|column| numeric.contains(column)), "{}", set.id);
        }
    }

    #[test]
    fn first_and_last_cells() {
        let sets = Datasets::bundled();
        let ends = |id: &str, column: &str| {
            let values = sets.get(id).unwrap().table().unwrap().numbers(column).unwrap();
            (values[0], values[values.len() - 1])
        };
        assert_eq!(ends("seattle-weather", "temp_max"), (12.8, 5.6));
        assert_eq!(ends("seattle-weather", "wind"), (4.7, 3.5));
        assert_eq!(ends("stock-aapl", "Adj Close"), (4.186_662_803_811, 56.137_353_095_488));
        let weather = sets.get("seattle-weather").unwrap().table().unwrap();
        let kinds: Vec<Kind> = weather.columns().iter().map(|c| c.kind).collect();
        assert_eq!(kinds, [Kind::Time, Kind::Number, Kind::Number, Kind::Number, Kind::Number, Kind::Text]);
        let times = Times::of(&weather, None).unwrap();
        assert_eq!((&*times.iso()[0], &*times.iso()[1460]), ("2012-01-01", "2015-12-31"));
        assert_eq!(times.step_seconds(), Some(86_400));
    }

    #[test]
    fn a_data_set_is_used_as_what_it_is() {
        let sets = Datasets::bundled();
        let digits = sets.get("digits").unwrap();
        assert_eq!(Some(digits.pictures(None).unwrap().len()), digits.rows);
        assert_eq!(
            digits.table().unwrap_err().to_string(),
            "the data set `digits` holds pictures; a table is needed"
        );
        assert_eq!(
            sets.get("co2").unwrap().pictures(None).unwrap_err().to_string(),
            "the data set `co2` is a table; pictures are needed"
        );
    }

    #[test]
    fn unknown_id_lists_the_known() {
        let error = Datasets::bundled().get("seatle").unwrap_err().to_string();
        assert_eq!(
            error,
            "unknown data set `seatle`; known: `seattle-weather`, `sunspots`, `co2`, `stock-aapl`, `stock-msft`, \
             `digits`"
        );
        let mine = DatasetFile::new("stock-aapl", &b"a\n1"[..]);
        let sets = Datasets::bundled().with(mine);
        assert_eq!((sets.iter().count(), sets.get("stock-aapl").unwrap().rows), (6, None));
    }
}
