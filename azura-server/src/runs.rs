//! The runs on disk, and the index of them in memory.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use azura_learner::files::write_atomic;
use azura_queue::{Entry, State, TaskId, TaskRecord};
use cap_std::{ambient_authority, fs::Dir};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::{Course, Progress, attempt::Attempt, names};

/// The file that holds the course of a run.
const COURSE: &str = "course.json";
/// The label of a task that says which run it makes.
pub const EXPERIMENT_ID: &str = "experiment_id";
/// The label of a task that says which pipeline it runs.
pub(crate) const PIPELINE_NAME: &str = "pipeline_name";
/// The label of a task that says from which run's checkpoint it begins.
pub(crate) const RESUMED_FROM: &str = "resumed_from";
/// The label of a task that says what its user calls the group of runs it belongs to.
pub(crate) const BATCH_NAME: &str = "batch_name";
/// Labels of what people say of a run.
pub(crate) const NAME: &str = "name";
pub(crate) const NOTES: &str = "notes";
pub(crate) const TAGS: &str = "tags";
pub(crate) const STARRED: &str = "starred";
pub(crate) const ARCHIVED: &str = "archived";
/// The label of a task that says which grid it is a run of.
pub(crate) const BATCH_ID: &str = "batch_id";

/// An experiment: the record of its task, and its results once there are some.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Run {
    /// What is known of the task.
    pub record: TaskRecord,
    /// What is in `results.json`.
    pub results: Option<Arc<Value>>,
    /// Whether there is a `model.safetensors`.
    pub has_model: bool,
    /// Whether it failed or was cancelled, and left a checkpoint to go on from.
    pub resumable: bool,
    /// How far it has come, while it is worked on, or came, if it did not succeed; and if it has told of that.
    pub progress: Option<Progress>,
    /// Its loss by epoch, while it is worked on: 32 points at most.
    pub losses: Vec<Option<f64>>,
}

impl Run {
    /// A run of which nothing but the record is known.
    pub fn new(record: TaskRecord) -> Self {
        Self { record, results: None, has_model: false, resumable: false, progress: None, losses: Vec::new() }
    }

    /// The name of the run and of its folder.
    pub fn experiment_id(&self) -> String {
        experiment_id(&self.record)
    }

    /// The pipeline that it runs.
    pub fn pipeline(&self) -> &str {
        let named = || self.config()[PIPELINE_NAME].as_str();
        self.record.labels.get(PIPELINE_NAME).map(String::as_str).or_else(named).unwrap_or_default()
    }

    /// Its config.
    pub fn config(&self) -> &Value {
        config(&self.record)
    }
}

/// The config that a task was given: its first argument, or the one of that name.
pub(crate) fn config(record: &TaskRecord) -> &Value {
    record.args.first().or_else(|| record.kwargs.get("config")).unwrap_or(&Value::Null)
}

/// The name of the run that a task makes: its label, or one derived from the task if somebody submitted it without.
pub(crate) fn experiment_id(record: &TaskRecord) -> String {
    let label = record.labels.get(EXPERIMENT_ID).filter(|name| names::is_safe(name));
    // Eight characters of an id tell it from others of the same second if they are random, or a hash.
    let random = matches!(record.id.to_string().as_bytes()[14], b'3'..=b'5');
    label.cloned().unwrap_or_else(|| derived_id(record, if random { 8 } else { usize::MAX }))
}

/// A name for the run that a task makes, of the task itself and of so many characters of its id.
pub(crate) fn derived_id(record: &TaskRecord, characters: usize) -> String {
    let named = |pipeline: &str| new_experiment_id(pipeline, record.created_at, record.id, characters);
    let pipeline = config(record)[PIPELINE_NAME].as_str();
    pipeline.map(named).filter(|name| names::is_safe(name)).unwrap_or_else(|| named("run"))
}

