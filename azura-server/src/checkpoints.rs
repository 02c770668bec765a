//! Where runs that have not succeeded keep what they can go on from.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use azura_learner::Snapshot;
use azura_queue::TaskRecord;

use crate::{
    Runs,
    runs::{config, experiment_id, write_json},
};

/// Those of runs that have not ended, below the folder of all runs: attempts come and go, and the checkpoints stay.
const LIVE: &str = ".checkpoints";
/// Those of a run that failed or was cancelled, in its folder.
const KEPT: &str = "checkpoints";
/// What they are of, beside those of a run that has not ended.
const RECORD: &str = "run.json";
/// How old a folder is that no longer waits for somebody to say what it is for.
const FORGOTTEN: Duration = Duration::from_hours(24);

impl Runs {
    /// The folder of the checkpoints of a run that has not ended. Beside them are its `config.json` and, as `run.json`, the record of its task.
    pub fn checkpoints(&self, experiment_id: &str) -> PathBuf {
        self.folder(LIVE).join(experiment_id)
    }

    /// Where the checkpoints are of a run that failed or was cancelled, by its folder.
    pub(crate) fn kept(folder: &Path) -> PathBuf {
        folder.join(KEPT)
    }

    /// Says beside a run's checkpoints what they are of, so that it can be gone on with even if its queue forgets it.
    pub(crate) fn remember(&self, record: &TaskRecord) -> io::Result<()> {
        let folder = self.checkpoints(&experiment_id(record));
        fs::create_dir_all(&folder)?;
        write_json(&folder.join("config.json"), config(record))?;
        write_json(&folder.join(RECORD), record)
    }

    /// The records of runs that have begun, or are to begin from a checkpoint, and have not ended, as far as the folder of all runs `root` tells.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn unfinished(root: &Path) -> io::Result<Vec<TaskRecord>> {
        let read = |folder: PathBuf| {
            let record: TaskRecord = serde_json::from_slice(&fs::read(folder.join(RECORD)).ok()?).ok()?;
            folder.ends_with(experiment_id(&record)).then_some(record)
        };
        Ok(entries(&root.join(LIVE))?.into_iter().filter_map(read).collect())
    }

    /// Whether a run that failed or was cancelled left something to go on from. It may be damaged: only going on tells.
    pub(crate) fn has_checkpoint(&self, experiment_id: &str) -> bool {
        let has =
            |folder: &Path| entries(folder).is_ok_and(|found| found.iter().any(|path| is_checkpoint(path)));
        has(&Self::kept(&self.folder(experiment_id))) || has(&self.checkpoints(experiment_id))
    }

    /// Puts the checkpoints of a run that ends without success into the folder that becomes the run.
    pub(crate) fn keep_checkpoints(&self, experiment_id: &str, folder: &Path) {
        if let Err(error) = link(&self.checkpoints(experiment_id), &folder.join(KEPT)) {
            tracing::warn!(run = experiment_id, %error, "the checkpoints of a run could not be kept");
        }
    }

    /// Takes away the checkpoints of a run that has ended.
    pub(crate) fn drop_checkpoints(&self, experiment_id: &str) {
        match fs::remove_dir_all(self.checkpoints(experiment_id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(run = experiment_id, %error, "the checkpoints of a run could not be removed");
            }
            _ => {}
        }
    }

    /// Gives the checkpoints in the first of these folders that has some to a run that is to begin. Tells the epoch that it goes on from.
    pub(crate) fn hand_down(&self, from: &[PathBuf], to: &TaskRecord) -> io::Result<Option<usize>> {
        let found = from.iter().find_map(|there| Some((there, newest(there)?.epoch)));
        let Some((there, epoch)) = found else { return Ok(None) };
        self.remember(to)?;
        link(there, &self.checkpoints(&experiment_id(to)))?;
        Ok(Some(epoch))
    }

    /// Takes away the checkpoints that a crash left of runs that have ended, and those of which nothing says what they are of.
    pub(crate) fn clean_checkpoints(&self) -> io::Result<()> {
        for folder in entries(&self.folder(LIVE))? {
            let Some(name) = folder.file_name().and_then(|name| name.to_str()) else { continue };
            let nameless = || !folder.join(RECORD).exists() && older(&folder, FORGOTTEN);
            if self.folder(name).join(RECORD).exists() || nameless() {
                self.drop_checkpoints(name);
            }
        }
        Ok(())
    }
}

/// What is in a folder, if there is one.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries?.map(|entry| entry.map(|entry| entry.path())).collect(),
    }
}

fn is_checkpoint(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "safetensors")
}

/// Whether a folder has not changed for so long.
fn older(folder: &Path, age: Duration) -> bool {
    let changed = fs::metadata(folder).and_then(|folder| folder.modified());
    changed.is_ok_and(|changed| changed.elapsed().is_ok_and(|passed| passed > age))
}

/// The newest whole snapshot in a folder. What is damaged is logged.
pub(crate) fn newest(folder: &Path) -> Option<Snapshot> {
    match Snapshot::newest(folder) {
        Ok(newest) => {
            for error in &newest.damaged {
                tracing::warn!(%error, "an older checkpoint is taken, if there is one");
            }
            newest.snapshot
        }
        Err(error) => {
            tracing::warn!(%error, "checkpoints cannot be read");
            None
        }
    }
}

/// The files of one folder in another as well. They are replaced as a whole and never changed, so that a link is as good as a copy.
fn link(from: &Path, to: &Path) -> io::Result<()> {
    for path in entries(from)? {
        if let Some(name) = path.file_name()
            && is_checkpoint(&path)
        {
            fs::create_dir_all(to)?;
            let target = to.join(name);
            fs::hard_link(&path, &target).or_else(|_| fs::copy(&path, &target).map(|_| ()))?;
        }
    }
    Ok(())
}
