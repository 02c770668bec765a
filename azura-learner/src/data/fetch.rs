//! Data that come from elsewhere. This crate knows what to ask for; whoever runs it, how to get it.

use std::{fmt, time::Duration};

use jiff::civil::Date;

use super::error::DataError;

/// Where data are fetched from. It may block, and is asked within a run only, never by a check.
pub trait DataSource: fmt::Debug + Send + Sync {
    /// Weather by the hour: the bytes of a CSV with the column `time` (ISO 8601), and after it the variables in the request's order, by their
    /// names. Cells may be blank.
    ///
    /// # Errors
    /// [`DataError::Fetch`] if there is no answer, or another one than data.
    fn weather(&self, request: &WeatherRequest) -> Result<Vec<u8>, DataError>;
}

/// Which weather is wanted.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct WeatherRequest {
    /// Degrees north of the equator, -90 to 90.
    pub latitude: f64,
    /// Degrees east of Greenwich, -180 to 180.
    pub longitude: f64,
    /// The first day.
    pub start: Date,
    /// The last day.
    pub end: Date,
    /// The variables, such as `temperature_2m`.
    pub hourly_vars: Vec<String>,
    /// How old an answer may be that was kept from an earlier request; none for a new one.
    pub max_age: Option<Duration>,
}

impl WeatherRequest {
    /// A request for one variable, and a new answer.
    pub fn new(latitude: f64, longitude: f64, [start, end]: [Date; 2], variable: impl Into<String>) -> Self {
        Self { latitude, longitude, start, end, hourly_vars: vec![variable.into()], max_age: None }
    }
}