/// The second that is in the name of a run.
pub(crate) fn second(experiment_id: &str) -> Option<Timestamp> {
    let (rest, _) = experiment_id.rsplit_once('_')?;
    let (rest, time) = rest.rsplit_once('_')?;
    let (_, day) = rest.rsplit_once('_')?;
    Timestamp::strptime("%Y%m%d%H%M%S%z", format!("{day}{time}+0000")).ok()
}

/// `{pipeline}_{YYYYmmdd}_{HHMMSS}_{the first characters of the task's id}`.
pub(crate) fn new_experiment_id(pipeline: &str, at: Timestamp, task: TaskId, characters: usize) -> String {
    let task = task.to_string();
    format!("{pipeline}_{}_{}", at.strftime("%Y%m%d_%H%M%S"), &task[..characters.min(task.len())])
}

/// The folder of all runs. Several processes may use it at the same time: nothing of it is kept in memory.
///
/// Each run that its worker has brought to an end, or that was cancelled here while it waited, is a folder `{experiment_id}`. One that was
/// ended over its worker's head has none, and the record in the queue is all that is left of it: at its hard time limit, with its last lease
/// (`WORKER_LOST`), by Celery's `revoke` or its expiry while it waited, or because no worker can do it.
///
/// | file | holds |
/// |---|---|
/// | `run.json` | the record of its task: state, times, labels, error |
/// | `config.json` | the config, complete |
/// | `events.jsonl` | the task's log |
/// | `course.json` | what the log tells of its epochs, in columns |
/// | `environment.json` | versions, machine and times, if it was worked on |
/// | `results.json`, `model.safetensors`, `report.md`, `images/` | what came out, if it succeeded |
/// | `checkpoints/` | what it can go on from, if it did not succeed and had come to the end of an epoch |
///
/// A run is put together in a folder of its own below `.attempts/` and appears by one rename. A run that failed or was cancelled keeps what
/// tells its story, and nothing half-written. Until a run has ended its checkpoints are in a folder of its name below `.checkpoints/`, which all of its
/// attempts share, beside its config and its record.
#[derive(Debug)]
pub struct Runs {
    root: PathBuf,
}

/// A run that is complete but does not stand among the others.
#[derive(Debug)]
pub(crate) struct Prepared {
    attempt: Attempt,
    name: String,
    task: TaskId,
}

impl Runs {
    /// Opens the folder of all runs, which is made if there is none. What interrupted runs left behind is removed.
    ///
    /// # Errors
    /// If the folder cannot be made or read.
    pub fn open(root: impl Into<PathBuf>) -> io::Result<Self> {
        let root = root.into();
        fs::create_dir_all(&root)?;
        match Attempt::clean(&root)? {
            0 => {}
            interrupted => tracing::warn!(interrupted, "what interrupted runs left behind was removed"),
        }
        let runs = Self { root };
        runs.clean_checkpoints()?;
        Ok(runs)
    }

    /// The folder of a run.
    pub fn folder(&self, experiment_id: &str) -> PathBuf {
        self.root.join(experiment_id)
    }

    /// The folder of a run, as one that neither names nor links lead out of.
    pub(crate) fn dir(&self, experiment_id: &str) -> io::Result<Dir> {
        Dir::open_ambient_dir(self.folder(experiment_id), ambient_authority())
    }

    /// The folder of all runs.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where workers say that they live, beside the runs.
    pub(crate) fn workers(&self) -> PathBuf {
        self.root.join(".workers")
    }

