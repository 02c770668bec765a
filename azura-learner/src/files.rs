//! Writing files so that a reader sees the old one or the new one, never half of one.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// A file that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {source}", path.display())]
#[non_exhaustive]
pub struct FileError {
    /// The file that was wanted.
    pub path: PathBuf,
    /// What the system says.
    pub source: io::Error,
}

/// Writes a file whole: to a temporary name in the same folder, synced to the disk, then renamed over `path`.
/// After a crash at any moment `path` holds its old bytes or the new ones.
///
/// # Errors
/// [`FileError`]; nothing of the attempt is left behind then.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let error = |source| FileError { path: path.to_owned(), source };
    if path.file_name().is_none() {
        return Err(error(io::Error::new(io::ErrorKind::InvalidInput, "the path does not name a file")));
    }
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (mut file, temporary) = create_temporary(folder).map_err(error)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    drop(file);
    if let Err(source) = written.and_then(|()| fs::rename(&temporary, path)) {
        // The first error is the one to tell of.
        let _ = fs::remove_file(&temporary);
        return Err(error(source));
    }
    sync_folder(folder).map_err(error)
}

/// A new file with a name of its own.
fn create_temporary(folder: &Path) -> io::Result<(File, PathBuf)> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!(".{}-{number}.tmp", std::process::id()));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            // Left by a process of the same number that was killed.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            other => return other.map(|file| (file, path)),
        }
    }
}

/// Makes a rename survive a power cut. Only Unix can sync a folder.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn writes_and_replaces_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.json");
        write_atomic(&path, b"old").unwrap();
        write_atomic(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["results.json"]);
    }

    #[test]
    fn a_failure_names_the_path_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("no").join("file");
        assert!(write_atomic(&missing, b"x").unwrap_err().to_string().contains("file"));
        // A folder stands where the file should go: the rename fails.
        let taken = folder.path().join("taken");
        fs::create_dir(&taken).unwrap();
        assert_eq!(write_atomic(&taken, b"x").unwrap_err().path, taken);
        assert_eq!(names(folder.path()), ["taken"]);
        assert!(write_atomic(Path::new("/"), b"x").is_err());
    }

    #[test]
    fn writers_of_one_file_do_not_disturb_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::thread::scope(|scope| {
            for byte in 0..8_u8 {
                let path = &path;
                scope.spawn(move || write_atomic(path, &[byte; 1000]).unwrap());
            }
        });
        let bytes = fs::read(&path).unwrap();
        assert!(bytes.len() == 1000 && bytes.iter().all(|b| *b == bytes[0]));
        assert_eq!(names(folder.path()), ["file"]);
    }
}
