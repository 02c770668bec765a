//! A line to a server that can be bad: slow, cut in the middle of a word, silent, or closed.

use std::{
    collections::HashSet,
    fs,
    future::pending,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf, split},
    net::{UnixListener, UnixStream},
    select,
    sync::watch,
    task::JoinHandle,
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use crate::random::Random;

/// Passes everything on between clients and a server, unless it is told otherwise. It ends with this value.
pub(crate) struct Proxy {
    _folder: TempDir,
    url: String,
    line: Arc<Line>,
    accepting: JoinHandle<()>,
}

/// What a connection is for, as far as its requests tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Use {
    /// Verbs.
    Asking,
    /// News: it hears, and says nothing more.
    Listening,
    /// Waiting for something to come into a list.
    Waiting,
}

/// What may happen to each piece of a request or an answer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Faults {
    /// It is held up for at most this long.
    pub(crate) delay: Duration,
    /// One piece in so many is cut somewhere, and its connection ends there. 0: none.
    pub(crate) cut: u64,
}

struct Line {
    server: PathBuf,
    faults: Mutex<Faults>,
    random: Mutex<Random>,
    /// The connections that there are.
    links: Mutex<Vec<Arc<Link>>>,
    /// Which connections nothing comes through.
    silent: watch::Sender<HashSet<Use>>,
    /// Whether nobody is let in.
    refusing: watch::Sender<bool>,
    /// How much of an answer to a verb comes through before its connection ends, and for how many answers that holds.
    loses: Mutex<(f64, usize)>,
    /// How many requests and answers came through in part.
    parts: AtomicUsize,
}

struct Link {
    kind: Mutex<Use>,
    /// Its far end will never be heard of again.
    dead: AtomicBool,
    ended: CancellationToken,
}

