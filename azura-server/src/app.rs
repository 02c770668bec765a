//! Everything that the server can do, without a word of HTTP.

mod archive;
mod edit;
mod files;
mod find;
mod history;
mod list;
mod live;
mod progress;
mod resume;
mod submit;

pub use edit::Notes;
pub use files::StoredFile;
pub use history::Course;
pub use list::RunQuery;
pub use live::News;
pub use progress::Progress;
pub use submit::Submission;

use std::{fmt, io, sync::Arc, time::Duration};

use azura_learner::{ConfigError, PipelineInfo, Registry, Sources, config::Problem};
use azura_queue::{Entry, Queue, QueueError, Result as QueueResult, Seq, State, TaskId, TaskRecord};
use futures_util::{
    StreamExt as _, TryStreamExt as _,
    stream::{self, BoxStream},
};
use serde_json::Value;
use tokio::{task::spawn_blocking, time::sleep};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    clients::Clients,
    presence,
    runs::{self, Run, Runs},
};

/// How often dead workers are looked for.
const LOOK: Duration = Duration::from_millis(500);
/// How often leases that have ended are looked for.
const REAP: Duration = Duration::from_secs(5);
/// How often it is seen whether the queue still knows what is on disk.
const AUDIT: Duration = Duration::from_secs(5);
/// How many runs of earlier days are recorded at a time.
const RESTORED_AT_ONCE: usize = 64;
/// The most runs that one list holds.
pub(crate) const MAX_LIST: usize = 1000;

/// Pipelines, data, a queue and the runs that came of them: what routes and workers share.
pub struct App {
    registry: Registry,
    sources: Sources,
    queue: Arc<dyn Queue>,
    runs: Runs,
    shutdown: CancellationToken,
    watchers: TaskTracker,
    clients: Arc<Clients>,
    live: live::Live,
    courses: progress::Courses,
}

/// What the app could not do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppError {
    /// A config that cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is no such run.
    #[error("Experiment with ID '{0}' not found.")]
    NoExperiment(String),
    /// There is no such pipeline.
    #[error("there is no pipeline '{0}'; there are: {1}")]
    NoPipeline(String, String),
    /// The run has no report.
    #[error("Experiment '{0}' has no report: a run has one if it succeeded, and its pipeline writes one.")]
    NoReport(String),
    /// The run succeeded, and what came out is somewhere else.
    #[error(
        "Experiment '{0}' succeeded, but its files are not in this server's data folder. Its worker has kept them in another one: \
         give workers and servers the same folder, over a network file system if they are on several machines."
    )]
    Elsewhere(String),
    /// The run's report has no such picture.
    #[error("The report of experiment '{0}' has no picture of this name.")]
    NoImage(String),
    /// The run has no such file.
    #[error("Experiment '{0}' has no file of this name.")]
    NoFile(String),
    /// The run has no files at all.
    #[error("Experiment '{0}' has no files: a run has some once its worker has brought it to an end.")]
    NoFiles(String),
    /// The run has not ended.
    #[error("Experiment '{0}' has not ended: cancel it first.")]
    Running(String),
    /// The run has no model to ask: it has not succeeded.
    #[error("Experiment '{0}' has no model to ask: it is {1}; a run has one once it is SUCCESS.")]
    NoModel(String, State),
    /// A request to a model cannot be used.
    #[error("{message}")]
    Request {
        /// What is wrong with it.
        message: String,
        /// The same, with the place of each problem.
        problems: Vec<Problem>,
    },
    /// A prediction failed.
    #[error("The prediction failed: {0}")]
    Prediction(String),
    /// A prediction took too long.
    #[error(
        "{} within {} s, and the task {task} was given up",
        if *taken { "the prediction was begun, but not done" } else { "no worker took the prediction up" },
        waited.as_secs()
    )]
    Late {
        /// The task.
        task: TaskId,
        /// For how long it was waited for.
        waited: Duration,
        /// Whether a worker has begun it.
        taken: bool,
    },
    /// The run cannot be gone on with.
    #[error("Experiment '{0}' cannot be resumed: {1}.")]
    NotResumable(String, String),
    /// The queue refused, or could not answer.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// Files could not be read or written.
    #[error(transparent)]
    Storage(#[from] io::Error),
}

type Result<T, E = AppError> = std::result::Result<T, E>;

