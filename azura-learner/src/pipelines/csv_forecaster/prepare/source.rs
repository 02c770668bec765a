//! The table that a config names.

use std::path::Path;

use crate::{
    config::Problem,
    data::{DataError, DatasetFile, Datasets, Missing, Table, Times, Transform},
    pipelines::csv_forecaster::config::Config,
};

/// The table that a config names, and what is known of it.
pub(super) struct Source<'a> {
    pub(super) table: Table,
    dataset: Option<&'a DatasetFile>,
    /// The key of the config that names it.
    pub(super) pointer: &'static str,
}

impl<'a> Source<'a> {
    pub(super) fn open(config: &Config, datasets: &'a Datasets, allow_files: bool) -> Result<Self, Problem> {
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

    pub(super) fn times(&self, config: &Config) -> Result<Times, Problem> {
        let asked = config.data_sourcing.time_col.as_deref();
        let column = asked.or_else(|| self.dataset?.time_col.as_deref());
        Times::of(&self.table, column).map_err(|e| {
            let pointer =
                if matches!(e, DataError::Cell { .. }) { self.pointer } else { "/data_sourcing/time_col" };
            Problem::new(pointer, e.to_string())
        })
    }

    /// What is forecast where the config does not say: what the data set says, or the only numeric column.
    pub(super) fn default_target(&self, numeric: &[String]) -> Option<String> {
        let only = if let [only] = numeric { Some(only.clone()) } else { None };
        self.dataset.and_then(|d| d.default_target.clone()).or(only)
    }

    /// What becomes of missing values: what the config says, or else the data set.
    pub(super) fn missing(&self, config: &Config) -> Missing {
        config.data_sourcing.missing.or_else(|| self.dataset?.missing).unwrap_or_default()
    }

    pub(super) fn label(&self, column: &str) -> String {
        let unit = self.dataset.and_then(|d| d.units.get(column));
        unit.map_or_else(|| column.to_owned(), |unit| format!("{column} ({unit})"))
    }

    /// What is learned of a target where the config does not say: what the data set says of its default target.
    pub(super) fn default_transform(&self, target: &str) -> Option<Transform> {
        self.dataset.filter(|d| d.default_target.as_deref() == Some(target))?.transform
    }

    /// Rows in a season where the config does not say: what the data set says, or the distance of rows.
    pub(super) fn default_season(&self, times: &Times) -> Option<usize> {
        self.dataset.and_then(|d| d.season).or_else(|| times.step()?.season())
    }
}
