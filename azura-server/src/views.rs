//! What clients read: the JSON forms of pipelines and experiments.

mod history;
mod live;

use std::{collections::BTreeMap, sync::Arc};

use azura_learner::{Choices, PipelineInfo};
use azura_queue::{State, TaskFailure};
use jiff::Timestamp;
use poem_openapi::{Enum, Object};
use serde_json::Value;

use crate::{
    VERSION,
    app::{StoredFile, Submission},
    form::FormView,
    runs::{BATCH_ID, BATCH_NAME, RESUMED_FROM, Run},
};

pub(crate) use history::HistoryView;
pub(crate) use live::{DeletedView, HelloView, ProgressView, RunningView};

/// A pipeline, as lists show it.
#[derive(Object)]
pub(crate) struct PipelineView {
    /// The name by which configs ask for it.
    id: String,
    name: String,
    /// What it does.
    description: String,
}

/// A pipeline with everything that its configs may say.
#[derive(Object)]
pub(crate) struct PipelineConfigView {
    /// The name by which configs ask for it.
    id: String,
    name: String,
    /// What it does.
    description: String,
    /// A complete config: every key at its default.
    default_config: Value,
    /// The fields of a form for its configs, made of the schema.
    form_schema: FormView,
    /// The JSON Schema of its configs.
    json_schema: Value,
}

/// A run was submitted, or all runs of a grid.
#[derive(Object)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct SubmittedView {
    message: String,
    /// What to follow at `/ws/task_status/{task_id}`, if it is one run.
    task_id: Option<String>,
    /// What the runs of a grid have in common.
    batch_id: Option<String>,
    /// The runs of a grid, in the order of the values in its lists, the last list changing fastest.
    task_ids: Option<Vec<String>>,
}

/// A file that a run has left.
#[derive(Object)]
pub(crate) struct FileView {
    /// Its path below `files/`.
    name: String,
    /// Its length in bytes.
    size: u64,
    content_type: String,
}

/// A run was asked to stop, or had ended before.
#[derive(Object)]
pub(crate) struct CancelledView {
    message: String,
    task_id: String,
    status: Status,
}

/// A config is valid.
#[derive(Object)]
pub(crate) struct ValidView {
    /// How many runs it makes.
    runs: usize,
}

/// What there is to choose from in a config.
#[derive(Object)]
pub(crate) struct ChoicesView {
    /// Values by the JSON pointer of the place that they are for; at a list, those of its entries.
    choices: BTreeMap<String, Vec<String>>,
}

/// How much of each experiment is told.
#[derive(Enum, Clone, Copy, PartialEq)]
#[oai(rename_all = "lowercase")]
pub(crate) enum Fields {
    /// Everything.
    All,
    /// No config and no results, only their summaries.
    Summary,
}

/// Where an experiment stands.
#[derive(Enum)]
#[oai(rename_all = "UPPERCASE")]
enum Status {
    Pending,
    Started,
    Success,
    Failure,
    Revoked,
}

/// An experiment. Whatever is not known, or not yet, is null.
#[derive(Object)]
pub(crate) struct ExperimentView {
    experiment_id: String,
    task_id: String,
    pipeline_name: String,
    status: Status,
    created_at: String,
    started_at: Option<String>,
    /// When it ended, if it did not fail.
    completed_at: Option<String>,
    /// When it failed.
    failed_at: Option<String>,
    /// The grid that it is a run of.
    batch_id: Option<String>,
    batch_name: Option<String>,
    /// The experiment from whose checkpoint it began.
    resumed_from: Option<String>,
    /// The trained weights, below the folder of all runs.
    model_path: Option<String>,
    /// Whether it did not succeed and left a checkpoint that another run can go on from.
    resumable: bool,
    config_summary: ConfigSummary,
    results_summary: ResultsSummary,
    /// The config, complete. Null in a summary.
    config: Value,
    /// What is in `results.json`. Null in a summary.
    results: Option<Arc<Value>>,
    error: Option<FailureView>,
    /// What people call it.
    name: Option<String>,
    /// Notes of people, in Markdown.
    notes: Option<String>,
    tags: Vec<String>,
    starred: bool,
    /// Whether lists leave it out unless they are asked for such.
    archived: bool,
    /// How often it was begun.
    attempt: u32,
    /// Who works on it.
    worker: Option<String>,
    /// What its config says otherwise than the defaults of its pipeline, by the path of each value: `training_params.lr`.
    changes: BTreeMap<String, Value>,
    /// The loss by epoch of a run that succeeded or is worked on, thinned to 32 points at most.
    loss: Vec<Option<f64>>,
    /// The last epoch of a run that is worked on, or that ended without success.
    progress: Option<ProgressView>,
}