impl App {
    /// An app of its parts. What is on disk and not in the queue is not seen before [`restore`](Self::restore).
    pub fn new(registry: Registry, sources: Sources, queue: Arc<dyn Queue>, runs: Runs) -> Self {
        Self {
            registry,
            sources,
            queue,
            runs,
            shutdown: CancellationToken::new(),
            watchers: TaskTracker::new(),
            clients: Arc::default(),
            live: live::Live::default(),
            courses: progress::Courses::default(),
        }
    }

    /// Records the runs on disk again that the queue does not know, and returns their number: those of a queue that was lost, or never lasted, and
    /// those that were trained without it. Those of them that were interrupted are failed runs from now on, which can be resumed. To be called
    /// once, before anything else.
    ///
    /// # Errors
    /// [`AppError::Queue`], [`AppError::Storage`].
    pub async fn restore(self: &Arc<Self>) -> Result<usize> {
        self.end_interrupted().await?;
        let app = Arc::clone(self);
        let records = spawn_blocking(move || app.runs.records()).await.map_err(io::Error::other)??;
        let restore = async |record: TaskRecord| -> Result<usize> {
            if self.knows(&record.id).await? {
                return Ok(0);
            }
            let log = runs::read_log(&self.runs.folder(&runs::experiment_id(&record))).await;
            match self.queue.restore(record, log).await {
                Ok(()) => Ok(1),
                Err(QueueError::Duplicate(_)) => Ok(0),
                Err(error) => Err(error.into()),
            }
        };
        // What is confirmed together is confirmed sooner.
        let restoring = stream::iter(records).map(restore).buffer_unordered(RESTORED_AT_ONCE);
        restoring.try_fold(0, async |all, one| Ok(all + one)).await
    }

    /// Looks after workers and runs until the shutdown. The tasks of a worker of this machine whose process has died are given back at once, those
    /// of one elsewhere when their leases end, even if no worker is left to take them. A queue that has lost its records, as a Redis without its
    /// data, is given back those of the runs on disk. Of several processes over the same folder one is enough, and more do no harm.
    pub async fn tend(self: &Arc<Self>) {
        tokio::join!(self.tend_workers(), self.tend_leases(), self.tend_runs());
    }

    async fn tend_leases(&self) {
        while self.shutdown.run_until_cancelled(sleep(REAP)).await.is_some() {
            if let Err(error) = self.queue.reap(REAP).await {
                tracing::warn!(%error, "leases could not be checked");
            }
        }
    }

    async fn tend_workers(self: &Arc<Self>) {
        while self.shutdown.run_until_cancelled(sleep(LOOK)).await.is_some() {
            let app = Arc::clone(self);
            let departed = match spawn_blocking(move || presence::departed(&app.runs.workers())).await {
                Ok(Ok(departed)) => departed,
                error => {
                    tracing::warn!(?error, "it cannot be seen which workers live");
                    continue;
                }
            };
            for worker in departed {
                let disowned =
                    async { self.queue.leave(&worker).await.and(self.queue.disown(&worker).await) };
                match disowned.await {
                    Ok(tasks) => tracing::warn!(%worker, tasks, "a worker has died; its tasks wait again"),
                    Err(error) => tracing::warn!(%worker, %error, "a worker has died; its leases will end"),
                }
            }
        }
    }

    async fn tend_runs(self: &Arc<Self>) {
        while self.shutdown.run_until_cancelled(sleep(AUDIT)).await.is_some() {
            match self.audit().await {
                Ok(0) => {}
                Ok(runs) => tracing::warn!(runs, "runs on disk that the queue did not know are recorded"),
                Err(error) => tracing::warn!(%error, "it cannot be seen whether the queue knows all runs"),
            }
        }
    }

    /// If the queue does not know the run that was written down last, it may have lost others.
    async fn audit(self: &Arc<Self>) -> Result<usize> {
        let app = Arc::clone(self);
        let newest = spawn_blocking(move || app.runs.newest()).await.map_err(io::Error::other)??;
        match newest {
            Some(record) if !self.knows(&record.id).await? => self.restore().await,
            _ => Ok(0),
        }
    }

    /// The pipelines.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Where runs take their data from.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// Where runs wait, and where their progress can be read.
    pub fn queue(&self) -> &Arc<dyn Queue> {
        &self.queue
    }

    /// The runs that have ended.
    pub fn runs(&self) -> &Runs {
        &self.runs
    }

    /// To be cancelled when the program ends: watchers are told, and whoever serves or works with this token stops.
    pub fn shutdown(&self) -> &CancellationToken {
        &self.shutdown
    }

