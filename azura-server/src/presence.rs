//! Which workers of this machine live. A file is locked for as long as its worker's process is there, so that the end of one is known at once,
//! however it came.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
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
        loop {
            // Locked before it has the name by which others look for it.
            let made = folder.join(uuid::Uuid::new_v4().to_string());
            let mut file = File::create_new(&made)?;
            file.lock()?;
            file.write_all(worker.as_str().as_bytes())?;
            let path = made.with_extension(LOCK);
            match fs::rename(made, &path) {
                // Before it was locked it looked like what a dead process has left, and somebody removed it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                renamed => return renamed.map(|()| Self { path, _locked: file }),
            }
        }
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
        // What has no extension was left by a process that died before its worker lived.
        if path.extension().is_none_or(|ending| ending == LOCK) {
            // One that cannot be read must not hide the others.
            match depart(&path) {
                Ok(worker) => departed.extend(worker.filter(|_| path.extension().is_some())),
                Err(error) => tracing::warn!(path = %path.display(), %error, "passed over"),
            }
        }
    }
    Ok(departed)
}

/// Removes the file of a process that is gone, and returns what it says.
fn depart(path: &Path) -> io::Result<Option<WorkerId>> {
    // Another process may have seen it first.
    let Ok(mut file) = File::open(path) else { return Ok(None) };
    if file.try_lock().is_err() || !path.exists() {
        return Ok(None);
    }
    let mut worker = String::new();
    // A file that says nothing of use goes all the same: it would not say more later.
    let read = file.read_to_string(&mut worker);
    fs::remove_file(path)?;
    read.map(|_| Some(WorkerId::new(worker)))
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicBool, Ordering},
        thread,
    };

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
    #[test]
    fn what_cannot_be_read_hides_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        // Whatever the order in which they are found, some come before and some after.
        for name in ["1", "3", "5"] {
            fs::write(root.join(name).with_extension(LOCK), name).unwrap();
        }
        fs::write(root.join("2.lock"), [0xff, 0xfe]).unwrap();
        fs::create_dir(root.join("4.lock")).unwrap();
        let mut told = departed(root).unwrap();
        told.sort();
        assert_eq!(told, ["1".into(), "3".into(), "5".into()]);
        assert_eq!(departed(root).unwrap(), []);
        assert!(!root.join("2.lock").exists(), "it would not be read later either");
    }

    #[test]
    fn what_died_before_it_lived_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let orphan = folder.path().join("0b5e9c1e-2f47-4f0e-8a53-3f8f6f2f3c11");
        fs::write(&orphan, "").unwrap();
        let begins = folder.path().join("5f0c1f53-31a4-4d1f-9d7b-0c9f6b0f7a55");
        let locked = File::create_new(&begins).unwrap();
        locked.lock().unwrap();
        assert_eq!(departed(folder.path()).unwrap(), []);
        assert!(!orphan.exists() && begins.exists());
    }

    #[test]
    fn announcing_beside_those_who_look_loses_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    assert_eq!(departed(root).unwrap(), []);
                }
            });
            // One at a time, so that those who look are quick enough to come in between.
            let announced: io::Result<()> = (0..3000).try_for_each(|_| {
                let worker = Presence::announce(root, &WorkerId::random())?;
                if worker.path.exists() { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
            });
            done.store(true, Ordering::Relaxed);
            announced.unwrap();
        });
        assert_eq!(fs::read_dir(root).unwrap().count(), 0);
    }
}
