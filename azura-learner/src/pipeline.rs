//! Pipelines: from a config to results, by name.

mod error;
mod registry;
mod run;
mod saved;

pub use error::{ConfigError, PipelineError};
pub use registry::{PipelineInfo, Registry};
pub use run::RunCx;
pub use saved::{Prediction, SavedRun};

use crate::{
    config::Problem,
    data::{DataSource, Datasets},
    results::Results,
};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};

/// A way from a config to a trained model: typed, with everything that forms and checks need derived from the
/// config's type.
///
/// ```
/// use azura_learner::{Pipeline, PipelineError, History, Registry, RunCx, results::Results};
/// use schemars::JsonSchema;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Default, Serialize, Deserialize, JsonSchema)]
/// #[serde(default, deny_unknown_fields)]
/// struct Config {
///     /// How often to say hello.
///     #[schemars(range(min = 1, max = 10))]
///     times: u32,
/// }
///
/// struct Hello;
///
/// impl Pipeline for Hello {
///     type Config = Config;
///     const NAME: &'static str = "hello";
///     const DESCRIPTION: &'static str = "Says hello.";
///
///     fn run(&self, config: Config, cx: &mut RunCx<'_>) -> Result<Results, PipelineError> {
///         cx.write("hello.txt", "hello\n".repeat(config.times as usize).as_bytes())?;
///         Ok(Results::new(History::default()))
///     }
/// }
///
/// let registry = Registry::builtin().with(Hello);
/// assert!(registry.names().any(|name| name == "hello"));
/// ```
pub trait Pipeline: Send + Sync + 'static {
    /// Everything a run depends on. Derive `deny_unknown_fields`, so that a mistyped key is an error, and `default`,
    /// so that every key may be left out.
    type Config: DeserializeOwned + Serialize + JsonSchema + Default;

    /// The name by which configs ask for it, `pipeline_name`.
    const NAME: &'static str;

    /// What it does, in a sentence or two.
    const DESCRIPTION: &'static str;

    /// What is wrong with a config that its schema allows, as far as the data can tell beforehand.
    fn check(&self, _config: &Self::Config, _sources: &Sources) -> Vec<Problem> {
        Vec::new()
    }

    /// What there is to choose from where the schema leaves that to the data: the names of data sets, of columns.
    fn choices(&self, _config: &Self::Config, _sources: &Sources) -> Choices {
        Choices::new()
    }

    /// Trains, writes model and report through `cx`, and returns the results.
    ///
    /// # Errors
    /// If the data cannot be read, the training fails or is cancelled.
    fn run(&self, config: Self::Config, cx: &mut RunCx<'_>) -> Result<Results, PipelineError>;

    /// Answers a request from a run of this config that has ended well. What a request may hold is the pipeline's own: read it with
    /// [`config::parse`](crate::config::parse), which says what is wrong with it.
    ///
    /// # Errors
    /// [`PipelineError::NoPrediction`] if the pipeline does not predict, which is the default; [`PipelineError::Request`] if the request cannot be
    /// used; else if the run's files cannot.
    fn predict(
        &self,
        _config: Self::Config,
        _run: &SavedRun<'_>,
        _request: &Value,
    ) -> Result<Prediction, PipelineError> {
        Err(PipelineError::NoPrediction(Self::NAME))
    }
}

/// Values that a config may have, by the JSON pointer of the place: `/feature_engineering/target_col`. At a list they are those of its entries.
pub type Choices = BTreeMap<String, Vec<String>>;

/// Where a run may take its data from.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Sources {
    /// The data sets that configs can name.
    pub datasets: Datasets,
    /// Whether a config may name a file. Only where the config comes from who runs the program.
    pub allow_files: bool,
    /// What fetches data from elsewhere, where that is allowed.
    pub fetch: Option<Arc<dyn DataSource>>,
}

impl Sources {
    /// These data sets, and no files.
    pub fn new(datasets: Datasets) -> Self {
        Self { datasets, allow_files: false, fetch: None }
    }

    /// Lets configs name files.
    #[must_use]
    pub fn allow_files(mut self) -> Self {
        self.allow_files = true;
        self
    }

    /// Lets pipelines fetch data.
    #[must_use]
    pub fn fetch(mut self, source: Arc<dyn DataSource>) -> Self {
        self.fetch = Some(source);
        self
    }
}

impl Default for Sources {
    fn default() -> Self {
        Self::new(Datasets::bundled())
    }
}
