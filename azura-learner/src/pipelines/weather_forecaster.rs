//! Forecasts the weather: the pipeline `csv_forecaster` on a bundled data set, or on what is fetched for a place.

use std::time::Duration;

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    TrainingParams,
    csv_forecaster::{self, FeatureEngineering, ModelParams},
};
use crate::{
    Choices, Pipeline, PipelineError, Prediction, RunCx, SavedRun, Sources,
    config::{Invalid, Problem},
    data::{DatasetFile, Datasets, Missing, WeatherRequest},
    pipeline::ConfigError,
    results::Results,
};

/// What configs call the data that were fetched.
const FETCHED: &str = "open-meteo";

/// The next values of the weather.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "Weather forecaster")]
#[non_exhaustive]
pub struct Config {
    /// Where the weather comes from.
    pub data_sourcing: DataSourcing,
    /// What is forecast, and from what.
    pub feature_engineering: FeatureEngineering,
    /// The model.
    pub model_params: ModelParams,
    /// How it is trained.
    pub training_params: TrainingParams,
    /// What is kept of what was fetched.
    pub system: System,
}

/// Where the weather comes from: a data set; or, with latitude and longitude, an archive that is asked by the hour.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "Data")]
#[non_exhaustive]
pub struct DataSourcing {
    /// The id of a data set; where there is no place to fetch for.
    #[schemars(title = "Data set", length(min = 1, max = 200), extend("examples" = ["seattle-weather"]))]
    pub dataset: String,
    /// Degrees north of the equator. Fetches the weather of that place, where the server does that.
    #[schemars(title = "Latitude", range(min = -90.0, max = 90.0))]
    pub latitude: Option<f64>,
    /// Degrees east of Greenwich.
    #[schemars(title = "Longitude", range(min = -180.0, max = 180.0))]
    pub longitude: Option<f64>,
    /// What is fetched: the first is forecast where no target is named.
    #[schemars(title = "Hourly variables", length(min = 1, max = 50), inner(length(min = 1, max = 100)))]
    pub hourly_vars: Vec<String>,
    /// The first day that is fetched, as in 2022-01-31.
    #[schemars(title = "First day", length(min = 10, max = 10))]
    pub start_date: String,
    /// The last day that is fetched.
    #[schemars(title = "Last day", length(min = 10, max = 10))]
    pub end_date: String,
}

/// What is kept of what was fetched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "System")]
#[non_exhaustive]
pub struct System {
    /// Uses an answer that was kept from an earlier run, instead of fetching it again.
    #[schemars(title = "Cache")]
    pub caching_enabled: bool,
    /// How old such an answer may be.
    #[schemars(title = "Greatest age in hours", range(min = 1, max = 87_600))]
    pub cache_max_age_hours: u64,
}

impl Default for System {
    fn default() -> Self {
        Self { caching_enabled: true, cache_max_age_hours: 24 }
    }
}

impl Default for DataSourcing {
    fn default() -> Self {
        let hourly_vars = ["temperature_2m", "relative_humidity_2m", "wind_speed_10m"];
        Self {
            dataset: "seattle-weather".into(),
            latitude: None,
            longitude: None,
            hourly_vars: hourly_vars.map(str::to_owned).to_vec(),
            start_date: "2023-01-01".into(),
            end_date: "2023-12-31".into(),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        let mut config = Self {
            data_sourcing: DataSourcing::default(),
            feature_engineering: FeatureEngineering::default(),
            model_params: ModelParams::default(),
            training_params: TrainingParams::default(),
            system: System::default(),
        };
        config.model_params.interval = Some(0.8);
        config
    }
}

impl Config {
    /// The same, as the config of the pipeline that does the work.
    pub fn to_csv(&self) -> csv_forecaster::Config {
        let sourcing = &self.data_sourcing;
        let mut config = csv_forecaster::Config {
            data_sourcing: csv_forecaster::DataSourcing::default(),
            feature_engineering: self.feature_engineering.clone(),
            model_params: self.model_params.clone(),
            training_params: self.training_params.clone(),
        };
        config.data_sourcing.dataset.clone_from(&sourcing.dataset);
        if self.fetches() {
            config.data_sourcing.dataset = FETCHED.into();
            config.data_sourcing.missing = Some(Missing::Interpolate);
            let target = &mut config.feature_engineering.target_col;
            *target = target.take().or_else(|| sourcing.hourly_vars.first().cloned());
        }
        config
    }

    fn fetches(&self) -> bool {
        self.data_sourcing.latitude.is_some() || self.data_sourcing.longitude.is_some()
    }