/// What a table shows of a config.
#[derive(Object)]
#[oai(skip_serializing_if_is_none)]
struct ConfigSummary {
    dataset: Option<String>,
    ticker: Option<String>,
    location: Option<String>,
    epochs: Option<u64>,
    lr: Option<f64>,
}

/// What a table shows of results.
#[derive(Object)]
struct ResultsSummary {
    final_loss: Option<f64>,
    r2_score: Option<f64>,
    rmse: Option<f64>,
    mae: Option<f64>,
    accuracy: Option<f64>,
}

/// Why an experiment failed.
#[derive(Object)]
#[oai(skip_serializing_if_is_none)]
struct FailureView {
    error_code: String,
    message: String,
    traceback: Option<String>,
}

/// The server lives.
#[derive(Object)]
pub(crate) struct HealthView {
    status: String,
}

/// Which server this is.
#[derive(Object)]
pub(crate) struct VersionView {
    name: String,
    version: String,
}

impl From<Submission> for SubmittedView {
    fn from(submission: Submission) -> Self {
        match submission {
            Submission::Run(task) => Self {
                message: "Experiment submitted to worker.".into(),
                task_id: Some(task.to_string()),
                batch_id: None,
                task_ids: None,
            },
            Submission::Batch { id, tasks } => Self {
                message: format!("{} experiments submitted to workers.", tasks.len()),
                task_id: None,
                batch_id: Some(id),
                task_ids: Some(tasks.iter().map(ToString::to_string).collect()),
            },
        }
    }
}

impl From<StoredFile> for FileView {
    fn from(file: StoredFile) -> Self {
        Self { content_type: content_type(&file.name).to_owned(), name: file.name, size: file.size }
    }
}

/// What a file of a run is, by its name. What a browser might run is no more than bytes.
pub(crate) fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "json" => "application/json",
        "jsonl" => "application/x-ndjson",
        "md" => "text/markdown; charset=utf-8",
        "csv" => "text/csv; charset=utf-8",
        "html" => "text/html; charset=utf-8",
        "svg" => "image/svg+xml",
        "wav" => "audio/wav",
        _ => "application/octet-stream",
    }
}

impl ValidView {
    pub(crate) fn of(runs: usize) -> Self {
        Self { runs }
    }
}

impl From<Choices> for ChoicesView {
    fn from(choices: Choices) -> Self {
        Self { choices }
    }
}

impl HealthView {
    pub(crate) fn ok() -> Self {
        Self { status: "ok".into() }
    }
}

impl VersionView {
    pub(crate) fn this() -> Self {
        Self { name: "azuraforge".into(), version: VERSION.into() }
    }
}

impl From<PipelineInfo> for PipelineView {
    fn from(info: PipelineInfo) -> Self {
        Self { id: info.name.clone(), name: title(&info), description: info.description }
    }
}

impl From<PipelineInfo> for PipelineConfigView {
    fn from(info: PipelineInfo) -> Self {
        Self {
            id: info.name.clone(),
            name: title(&info),
            description: info.description,
            default_config: info.default_config,
            form_schema: FormView::of(&info.json_schema),
            json_schema: info.json_schema,
        }
    }
}

/// The name that people read.
fn title(info: &PipelineInfo) -> String {
    info.json_schema["title"].as_str().unwrap_or(&info.name).to_owned()
}

impl From<State> for Status {
    fn from(state: State) -> Self {
        match state {
            State::Started => Self::Started,
            State::Success => Self::Success,
            State::Failure => Self::Failure,
            State::Revoked => Self::Revoked,
            _ => Self::Pending,
        }
    }
}

impl From<Run> for CancelledView {
    fn from(run: Run) -> Self {
        let state = run.record.state;
        let message = match state {
            State::Revoked => "The experiment is cancelled.",
            state if state.is_terminal() => "The experiment had ended before; it stays as it is.",
            _ => "The experiment will stop after its current batch.",
        };
        Self { message: message.into(), task_id: run.record.id.to_string(), status: state.into() }
    }
}

