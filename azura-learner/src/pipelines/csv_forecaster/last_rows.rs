//! The newest rows of a series, from which a forecast goes on once the data are gone.

use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

use crate::data::{Series, Step};

/// Values of the target that a forecast shows of the past, at most.
pub(super) const MOST_HISTORY: usize = 100;

/// The newest rows in real units, oldest first, and the step to the next one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LastRows {
    /// The time column.
    pub time_col: String,
    /// From one row to the next; none if it is not known.
    pub step: Option<Step>,
    /// The time of each row.
    pub times: Vec<DateTime>,
    /// The columns, in the order of [`Inputs`](super::Inputs).
    pub columns: Vec<Vec<f64>>,
}

impl LastRows {
    /// The newest `needed` rows of a series, and as many more as a forecast shows.
    pub(super) fn of(series: &Series, needed: usize) -> Self {
        let rows = series.times.at.len();
        let from = rows.saturating_sub(needed.max(MOST_HISTORY));
        Self {
            time_col: series.times.column.clone(),
            step: series.times.step(),
            times: series.times.at[from..].to_vec(),
            columns: series.columns.iter().map(|column| column[from..].to_vec()).collect(),
        }
    }
}
