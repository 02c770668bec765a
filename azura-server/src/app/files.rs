//! The files of a run.

use std::{
    fs::{self, Metadata},
    io,
    path::Path,
    sync::Arc,
};

use azura_queue::{State, TaskRecord};
use cap_std::fs::Dir;
use tokio::{fs::File, io::AsyncReadExt as _, task::spawn_blocking};

use super::{App, AppError, Result};
use crate::{names, runs};

/// Where the pictures of a report are.
const IMAGES: &str = "images/";

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
        let run = runs::experiment_id(&self.record(id).await?);
        let app = Arc::clone(self);
        let listed = spawn_blocking(move || list(&app.runs.dir(&run)?)).await.map_err(io::Error::other)?;
        match listed {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            listed => Ok(listed?),
        }
    }

    /// One of the [files](Self::files) of a run, and what the system says of it.
    ///
    /// # Errors
    /// [`AppError::NoExperiment`], [`AppError::NoFile`], [`AppError::Elsewhere`].
    pub async fn file(self: &Arc<Self>, id: &str, name: &str) -> Result<(File, Metadata)> {
        self.open(&self.record(id).await?, name, AppError::NoFile).await
    }

    /// A run's experiment id, and its report as Markdown.
    ///
    /// # Errors
    /// [`AppError::NoExperiment`], [`AppError::NoReport`], [`AppError::Elsewhere`].
    pub async fn report(self: &Arc<Self>, id: &str) -> Result<(String, String)> {
        let record = self.record(id).await?;
        let (mut file, _) = self.open(&record, "report.md", AppError::NoReport).await?;
        let mut text = String::new();
        file.read_to_string(&mut text).await?;
        Ok((runs::experiment_id(&record), text))
    }

    /// A picture of a run's report, as SVG.
    ///
    /// # Errors
    /// [`AppError::NoExperiment`], [`AppError::NoImage`], [`AppError::Elsewhere`].
    pub async fn image(self: &Arc<Self>, id: &str, name: &str) -> Result<Vec<u8>> {
        let record = self.record(id).await?;
        if Path::new(name).extension().is_none_or(|ending| ending != "svg") {
            return Err(AppError::NoImage(runs::experiment_id(&record)));
        }
        let (mut file, _) = self.open(&record, &format!("{IMAGES}{name}"), AppError::NoImage).await?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).await?;
        Ok(bytes)
    }

    async fn open(
        self: &Arc<Self>,
        record: &TaskRecord,
        name: &str,
        missing: fn(String) -> AppError,
    ) -> Result<(File, Metadata)> {
        let run = runs::experiment_id(record);
        if !names::is_safe(name.strip_prefix(IMAGES).unwrap_or(name)) {
            return Err(missing(run));
        }
        let (app, name) = (Arc::clone(self), name.to_owned());
        let opened = spawn_blocking(move || open(&app.runs.dir(&run)?, &name)).await;
        let file = opened.map_err(io::Error::other)?.map_err(|error| self.absent(error, record, missing))?;
        let metadata = file.metadata()?;
        Ok((File::from_std(file), metadata))
    }

    /// Why a file of a run cannot be read.
    pub(super) fn absent(
        &self,
        error: io::Error,
        record: &TaskRecord,
        missing: fn(String) -> AppError,
    ) -> AppError {
        let run = runs::experiment_id(record);
        match error.kind() {
            io::ErrorKind::NotFound if record.state == State::Success && !self.runs.folder(&run).exists() => {
                AppError::Elsewhere(run)
            }
            // A link that leads out of the folder is not permitted.
            io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => missing(run),
            _ => error.into(),
        }
    }
}

/// What lies in a run's folder and among its pictures.
pub(super) fn list(folder: &Dir) -> io::Result<Vec<StoredFile>> {
    let mut files = Vec::new();
    for place in ["", IMAGES] {
        let entries = match folder.read_dir(format!("./{place}")) {
            Err(_) if place == IMAGES => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let (Ok(name), metadata) = (entry.file_name().into_string(), entry.metadata()?) else { continue };
            if names::is_safe(&name) && metadata.is_file() {
                files.push(StoredFile { name: format!("{place}{name}"), size: metadata.len() });
            }
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

/// Opens what is listed: a file, and nothing that would be waited for.
pub(super) fn open(folder: &Dir, name: &str) -> io::Result<fs::File> {
    if !folder.symlink_metadata(name)?.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(folder.open(name)?.into_std())
}