impl ExperimentView {
    /// Of a run, and of the defaults of its pipeline.
    pub(crate) fn new(run: Run, defaults: &Value) -> Self {
        let experiment_id = run.experiment_id();
        let failed = run.record.state == State::Failure;
        let running = run.record.state == State::Started;
        let finished = run.record.finished_at.map(iso);
        Self {
            task_id: run.record.id.to_string(),
            pipeline_name: run.pipeline().to_owned(),
            status: run.record.state.into(),
            created_at: iso(run.record.created_at),
            started_at: run.record.started_at.map(iso),
            completed_at: finished.clone().filter(|_| !failed),
            failed_at: finished.filter(|_| failed),
            batch_id: run.label(BATCH_ID).map(str::to_owned),
            batch_name: run.label(BATCH_NAME).map(str::to_owned),
            resumed_from: run.label(RESUMED_FROM).map(str::to_owned),
            name: run.name().map(str::to_owned),
            notes: run.notes().map(str::to_owned),
            tags: run.tags(),
            starred: run.is_starred(),
            archived: run.is_archived(),
            attempt: run.record.attempt,
            worker: run.record.worker.as_ref().filter(|_| running).map(ToString::to_string),
            changes: changes(run.config(), defaults),
            loss: if running { run.losses.clone() } else { losses(run.record.result.as_ref()) },
            progress: run.progress.map(ProgressView::from),
            model_path: run.has_model.then(|| format!("{experiment_id}/model.safetensors")),
            resumable: run.resumable,
            config_summary: ConfigSummary::of(run.config()),
            results_summary: ResultsSummary::of(run.record.result.as_ref().unwrap_or(&Value::Null)),
            config: run.config().clone(),
            error: run.record.error.map(FailureView::from),
            results: run.results,
            experiment_id,
        }
    }
}

/// The loss that the end of a run tells of.
fn losses(result: Option<&Value>) -> Vec<Option<f64>> {
    let losses = result.and_then(|result| result["loss"].as_array());
    losses.into_iter().flatten().map(Value::as_f64).collect()
}

/// What a config says otherwise than the defaults.
fn changes(config: &Value, defaults: &Value) -> BTreeMap<String, Value> {
    fn compare(path: &str, config: &Value, defaults: &Value, changes: &mut BTreeMap<String, Value>) {
        match (config, defaults) {
            (Value::Object(fields), Value::Object(defaults)) => {
                for (key, value) in fields {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    compare(&path, value, defaults.get(key).unwrap_or(&Value::Null), changes);
                }
            }
            (value, default) if value != default => {
                changes.insert(path.to_owned(), value.clone());
            }
            _ => {}
        }
    }
    let mut found = BTreeMap::new();
    compare("", config, defaults, &mut found);
    // What a grid is called changes nothing of what is trained.
    found.remove(BATCH_NAME);
    found
}

impl ExperimentView {
    /// Without what is large: config and results.
    pub(crate) fn summary(self) -> Self {
        Self { config: Value::Null, results: None, ..self }
    }
}

/// To the microsecond, which every client can read.
fn iso(at: Timestamp) -> String {
    format!("{at:.6}")
}

impl ConfigSummary {
    fn of(config: &Value) -> Self {
        let (data, training) = (&config["data_sourcing"], &config["training_params"]);
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Self {
            dataset: text(&data["dataset"]),
            ticker: text(&data["ticker"]),
            location: text(&data["location"]),
            epochs: training["epochs"].as_u64(),
            lr: training["lr"].as_f64(),
        }
    }
}

impl ResultsSummary {
    fn of(results: &Value) -> Self {
        let metric = |name: &str| results["metrics"][name].as_f64();
        Self {
            final_loss: results["final_loss"].as_f64(),
            r2_score: metric("r2_score"),
            rmse: metric("rmse"),
            mae: metric("mae"),
            accuracy: metric("accuracy"),
        }
    }
}

impl From<TaskFailure> for FailureView {
    fn from(failure: TaskFailure) -> Self {
        Self { error_code: failure.code, message: failure.message, traceback: failure.traceback }
    }
}
