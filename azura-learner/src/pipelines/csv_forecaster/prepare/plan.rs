//! What a config asks of its data, and what the data says to it.

use std::path::Path;

use crate::{
    config::{Problem, check, schema_of},
    data::{
        Cycle, DataError, DatasetFile, Datasets, Kind, Missing, Parts, Series, Table, Times, listed, shown,
    },
    pipelines::csv_forecaster::config::Config,
};

/// Weights that a model may have.
const MOST_PARAMETERS: usize = 20_000_000;
/// Numbers that a batch may keep for its derivatives: 1 GiB of `f32`.
const MOST_BATCH_VALUES: usize = 1 << 28;

/// What the data itself says against a config, after the schema: an unknown data set or column, a cell that
/// cannot be read, a window longer than the data, a model or batch greater than a machine's memory. Empty if
/// there is nothing.
///
/// `allow_files` is for programs whose user owns the machine; elsewhere `data_sourcing.file` is a problem.
pub(crate) fn check_data(config: &Config, datasets: &Datasets, allow_files: bool) -> Vec<Problem> {
    Plan::new(config, datasets, allow_files).err().unwrap_or_default()
}

/// Everything a config asks of its data, found and checked, not yet scaled.
pub(super) struct Plan {
    pub(super) series: Series,
    pub(super) target: usize,
    pub(super) calendar: Vec<Cycle>,
    pub(super) parts: Parts,
    pub(super) y_label: String,
}

impl Plan {
    pub(super) fn new(config: &Config, datasets: &Datasets, allow_files: bool) -> Result<Self, Vec<Problem>> {
        let features = &config.feature_engineering;
        // Also a config made in code, which nobody has checked, has to fit.
        let as_json = serde_json::to_value(config).map_err(|e| vec![Problem::new("", e.to_string())])?;
        let problems = check(&schema_of::<Config>(), &as_json);
        if !problems.is_empty() {
            return Err(problems);
        }
        let source = Source::open(config, datasets, allow_files).map_err(|p| vec![p])?;
        let table = &source.table;
        let mut problems = Vec::new();
        let times = source.times(config).map_err(|p| problems.push(p)).ok();
        let time_col = times.as_ref().map(|t| t.column.as_str());
        let numeric: Vec<String> =
            table.names_of(Kind::Number).into_iter().filter(|name| Some(name.as_str()) != time_col).collect();
        let known = |name: &String| {
            let error =
                || DataError::UnknownColumn { name: name.clone(), what: "numeric", known: numeric.clone() };
            if numeric.contains(name) { Ok(()) } else { Err(error().to_string()) }
        };

        let target = features.target_col.clone().or_else(|| source.default_target(&numeric));
        let target = target.ok_or_else(|| format!("name the column to forecast: {}", listed(&numeric)));
        let target = target.and_then(|name| known(&name).map(|()| name));
        let target =
            target.map_err(|m| problems.push(Problem::new("/feature_engineering/target_col", m))).ok();

        let mut names = features.feature_cols.clone().unwrap_or_else(|| numeric.clone());
        for (i, name) in names.iter().enumerate() {
            let twice = || format!("the column {} is named twice", shown(name));
            let fine =
                known(name).and_then(|()| if names[..i].contains(name) { Err(twice()) } else { Ok(()) });
            if let Err(message) = fine {
                problems.push(Problem::new(format!("/feature_engineering/feature_cols/{i}"), message));
            }
        }
        if let Some(target) = target.as_ref().filter(|target| !names.contains(target)) {
            names.insert(0, target.clone());
        }
        let calendar = times.as_ref().and_then(Times::step_seconds).filter(|_| features.calendar);
        let calendar = calendar.map(Cycle::for_step).unwrap_or_default();
        let series = times.filter(|_| problems.is_empty()).and_then(|times| {
            let series = Series::along(times, table, &names, source.missing(config));
            series.map_err(|e| problems.push(Problem::new(source.pointer, e.to_string()))).ok()
        });
        let training = &config.training_params;
        let rows = series.as_ref().map_or(table.rows(), |series| series.times.at.len());
        let parts = Parts::by_fraction(rows, training.validation_size, training.test_size);
        let length = config.model_params.sequence_length;
        if let Err(e) = parts.check_window(length, training.validation_size > 0.0) {
            problems.push(Problem::new("/model_params/sequence_length", e.to_string()));
        }
        problems.extend(training.problems());
        problems.extend(too_big(config, names.len() + 2 * calendar.len(), parts.train.len()));
        let (Some(series), Some(target), true) = (series, target, problems.is_empty()) else {
            return Err(problems);
        };
        Ok(Self {
            target: names.iter().position(|name| *name == target).unwrap_or_default(),
            y_label: source.label(&target),
            series,
            calendar,
            parts,
        })
    }
}

