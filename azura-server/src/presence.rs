//! Which workers of this machine live. A file is locked for as long as its worker's process is there, so that the end of one is known at once,
//! however it came.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use azura_queue::WorkerId;

const LOCK: &str = "lock";

/// A worker that lives for as long as this value.
#[derive(Debug)]
pub(crate) struct Presence {
    path: PathBuf,
    _locked: File,
}

impl Presence {
    /// Says in `folder` that a worker lives.
    pub(crate) fn announce(folder: &Path, worker: &WorkerId) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let name = uuid::Uuid::new_v4().to_string();
        // Locked before it has the name by which others look for it.
        let made = folder.join(&name);
        let mut file = File::create_new(&made)?;
        file.lock()?;
        file.write_all(worker.as_str().as_bytes())?;
        let path = made.with_extension(LOCK);
        fs::rename(made, &path)?;
        Ok(Self { path, _locked: file })
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// The workers whose processes are gone. Each is told once.
pub(crate) fn departed(folder: &Path) -> io::Result<Vec<WorkerId>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut departed = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_none_or(|ending| ending != LOCK) {
            continue;
        }
        // Another process may have seen it first.
        let Ok(file) = File::open(&path) else { continue };
        if file.try_lock().is_ok() && path.exists() {
            departed.push(WorkerId::new(fs::read_to_string(&path)?));
            fs::remove_file(&path)?;
        }
    }
    Ok(departed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_who_are_gone_without_a_word_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("workers");
        assert_eq!(departed(&root).unwrap(), []);
        let alive = Presence::announce(&root, &"alive".into()).unwrap();
        drop(Presence::announce(&root, &"left in peace".into()).unwrap());
        // What a process leaves that is killed: a file that nobody has locked.
        fs::write(root.join("x.lock"), "killed").unwrap();
        assert_eq!(departed(&root).unwrap(), ["killed".into()]);
        assert_eq!(departed(&root).unwrap(), []);
        drop(alive);
        assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
    }
}
