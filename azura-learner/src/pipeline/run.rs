//! What a run has around it.

use super::{PipelineError, Sources};
use crate::{Callback, Checkpoint, Learner, Module, ProgressEvent, Publish, Snapshot, files};
use serde::Serialize;
use serde_json::Value;
use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

type PublishFn = Arc<dyn Fn(&ProgressEvent) + Send + Sync>;
type CancelledFn = Arc<dyn Fn() -> bool + Send + Sync>;

/// What a run has around it: a folder to write into, data, and somebody who listens.
#[must_use]
pub struct RunCx<'a> {
    out: PathBuf,
    sources: &'a Sources,
    publish: PublishFn,
    known: Option<usize>,
    cancelled: CancelledFn,
    callbacks: Vec<Box<dyn Callback>>,
    checkpoint: Option<Checkpoint>,
    resumes: Option<Snapshot>,
    config: Value,
}

impl<'a> RunCx<'a> {
    /// A run that writes into the folder `out`, which exists, with nobody who listens. Its checkpoints are kept in the folder
    /// `checkpoints` below that.
    pub fn new(out: impl Into<PathBuf>, sources: &'a Sources) -> Self {
        let out = out.into();
        Self {
            checkpoint: Some(Checkpoint::new(out.join("checkpoints"))),
            resumes: None,
            config: Value::Null,
            out,
            sources,
            publish: Arc::new(|_| {}),
            known: None,
            cancelled: Arc::new(|| false),
            callbacks: Vec::new(),
        }
    }

    /// Tells `publish` of every epoch, and of some batches. It must not block: it runs on the training thread.
    pub fn publish(mut self, publish: impl Fn(&ProgressEvent) + Send + Sync + 'static) -> Self {
        self.publish = Arc::new(publish);
        self
    }

    /// Says that who listens was told of the first `epochs` epochs before the run was interrupted.
    pub fn publish_after(mut self, epochs: usize) -> Self {
        self.known = Some(epochs);
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

    /// Keeps the run's checkpoints in this way, or none.
    pub fn checkpoint(mut self, checkpoint: impl Into<Option<Checkpoint>>) -> Self {
        self.checkpoint = checkpoint.into();
        self
    }

    /// Lets the run's training go on from `snapshot`, which is of a run of the same config.
    pub fn resume(mut self, snapshot: impl Into<Option<Snapshot>>) -> Self {
        self.resumes = snapshot.into();
        self
    }

    /// Says what the run is made of: a checkpoint of anything else is refused.
    pub(super) fn set_config(&mut self, config: Value) {
        self.config = config;
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
        let publisher = Publish::new(move |event| publish(event)).pipeline(pipeline);
        self.known.into_iter().fold(publisher, Publish::after)
    }

    /// Joins a learner to what is around the run: the publisher, the callbacks, the cancel request, and the checkpoints, from
    /// which it goes on if the run was interrupted. Of several learners the first has callbacks and checkpoints; the others
    /// begin anew should the run be interrupted.
    pub fn attach<M, X, Y>(&mut self, learner: Learner<M, X, Y>, publisher: Publish) -> Learner<M, X, Y>
    where
        M: Module<X>,
        X: 'static,
        Y: 'static,
    {
        let cancelled = Arc::clone(&self.cancelled);
        let learner = learner.cancelled(move || cancelled()).callback(publisher).config(self.config.clone());
        let learner = self.callbacks.drain(..).fold(learner, Learner::callback);
        let learner = self.checkpoint.take().into_iter().fold(learner, Learner::callback);
        self.resumes.take().into_iter().fold(learner, Learner::resume)
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

    /// Writes a record as a JSON file, for people to read too.
    ///
    /// # Errors
    /// If it does not serialise, or cannot be written.
    pub fn write_json(&self, name: &str, record: &impl Serialize) -> Result<(), PipelineError> {
        self.write(name, &serde_json::to_vec_pretty(record)?)
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