/// The table that a config names, and what is known of it.
struct Source<'a> {
    table: Table,
    dataset: Option<&'a DatasetFile>,
    /// The key of the config that names it.
    pointer: &'static str,
}

impl<'a> Source<'a> {
    fn open(config: &Config, datasets: &'a Datasets, allow_files: bool) -> Result<Self, Problem> {
        let sourcing = &config.data_sourcing;
        let (pointer, dataset, table) = if let Some(file) = &sourcing.file {
            let pointer = "/data_sourcing/file";
            if !allow_files {
                let message = "files can be named on the command line only; name a data set instead";
                return Err(Problem::new(pointer, message));
            }
            (pointer, None, Table::open(Path::new(file)))
        } else {
            let pointer = "/data_sourcing/dataset";
            let dataset =
                datasets.get(&sourcing.dataset).map_err(|e| Problem::new(pointer, e.to_string()))?;
            (pointer, Some(dataset), dataset.table())
        };
        let table = table.map_err(|e| Problem::new(pointer, e.to_string()))?;
        Ok(Self { table, dataset, pointer })
    }

    fn times(&self, config: &Config) -> Result<Times, Problem> {
        let asked = config.data_sourcing.time_col.as_deref();
        let column = asked.or_else(|| self.dataset?.time_col.as_deref());
        Times::of(&self.table, column).map_err(|e| {
            let pointer =
                if matches!(e, DataError::Cell { .. }) { self.pointer } else { "/data_sourcing/time_col" };
            Problem::new(pointer, e.to_string())
        })
    }

    /// What is forecast where the config does not say: what the data set says, or the only numeric column.
    fn default_target(&self, numeric: &[String]) -> Option<String> {
        let only = if let [only] = numeric { Some(only.clone()) } else { None };
        self.dataset.and_then(|d| d.default_target.clone()).or(only)
    }

    /// What becomes of missing values: what the config says, or else the data set.
    fn missing(&self, config: &Config) -> Missing {
        config.data_sourcing.missing.or_else(|| self.dataset?.missing).unwrap_or_default()
    }

    fn label(&self, column: &str) -> String {
        let unit = self.dataset.and_then(|d| d.units.get(column));
        unit.map_or_else(|| column.to_owned(), |unit| format!("{column} ({unit})"))
    }
}

/// What would not fit into a machine's memory, for `width` numbers in a row of input.
fn too_big(config: &Config, width: usize, train_rows: usize) -> Vec<Problem> {
    let (hidden, length) = (config.model_params.hidden_size, config.model_params.sequence_length);
    let mut problems = Vec::new();
    let parameters = 4 * hidden * (width + hidden + 1) + hidden + 1;
    if parameters > MOST_PARAMETERS {
        let message = format!("the model would have {parameters} parameters; at most {MOST_PARAMETERS}");
        problems.push(Problem::new("/model_params/hidden_size", message));
    }
    let windows = config.training_params.batch_size.min(train_rows.saturating_sub(length));
    // Inputs, four gates, state and output of each step.
    let window = length * (width + 6 * hidden);
    if windows.saturating_mul(window) > MOST_BATCH_VALUES {
        let fits = MOST_BATCH_VALUES / window;
        let message =
            format!("a batch of {windows} windows needs more than 1 GiB; at most {fits} fit at these sizes");
        problems.push(Problem::new("/training_params/batch_size", message));
    }
    problems
}
