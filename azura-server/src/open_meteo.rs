//! Weather of the past from Open-Meteo's archive.

use std::{fmt::Write as _, path::PathBuf, time::Duration};

use azura_learner::data::{DataError, DataSource, WeatherRequest};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::fetch::{FetchError, Fetcher};

/// Where the archive answers: <https://open-meteo.com/en/docs/historical-weather-api>.
const ARCHIVE: &str = "https://archive-api.open-meteo.com/v1/archive";

/// The weather of the past anywhere, by the hour, from Open-Meteo's archive: what a [`Sources`](azura_learner::Sources) may fetch from. Its data are
/// under CC BY 4.0, free for uses that are not commercial.
///
/// An answer that takes longer than 30 s, or none, is asked for three times; each is kept in a folder.
#[derive(Debug)]
pub struct OpenMeteo {
    fetcher: Fetcher,
    address: String,
}

impl OpenMeteo {
    /// The archive; its answers are kept in this folder.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self::at(ARCHIVE, folder)
    }

    /// A service that answers as the archive does, at this address.
    pub fn at(address: impl Into<String>, folder: impl Into<PathBuf>) -> Self {
        Self { fetcher: Fetcher::new(folder), address: address.into() }
    }
}

impl DataSource for OpenMeteo {
    fn weather(&self, request: &WeatherRequest) -> Result<Vec<u8>, DataError> {
        let plain = |name: &&String| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if let Some(name) = request.hourly_vars.iter().find(|name| !plain(name)) {
            return Err(fetch(format!(
                "there is no variable {name:?}: names are letters, digits and underscores"
            )));
        }
        let url = format!(
            "{}?latitude={}&longitude={}&start_date={}&end_date={}&hourly={}&timezone=UTC",
            self.address,
            request.latitude,
            request.longitude,
            request.start,
            request.end,
            request.hourly_vars.join(","),
        );
        let body = self
            .fetcher
            .get(&url, request.max_age.unwrap_or(Duration::ZERO))
            .map_err(|error| explained(&error))?;
        table(&body, &request.hourly_vars)
            .map_err(|problem| fetch(format!("the archive's answer cannot be used: {problem}")))
    }
}

fn fetch(problem: String) -> DataError {
    DataError::Fetch { problem }
}

/// An error of the archive says in its body, as JSON, why.
fn explained(error: &FetchError) -> DataError {
    #[derive(Deserialize)]
    struct Reason {
        reason: String,
    }
    let reason = match error {
        FetchError::Refused { reason, .. } => serde_json::from_str::<Reason>(reason).ok(),
        _ => None,
    };
    fetch(reason.map_or_else(
        || error.to_string(),
        |told| format!("the archive refuses the request: {}", told.reason),
    ))
}

/// An answer as CSV: `time`, then a column for each variable.
fn table(body: &[u8], variables: &[String]) -> Result<Vec<u8>, String> {
    #[derive(Deserialize)]
    struct Answer {
        hourly: Hourly,
    }
    #[derive(Deserialize)]
    struct Hourly {
        time: Vec<String>,
        #[serde(flatten)]
        columns: Map<String, Value>,
    }
    let Answer { hourly } = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let mut columns = Vec::new();
    for name in variables {
        let values = hourly.columns.get(name).and_then(Value::as_array);
        let values = values.ok_or_else(|| format!("it has no values of `{name}`"))?;
        if values.len() != hourly.time.len() {
            return Err(format!(
                "it has {} values of `{name}` for {} times",
                values.len(),
                hourly.time.len()
            ));
        }
        columns.push((name, values));
    }
    let mut csv = String::from("time");
    for (name, _) in &columns {
        csv.extend([",", name.as_str()]);
    }
    for (row, time) in hourly.time.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = write!(csv, "\n{time}");
        for (name, values) in &columns {
            match &values[row] {
                Value::Null => csv.push(','),
                Value::Number(number) => {
                    let _ = write!(csv, ",{number}");
                }
                other => return Err(format!("`{name}` has {other} at {time}, which is no number")),
            }
        }
    }
    csv.push('\n');
    Ok(csv.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_answer_becomes_a_table_in_the_order_of_the_request() {
        let body = br#"{"latitude": 52.5, "hourly_units": {"time": "iso8601"}, "hourly": {"time": ["2024-01-01T00:00", "2024-01-01T01:00"],
            "rain": [0, 0.1], "temperature_2m": [3.5, null], "else": []}}"#;
        let csv = String::from_utf8(table(body, &variables(&["temperature_2m", "rain"])).unwrap()).unwrap();
        assert_eq!(csv, "time,temperature_2m,rain\n2024-01-01T00:00,3.5,0\n2024-01-01T01:00,,0.1\n");
    }

    #[test]
    fn answers_that_make_no_table() {
        for (body, why) in [
            (&b"<html>"[..], "expected value"),
            (br#"{"hourly": {}}"#, "time"),
            (br#"{"hourly": {"time": ["a"]}}"#, "no values of `x`"),
            (br#"{"hourly": {"time": ["a"], "x": []}}"#, "0 values of `x` for 1 times"),
            (br#"{"hourly": {"time": ["a"], "x": ["b"]}}"#, "no number"),
        ] {
            let error = table(body, &variables(&["x"])).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn names_stay_names() {
        let [start, end] = ["2024-01-01", "2024-01-02"].map(|day| day.parse().unwrap());
        let request = WeatherRequest::new(52.5, 13.4, [start, end], "rain&latitude=0");
        let error = OpenMeteo::at("http://127.0.0.1:1", "unused").weather(&request).unwrap_err().to_string();
        assert!(error.contains("there is no variable"), "{error}");
    }
}
