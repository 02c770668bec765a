//! Keeps what a training needs to go on.

mod writer;

use super::{Callback, CallbackError, CallbackState, Flow, Outcome, TrainCx};
use crate::Snapshot;
use std::{
    fmt, fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use writer::Writer;

/// The file of the best epoch's snapshot.
const BEST: &str = "best.safetensors";

/// Writes [`Snapshot`]s of the training into a folder, from which it [goes on](crate::Learner::resume) after an
/// interruption: `epoch-000012.safetensors` is the state at the end of epoch 12.
///
/// They are taken at ends of epochs, at most one a second and always the last, and are written by a thread of their own, so
/// that the training waits for the disk at its end only. What the training comes to does not depend on when they are
/// taken. A file that cannot be written fails the training at the next batch.
///
/// A training that begins anew empties the folder of earlier snapshots, and one that goes on of those of later epochs.
///
/// ```
/// use azura_core::Tensor;
/// use azura_learner::{Adam, Checkpoint, DataLoader, Learner, Linear, Snapshot, TensorDataset, loss, seeded};
///
/// let folder = tempfile::tempdir()?;
/// let x = Tensor::from_vec(&[4, 1], vec![0.0, 1.0, 2.0, 3.0])?;
/// let mut data = DataLoader::new(TensorDataset::new(&x, &x)?, 2).shuffle(7);
/// let learner = || {
///     Learner::new(Linear::new(1, 1, &mut seeded(1)), Adam::new(0.1), loss::mse)
///         .callback(Checkpoint::new(folder.path()))
/// };
/// learner().fit(&mut data, None, 5)?; // interrupted after epoch 5, say
///
/// let snapshot = Snapshot::newest(folder.path())?.snapshot.unwrap();
/// assert_eq!(snapshot.epoch, 5);
/// let resumed = learner().resume(snapshot).fit(&mut data, None, 9)?;
/// # std::fs::remove_dir_all(folder.path())?;
/// let whole = learner().fit(&mut data, None, 9)?;
/// assert_eq!(resumed.history, whole.history); // bit by bit
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Checkpoint {
    folder: PathBuf,
    every: usize,
    interval: Duration,
    keep: usize,
    metric: Option<String>,
    best: Option<f64>,
    last: Option<Instant>,
    written: Written,
    writer: Option<Writer>,
}

/// Who is told of what is on disk.
#[derive(Clone)]
struct Written(Arc<dyn Fn(usize) + Send + Sync>);

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Written")
    }
}

impl Checkpoint {
    /// Into this folder, which is made if it is not there; the newest two are kept.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            every: 1,
            interval: Duration::from_secs(1),
            keep: 2,
            metric: None,
            best: None,
            last: None,
            written: Written(Arc::new(|_| {})),
            writer: None,
        }
    }

    /// Only of every `n`th epoch, and the last one.
    #[must_use]
    pub fn every(mut self, n: usize) -> Self {
        self.every = n.max(1);
        self
    }

    /// Lets at least so much time pass between two snapshots; the default is a second.
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Keeps the newest `k`, and at least one. With one alone there is nothing to fall back to should it be damaged.
    #[must_use]
    pub fn keep(mut self, k: usize) -> Self {
        self.keep = k.max(1);
        self
    }

    /// Also keeps the snapshot of the epoch in which `metric` was lowest, as `best.safetensors`, however soon after another.
    #[must_use]
    pub fn best(mut self, metric: impl Into<String>) -> Self {
        self.metric = Some(metric.into());
        self
    }

    /// Tells `written` of each epoch whose snapshot is safe on disk, on the thread that writes.
    #[must_use]
    pub fn written(mut self, written: impl Fn(usize) + Send + Sync + 'static) -> Self {
        self.written = Written(Arc::new(written));
        self
    }

    /// Takes away what this training is not going to follow: snapshots of later epochs, and what a crash left half written.
    fn clear(&self, epoch: usize) -> Result<(), CallbackError> {
        fs::create_dir_all(&self.folder)?;
        for (of, path) in Snapshot::files(&self.folder)? {
            if of > epoch {
                fs::remove_file(path)?;
            }
        }
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let half = path.extension().is_some_and(|ending| ending == "tmp");
            if half || (epoch == 0 && path.ends_with(BEST)) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<Flow, CallbackError> {
        self.writer.as_ref().map_or(Ok(()), Writer::check)?;
        Ok(Flow::Continue)
    }
}

impl Callback for Checkpoint {
    /// Behind all others, so that it knows of an epoch's end whether it is the last.
    fn order(&self) -> i32 {
        i32::MAX
    }

    fn monitors(&self) -> Option<&str> {
        self.metric.as_deref()
    }

    fn on_train_begin(&mut self, cx: &mut TrainCx<'_>) -> Result<Flow, CallbackError> {
        self.last = None;
        if cx.progress.epoch == 0 {
            self.best = None;
        }
        self.clear(cx.progress.epoch)?;
        self.writer = Some(Writer::start(self.folder.clone(), self.keep, self.written.clone())?);
        Ok(Flow::Continue)
    }

    fn on_batch_end(&mut self, _: f32, _: &mut TrainCx<'_>) -> Result<Flow, CallbackError> {
        self.check()
    }

    fn on_epoch_end(&mut self, cx: &mut TrainCx<'_>) -> Result<Flow, CallbackError> {
        let Some(writer) = &self.writer else { return Ok(Flow::Continue) };
        let value = self.metric.as_ref().and_then(|metric| cx.metrics.get(metric)).copied();
        if let Some(value) = value
            && value < self.best.unwrap_or(f64::INFINITY)
        {
            self.best = Some(value);
            cx.snapshot(writer.best());
        }
        let epoch = cx.progress.epoch;
        let now = Instant::now();
        let due = epoch.is_multiple_of(self.every)
            && self.last.is_none_or(|last| now.duration_since(last) >= self.interval);
        if due || epoch == cx.progress.total_epochs || cx.stop.is_some() {
            self.last = Some(now);
            cx.snapshot(writer.newest());
        }
        self.check()
    }

    /// Waits until everything is on disk.
    fn on_train_end(&mut self, _: &Outcome, _: &mut TrainCx<'_>) -> Result<Flow, CallbackError> {
        self.writer.take().map_or(Ok(()), Writer::finish)?;
        Ok(Flow::Continue)
    }

    fn save(&self) -> Result<Option<CallbackState>, CallbackError> {
        self.metric.as_ref().map(|_| CallbackState::new(&self.best)).transpose()
    }

    fn load(&mut self, state: CallbackState) -> Result<(), CallbackError> {
        self.best = state.read()?;
        Ok(())
    }
}
