//! Predicting from a run that has ended.

use super::{PipelineError, Sources};
use crate::{Module, StateDict, parameters};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A run that has ended well: what its pipeline wrote, where data come from, and whether somebody still waits for the answer.
#[derive(Clone)]
#[must_use]
pub struct SavedRun<'a> {
    folder: PathBuf,
    sources: &'a Sources,
    cancelled: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl<'a> SavedRun<'a> {
    /// The run in a folder.
    pub fn new(folder: impl Into<PathBuf>, sources: &'a Sources) -> Self {
        Self { folder: folder.into(), sources, cancelled: Arc::new(|| false) }
    }

    /// Asks this between the steps of a prediction whether to end it as cancelled.
    pub fn cancelled(mut self, cancelled: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.cancelled = Arc::new(cancelled);
        self
    }

    /// Whether nobody waits for the answer any more: to be asked before each step of something long, which then ends with
    /// [`PipelineError::Cancelled`].
    pub fn is_cancelled(&self) -> bool {
        (self.cancelled)()
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the data come from.
    pub fn sources(&self) -> &'a Sources {
        self.sources
    }

    /// The bytes of one of its files.
    ///
    /// # Errors
    /// [`PipelineError::FileNotFound`] if it cannot be read.
    pub fn read(&self, name: &str) -> Result<Vec<u8>, PipelineError> {
        fs::read(self.folder.join(name)).map_err(|error| {
            let succeeded = self.folder.join("results.json").exists();
            PipelineError::FileNotFound(match error.kind() {
                io::ErrorKind::NotFound if succeeded => {
                    format!("the run has succeeded, but its {name} is missing: its folder is damaged")
                }
                io::ErrorKind::NotFound => {
                    format!("the run has no {name}: only one that succeeded has its files")
                }
                _ => format!("the run's {name} cannot be read: {error}"),
            })
        })
    }

    /// What one of its JSON files holds.
    ///
    /// # Errors
    /// As [`read`](Self::read); [`PipelineError::Value`] if the file holds something else.
    pub fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T, PipelineError> {
        serde_json::from_slice(&self.read(name)?)
            .map_err(|error| PipelineError::Value(format!("the run's {name} is damaged: {error}")))
    }

    /// Gives a model the weights of `model.safetensors`.
    ///
    /// # Errors
    /// As [`read`](Self::read); [`PipelineError::Value`] if the weights are not those of such a model, which is unchanged
    /// then.
    pub fn load<X: ?Sized>(&self, model: &mut impl Module<X>) -> Result<(), PipelineError> {
        let name = "model.safetensors";
        let loaded = StateDict::from_bytes(&self.read(name)?)
            .and_then(|weights| weights.load_into(&mut parameters(model)));
        loaded.map_err(|error| PipelineError::Value(format!("the run's {name} cannot be used: {error}")))
    }
}

impl fmt::Debug for SavedRun<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SavedRun").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// What a pipeline says to a request.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Prediction {
    /// The answer, by keys.
    pub values: Map<String, Value>,
    /// Files that belong to it, such as a WAV: names and bytes.
    pub files: Vec<(String, Vec<u8>)>,
}

impl Prediction {
    /// An answer made of the fields of a record.
    ///
    /// # Errors
    /// If the record does not serialise, or not to a JSON object.
    pub fn of(record: &impl Serialize) -> Result<Self, PipelineError> {
        let values = serde_json::to_value(record).and_then(serde_json::from_value)?;
        Ok(Self { values, files: Vec::new() })
    }

    /// Adds a file.
    #[must_use]
    pub fn file(mut self, name: impl Into<String>, bytes: Vec<u8>) -> Self {
        self.files.push((name.into(), bytes));
        self
    }
}