    /// What is on disk of a run that has ended, by its name. What cannot be read is logged.
    pub(crate) fn read(&self, experiment_id: &str) -> Option<Run> {
        let folder = self.folder(experiment_id);
        match read(&folder, experiment_id) {
            Ok(run) => Some(run),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(folder = %folder.display(), %error, "a run cannot be read");
                None
            }
        }
    }

    /// The course of a run that has ended, up to its end, if the folder of this name is that of this task and tells it.
    pub(crate) fn course(&self, experiment_id: &str, task: TaskId) -> Option<Course> {
        let folder = self.folder(experiment_id);
        read_record(&folder, experiment_id).ok().filter(|record| record.id == task)?;
        serde_json::from_slice(&fs::read(folder.join(COURSE)).ok()?).ok()
    }

    /// Whether a run has left a model.
    pub(crate) fn has_model(&self, experiment_id: &str) -> bool {
        has_model(&self.folder(experiment_id))
    }

    /// The records of all runs that have ended, in the order in which they were submitted.
    pub(crate) fn records(&self) -> io::Result<Vec<TaskRecord>> {
        let mut records: Vec<_> = self.folders()?.iter().filter_map(|folder| legible(folder)).collect();
        records.sort_by_key(|record| record.created_at);
        Ok(records)
    }

    /// The record of the run that was written down last.
    pub(crate) fn newest(&self) -> io::Result<Option<TaskRecord>> {
        let mut folders = self.folders()?;
        // A folder without a time is one that has just gone.
        folders.sort_by_cached_key(|folder| fs::metadata(folder).and_then(|folder| folder.modified()).ok());
        Ok(folders.iter().rev().find_map(|folder| read_record(folder, name_of(folder)?).ok()))
    }

    /// What may be the folders of runs.
    fn folders(&self) -> io::Result<Vec<PathBuf>> {
        let entries = fs::read_dir(&self.root)?.map(|entry| entry.map(|entry| entry.path()));
        let named = |folder: &PathBuf| name_of(folder).is_some_and(names::is_safe) && folder.is_dir();
        entries.filter(|entry| entry.as_ref().map_or(true, named)).collect()
    }

    /// An empty folder for the newest attempt at a task. That its name is another task's is seen before there is work to lose.
    pub(crate) fn begin(&self, record: &TaskRecord) -> io::Result<Attempt> {
        let name = experiment_id(record);
        let attempt = Attempt::begin(&self.root, &format!("{name}-{}", record.attempt))?;
        // Whoever had it until now may have become the run of this name.
        self.vacant(&name, record.id)?;
        Ok(attempt)
    }

    /// Writes the labels of a run that has ended into its record, if it has a folder.
    pub(crate) fn relabel(&self, record: &TaskRecord) -> io::Result<()> {
        let name = experiment_id(record);
        let folder = self.folder(&name);
        match read_record(&folder, &name) {
            Ok(mut there) if there.id == record.id => {
                there.labels.clone_from(&record.labels);
                write_json(&folder.join("run.json"), &there)
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Removes the folder and the checkpoints of a run, if it has any: as a whole, since a part would be a damaged run.
    pub(crate) fn remove(&self, record: &TaskRecord) -> io::Result<()> {
        let name = experiment_id(record);
        let folder = self.folder(&name);
        if read_record(&folder, &name).is_ok_and(|there| there.id == record.id) {
            Attempt::begin(&self.root, &format!("{name}-removed"))?.swallow(&folder)?;
        }
        self.drop_checkpoints(&name);
        Ok(())
    }

    /// Completes an attempt with the record and the log of a task that has ended. What is left to do is [`publish`](Self::publish).
    pub(crate) fn prepare(
        &self,
        attempt: Attempt,
        record: &TaskRecord,
        log: &[Entry],
    ) -> io::Result<Prepared> {
        let name = experiment_id(record);
        let folder = attempt.folder();
        if record.state != State::Success {
            self.keep_checkpoints(&name, folder);
        }
        write_json(&folder.join("config.json"), config(record))?;
        write_json(&folder.join("run.json"), record)?;
        let mut lines = Vec::new();
        for entry in log {
            serde_json::to_writer(&mut lines, entry)?;
            lines.push(b'\n');
        }
        write(&folder.join("events.jsonl"), &lines)?;
        write(&folder.join(COURSE), &serde_json::to_vec(&Course::of(log))?)?;
        Ok(Prepared { attempt, name, task: record.id })
    }

    /// Adds a prepared run to the others, by one rename.
    pub(crate) fn publish(&self, Prepared { attempt, name, task }: Prepared) -> io::Result<()> {
        attempt.publish(&self.vacant(&name, task)?)?;
        self.drop_checkpoints(&name);
        Ok(())
    }

    /// The folder of this name, unless it is the run of another task.
    fn vacant(&self, name: &str, task: TaskId) -> io::Result<PathBuf> {
        let folder = self.folder(name);
        if read_record(&folder, name).is_ok_and(|there| there.id != task) {
            let message = format!("{name} is the run of another task");
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
        }
        Ok(folder)
    }
}

/// Writes a JSON file, for people to read too.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    write(path, &serde_json::to_vec_pretty(value)?)
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_atomic(path, bytes).map_err(io::Error::other)
}

fn name_of(folder: &Path) -> Option<&str> {
    folder.file_name()?.to_str()
}

/// The record in a folder. One that cannot be read is logged.
fn legible(folder: &Path) -> Option<TaskRecord> {
    let record = read_record(folder, name_of(folder)?);
    record.inspect_err(|error| tracing::warn!(folder = %folder.display(), %error, "left out")).ok()
}

fn read_record(folder: &Path, name: &str) -> io::Result<TaskRecord> {
    let record: TaskRecord = serde_json::from_slice(&fs::read(folder.join("run.json"))?)?;
    if experiment_id(&record) == name && record.state.is_terminal() {
        return Ok(record);
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "run.json is not of a run of this name that has ended"))
}

