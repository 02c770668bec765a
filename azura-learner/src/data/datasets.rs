//! Data sets that a config names by id.

use std::{borrow::Cow, collections::BTreeMap};

use serde::Serialize;

use super::{error::DataError, series::Missing, table::Table, transform::Transform};

/// A data set and what is known of it. Serialised, it is its description without the data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DatasetFile {
    /// What configs call it.
    pub id: String,
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
    /// Rows below the header, as stated by whoever described it.
    pub rows: Option<usize>,
    /// The file's bytes.
    #[serde(skip)]
    pub csv: Cow<'static, [u8]>,
}

impl DatasetFile {
    /// A data set of one's own; all else can be set on it.
    pub fn new(id: impl Into<String>, csv: impl Into<Cow<'static, [u8]>>) -> Self {
        let id = id.into();
        Self {
            title: id.clone(),
            id,
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
            csv: csv.into(),
        }
    }

    /// Its rows.
    ///
    /// # Errors
    /// As [`Table::parse`].
    pub fn table(&self) -> Result<Table, DataError> {
        Table::parse(&self.csv)
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

    /// All of them, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &DatasetFile> {
        self.0.iter()
    }
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
        for set in Datasets::bundled().iter() {
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
    fn unknown_id_lists_the_known() {
        let error = Datasets::bundled().get("seatle").unwrap_err().to_string();
        assert_eq!(
            error,
            "unknown data set `seatle`; known: `seattle-weather`, `sunspots`, `co2`, `stock-aapl`, `stock-msft`"
        );
        let mine = DatasetFile::new("stock-aapl", &b"a\n1"[..]);
        let sets = Datasets::bundled().with(mine);
        assert_eq!((sets.iter().count(), sets.get("stock-aapl").unwrap().rows), (5, None));
    }
}
