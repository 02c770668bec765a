//! The folder of a run while it is worked on.

use std::{
    ffi::OsString,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// Where unfinished runs are, below the folder of all runs.
const ATTEMPTS: &str = ".attempts";
const LOCK: &str = "lock";
/// How long a lock that somebody has is waited for: whoever cleans up has each for a moment.
const PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(10);

/// A folder that becomes a run as a whole, by one rename, or goes away with all that is in it.
///
/// Beside it lies a file that is locked for as long as somebody works on it, so that what a crash left behind can be told from the work of
/// another process.
#[derive(Debug)]
pub(crate) struct Attempt {
    folder: PathBuf,
    lock: PathBuf,
    _locked: File,
}

impl Attempt {
    /// An empty folder for an attempt of this name, below the folder of all runs. Blocks for a moment if somebody cleans up there.
    pub(crate) fn begin(root: &Path, name: &str) -> io::Result<Self> {
        let attempts = root.join(ATTEMPTS);
        fs::create_dir_all(&attempts)?;
        let begun = Instant::now();
        loop {
            if let Some(attempt) = Self::take(attempts.join(name))? {
                return attempt.emptied();
            }
            if begun.elapsed() > PATIENCE {
                return Err(io::Error::new(
                    io::ErrorKind::ResourceBusy,
                    format!("{name} is being worked on"),
                ));
            }
            thread::sleep(PAUSE);
        }
    }

    /// Where the attempt writes.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Throws away what was written so far.
    pub(crate) fn emptied(self) -> io::Result<Self> {
        remove_folder(&self.folder)?;
        fs::create_dir_all(&self.folder)?;
        Ok(self)
    }

    /// Makes the folder the run `target`, in place of what an earlier attempt at the same run may have left there: at no moment does a part
    /// of a run stand at `target`.
    pub(crate) fn publish(self, target: &Path) -> io::Result<()> {
        let mut old = OsString::from(&self.folder);
        old.push(".old");
        let old = PathBuf::from(old);
        match fs::rename(target, &old) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            moved => moved?,
        }
        fs::rename(&self.folder, target)?;
        // The run is there now, whatever else may fail.
        let synced = target.parent().map_or(Ok(()), sync_folder).and_then(|()| remove_folder(&old));
        if let Err(error) = synced {
            tracing::warn!(folder = %target.display(), %error, "a published run may not survive a power cut");
        }
        Ok(())
    }

    /// Takes a folder in, and throws it away.
    pub(crate) fn swallow(self, folder: &Path) -> io::Result<()> {
        fs::rename(folder, self.folder.join("removed"))?;
        folder.parent().map_or(Ok(()), sync_folder)
    }

    /// Removes the folders that nobody works on any more, and returns how many there were.
    pub(crate) fn clean(root: &Path) -> io::Result<usize> {
        let attempts = root.join(ATTEMPTS);
        if !attempts.exists() {
            return Ok(0);
        }
        let mut removed = 0;
        for entry in fs::read_dir(attempts)? {
            let path = entry?.path();
            let folder = if path.extension().is_some_and(|ending| ending == LOCK) {
                path.with_extension("")
            } else {
                path
            };
            let interrupted = folder.exists();
            // Dropping it removes it.
            if Self::take(folder)?.is_some() && interrupted {
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Takes the lock, unless somebody has it.
    fn take(folder: PathBuf) -> io::Result<Option<Self>> {
        let mut lock = OsString::from(&folder);
        lock.push(".");
        lock.push(LOCK);
        let lock = PathBuf::from(lock);
        let file = File::options().write(true).create(true).truncate(false).open(&lock)?;
        match file.try_lock() {
            // Whoever had it may have removed the file after we had opened it; a lock on that keeps nobody out.
            Ok(()) if !is_at(&file, &lock)? => Self::take(folder),
            Ok(()) => Ok(Some(Self { folder, lock, _locked: file })),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let removed = remove_folder(&self.folder).and_then(|()| fs::remove_file(&self.lock));
        if let Err(error) = removed {
            tracing::warn!(folder = %self.folder.display(), %error, "what an attempt wrote could not be removed");
        }
    }
}

fn remove_folder(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Whether the open file is the one at `path`.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let open = file.metadata()?;
    match fs::metadata(path) {
        Ok(there) => Ok((open.dev(), open.ino()) == (there.dev(), there.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Elsewhere a file that is open cannot be removed.
#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> io::Result<bool> {
    path.try_exists()
}

/// Makes a rename survive a power cut. Only Unix can sync a folder.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_appears_whole_or_not_at_all() {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("run");

        let attempt = Attempt::begin(root.path(), "run-1").unwrap();
        fs::write(attempt.folder().join("half"), "written").unwrap();
        drop(attempt);
        assert!(!target.exists());

        let attempt = Attempt::begin(root.path(), "run-2").unwrap();
        assert!(!attempt.folder().join("half").exists());
        fs::write(attempt.folder().join("whole"), "written").unwrap();
        attempt.publish(&target).unwrap();
        assert_eq!(fs::read_to_string(target.join("whole")).unwrap(), "written");

        let attempt = Attempt::begin(root.path(), "run-3").unwrap();
        fs::write(attempt.folder().join("other"), "written").unwrap();
        attempt.publish(&target).unwrap();
        assert!(target.join("other").exists() && !target.join("whole").exists());
        assert_eq!(fs::read_dir(root.path().join(ATTEMPTS)).unwrap().count(), 0);
    }

    #[test]
    fn only_what_nobody_works_on_is_cleaned() {
        let root = tempfile::tempdir().unwrap();
        let live = Attempt::begin(root.path(), "live-1").unwrap();
        let dead = root.path().join(ATTEMPTS).join("dead-1");
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join("half"), "written").unwrap();
        fs::write(root.path().join(ATTEMPTS).join("gone-1.lock"), "").unwrap();

        assert_eq!(Attempt::clean(root.path()).unwrap(), 1);
        assert!(live.folder().exists() && !dead.exists());
        drop(live);
        assert_eq!(fs::read_dir(root.path().join(ATTEMPTS)).unwrap().count(), 0);
    }
    #[test]
    fn whoever_cleans_up_is_waited_for_and_whoever_works_is_not() {
        let root = tempfile::tempdir().unwrap();
        let cleaned = Attempt::begin(root.path(), "run-1").unwrap();
        let cleaning = thread::spawn(move || {
            thread::sleep(PATIENCE / 5);
            drop(cleaned);
        });
        let attempt = Attempt::begin(root.path(), "run-1").unwrap();
        cleaning.join().unwrap();
        assert!(attempt.folder().is_dir(), "what was cleaned up is not this");
        let refused = Attempt::begin(root.path(), "run-1").unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ResourceBusy);
    }
}
