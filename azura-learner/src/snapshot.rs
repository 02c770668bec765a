//! All that a training needs to go on as if nothing had happened.

use crate::{CallbackState, History, OptimizerState, Rng, StateDict, StateError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The state of a training at the end of an epoch, after every callback has seen that end.
///
/// A learner that [resumes](crate::Learner::resume) it ends bit-equal to one that was never interrupted, if model,
/// data, loss and callbacks are made as they were. Batches are no part of it: they depend on a seed and the number of
/// the epoch alone.
///
/// A file of it is safetensors, with everything else as JSON in its metadata: `model.NAME`, `optimizer.I.NAME` and
/// `callbacks.I.NAME` are the tensors.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The epoch that has ended.
    pub epoch: usize,
    /// Steps of the optimizer so far.
    pub step: usize,
    /// Parameters and buffers.
    pub model: StateDict,
    /// What the optimizer carries from step to step.
    pub optimizer: OptimizerState,
    /// The generator of the forward pass.
    pub rng: Rng,
    /// The states of those callbacks that have one, each with the callback's name.
    pub callbacks: Vec<(String, CallbackState)>,
    /// What was measured so far.
    pub history: History,
    /// Why the training was about to end, if a callback had asked for that.
    pub stop: Option<String>,
    /// What the training was made of: [`Learner::config`](crate::Learner::config).
    pub config: Value,
}

/// The part of a snapshot that is no tensor.
#[derive(Serialize, Deserialize)]
struct Rest {
    version: u32,
    epoch: usize,
    step: usize,
    lr: f64,
    optimizer_steps: u64,
    moments: usize,
    rng: Rng,
    callbacks: Vec<(String, Value)>,
    history: History,
    stop: Option<String>,
    config: Value,
}

/// The form of the files.
const VERSION: u32 = 1;

/// Why a snapshot cannot be read, written or resumed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// A file or folder that cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file that holds no whole snapshot.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// How one knows.
        reason: String,
    },
    /// Not the form of a snapshot.
    #[error("not a checkpoint: {0}")]
    Format(String),
    /// The training was made of something else. Nothing was changed.
    #[error("the checkpoint is of another config:{}", list(.0))]
    Config(Vec<Difference>),
    /// Something of the training is not as it was. Nothing was changed.
    #[error("the checkpoint does not fit: {0}")]
    Mismatch(String),
}

/// A place where two configs differ.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Difference {
    /// Where, as a JSON pointer.
    pub pointer: String,
    /// The checkpoint's value, if it has one.
    pub was: Option<Value>,
    /// The value now, if there is one.
    pub is: Option<Value>,
}

fn list(differences: &[Difference]) -> String {
    let text = |value: &Option<Value>| value.as_ref().map_or_else(|| "absent".to_owned(), Value::to_string);
    let each = differences
        .iter()
        .map(|Difference { pointer, was, is }| format!(" `{pointer}` was {} and is {}", text(was), text(is)));
    each.collect::<Vec<_>>().join(";")
}

/// What [`Snapshot::newest`] finds.
#[derive(Debug)]
#[non_exhaustive]
pub struct Newest {
    /// The newest whole snapshot, if there is one.
    pub snapshot: Option<Snapshot>,
    /// Newer ones that are damaged.
    pub damaged: Vec<SnapshotError>,
}

impl Snapshot {
    /// The bytes of its file; equal snapshots give equal bytes.
    ///
    /// # Errors
    /// If a value has no JSON form.
    pub fn to_bytes(&self) -> Result<Vec<u8>, SnapshotError> {
        let rest = Rest {
            version: VERSION,
            epoch: self.epoch,
            step: self.step,
            lr: self.optimizer.lr,
            optimizer_steps: self.optimizer.steps,
            moments: self.optimizer.moments.len(),
            rng: self.rng.clone(),
            callbacks: self
                .callbacks
                .iter()
                .map(|(name, state)| (name.clone(), state.value.clone()))
                .collect(),
            history: self.history.clone(),
            stop: self.stop.clone(),
            config: self.config.clone(),
        };
        let text = serde_json::to_string(&rest).map_err(|error| SnapshotError::Format(error.to_string()))?;
        let model = [(MODEL.to_owned(), &self.model)];
        let moments = self.optimizer.moments.iter().enumerate().map(|(i, part)| (moment(i), part));
        let callbacks =
            self.callbacks.iter().enumerate().map(|(i, (_, state))| (callback(i), &state.tensors));
        Ok(StateDict::join(model.into_iter().chain(moments).chain(callbacks), &text))
    }

