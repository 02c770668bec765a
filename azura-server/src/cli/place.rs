//! Where a training in the terminal keeps its run, and where one is found that is to go on.

use std::{
    fmt::Display,
    fs, io,
    path::{self, Path, PathBuf},
};

use azura_queue::{State, TaskRecord};
use azura_server::{Run, Runs};
use serde_json::Value;

use super::Failure;

/// What a training begins with.
pub(super) enum Start {
    /// A config.
    New(Value),
    /// A run whose process was killed.
    Unfinished(Box<TaskRecord>),
    /// The folder of a run that was cancelled or has failed.
    Ended(PathBuf),
}

/// Where a run is made, and where it is in the end.
pub(super) struct Place {
    root: PathBuf,
    /// Whether the root is of this run alone.
    own: bool,
    out: Option<Out>,
}

/// The folder that a run becomes.
struct Out {
    folder: PathBuf,
    /// Whether the run that is there is the one that it goes on from.
    replaces: bool,
}

impl Place {
    /// Among the server's runs.
    pub(super) fn among(experiments: impl Into<PathBuf>) -> Self {
        Self { root: experiments.into(), own: false, out: None }
    }

    /// The folder `out`, which is empty or does not exist. The run is made beside it.
    pub(super) fn out(out: &Path) -> Result<Self, Failure> {
        let place = Self::beside(Out::vacant(out)?)?;
        if Runs::unfinished(&place.root)?.is_empty() {
            return Ok(place);
        }
        let (out, root) = (quoted(out), place.root.display());
        let message = format!(
            "--out {out}: a training of it was interrupted or is under way; go on with `azura train --resume {out}`, or remove {root}"
        );
        Err(message.into())
    }

    fn beside(out: Out) -> Result<Self, Failure> {
        let root = beside(&out.folder).ok_or_else(|| refused(&out.folder, &"this folder cannot be a run"))?;
        Ok(Self { root, own: true, out: Some(out) })
    }

    /// The run that is to go on, by its id, its folder, or the `--out` that it was to have. It becomes the folder `out`; without, what was to be
    /// a folder of its own still is one, and any other goes where the server keeps it.
    pub(super) fn of_run(
        run: &str,
        experiments: &Path,
        out: Option<&Path>,
    ) -> Result<(Start, Self), Failure> {
        let full = full(Path::new(run))?;
        // Newer than what may be in the folder itself.
        if let Some(root) = beside(&full)
            && let Some(record) = Runs::unfinished(&root)?.pop()
        {
            let same = || Ok(Out { folder: full, replaces: true });
            let out = out.map_or_else(same, Out::vacant)?;
            return Ok((Start::Unfinished(record.into()), Self { root, own: true, out: Some(out) }));
        }
        let known = [full.clone(), experiments.join(run)];
        if let Some(folder) = known.iter().find(|folder| folder.join("run.json").is_file()) {
            let name = ended(folder)?;
            let place = match (out, folder.parent().filter(|_| folder.ends_with(name))) {
                (Some(out), _) => Self::out(out)?,
                (None, Some(root)) => Self::among(root),
                (None, None) => Self::beside(Out { folder: folder.clone(), replaces: true })?,
            };
            return Ok((Start::Ended(folder.clone()), place));
        }
        // `.checkpoints/ID` names it too.
        for root in full.ancestors().skip(1).take(2).chain([experiments]) {
            let named = |record: &TaskRecord| full.ends_with(Run::new(record.clone()).experiment_id());
            if let Some(record) = Runs::unfinished(root)?.into_iter().find(named) {
                let out = out.map(Out::vacant).transpose()?;
                return Ok((Start::Unfinished(record.into()), Self { out, ..Self::among(root) }));
            }
        }
        Err(format!("there is no run {run:?} to go on with: {}", none_of(&known)).into())
    }