fn read(folder: &Path, name: &str) -> io::Result<Run> {
    let record = read_record(folder, name)?;
    let results = match fs::read_to_string(folder.join("results.json")) {
        Ok(text) => Some(Arc::new(text.parse()?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    Ok(Run { results, has_model: has_model(folder), ..Run::new(record) })
}

fn has_model(folder: &Path) -> bool {
    folder.join("model.safetensors").is_file()
}

/// The log of a run as it was when it ended, as far as it can be read.
pub(crate) async fn read_log(folder: &Path) -> Vec<Entry> {
    let warn = |error: &dyn std::fmt::Display| {
        tracing::warn!(folder = %folder.display(), %error, "the log is damaged; what can be read of it is kept");
    };
    let text = tokio::fs::read_to_string(folder.join("events.jsonl")).await.inspect_err(|error| warn(error));
    let lines = text.iter().flat_map(|text| text.lines());
    lines.filter_map(|line| serde_json::from_str(line).inspect_err(|error| warn(error)).ok()).collect()
}

#[cfg(test)]
mod tests {
    use azura_queue::NewTask;
    use serde_json::json;

    use super::*;

    fn named(pipeline: &str, task: &str) -> String {
        let task = NewTask::new("train").arg(json!({PIPELINE_NAME: pipeline})).id(task.parse().unwrap());
        let id = task.id.unwrap();
        experiment_id(&TaskRecord::new(id, task, "2026-03-01T12:30:05.999Z".parse().unwrap()))
    }

    #[test]
    fn names_are_made_of_the_task() {
        let random = "504bee88-6980-4c01-bc2d-72e9fff4a9a6";
        assert_eq!(named("csv_forecaster", random), "csv_forecaster_20260301_123005_504bee88");
        for unusable in ["", "../../etc", &"a".repeat(120)] {
            assert_eq!(named(unusable, random), "run_20260301_123005_504bee88");
        }
        // The first digits of version 7 are the time.
        let [one, other] = ["0197f3c2-5d80-7a11-8000-000000000001", "0197f3c2-5d80-7a11-8000-000000000002"];
        assert_ne!(named("a", one), named("a", other));
    }

    #[test]
    fn names_tell_their_second() {
        let second = "2026-03-01T12:30:05Z".parse().ok();
        for pipeline in ["csv_forecaster", "a"] {
            for task in ["504bee88-6980-4c01-bc2d-72e9fff4a9a6", "0197f3c2-5d80-7a11-8000-000000000001"] {
                assert_eq!(super::second(&named(pipeline, task)), second);
            }
        }
        for id in ["", "nope", "a_b_c_d", "a_20261301_123005_x", "a_20260301_123005", "_20260301_1230_x"] {
            assert_eq!(super::second(id), None, "{id}");
        }
    }
}
