//! The thread that writes snapshots.

use super::{BEST, Written};
use crate::{CallbackError, Snapshot, files};
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

/// Writes what it is given, newest first: a snapshot that waits while another is written gives way to a newer one.
#[derive(Debug)]
pub(super) struct Writer {
    desk: Arc<Desk>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Desk {
    papers: Mutex<Papers>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct Papers {
    newest: Option<Arc<Snapshot>>,
    best: Option<Arc<Snapshot>>,
    closed: bool,
    failed: Option<CallbackError>,
}

impl Writer {
    /// Begins to write into `folder`, where the newest `keep` stay.
    pub(super) fn start(folder: PathBuf, keep: usize, written: Written) -> io::Result<Self> {
        let desk = Arc::new(Desk::default());
        let work = Arc::clone(&desk);
        let thread = thread::Builder::new()
            .name("checkpoint".into())
            .spawn(move || work.serve(&folder, keep, &written))?;
        Ok(Self { desk, thread: Some(thread) })
    }

    /// Takes the newest snapshot.
    pub(super) fn newest(&self) -> impl FnOnce(Arc<Snapshot>) + Send + use<> {
        self.desk.put(|papers, snapshot| papers.newest = Some(snapshot))
    }

    /// Takes the best snapshot.
    pub(super) fn best(&self) -> impl FnOnce(Arc<Snapshot>) + Send + use<> {
        self.desk.put(|papers, snapshot| papers.best = Some(snapshot))
    }

    /// Whether everything could be written so far.
    pub(super) fn check(&self) -> Result<(), CallbackError> {
        self.desk.papers().failed.take().map_or(Ok(()), Err)
    }

    /// Waits until everything is written.
    pub(super) fn finish(mut self) -> Result<(), CallbackError> {
        self.close()?;
        self.check()
    }

    fn close(&mut self) -> Result<(), CallbackError> {
        self.desk.papers().closed = true;
        self.desk.news.notify_one();
        let ended = self.thread.take().map_or(Ok(()), JoinHandle::join);
        ended.map_err(|_| "the thread that writes checkpoints panicked".into())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Whoever cares has called `finish`.
        let _ = self.close();
    }
}

impl Desk {
    fn papers(&self) -> MutexGuard<'_, Papers> {
        self.papers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(
        self: &Arc<Self>,
        how: fn(&mut Papers, Arc<Snapshot>),
    ) -> impl FnOnce(Arc<Snapshot>) + Send + use<> {
        let desk = Arc::clone(self);
        move |snapshot| {
            how(&mut desk.papers(), snapshot);
            desk.news.notify_one();
        }
    }

    fn serve(&self, folder: &Path, keep: usize, written: &Written) {
        loop {
            let idle =
                |papers: &mut Papers| papers.newest.is_none() && papers.best.is_none() && !papers.closed;
            let waited = self.news.wait_while(self.papers(), idle);
            let mut papers = waited.unwrap_or_else(PoisonError::into_inner);
            let (newest, best) = (papers.newest.take(), papers.best.take());
            drop(papers);
            if newest.is_none() && best.is_none() {
                return;
            }
            match write(folder, keep, newest.as_deref(), best.as_deref()) {
                Ok(()) => newest.iter().for_each(|snapshot| written.0(snapshot.epoch)),
                Err(error) => {
                    self.papers().failed.get_or_insert(error);
                }
            }
        }
    }
}

/// The best first: whoever goes on from the newest takes the best for written.
fn write(
    folder: &Path,
    keep: usize,
    newest: Option<&Snapshot>,
    best: Option<&Snapshot>,
) -> Result<(), CallbackError> {
    if let Some(best) = best {
        files::write_atomic(&folder.join(BEST), &best.to_bytes()?)?;
    }
    if let Some(newest) = newest {
        files::write_atomic(&folder.join(Snapshot::file_name(newest.epoch)), &newest.to_bytes()?)?;
        for (_, old) in Snapshot::files(folder)?.into_iter().skip(keep) {
            fs::remove_file(old)?;
        }
    }
    Ok(())
}
