//! Going on with runs that were interrupted.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use azura_queue::{Finish, Hold, QueueError, State, TaskFailure, TaskId, TaskRecord, Unique};
use tokio::task::spawn_blocking;

use super::{App, AppError, Result, submit::task};
use crate::{
    Runs, checkpoints, clock, handler,
    runs::{self, RESUMED_FROM},
};

/// The code of a run whose process has ended, and of which its queue knows nothing.
pub(super) const INTERRUPTED: &str = "RUN_INTERRUPTED";
/// Within this time a task is submitted once it is written down that it is to be.
const SUBMITTED: Duration = Duration::from_mins(1);

impl App {
    /// Goes on with a run that was cancelled or has failed, from its last checkpoint, as a new run of the same config.
    ///
    /// # Errors
    /// [`AppError::NoExperiment`]; [`AppError::NotResumable`] if it has not ended, succeeded, has no checkpoint here, or another run that has not
    /// ended goes on with it;
    /// [`AppError::Config`] if its config can no longer be used.
    pub async fn resume(self: &Arc<Self>, id: &str) -> Result<TaskId> {
        let record = self.record(id).await?;
        let name = runs::experiment_id(&record);
        // One that was ended over its worker's head has no folder.
        let places = vec![Runs::kept(&self.runs.folder(&name)), self.runs.checkpoints(&name)];
        self.follow_up(&record, places).await
    }

    /// As [`resume`](Self::resume), for the run in a folder, which need not be among those of this app.
    ///
    /// # Errors
    /// As there; [`AppError::Storage`] if the folder holds no run.
    pub async fn resume_from(self: &Arc<Self>, folder: &Path) -> Result<TaskId> {
        let record = serde_json::from_slice(&fs::read(folder.join("run.json"))?).map_err(io::Error::from)?;
        self.follow_up(&record, vec![Runs::kept(folder)]).await
    }

    /// Goes on with one of the [unfinished](Runs::unfinished) runs as the run that it was: for those of a queue that is gone. One of which nothing
    /// was learned yet begins anew.
    ///
    /// # Errors
    /// [`AppError::Config`] if its config can no longer be used; [`AppError::Queue`] if the queue knows the run.
    pub async fn go_on(self: &Arc<Self>, record: &TaskRecord) -> Result<TaskId> {
        let config = self.check(runs::config(record).clone()).await?;
        let name = runs::experiment_id(record);
        let checkpoints = self.runs.checkpoints(&name);
        let newest = spawn_blocking(move || checkpoints::newest(&checkpoints)).await;
        let epoch = newest.map_err(io::Error::other)?.map_or(0, |snapshot| snapshot.epoch);
        Ok(self.queue.submit(task(record.id, name, config).checkpoint(epoch as u64)).await?)
    }

    /// A new run that begins where a run that has ended left off, by the checkpoints in the first of `places` that has some.
    async fn follow_up(self: &Arc<Self>, record: &TaskRecord, places: Vec<PathBuf>) -> Result<TaskId> {
        let old = runs::experiment_id(record);
        let refuse = |why: &str| AppError::NotResumable(old.clone(), why.to_owned());
        match record.state {
            State::Failure | State::Revoked => {}
            State::Success => return Err(refuse("it has succeeded")),
            _ => return Err(refuse("it has not ended")),
        }
        let config = self.check(runs::config(record).clone()).await?;
        let id = TaskId::random();
        let name = self.free_experiment_id(&config, id).await?;
        // Two at a time would do the same work twice.
        let unique = Unique::new(format!("{RESUMED_FROM}:{old}"), Hold::Running);
        let task = task(id, name.clone(), config).label(RESUMED_FROM, old.clone()).unique(unique);
        let begins = TaskRecord::new(id, task.clone(), clock::now());
        let app = Arc::clone(self);
        let handed = spawn_blocking(move || app.runs.hand_down(&places, &begins)).await;
        let Some(epoch) = handed.map_err(io::Error::other)?? else {
            return Err(refuse("there is no checkpoint of it here"));
        };
        let submitted = self.queue.submit(task.checkpoint(epoch as u64)).await;
        if submitted.is_err() {
            self.runs.drop_checkpoints(&name);
        }
        submitted.map_err(|error| match error {
            QueueError::NotUnique { by, .. } => refuse(&format!("{by} goes on with it, and has not ended")),
            error => error.into(),
        })
    }

    /// Writes down as failed what has begun, is known to no queue, and is worked on by nobody: it can be seen then, and resumed. Of what ended over its
    /// worker's head nothing is left behind that nobody can go on from.
    pub(super) async fn end_interrupted(self: &Arc<Self>) -> Result<()> {
        for record in Runs::unfinished(self.runs.root())? {
            // One that is to begin is written down before it is submitted.
            let begins = record.state == State::Pending && age(&record) < SUBMITTED;
            let ended = match self.queue.get(&record.id).await {
                Ok(known) if known.state.is_terminal() => Self::clear,
                Err(QueueError::NotFound(_)) if !begins => Self::end,
                Ok(_) | Err(QueueError::NotFound(_)) => continue,
                Err(error) => return Err(error.into()),
            };
            let app = Arc::clone(self);
            match spawn_blocking(move || ended(&app, &record)).await.map_err(io::Error::other)? {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {}
                ended => ended?,
            }
        }
        Ok(())
    }

    fn clear(&self, record: &TaskRecord) -> io::Result<()> {
        let _attempt = self.runs.begin(record)?;
        let name = runs::experiment_id(record);
        if checkpoints::newest(&self.runs.checkpoints(&name)).is_none() {
            self.runs.drop_checkpoints(&name);
        }
        Ok(())
    }

    fn end(&self, record: &TaskRecord) -> io::Result<()> {
        let attempt = self.runs.begin(record)?;
        tracing::warn!("run {} was interrupted; it can be resumed", runs::experiment_id(record));
        let failure = TaskFailure::new(INTERRUPTED, "the process that trained it ended before it did");
        let (record, end) = handler::ended(record.clone(), Finish::Failed { failure, retry: false }, 0);
        self.runs.publish(self.runs.prepare(attempt, &record, &[end])?)
    }

    pub(super) async fn knows(&self, task: &TaskId) -> Result<bool> {
        match self.queue.get(task).await {
            Ok(_) => Ok(true),
            Err(QueueError::NotFound(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// How long ago a task was submitted; nothing if that is to come.
fn age(record: &TaskRecord) -> Duration {
    clock::now().duration_since(record.created_at).try_into().unwrap_or_default()
}
