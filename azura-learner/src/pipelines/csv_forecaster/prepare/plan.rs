//! What a config asks of its data, and what the data says to it.

use super::source::Source;
use crate::{
    Choices,
    config::{Problem, check_again},
    data::{
        Cycle, DataError, DatasetKind, Datasets, Kind, Parts, Series, Table, Times, Transform, listed, shown,
    },
    pipelines::csv_forecaster::{config::Config, network},
};

/// What the data itself says against a config, after the schema: an unknown data set or column, a cell that
/// cannot be read, a window longer than the data, a model or batch greater than a machine's memory. Empty if
/// there is nothing.
///
/// `allow_files` is for programs whose user owns the machine; elsewhere `data_sourcing.file` is a problem.
pub(crate) fn check_data(config: &Config, datasets: &Datasets, allow_files: bool) -> Vec<Problem> {
    Plan::new(config, datasets, allow_files).err().unwrap_or_default()
}

/// The data sets that a config may name, and the columns of the one that it names.
pub(crate) fn choices(config: &Config, datasets: &Datasets, allow_files: bool) -> Choices {
    let mut choices = vec![("/data_sourcing/dataset", datasets.ids(DatasetKind::Table))];
    if let Ok(source) = Source::open(config, datasets, allow_files) {
        let times = source.times(config).ok();
        let columns = numeric(&source.table, times.as_ref().map(|times| times.column.as_str()));
        choices.push(("/data_sourcing/time_col", source.table.names_of(Kind::Time)));
        choices.push(("/feature_engineering/target_col", columns.clone()));
        choices.push(("/feature_engineering/feature_cols", columns));
    }
    choices.into_iter().map(|(place, names)| (place.to_owned(), names)).collect()
}

/// The columns that can be forecast, and forecast from.
fn numeric(table: &Table, time_col: Option<&str>) -> Vec<String> {
    table.names_of(Kind::Number).into_iter().filter(|name| Some(name.as_str()) != time_col).collect()
}

/// What is told of the data set, of the columns, and of the windows, hangs on these parts of a config.
const DATA: &[&str] = &["/data_sourcing"];
const TARGET: &[&str] = &["/data_sourcing", "/feature_engineering/target_col"];
const FEATURES: &[&str] = &["/data_sourcing", "/feature_engineering/feature_cols"];
const COLUMNS: &[&str] =
    &["/data_sourcing", "/feature_engineering/target_col", "/feature_engineering/feature_cols"];
const WINDOWS: &[&str] = &[
    "/data_sourcing",
    "/feature_engineering",
    "/model_params/sequence_length",
    "/model_params/horizon",
    "/training_params/validation_size",
    "/training_params/test_size",
];

/// Everything a config asks of its data, found and checked, not yet scaled.
pub(super) struct Plan {
    pub(super) series: Series,
    pub(super) target: usize,
    pub(super) calendar: Vec<Cycle>,
    pub(super) parts: Parts,
    pub(super) y_label: String,
    pub(super) transform: Transform,
    pub(super) transform_of_set: bool,
    pub(super) season: Option<usize>,
}

