//! Pipelines: from a config to results, by name.

use crate::{
    Callback, Error, Learner, Module, ProgressEvent, Publish,
    config::{Invalid, Problem, check, parse, schema_of, with_suggestion},
    data::{DataError, Datasets},
    files,
    results::Results,
};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

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

    /// Trains, writes model and report through `cx`, and returns the results.
    ///
    /// # Errors
    /// If the data cannot be read, the training fails or is cancelled.
    fn run(&self, config: Self::Config, cx: &mut RunCx<'_>) -> Result<Results, PipelineError>;
}

/// Where a run may take its data from.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Sources {
    /// The data sets that configs can name.
    pub datasets: Datasets,
    /// Whether a config may name a file. Only where the config comes from who runs the program.
    pub allow_files: bool,
}

impl Sources {
    /// These data sets, and no files.
    pub fn new(datasets: Datasets) -> Self {
        Self { datasets, allow_files: false }
    }

    /// Lets configs name files.
    #[must_use]
    pub fn allow_files(mut self) -> Self {
        self.allow_files = true;
        self
    }
}

impl Default for Sources {
    fn default() -> Self {
        Self::new(Datasets::bundled())
    }
}

/// Why a run gave no results.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// The config cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The data or a value in them cannot be used.
    #[error("{0}")]
    Value(String),
    /// A file does not exist or cannot be read.
    #[error("{0}")]
    FileNotFound(String),
    /// The run was cancelled.
    #[error("cancelled")]
    Cancelled,
    /// Anything else that went wrong.
    #[error("{0}")]
    Execution(String),
}

impl PipelineError {
    /// The code by which clients know the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Config(error) => error.code(),
            Self::Value(_) => "PIPELINE_VALUE_ERROR",
            Self::FileNotFound(_) => "PIPELINE_FILE_NOT_FOUND",
            Self::Cancelled => "CANCELLED",
            Self::Execution(_) => "PIPELINE_EXECUTION_ERROR",
        }
    }
}

impl From<Error> for PipelineError {
    fn from(error: Error) -> Self {
        if let Error::Cancelled = error { Self::Cancelled } else { Self::Execution(error.to_string()) }
    }
}

impl From<azura_core::Error> for PipelineError {
    fn from(error: azura_core::Error) -> Self {
        Self::Execution(error.to_string())
    }
}

/// For pipelines that read data in their run, of which nothing could be known beforehand.
impl From<DataError> for PipelineError {
    fn from(error: DataError) -> Self {
        let message = error.to_string();
        if let DataError::Io { .. } = error { Self::FileNotFound(message) } else { Self::Value(message) }
    }
}

impl From<files::FileError> for PipelineError {
    fn from(error: files::FileError) -> Self {
        Self::Execution(error.to_string())
    }
}

/// Why a config cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// It asks for a pipeline that there is not.
    #[error("{0}")]
    UnknownPipeline(String),
    /// It breaks its schema, or does not fit its data.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

impl ConfigError {
    /// The code by which clients know the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownPipeline(_) => "PIPELINE_NOT_FOUND",
            Self::Invalid(_) => "CONFIG_INVALID",
        }
    }

    /// The problems, each with its place.
    pub fn problems(&self) -> Vec<Problem> {
        match self {
            Self::UnknownPipeline(message) => vec![Problem::new("/pipeline_name", message)],
            Self::Invalid(invalid) => invalid.0.clone(),
        }
    }
}

type PublishFn = Arc<dyn Fn(&ProgressEvent) + Send + Sync>;
type CancelledFn = Arc<dyn Fn() -> bool + Send + Sync>;

/// What a run has around it: a folder to write into, data, and somebody who listens.
#[must_use]
pub struct RunCx<'a> {
    out: PathBuf,
    sources: &'a Sources,
    publish: PublishFn,
    cancelled: CancelledFn,
    callbacks: Vec<Box<dyn Callback>>,
}

impl<'a> RunCx<'a> {
    /// A run that writes into the folder `out`, which exists, with nobody who listens.
    pub fn new(out: impl Into<PathBuf>, sources: &'a Sources) -> Self {
        Self {
            out: out.into(),
            sources,
            publish: Arc::new(|_| {}),
            cancelled: Arc::new(|| false),
            callbacks: Vec::new(),
        }
    }

    /// Tells `publish` of every epoch, and of some batches. It must not block: it runs on the training thread.
    pub fn publish(mut self, publish: impl Fn(&ProgressEvent) + Send + Sync + 'static) -> Self {
        self.publish = Arc::new(publish);
        self
    }

    /// Asks this before each batch whether to end as cancelled.
    pub fn cancelled(mut self, cancelled: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.cancelled = Arc::new(cancelled);
        self
    }

    /// Adds a callback to the training.
    pub fn callback(mut self, callback: impl Callback + 'static) -> Self {
        self.callbacks.push(Box::new(callback));
        self
    }

