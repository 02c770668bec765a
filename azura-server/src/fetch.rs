//! Data from the web, kept on disk: off unless whoever runs the server switches it on.

use std::{
    fs, io,
    path::{Path, PathBuf},
    thread::sleep,
    time::Duration,
};

use azura_learner::files::write_atomic;
use ureq::Agent;
use uuid::Uuid;

use crate::clock;

/// How long an answer may take, from the first try's connection to its last byte.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Tries of one request; the pauses between them double.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);
/// Bytes of an answer at most.
const MOST_BYTES: u64 = 64 << 20;

/// Why something could not be fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// The service says that the request is wrong; asking again is of no use.
    #[error("the service refuses the request ({status}): {reason}")]
    Refused { status: u16, reason: String },
    /// There is no answer, after several tries.
    #[error("the service does not answer: {0}")]
    Unreachable(String),
    /// The folder of what was fetched cannot be used.
    #[error("what was fetched cannot be kept: {0}")]
    Cache(#[from] io::Error),
}

/// Fetches over HTTP and keeps what it got.
#[derive(Debug)]
pub(crate) struct Fetcher {
    agent: Agent,
    folder: PathBuf,
    pause: Duration,
}

impl Fetcher {
    /// Keeps what it gets in a folder, which is made when it is needed.
    pub(crate) fn new(folder: impl Into<PathBuf>) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .user_agent(concat!("azura/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { agent: config.into(), folder: folder.into(), pause: PAUSE }
    }

    /// What is at an address: from the folder if it was fetched less than `max_age` ago, and also if it is older and nobody answers.
    pub(crate) fn get(&self, url: &str, max_age: Duration) -> Result<Vec<u8>, FetchError> {
        let kept = self.folder.join(Uuid::new_v5(&Uuid::NAMESPACE_URL, url.as_bytes()).to_string());
        if age(&kept).is_some_and(|age| age < max_age) {
            return Ok(fs::read(&kept)?);
        }
        match self.fetch(url) {
            Ok(bytes) => {
                fs::create_dir_all(&self.folder)?;
                write_atomic(&kept, &bytes).map_err(io::Error::other)?;
                Ok(bytes)
            }
            Err(error @ FetchError::Unreachable(_)) => match fs::read(&kept) {
                Ok(bytes) => {
                    tracing::warn!(%error, "data that were fetched earlier are used");
                    Ok(bytes)
                }
                Err(_) => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    fn fetch(&self, url: &str) -> Result<Vec<u8>, FetchError> {
        let mut pause = self.pause;
        for attempt in 1.. {
            match self.once(url) {
                Err(FetchError::Unreachable(error)) if attempt < TRIES => {
                    tracing::info!(%error, attempt, "a service is asked once more");
                    sleep(pause);
                    pause *= 2;
                }
                other => return other,
            }
        }
        unreachable!("the last try returns")
    }

    /// One try. What the service cannot help (5xx, 429) counts as no answer.
    fn once(&self, url: &str) -> Result<Vec<u8>, FetchError> {
        let unreachable = |error: ureq::Error| FetchError::Unreachable(error.to_string());
        let mut answer = self.agent.get(url).call().map_err(unreachable)?;
        let status = answer.status();
        let body = answer.body_mut().with_config().limit(MOST_BYTES).read_to_vec().map_err(unreachable)?;
        if status.is_success() {
            return Ok(body);
        }
        let reason: String = String::from_utf8_lossy(&body).chars().take(300).collect();
        if status.is_server_error() || status.as_u16() == 429 {
            return Err(FetchError::Unreachable(format!("{status}: {reason}")));
        }
        Err(FetchError::Refused { status: status.as_u16(), reason })
    }
}

/// How long ago a file was written.
fn age(path: &Path) -> Option<Duration> {
    let written = fs::metadata(path).ok()?.modified().ok()?;
    let written = jiff::Timestamp::try_from(written).ok()?;
    clock::now().duration_since(written).try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::{BufRead as _, BufReader, Write as _},
        net::TcpListener,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        thread,
    };

    /// A service on the loopback that answers one request after the other with these texts, the last one again and again; and how many there were.
    fn service(answers: &'static [&'static str]) -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, asked) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let head = BufReader::new(&stream).lines().map_while(Result::ok);
                assert!(head.take_while(|line| !line.is_empty()).count() > 0);
                let answer = answers[count.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1)];
                let (status, body) = answer.split_once(' ').unwrap();
                let length = body.len();
                let text = format!(
                    "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                );
                stream.write_all(text.as_bytes()).unwrap();
            }
        });
        (format!("http://{address}/data"), asked)
    }

    fn fetcher(folder: &Path) -> Fetcher {
        Fetcher { pause: Duration::from_millis(1), ..Fetcher::new(folder.join("cache")) }
    }

    const DAY: Duration = Duration::from_hours(24);

    #[test]
    fn what_was_fetched_is_kept_until_it_is_too_old() {
        let folder = tempfile::tempdir().unwrap();
        let (url, asked) = service(&["200 one", "200 two", "503 down"]);
        let fetcher = fetcher(folder.path());
        assert_eq!(fetcher.get(&url, DAY).unwrap(), b"one");
        assert_eq!(fetcher.get(&url, DAY).unwrap(), b"one");
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        assert_eq!(fetcher.get(&url, Duration::ZERO).unwrap(), b"two");
        // Too old is better than nothing, after as many tries as there are.
        assert_eq!(fetcher.get(&url, Duration::ZERO).unwrap(), b"two");
        assert_eq!(asked.load(Ordering::SeqCst), 2 + TRIES as usize);
        let error = fetcher.get(&format!("{url}/else"), DAY).unwrap_err().to_string();
        assert_eq!(error, "the service does not answer: 503 Service Unavailable: down");
    }

    #[test]
    fn a_passing_failure_is_tried_again_and_a_refusal_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (url, _) = service(&["500 oops", "200 fine"]);
        assert_eq!(fetcher(folder.path()).get(&url, DAY).unwrap(), b"fine");
        let (url, asked) = service(&["400 no such variable"]);
        let error = fetcher(folder.path()).get(&url, DAY).unwrap_err();
        assert!(
            matches!(&error, FetchError::Refused { status: 400, reason } if reason == "no such variable")
        );
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        let nobody = { TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap() };
        let error = fetcher(folder.path()).get(&format!("http://{nobody}/"), DAY).unwrap_err();
        assert!(matches!(error, FetchError::Unreachable(_)), "{error}");
    }
}