    /// What is asked of the archive.
    fn request(&self) -> Result<WeatherRequest, Vec<Problem>> {
        let sourcing = &self.data_sourcing;
        let mut problems = Vec::new();
        let mut problem = |key: &str, message: String| {
            problems.push(Problem::new(format!("/data_sourcing/{key}"), message).of(&["/data_sourcing"]));
        };
        let place = (sourcing.latitude, sourcing.longitude);
        match place {
            (None, Some(_)) => problem("latitude", "is needed beside the longitude".into()),
            (Some(_), None) => problem("longitude", "is needed beside the latitude".into()),
            _ => {}
        }
        let days =
            [("start_date", &sourcing.start_date), ("end_date", &sourcing.end_date)].map(|(key, text)| {
                let day = text.parse::<Date>();
                day.map_err(|_| problem(key, format!("`{text}` is not a date, as in 2022-01-31"))).ok()
            });
        if let [Some(start), Some(end)] = days
            && end < start
        {
            problem("end_date", format!("{end} lies before the first day, {start}"));
        }
        let variables = &sourcing.hourly_vars;
        for (i, name) in variables.iter().enumerate() {
            if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                problem(&format!("hourly_vars/{i}"), "has letters, digits and `_` only".into());
            }
            if variables[..i].contains(name) {
                problem(&format!("hourly_vars/{i}"), format!("`{name}` is named twice"));
            }
        }
        let ((Some(latitude), Some(longitude)), [Some(start), Some(end)], true) =
            (place, days, problems.is_empty())
        else {
            return Err(problems);
        };
        let age = Duration::from_hours(self.system.cache_max_age_hours);
        let max_age = self.system.caching_enabled.then_some(age);
        Ok(WeatherRequest { latitude, longitude, start, end, hourly_vars: variables.clone(), max_age })
    }
}

/// [`CsvForecaster`](crate::CsvForecaster) on weather, with an interval of 80 %.
///
/// With latitude and longitude the run asks [`Sources::fetch`] for the weather of that place; a check beforehand asks nobody, and so
/// cannot tell what only the data would.
#[derive(Debug, Clone, Copy, Default)]
pub struct WeatherForecaster;

impl Pipeline for WeatherForecaster {
    type Config = Config;
    const NAME: &'static str = "weather_forecaster";
    const DESCRIPTION: &'static str = "Forecasts the next values of the weather, with an interval.";

    fn check(&self, config: &Config, sources: &Sources) -> Vec<Problem> {
        if !config.fetches() {
            return csv_forecaster::check_data(&config.to_csv(), &sources.datasets, false);
        }
        let mut problems = config.request().err().unwrap_or_default();
        if sources.fetch.is_none() {
            let key = if config.data_sourcing.latitude.is_some() { "latitude" } else { "longitude" };
            let message = "this server does not fetch; leave it out to use a data set";
            problems
                .insert(0, Problem::new(format!("/data_sourcing/{key}"), message).of(&["/data_sourcing"]));
        }
        problems.extend(config.training_params.problems());
        problems
    }

    fn choices(&self, config: &Config, sources: &Sources) -> Choices {
        let mut choices = csv_forecaster::choices(&config.to_csv(), &sources.datasets, false);
        choices.remove("/data_sourcing/time_col");
        if config.fetches() {
            // What is fetched has the columns that are asked for.
            for place in ["/feature_engineering/target_col", "/feature_engineering/feature_cols"] {
                choices.insert(place.into(), config.data_sourcing.hourly_vars.clone());
            }
        }
        choices
    }

    fn run(&self, config: Config, cx: &mut RunCx<'_>) -> Result<Results, PipelineError> {
        let shown = csv_forecaster::json_of(&config)?;
        let sources = cx.sources();
        if !config.fetches() {
            return csv_forecaster::run(Self::NAME, &config.to_csv(), &shown, &sources.datasets, cx);
        }
        let problems = self.check(&config, sources);
        let request = config.request().map_err(|problems| ConfigError::from(Invalid(problems)))?;
        let Some(source) = sources.fetch.as_ref().filter(|_| problems.is_empty()) else {
            return Err(ConfigError::from(Invalid(problems)).into());
        };
        let datasets = Datasets::empty().with(fetched(&request, source.weather(&request)?));
        csv_forecaster::run(Self::NAME, &config.to_csv(), &shown, &datasets, cx)
    }

    fn predict(
        &self,
        config: Config,
        run: &SavedRun<'_>,
        request: &Value,
    ) -> Result<Prediction, PipelineError> {
        csv_forecaster::predict(&config.to_csv(), run, request)
    }
}

/// What was fetched, as a data set.
fn fetched(request: &WeatherRequest, csv: Vec<u8>) -> DatasetFile {
    let WeatherRequest { latitude, longitude, start, end, .. } = request;
    let mut set = DatasetFile::new(FETCHED, csv);
    set.title = format!("Weather at {latitude}, {longitude}");
    set.description = format!("Weather by the hour, {start} to {end}.");
    set.source = "Open-Meteo's archive of past weather".into();
    set.terms = "CC BY 4.0".into();
    set.time_col = Some("time".into());
    set
}