    /// Where the data come from.
    pub fn sources(&self) -> &'a Sources {
        self.sources
    }

    /// Whether somebody asked to cancel.
    pub fn is_cancelled(&self) -> bool {
        (self.cancelled)()
    }

    /// The callback that tells who listens, to be given to [`attach`](Self::attach).
    pub fn publisher(&self, pipeline: &str) -> Publish {
        let publish = Arc::clone(&self.publish);
        Publish::new(move |event| publish(event)).pipeline(pipeline)
    }

    /// Joins a learner to who listens: the publisher, the callbacks, and the cancel request.
    pub fn attach<M, X, Y>(&mut self, learner: Learner<M, X, Y>, publisher: Publish) -> Learner<M, X, Y>
    where
        M: Module<X>,
        X: 'static,
        Y: 'static,
    {
        let cancelled = Arc::clone(&self.cancelled);
        let learner = learner.cancelled(move || cancelled()).callback(publisher);
        self.callbacks.drain(..).fold(learner, Learner::callback)
    }

    /// Writes a file of the run, atomically. `name` is relative and may have folders: `images/loss.svg`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), PipelineError> {
        let path = self.out.join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| {
                PipelineError::Execution(format!("cannot make {}: {error}", folder.display()))
            })?;
        }
        Ok(files::write_atomic(&path, bytes)?)
    }

    /// The folder of the run.
    pub fn out(&self) -> &Path {
        &self.out
    }
}

impl fmt::Debug for RunCx<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunCx").field("out", &self.out).finish_non_exhaustive()
    }
}

/// A pipeline without its types, as a [`Registry`] keeps it.
trait Erased: Send + Sync {
    fn description(&self) -> &'static str;
    fn schema(&self) -> Value;
    fn defaults(&self) -> Value;
    /// The config complete, or everything that is wrong with it.
    fn complete(&self, config: &Value, sources: &Sources) -> Result<Value, Invalid>;
    fn run(&self, config: &Value, cx: &mut RunCx<'_>) -> Result<Results, PipelineError>;
}

impl<P: Pipeline> Erased for P {
    fn description(&self) -> &'static str {
        P::DESCRIPTION
    }

    fn schema(&self) -> Value {
        schema_of::<P::Config>()
    }

    fn defaults(&self) -> Value {
        serde_json::to_value(P::Config::default()).unwrap_or_else(|_| json!({}))
    }

    fn complete(&self, config: &Value, sources: &Sources) -> Result<Value, Invalid> {
        let config: P::Config = parse(config)?;
        let problems = Pipeline::check(self, &config, sources);
        if !problems.is_empty() {
            return Err(Invalid(problems));
        }
        serde_json::to_value(config).map_err(|error| Invalid(vec![Problem::new("", error.to_string())]))
    }

    fn run(&self, config: &Value, cx: &mut RunCx<'_>) -> Result<Results, PipelineError> {
        let config = parse(config).map_err(ConfigError::from)?;
        Pipeline::run(self, config, cx)
    }
}

/// What a registry tells of a pipeline.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PipelineInfo {
    /// The name by which configs ask for it.
    pub name: String,
    /// What it does.
    pub description: String,
    /// A complete config: every key at its default.
    pub default_config: Value,
    /// The JSON Schema of its configs.
    pub json_schema: Value,
}