    /// Everybody who watches a run; none stays for long after a shutdown.
    pub(crate) fn watchers(&self) -> &TaskTracker {
        &self.watchers
    }

    /// Everybody who is connected.
    pub(crate) fn clients(&self) -> &Arc<Clients> {
        &self.clients
    }

    /// What there is to know of each pipeline, by name.
    pub fn pipelines(&self) -> Vec<PipelineInfo> {
        self.registry.names().filter_map(|name| self.registry.info(name)).collect()
    }

    /// What there is to know of a pipeline.
    ///
    /// # Errors
    /// [`AppError::NoPipeline`].
    pub fn pipeline(&self, name: &str) -> Result<PipelineInfo> {
        self.registry.info(name).ok_or_else(|| {
            let known: Vec<_> = self.registry.names().collect();
            AppError::NoPipeline(name.to_owned(), known.join(", "))
        })
    }

    /// Checks a config and completes it with defaults.
    ///
    /// # Errors
    /// [`AppError::Config`] with every problem at once.
    pub async fn check(self: &Arc<Self>, config: Value) -> Result<Value> {
        let app = Arc::clone(self);
        let checked = spawn_blocking(move || app.registry.check(&config, &app.sources)).await;
        Ok(checked.map_err(io::Error::other)??)
    }

    /// A run, by its experiment id or its task's id.
    ///
    /// # Errors
    /// [`AppError::NoExperiment`].
    pub async fn find(self: &Arc<Self>, id: &str) -> Result<Run> {
        let (app, record) = (Arc::clone(self), self.record(id).await?);
        let run = self.with_progress(Run::new(record)).await?;
        Ok(spawn_blocking(move || app.whole(run)).await.map_err(io::Error::other)?)
    }

    /// Cancels a run: a waiting one at once, a running one after its current batch. One that has ended stays as it is.
    ///
    /// # Errors
    /// [`AppError::NoExperiment`].
    pub async fn cancel(self: &Arc<Self>, id: &str) -> Result<Run> {
        let record = self.record(id).await?;
        let (task, folder) = (record.id, self.runs.folder(&runs::experiment_id(&record)));
        if self.queue.cancel(&task).await? == State::Revoked && !folder.exists() {
            // Nobody works on it, so nobody else writes it down. It is cancelled even if that does not succeed.
            if let Err(error) = self.keep(task).await {
                tracing::warn!(%task, %error, "a cancelled run could not be written down");
            }
        }
        self.find(id).await
    }

    /// What happens to a run: everything stored after number `after`, then live.
    ///
    /// # Errors
    /// [`AppError::NoExperiment`].
    pub async fn follow(&self, id: &str, after: Seq) -> Result<BoxStream<'static, QueueResult<Entry>>> {
        let record = self.record(id).await?;
        // What was heard of it before its queue forgot it was another log: this one holds its end alone.
        let interrupted = record.error.as_ref().is_some_and(|error| error.code == resume::INTERRUPTED);
        Ok(self.queue.follow(&record.id, if interrupted { 0 } else { after }).await?)
    }

    /// A run with what is on disk of it. What is there before its task has ended does not count yet.
    fn whole(&self, run: Run) -> Run {
        let ended = run.record.state.is_terminal();
        let stored = ended.then(|| self.runs.read(&run.experiment_id())).flatten();
        match stored.filter(|stored| stored.record.id == run.record.id) {
            Some(stored) => self.outline(Run { record: run.record, progress: run.progress, ..stored }),
            None => self.outline(run),
        }
    }

    /// A run, and whether there is a model of it on disk, or else something to go on from.
    fn outline(&self, run: Run) -> Run {
        let (state, name) = (run.record.state, run.experiment_id());
        let has_model = state == State::Success && self.runs.has_model(&name);
        let resumable = matches!(state, State::Failure | State::Revoked) && self.runs.has_checkpoint(&name);
        Run { has_model, resumable, ..run }
    }

    /// Writes down a run that ended before anybody worked on it.
    async fn keep(self: &Arc<Self>, id: TaskId) -> Result<()> {
        let (record, log) = (self.queue.get(&id).await?, self.queue.read(&id, 0, usize::MAX).await?);
        let app = Arc::clone(self);
        let kept = spawn_blocking(move || {
            app.runs.publish(app.runs.prepare(app.runs.begin(&record)?, &record, &log)?)
        })
        .await;
        Ok(kept.map_err(io::Error::other)??)
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("registry", &self.registry)
            .field("runs", &self.runs)
            .finish_non_exhaustive()
    }
}
