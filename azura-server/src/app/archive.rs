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
/// Who makes archives.
static MAKERS: Makers = Makers { at_once: Semaphore::const_new(4), patience: Duration::from_secs(30) };

struct Makers {
    /// How many are made at a time: each keeps a thread busy.
    at_once: Semaphore,
    /// How long a client may take for a part of one.
    patience: Duration,
}

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
        Ok((run.clone(), MAKERS.make(folder, run, files).await?))
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

impl Makers {
    /// An archive, which begins when it is its turn.
    async fn make(
        &'static self,
        folder: Dir,
        run: String,
        files: Vec<StoredFile>,
    ) -> io::Result<BoxStream<'static, io::Result<Vec<u8>>>> {
        let making = self.at_once.acquire().await.map_err(io::Error::other)?;
        let (sender, chunks) = mpsc::channel(WAITING);
        spawn_blocking(move || {
            let _making = making;
            let packed = pack(&folder, &run, &files, Chunks::new(sender.clone(), self.patience));
            match packed {
                // Nobody reads on.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
                Err(error) => {
                    tracing::error!(run, %error, "an archive could not be made");
                    let _ = sender.blocking_send(Err(error));
                }
                Ok(()) => {}
            }
        });
        let chunks =
            stream::unfold(chunks, async |mut chunks| chunks.recv().await.map(|chunk| (chunk, chunks)));
        Ok(chunks.boxed())
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

/// Hands on what is written, and waits no longer than its patience until it is taken.
struct Chunks {
    reader: mpsc::Sender<io::Result<Vec<u8>>>,
    patience: Duration,
    /// Who reads no more, or not for long. The end that an archive still tries to write is nobody's.
    given_up: bool,
}

impl Chunks {
    fn new(reader: mpsc::Sender<io::Result<Vec<u8>>>, patience: Duration) -> Self {
        Self { reader, patience, given_up: false }
    }
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.given_up {
            return Ok(bytes.len());
        }
        let sent = timeout(self.patience, self.reader.send(Ok(bytes.to_vec())));
        self.given_up = !matches!(Handle::current().block_on(sent), Ok(Ok(())));
        if self.given_up { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, iter::repeat_with};

    use cap_std::ambient_authority;
    use futures_util::TryStreamExt as _;

    use super::*;

    const fn makers(patience: Duration) -> Makers {
        Makers { at_once: Semaphore::const_new(1), patience }
    }

    #[tokio::test]
    async fn who_does_not_read_gives_up_the_place_to_others() {
        static ONE: Makers = makers(Duration::from_millis(100));
        static PATIENT: Makers = makers(Duration::from_mins(10));
        let place = tempfile::tempdir().unwrap();
        // What a zip cannot make smaller: a xorshift generator's numbers.
        let mut x = 1_u64;
        let number = || {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            x
        };
        let bytes: Vec<u8> = repeat_with(number).take(1 << 17).flat_map(u64::to_le_bytes).collect();
        fs::write(place.path().join("model.safetensors"), &bytes).unwrap();
        let make = async |makers: &'static Makers| {
            let folder = Dir::open_ambient_dir(place.path(), ambient_authority()).unwrap();
            let files = list(&folder).unwrap();
            makers.make(folder, "run".into(), files).await.unwrap()
        };
        // One that is never read. Nobody else is served while it is made, until it has been waited for.
        let stuck = make(&ONE).await;
        assert_eq!(ONE.at_once.available_permits(), 0);
        let whole = timeout(Duration::from_secs(10), make(&ONE)).await.expect("a place is free");
        let whole: Vec<_> = whole.try_collect().await.unwrap();
        assert!(whole.concat().len() > bytes.len());
        // What was made by then is there, and no more.
        let cut: Vec<_> = stuck.try_collect().await.unwrap();
        assert!(cut.len() <= WAITING && cut.concat().len() < bytes.len(), "{}", cut.len());
        // One that is left gives up its place as soon as that is seen, and not when its time is over.
        drop(make(&PATIENT).await);
        let free = timeout(Duration::from_secs(10), PATIENT.at_once.acquire()).await;
        assert!(free.is_ok_and(|place| place.is_ok()));
    }
}