    /// The folder of all runs in which it is made.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Where a run is to be.
    pub(super) fn folder(&self, run: &Run) -> PathBuf {
        self.out.as_ref().map_or_else(|| self.root.join(run.experiment_id()), |out| out.folder.clone())
    }

    /// Puts the run where it is to be, and returns its folder. Of one that is to have a folder of its own only what succeeded is kept, or what can
    /// be gone on from.
    pub(super) fn settle(self, run: Option<&Run>) -> Result<Option<PathBuf>, Failure> {
        let made = run.map(|run| self.root.join(run.experiment_id())).filter(|made| made.exists());
        let Some(Out { folder, replaces }) = self.out else { return Ok(made) };
        let succeeded = run.is_some_and(|run| run.record.state == State::Success);
        let made = made.filter(|made| succeeded || resumable(made));
        if let Some(made) = &made {
            // An empty folder may be there, and nothing else.
            let vacated = if replaces {
                fs::rename(&folder, made.with_extension("old"))
            } else {
                fs::remove_dir(&folder)
            };
            let renamed = match vacated {
                Err(error) if replaces && error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => fs::rename(made, &folder),
            };
            renamed.map_err(|error| {
                format!("{} cannot be made: {error}; the run is kept in {}", folder.display(), made.display())
            })?;
        }
        if self.own && Runs::unfinished(&self.root)?.is_empty() {
            // What is left is of no use, and an error of the training is the one to tell of.
            let _ = fs::remove_dir_all(&self.root);
        }
        Ok(made.map(|_| folder))
    }
}

impl Out {
    /// A folder that does not exist yet, or is empty.
    fn vacant(out: &Path) -> Result<Self, Failure> {
        let folder = full(out)?;
        match fs::read_dir(&folder).map(|mut entries| entries.next()) {
            Ok(Some(_)) => {
                Err(refused(out, &"the folder is not empty: name one that is, or that does not exist"))
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(refused(out, &error)),
            _ => Ok(Self { folder, replaces: false }),
        }
    }
}

/// Says that no run is in these folders, which may be the same.
pub(super) fn none_of(known: &[PathBuf; 2]) -> String {
    let [one, other] = known.each_ref().map(|folder| folder.display());
    if known[0] == known[1] {
        format!("{one} holds none")
    } else {
        format!("neither {one} nor {other} holds one")
    }
}

/// The id of a run that has ended and can be gone on with.
fn ended(folder: &Path) -> Result<String, Failure> {
    let shown = folder.display();
    let record: TaskRecord = serde_json::from_slice(&fs::read(folder.join("run.json"))?)
        .map_err(|error| format!("{shown}: run.json is damaged: {error}"))?;
    if record.state == State::Success {
        let message = format!(
            "{shown} has succeeded, so that there is nothing to go on with; `azura predict {}` asks its model",
            quoted(folder)
        );
        return Err(message.into());
    }
    if resumable(folder) {
        Ok(Run::new(record).experiment_id())
    } else {
        Err(format!("{shown} has no checkpoint to go on from").into())
    }
}

/// Whether the run in a folder has ended, and has something to go on from.
pub(super) fn resumable(folder: &Path) -> bool {
    folder.join("checkpoints").is_dir()
}

/// A path as a shell takes it.
pub(super) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%,=".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// A hidden folder beside `folder`, from which a run can be renamed to it.
fn beside(folder: &Path) -> Option<PathBuf> {
    let name = folder.file_name()?.to_string_lossy();
    Some(folder.parent()?.join(format!(".{name}.azura-train")))
}

/// The full path of a folder that may not exist.
fn full(folder: &Path) -> Result<PathBuf, Failure> {
    let full = match fs::canonicalize(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && !folder.is_symlink() => {
            path::absolute(folder)
        }
        full => full,
    };
    full.map_err(|error| refused(folder, &error))
}

fn refused(folder: &Path, why: &dyn Display) -> Failure {
    format!("{}: {why}", folder.display()).into()
}