impl Proxy {
    /// A line to the server that listens on this socket. What happens by chance depends on `seed`.
    pub(crate) fn start(server: &Path, seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let line = Arc::new(Line {
            server: server.to_owned(),
            faults: Mutex::default(),
            random: Mutex::new(Random(seed)),
            links: Mutex::default(),
            silent: watch::Sender::default(),
            refusing: watch::Sender::new(false),
            loses: Mutex::default(),
            parts: AtomicUsize::new(0),
        });
        let url = format!("unix://{}", socket.display());
        let listener = UnixListener::bind(&socket).unwrap();
        let accepting = tokio::spawn(accept(listener, socket, Arc::clone(&line)));
        Self { _folder: folder, url, line, accepting }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// From now on this may happen.
    pub(crate) fn faults(&self, faults: Faults) {
        *lock(&self.line.faults) = faults;
    }

    /// Ends all connections.
    pub(crate) fn cut(&self) {
        lock(&self.line.links).drain(..).for_each(|link| link.ended.cancel());
    }

    /// From now on nobody is let in.
    pub(crate) fn refuse(&self, refusing: bool) {
        self.line.refusing.send_replace(refusing);
    }

    /// Nothing comes through any more, either way, and nobody is told: neither those who have such a connection, whose far end will not be
    /// heard of again, nor those who make a new one, who wait until it is over.
    pub(crate) fn silence(&self, uses: &[Use]) {
        self.line.silent.send_replace(uses.iter().copied().collect());
        for link in lock(&self.line.links).iter().filter(|link| uses.contains(&lock(&link.kind))) {
            link.dead.store(true, Ordering::SeqCst);
        }
    }

    /// New connections are good again.
    pub(crate) fn heal(&self) {
        self.line.silent.send_replace(HashSet::new());
    }

    /// Of the next answers to verbs, and to greetings, only a part comes through, although they are carried out.
    pub(crate) fn lose_answers(&self, part: f64, count: usize) {
        *lock(&self.line.loses) = (part, count);
    }

    /// How many requests and answers came through in part.
    pub(crate) fn parts(&self) -> usize {
        self.line.parts.load(Ordering::Relaxed)
    }

    /// Whether all answers that were to be lost are.
    pub(crate) fn has_lost(&self) -> bool {
        lock(&self.line.loses).1 == 0
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn accept(listener: UnixListener, socket: PathBuf, line: Arc<Line>) {
    let mut listener = Some(listener);
    let mut refusing = line.refusing.subscribe();
    loop {
        let open = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => pending().await,
            }
        };
        select! {
            biased;
            Ok(()) = refusing.changed() => {
                listener = None;
                if !*refusing.borrow_and_update() {
                    fs::remove_file(&socket).unwrap();
                    listener = Some(UnixListener::bind(&socket).unwrap());
                }
            }
            accepted = open => {
                let (client, _) = accepted.unwrap();
                tokio::spawn(serve(client, Arc::clone(&line)));
            }
        }
    }
}

async fn serve(client: UnixStream, line: Arc<Line>) -> io::Result<()> {
    let link = Arc::new(Link {
        kind: Mutex::new(Use::Asking),
        dead: AtomicBool::new(false),
        ended: CancellationToken::new(),
    });
    lock(&line.links).push(Arc::clone(&link));
    let server = UnixStream::connect(&line.server).await?;
    let ((requests, to_client), (answers, to_server)) = (split(client), split(server));
    select! {
        () = link.ended.cancelled() => Ok(()),
        ended = pass(requests, to_server, &line, &link, true) => ended,
        ended = pass(answers, to_client, &line, &link, false) => ended,
    }
}

/// Passes one direction on until it ends or is cut.
async fn pass(
    mut from: ReadHalf<UnixStream>,
    mut to: WriteHalf<UnixStream>,
    line: &Line,
    link: &Link,
    requests: bool,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let read = from.read(&mut buffer).await;
        // The end of a connection does not come through either.
        let kind = link.notice(read.as_ref().map_or(&[], |read| &buffer[..*read]), requests);
        line.heard(link, kind).await;
        let piece = &buffer[..read?];
        if piece.is_empty() {
            return Ok(());
        }
        if let Some(part) = line.loses(!requests && kind == Use::Asking) {
            return to.write_all(&piece[..(part * piece.len() as f64) as usize]).await;
        }
        let faults = *lock(&line.faults);
        sleep(faults.delay.mul_f64(line.random())).await;
        if faults.cut > 0 && line.random() < 1.0 / faults.cut as f64 {
            line.parts.fetch_add(1, Ordering::Relaxed);
            let part = (line.random() * piece.len() as f64) as usize;
            return to.write_all(&piece[..part]).await;
        }
        to.write_all(piece).await?;
    }
}

impl Link {
    /// What the connection is for, after this piece.
    fn notice(&self, piece: &[u8], request: bool) -> Use {
        let says = |word: &[u8]| piece.windows(word.len()).any(|part| part == word);
        let mut kind = lock(&self.kind);
        if request && says(b"\r\nSUBSCRIBE\r\n") {
            *kind = Use::Listening;
        } else if request && says(b"\r\nBLMOVE\r\n") {
            *kind = Use::Waiting;
        }
        *kind
    }
}

impl Line {
    /// Returns when something may come through.
    async fn heard(&self, link: &Link, kind: Use) {
        let over = self.silent.subscribe().wait_for(|silent| !silent.contains(&kind)).await.is_ok();
        if !over || link.dead.load(Ordering::SeqCst) {
            pending::<()>().await;
        }
    }

    /// How much of an answer comes through, if not all of it.
    fn loses(&self, answer: bool) -> Option<f64> {
        let mut loses = lock(&self.loses);
        let (part, count) = *loses;
        let lost = answer && count > 0;
        lost.then(|| {
            loses.1 -= 1;
            part
        })
    }

    /// A number between 0 and 1.
    fn random(&self) -> f64 {
        lock(&self.random).next()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}
