//! Pipelines by name.

use super::{Choices, ConfigError, Pipeline, PipelineError, Prediction, RunCx, SavedRun, Sources};
use crate::{
    config::{
        Invalid, Problem, arrange, check, describe, filled, parse, schema_of, with_suggestion, without,
    },
    results::Results,
};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, fmt, sync::Arc};

/// A pipeline without its types, as a [`Registry`] keeps it.
trait Erased: Send + Sync {
    fn description(&self) -> &'static str;
    fn schema(&self) -> Value;
    fn defaults(&self) -> Value;
    /// The config complete, or everything that is wrong with it.
    fn complete(&self, config: &Value, sources: &Sources) -> Result<Value, Invalid>;
    fn choices(&self, config: &Value, sources: &Sources) -> Choices;
    fn run(&self, config: &Value, cx: &mut RunCx<'_>) -> Result<Results, PipelineError>;
    fn predict(
        &self,
        config: &Value,
        run: &SavedRun<'_>,
        request: &Value,
    ) -> Result<Prediction, PipelineError>;
}

impl<P: Pipeline> Erased for P {
    fn description(&self) -> &'static str {
        P::DESCRIPTION
    }

    fn schema(&self) -> Value {
        let mut schema = schema_of::<P::Config>();
        describe(&mut schema, &self.defaults());
        arrange(&mut schema, &P::Config::default());
        schema
    }

    fn defaults(&self) -> Value {
        serde_json::to_value(P::Config::default()).unwrap_or_else(|_| json!({}))
    }

    fn complete(&self, config: &Value, sources: &Sources) -> Result<Value, Invalid> {
        let config: P::Config = parse(&filled(&self.defaults(), config))?;
        let problems = Pipeline::check(self, &config, sources);
        if !problems.is_empty() {
            return Err(Invalid(problems));
        }
        serde_json::to_value(config).map_err(|error| Invalid(vec![Problem::new("", error.to_string())]))
    }

    fn choices(&self, config: &Value, sources: &Sources) -> Choices {
        let config = parse(&filled(&self.defaults(), config)).unwrap_or_default();
        Pipeline::choices(self, &config, sources)
    }

    fn run(&self, config: &Value, cx: &mut RunCx<'_>) -> Result<Results, PipelineError> {
        let config = parse(config).map_err(ConfigError::from)?;
        Pipeline::run(self, config, cx)
    }

    fn predict(
        &self,
        config: &Value,
        run: &SavedRun<'_>,
        request: &Value,
    ) -> Result<Prediction, PipelineError> {
        let config = parse(&filled(&self.defaults(), config)).map_err(ConfigError::from)?;
        Pipeline::predict(self, config, run, request)
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
        Self::empty()
            .with(crate::CsvForecaster)
            .with(crate::StockPredictor)
            .with(crate::WeatherForecaster)
            .with(crate::ImageClassifier)
            .with(crate::VoiceGenerator)
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
        let (mut problems, sound) = sound(name, pipeline, config);
        match pipeline.complete(&sound, sources) {
            Ok(complete) if problems.is_empty() => {
                return Ok(with_envelope(name, config.get(BATCH_NAME), complete));
            }
            Ok(_) => {}
            Err(Invalid(mut more)) => {
                more.retain(|more| !problems.iter().any(|wrong| more.hangs_on(&wrong.pointer)));
                problems.append(&mut more);
            }
        }
        Err(Invalid(problems).into())
    }

    /// What there is to choose from for this config, where its schema leaves that to the data. What is wrong with it counts as left out.
    ///
    /// ```
    /// use azura_learner::{Registry, Sources};
    /// use serde_json::json;
    ///
    /// let config = json!({"pipeline_name": "csv_forecaster", "data_sourcing": {"dataset": "sunspots"}});
    /// let choices = Registry::builtin().choices(&config, &Sources::default())?;
    /// assert_eq!(choices["/feature_engineering/target_col"], ["SUNACTIVITY"]);
    /// assert!(choices["/data_sourcing/dataset"].iter().any(|set| set == "seattle-weather"));
    /// # Ok::<(), azura_learner::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// If there is no such pipeline.
    pub fn choices(&self, config: &Value, sources: &Sources) -> Result<Choices, ConfigError> {
        let (name, pipeline) = self.pipeline_of(config)?;
        Ok(pipeline.choices(&sound(name, pipeline, config).1, sources))
    }

    /// Checks a config and runs its pipeline. Beside what that writes, `config.json` and `results.json` are written.
    ///
    /// # Errors
    /// Those of [`check`](Self::check) and of [`Pipeline::run`].
    pub fn run(&self, config: &Value, cx: &mut RunCx<'_>) -> Result<Results, PipelineError> {
        let config = self.check(config, cx.sources())?;
        let (name, pipeline) = self.pipeline_of(&config)?;
        let own = without_envelope(&config);
        // Without the batch: it changes nothing of the run.
        cx.set_config(with_envelope(name, None, own.clone()));
        let results = pipeline.run(&own, cx)?;
        cx.write_json("config.json", &config)?;
        cx.write_json("results.json", &results)?;
        Ok(results)
    }

    /// Answers a request from a run that has ended well: [`Pipeline::predict`] of the pipeline that the run's `config.json` names.
    ///
    /// # Errors
    /// If the run's files cannot be read, and those of [`Pipeline::predict`].
    pub fn predict(&self, run: &SavedRun<'_>, request: &Value) -> Result<Prediction, PipelineError> {
        let config: Value = run.json("config.json")?;
        let (_, pipeline) = self.pipeline_of(&config)?;
        pipeline.predict(&without_envelope(&config), run, request)
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

/// What a schema says against a config, and the pipeline's part of it without that: defaults stand there instead, so that what hangs on other
/// parts is told too.
fn sound(name: &str, pipeline: &dyn Erased, config: &Value) -> (Vec<Problem>, Value) {
    let problems = check(&envelope_schema(name, pipeline.schema()), config);
    let sound = problems.iter().fold(without_envelope(config), |sound, wrong| without(sound, &wrong.pointer));
    (problems, sound)
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