    /// Reads the bytes of a file.
    ///
    /// # Errors
    /// If they are not those of a whole snapshot.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let format = |error: &dyn fmt::Display| SnapshotError::Format(error.to_string());
        let (mut tensors, text) = StateDict::split(bytes).map_err(|error| match error {
            StateError::Format(reason) => SnapshotError::Format(reason),
            other => format(&other),
        })?;
        let rest: Rest = serde_json::from_str(&text).map_err(|error| format(&error))?;
        if rest.version != VERSION {
            return Err(format(&format_args!("its form is {}, and {VERSION} is known", rest.version)));
        }
        let moments = (0..rest.moments).map(|i| tensors.take(&moment(i))).collect();
        let callbacks = rest.callbacks.into_iter().enumerate();
        let callbacks = callbacks
            .map(|(i, (name, value))| (name, CallbackState { value, tensors: tensors.take(&callback(i)) }))
            .collect();
        Ok(Self {
            epoch: rest.epoch,
            step: rest.step,
            model: tensors.take(MODEL),
            optimizer: OptimizerState { lr: rest.lr, steps: rest.optimizer_steps, moments },
            rng: rest.rng,
            callbacks,
            history: rest.history,
            stop: rest.stop,
            config: rest.config,
        })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// If it cannot be read or is damaged.
    pub fn read(path: &Path) -> Result<Self, SnapshotError> {
        let bytes = fs::read(path).map_err(|source| SnapshotError::Io { path: path.into(), source })?;
        Self::from_bytes(&bytes)
            .map_err(|error| SnapshotError::Damaged { path: path.into(), reason: error.to_string() })
    }

    /// The newest whole one of those that a [`Checkpoint`](crate::Checkpoint) has written into `folder`. There is none if
    /// there is no such folder.
    ///
    /// # Errors
    /// If the folder or a file cannot be read.
    pub fn newest(folder: &Path) -> Result<Newest, SnapshotError> {
        let io = |source| SnapshotError::Io { path: folder.into(), source };
        let mut damaged = Vec::new();
        for (_, path) in Self::files(folder).map_err(io)? {
            match Self::read(&path) {
                Ok(snapshot) => return Ok(Newest { snapshot: Some(snapshot), damaged }),
                Err(error @ SnapshotError::Damaged { .. }) => damaged.push(error),
                Err(error) => return Err(error),
            }
        }
        Ok(Newest { snapshot: None, damaged })
    }

    /// The name of an epoch's file.
    pub(crate) fn file_name(epoch: usize) -> String {
        format!("epoch-{epoch:06}.safetensors")
    }

    /// The files in a folder with their epochs, the newest first.
    pub(crate) fn files(folder: &Path) -> io::Result<Vec<(usize, PathBuf)>> {
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut files = Vec::new();
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let epoch = name.and_then(|name| name.strip_prefix("epoch-")?.strip_suffix(".safetensors"));
            files.extend(epoch.and_then(|epoch| epoch.parse().ok()).map(|epoch| (epoch, path)));
        }
        files.sort_unstable_by(|a: &(usize, PathBuf), b| b.cmp(a));
        Ok(files)
    }
}

const MODEL: &str = "model.";

fn moment(i: usize) -> String {
    format!("optimizer.{i}.")
}

fn callback(i: usize) -> String {
    format!("callbacks.{i}.")
}

/// Where two configs differ.
pub(crate) fn differences(was: &Value, is: &Value) -> Vec<Difference> {
    fn walk(pointer: &str, was: Option<&Value>, is: Option<&Value>, found: &mut Vec<Difference>) {
        match (was, is) {
            (was, is) if was == is => {}
            (Some(Value::Object(was)), Some(Value::Object(is))) => {
                for key in was.keys().chain(is.keys().filter(|key| !was.contains_key(*key))) {
                    let below = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
                    walk(&below, was.get(key), is.get(key), found);
                }
            }
            (was, is) => {
                found.push(Difference { pointer: pointer.into(), was: was.cloned(), is: is.cloned() });
            }
        }
    }
    let mut found = Vec::new();
    walk("", Some(was), Some(is), &mut found);
    found
}

type Request = Box<dyn FnOnce(Arc<Snapshot>) + Send>;

/// Who wants the snapshot of the epoch.
#[derive(Default)]
pub(crate) struct Requests(pub(crate) Vec<Request>);

impl fmt::Debug for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Requests").field(&self.0.len()).finish()
    }
}
