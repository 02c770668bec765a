//! All files of a run as one.

use std::{
    io::{self, BufWriter, Write},
    sync::Arc,
    time::Duration,
};

use azura_queue::TaskRecord;
use cap_std::fs::Dir;
use futures_util::{StreamExt as _, stream, stream::BoxStream};
use tokio::{
    runtime::Handle,
    sync::{Semaphore, mpsc},
    task::spawn_blocking,
    time::timeout,
};
use zip::{DateTime, ZipWriter, write::SimpleFileOptions};

use super::{
    App, AppError, Result,
    files::{StoredFile, list, open},
};
use crate::runs;

/// How much is sent at a time, and how many of that may wait for a slow client.
const CHUNK: usize = 64 << 10;
const WAITING: usize = 4;
/// How many archives are made at a time: each keeps a thread busy. And how long a client may take for a part of one.
static MAKING: Semaphore = Semaphore::const_new(4);
const PATIENCE: Duration = Duration::from_secs(10);

impl App {
    /// The [files](Self::files) of a run as a zip, in a folder of the run's name, which is returned too. It is made while it is read, and equal files
    /// make equal bytes. A file that cannot be read to its end is an error at the end of what was read.
    ///
    /// # Errors
    /// [`AppError::NoExperiment`], [`AppError::NoFiles`], [`AppError::Elsewhere`].
    pub async fn archive(
        self: &Arc<Self>,
        id: &str,
    ) -> Result<(String, BoxStream<'static, io::Result<Vec<u8>>>)> {
        let record = self.record(id).await?;
        let run = runs::experiment_id(&record);
        let (folder, files) = self.contents(&record, run.clone()).await?;
        let (sender, chunks) = mpsc::channel(WAITING);
        let name = run.clone();
        let making = MAKING.acquire().await.map_err(io::Error::other)?;
        spawn_blocking(move || {
            let _making = making;
            let packed = pack(&folder, &name, &files, Chunks(sender.clone()));
            match packed {
                // Nobody reads on.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
                Err(error) => {
                    tracing::error!(run = name, %error, "an archive could not be made");
                    let _ = sender.blocking_send(Err(error));
                }
                Ok(()) => {}
            }
        });
        let chunks =
            stream::unfold(chunks, async |mut chunks| chunks.recv().await.map(|chunk| (chunk, chunks)));
        Ok((run, chunks.boxed()))
    }

    async fn contents(self: &Arc<Self>, record: &TaskRecord, run: String) -> Result<(Dir, Vec<StoredFile>)> {
        let app = Arc::clone(self);
        let listed = spawn_blocking(move || {
            let folder = app.runs.dir(&run)?;
            let files = list(&folder)?;
            io::Result::Ok((folder, files))
        });
        let listed = listed.await.map_err(io::Error::other)?;
        listed.map_err(|error| self.absent(error, record, AppError::NoFiles))
    }
}

fn pack(folder: &Dir, run: &str, files: &[StoredFile], chunks: Chunks) -> io::Result<()> {
    let mut zip = ZipWriter::new_stream(BufWriter::with_capacity(CHUNK, chunks));
    let options = SimpleFileOptions::default().last_modified_time(DateTime::default());
    for file in files {
        let large = file.size >= u64::from(u32::MAX);
        zip.start_file(format!("{run}/{}", file.name), options.large_file(large))?;
        io::copy(&mut open(folder, &file.name)?, &mut zip)?;
    }
    zip.finish()?.flush()
}

/// Hands on what is written.
struct Chunks(mpsc::Sender<io::Result<Vec<u8>>>);

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = timeout(PATIENCE, self.0.send(Ok(bytes.to_vec())));
        // Who reads no more, or not for long, is given up.
        match Handle::current().block_on(sent) {
            Ok(Ok(())) => Ok(bytes.len()),
            _ => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