impl Plan {
    pub(super) fn new(config: &Config, datasets: &Datasets, allow_files: bool) -> Result<Self, Vec<Problem>> {
        let features = &config.feature_engineering;
        check_again(config).map_err(|invalid| invalid.0)?;
        let source = Source::open(config, datasets, allow_files).map_err(|p| vec![p.of(DATA)])?;
        let table = &source.table;
        let mut problems = Vec::new();
        let times = source.times(config).map_err(|p| problems.push(p.of(DATA))).ok();
        let time_col = times.as_ref().map(|t| t.column.as_str());
        let numeric = numeric(table, time_col);
        let known = |name: &String| {
            let error =
                || DataError::UnknownColumn { name: name.clone(), what: "numeric", known: numeric.clone() };
            if numeric.contains(name) { Ok(()) } else { Err(error().to_string()) }
        };

        let target = features.target_col.clone().or_else(|| source.default_target(&numeric));
        let target = target.ok_or_else(|| match &numeric[..] {
            [] => "the table has no numeric column to forecast".to_owned(),
            columns => format!("name the column to forecast: {}", listed(columns)),
        });
        let target = target.and_then(|name| known(&name).map(|()| name));
        let no_target = |m| Problem::new("/feature_engineering/target_col", m).of(TARGET);
        let target = target.map_err(|m| problems.push(no_target(m))).ok();

        let mut names = features.feature_cols.clone().unwrap_or_else(|| numeric.clone());
        for (i, name) in names.iter().enumerate() {
            let twice = || format!("the column {} is named twice", shown(name));
            let fine =
                known(name).and_then(|()| if names[..i].contains(name) { Err(twice()) } else { Ok(()) });
            if let Err(message) = fine {
                let place = format!("/feature_engineering/feature_cols/{i}");
                problems.push(Problem::new(place, message).of(FEATURES));
            }
        }
        if let Some(target) = target.as_ref().filter(|target| !names.contains(target)) {
            names.insert(0, target.clone());
        }
        let calendar = times.as_ref().and_then(Times::step_seconds).filter(|_| features.calendar);
        let calendar = calendar.map(Cycle::for_step).unwrap_or_default();
        let series = times.filter(|_| problems.is_empty()).and_then(|times| {
            let series = Series::along(times, table, &names, source.missing(config));
            series.map_err(|e| problems.push(Problem::new(source.pointer, e.to_string()).of(COLUMNS))).ok()
        });
        let training = &config.training_params;
        let rows = series.as_ref().map_or(table.rows(), |series| series.times.at.len());
        let parts = Parts::by_fraction(rows, training.validation_size, training.test_size);
        let (length, horizon) = (config.model_params.sequence_length, config.model_params.horizon);
        if let Err(e) = parts.check_window(length, horizon, training.validation_size > 0.0) {
            let place = match e {
                DataError::TooFewRows { .. } => source.pointer,
                DataError::WindowTooLong { largest: 0, .. } if horizon > 1 => "/model_params/horizon",
                _ => "/model_params/sequence_length",
            };
            problems.push(Problem::new(place, e.to_string()).of(WINDOWS));
        }
        problems.extend(training.problems());
        let width = names.len() + 2 * calendar.len();
        problems.extend(network::problems(config, width, parts.train.len(), rows));
        let position = target.as_ref().and_then(|target| names.iter().position(|name| name == target));
        let of_set = target.as_ref().filter(|_| features.target_col_transform.is_none());
        let of_set = of_set.and_then(|target| source.default_transform(target));
        let transform = features.target_col_transform.or(of_set).unwrap_or_default();
        if let (Some(series), Some(position)) = (&series, position) {
            problems.extend(refused(series, position, transform));
        }
        // How far back the first window of the test part can look.
        let known = parts.test.start + length;
        let season = features.season.or_else(|| source.default_season(&series.as_ref()?.times));
        if features.season.is_some_and(|season| season > known) {
            let message = format!("reaches back before the first row; at most {known} rows");
            problems.push(Problem::new("/feature_engineering/season", message));
        }
        let (Some(series), Some(position), true) = (series, position, problems.is_empty()) else {
            return Err(problems);
        };
        Ok(Self {
            target: position,
            y_label: source.label(&names[position]),
            transform,
            transform_of_set: of_set.is_some(),
            season: season.filter(|&season| season <= known),
            series,
            calendar,
            parts,
        })
    }
}

/// A value of the target that its transform cannot take.
fn refused(series: &Series, target: usize, transform: Transform) -> Option<Problem> {
    let values = &series.columns[target];
    let row = transform.refuses(values)?;
    let (name, time) = (shown(&series.names[target]), &series.times.iso()[row]);
    let message = format!("log1p takes values above -1, but {name} is {} at {time}", values[row]);
    Some(Problem::new("/feature_engineering/target_col_transform", message))
}
