//! Where runs that have not succeeded keep what they can go on from.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use azura_learner::Snapshot;

use crate::Runs;

/// Those of runs that have not ended, below the folder of all runs: attempts come and go, and the checkpoints stay.
const LIVE: &str = ".checkpoints";
/// Those of a run that failed or was cancelled, in its folder.
const KEPT: &str = "checkpoints";

impl Runs {
    /// The folder of the checkpoints of a run that has not ended.
    pub(crate) fn checkpoints(&self, experiment_id: &str) -> PathBuf {
        self.folder(LIVE).join(experiment_id)
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

    /// Gives the checkpoints of a run that has ended to another one. Tells whether there is one to go on from.
    pub(crate) fn hand_down(&self, from: &str, to: &str) -> io::Result<bool> {
        // One that was ended over its worker's head has no folder.
        for there in [self.folder(from).join(KEPT), self.checkpoints(from)] {
            if newest(&there).is_some() {
                link(&there, &self.checkpoints(to))?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Takes away the checkpoints of runs that have ended, which a crash left.
    pub(crate) fn clean_checkpoints(&self) -> io::Result<()> {
        let entries = match fs::read_dir(self.folder(LIVE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            if let Some(name) = entry?.file_name().to_str()
                && self.folder(name).join("run.json").exists()
            {
                self.drop_checkpoints(name);
            }
        }
        Ok(())
    }
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
    let entries = match fs::read_dir(from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    fs::create_dir_all(to)?;
    for entry in entries {
        let path = entry?.path();
        if let Some(name) = path.file_name()
            && path.extension().is_some_and(|ending| ending == "safetensors")
        {
            let target = to.join(name);
            fs::hard_link(&path, &target).or_else(|_| fs::copy(&path, &target).map(|_| ()))?;
        }
    }
    Ok(())
}
