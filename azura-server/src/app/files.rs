//! The files of a run.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::{fs::File, task::spawn_blocking};

use super::{App, AppError, Result};
use crate::{names, runs};

/// A file that a run has left.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredFile {
    /// Its path in the run's folder: `results.json`, `images/loss.svg`.
    pub name: String,
    /// Its length in bytes.
    pub size: u64,
}

impl App {
    /// The files of a run that has ended, by name. Checkpoints are not among them.
    ///
    /// # Errors
    /// [`AppError::NoExperiment`], [`AppError::Storage`].
    pub async fn files(self: &Arc<Self>, id: &str) -> Result<Vec<StoredFile>> {
        let record = self.record(id).await?;
        let folder = self.runs.folder(&runs::experiment_id(&record));
        let mut files = spawn_blocking(move || {
            let mut files = Vec::new();
            for (folder, prefix) in [(folder.clone(), ""), (folder.join("images"), "images/")] {
                read_folder(&folder, prefix, &mut files)?;
            }
            io::Result::Ok(files)
        })
        .await
        .map_err(io::Error::other)??;
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(files)
    }

    /// One of the [files](Self::files) of a run, and its length.
    ///
    /// # Errors
    /// [`AppError::NoExperiment`], [`AppError::NoFile`], [`AppError::Elsewhere`].
    pub async fn file(&self, id: &str, name: &str) -> Result<(File, u64)> {
        let record = self.record(id).await?;
        let run = runs::experiment_id(&record);
        let plain = name.strip_prefix("images/").unwrap_or(name);
        if !names::is_safe(plain) {
            return Err(AppError::NoFile(run));
        }
        let path = self.runs.folder(&run).join(name);
        let opened = async {
            if !is_file(&tokio::fs::symlink_metadata(&path).await?) {
                return Err(io::ErrorKind::NotFound.into());
            }
            let file = File::open(&path).await?;
            let length = file.metadata().await?.len();
            Ok((file, length))
        };
        opened.await.map_err(|error| self.absent(error, &record, AppError::NoFile))
    }
}

fn read_folder(folder: &Path, prefix: &str, files: &mut Vec<StoredFile>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let path: PathBuf = entry?.path();
        let (Some(name), Ok(metadata)) =
            (path.file_name().and_then(|name| name.to_str()), fs::symlink_metadata(&path))
        else {
            continue;
        };
        if names::is_safe(name) && is_file(&metadata) {
            files.push(StoredFile { name: format!("{prefix}{name}"), size: metadata.len() });
        }
    }
    Ok(())
}

/// No link, which may lead anywhere.
fn is_file(metadata: &fs::Metadata) -> bool {
    metadata.file_type().is_file()
}