/// Pipelines by name: a plain value.
///
/// A config is the pipeline's own keys, and beside them `pipeline_name` and, if wanted, `batch_name`, a name for runs
/// that belong together.
#[derive(Clone, Default)]
#[must_use]
pub struct Registry(BTreeMap<&'static str, Arc<dyn Erased>>);

const PIPELINE_NAME: &str = "pipeline_name";
const BATCH_NAME: &str = "batch_name";

impl Registry {
    /// No pipeline.
    pub fn empty() -> Self {
        Self::default()
    }

    /// The pipelines of this crate.
    pub fn builtin() -> Self {
        Self::empty().with(crate::CsvForecaster)
    }

    /// Adds a pipeline, in place of one of the same name.
    pub fn with<P: Pipeline>(mut self, pipeline: P) -> Self {
        self.0.insert(P::NAME, Arc::new(pipeline));
        self
    }

    /// The names, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.keys().copied()
    }

    /// What there is to know of a pipeline.
    pub fn info(&self, name: &str) -> Option<PipelineInfo> {
        let (&name, pipeline) = self.0.get_key_value(name)?;
        Some(PipelineInfo {
            name: name.to_owned(),
            description: pipeline.description().to_owned(),
            default_config: with_envelope(name, None, pipeline.defaults()),
            json_schema: envelope_schema(name, pipeline.schema()),
        })
    }

    /// Checks a config and completes it with defaults.
    ///
    /// ```
    /// use azura_learner::{Registry, Sources};
    /// use serde_json::json;
    ///
    /// let (registry, sources) = (Registry::builtin(), Sources::default());
    /// let config = registry.check(&json!({"pipeline_name": "csv_forecaster"}), &sources)?;
    /// assert_eq!(config["training_params"]["seed"], 42);
    ///
    /// let bad = json!({"pipeline_name": "csv_forecaster", "training_params": {"epochs": -1, "lr": "abc"}});
    /// let problems = registry.check(&bad, &sources).unwrap_err().problems();
    /// let pointers: Vec<_> = problems.iter().map(|problem| problem.pointer.as_str()).collect();
    /// assert_eq!(pointers, ["/training_params/epochs", "/training_params/lr"]);
    /// # Ok::<(), azura_learner::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// If there is no such pipeline, or with every problem of the config at once.
    pub fn check(&self, config: &Value, sources: &Sources) -> Result<Value, ConfigError> {
        let (name, pipeline) = self.pipeline_of(config)?;
        let problems = check(&envelope_schema(name, pipeline.schema()), config);
        if !problems.is_empty() {
            return Err(Invalid(problems).into());
        }
        let complete = pipeline.complete(&without_envelope(config), sources)?;
        Ok(with_envelope(name, config.get(BATCH_NAME), complete))
    }

    /// Checks a config and runs its pipeline. Beside what that writes, `results.json` is written.
    ///
    /// # Errors
    /// Those of [`check`](Self::check) and of [`Pipeline::run`].
    pub fn run(&self, config: &Value, cx: &mut RunCx<'_>) -> Result<Results, PipelineError> {
        let config = self.check(config, cx.sources())?;
        let (_, pipeline) = self.pipeline_of(&config)?;
        let results = pipeline.run(&without_envelope(&config), cx)?;
        let bytes =
            serde_json::to_vec_pretty(&results).map_err(|e| PipelineError::Execution(e.to_string()))?;
        cx.write("results.json", &bytes)?;
        Ok(results)
    }

    fn pipeline_of(&self, config: &Value) -> Result<(&'static str, &dyn Erased), ConfigError> {
        let problem = |pointer: &str, message: String| Invalid(vec![Problem::new(pointer, message)]);
        let known = || self.names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let Some(object) = config.as_object() else {
            return Err(problem("", "expected an object with the key `pipeline_name`".into()).into());
        };
        let Some(name) = object.get(PIPELINE_NAME) else {
            return Err(problem("/pipeline_name", format!("is missing; there are: {}", known())).into());
        };
        let Some(name) = name.as_str() else {
            return Err(problem("/pipeline_name", format!("expected a text; there are: {}", known())).into());
        };
        let unknown = || {
            let names: Vec<_> = self.names().collect();
            ConfigError::UnknownPipeline(with_suggestion(
                format!("there is no pipeline `{name}`"),
                name,
                &names,
            ))
        };
        self.0.get_key_value(name).map(|(&name, pipeline)| (name, &**pipeline)).ok_or_else(unknown)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The schema of a whole config: the pipeline's own, and the keys around it.
fn envelope_schema(name: &str, mut schema: Value) -> Value {
    let mut properties = Map::new();
    properties.insert(PIPELINE_NAME.into(), json!({"type": "string", "title": "Pipeline", "const": name}));
    properties.insert(
        BATCH_NAME.into(),
        json!({
            "type": ["string", "null"],
            "title": "Batch",
            "description": "A name for runs that belong together.",
            "maxLength": 200
        }),
    );
    if let Some(own) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.append(own);
    }
    schema["properties"] = properties.into();
    schema
}

fn with_envelope(name: &str, batch_name: Option<&Value>, config: Value) -> Value {
    let mut all = Map::new();
    all.insert(PIPELINE_NAME.into(), name.into());
    if let Some(batch_name) = batch_name.filter(|name| !name.is_null()) {
        all.insert(BATCH_NAME.into(), batch_name.clone());
    }
    if let Value::Object(mut own) = config {
        all.append(&mut own);
    }
    all.into()
}

fn without_envelope(config: &Value) -> Value {
    let mut config = config.clone();
    if let Some(object) = config.as_object_mut() {
        object.remove(PIPELINE_NAME);
        object.remove(BATCH_NAME);
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Table;

    #[test]
    fn what_a_run_finds_in_its_data_has_a_code_of_its_own() {
        let read = |path: &Path| -> Result<Table, PipelineError> { Ok(Table::open(path)?) };
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("data.csv");
        let error = read(&file).unwrap_err();
        assert_eq!(error.code(), "PIPELINE_FILE_NOT_FOUND");
        assert!(error.to_string().contains("data.csv"), "{error}");
        std::fs::write(&file, "a,b\n1\n").unwrap();
        let error = read(&file).unwrap_err();
        assert_eq!(error.code(), "PIPELINE_VALUE_ERROR");
        assert_eq!(error.to_string(), "line 2: 1 cells, but the header has 2");
    }
}
