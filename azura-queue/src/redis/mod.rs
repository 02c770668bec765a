//! The queue in Redis, in the tongue of Celery.

mod address;
mod broker;
mod call;
mod cancel;
mod control;
mod follow;
mod lease;
mod link;
mod listing;
mod news;
mod record;
mod scripts;
mod submit;
#[cfg(feature = "tls")]
mod tls;
mod together;
mod wire;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use ::redis::{ErrorKind, RedisError, RedisResult, Value as Answer, aio::ConnectionManagerConfig};
use tokio::{sync::mpsc, task::AbortHandle};

use crate::{QueueError, Result, TaskId};
use control::Control;
use link::Link;
use news::News;
use scripts::Scripts;
use together::{Desk, Line, Taken};
use wire::Signature;

/// How long one command may take.
const ANSWER: Duration = Duration::from_secs(10);
/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(3);

/// A queue in Redis 6.2 or later: for many processes on many machines, Celery's clients and workers among them.
///
/// Waiting tasks are Celery's messages in Celery's lists, results are where Celery's clients look for them. Beside that, in keys of its own, it
/// holds what makes it a queue: records, attempts, leases, logs. Each verb is one script and so one atomic step, by the clock of the server.
///
/// Priorities are Celery's over Redis: tasks of 0–2, 3–5, 6–8 and 9 are equally urgent.
///
/// A connection that is lost is made again. Calls that fail meanwhile say [`QueueError::Unavailable`]; followers and waiting claims go on where
/// they were. Clones are handles to the same connection.
///
/// ```no_run
/// # async fn f() -> azura_queue::Result<()> {
/// use azura_queue::{Broker, NewTask, RedisQueue};
///
/// let queue = RedisQueue::connect("redis://127.0.0.1:6379/0").await?;
/// queue.submit(NewTask::new("work")).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisQueue {
    shared: Arc<Shared>,
}

/// How a [`RedisQueue`] is used.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RedisOptions {
    /// What the keys that are not Celery's begin with.
    pub prefix: String,
    /// How long a log outlives its task; `None`: until the task is deleted.
    pub log_ttl: Option<Duration>,
}

impl Default for RedisOptions {
    /// The prefix `azura:`, and logs that last.
    fn default() -> Self {
        Self { prefix: "azura:".to_owned(), log_ttl: None }
    }
}

struct Shared {
    manager: Link,
    scripts: Scripts,
    options: RedisOptions,
    news: Arc<News>,
    claims: Line<Desk, Taken>,
    finishes: Line<Vec<String>, Answer>,
    /// What is to follow tasks that somebody else has sent, by their attempt here.
    chains: Mutex<HashMap<(TaskId, u32), Signature>>,
    database: i64,
    control: Control,
    background: Vec<AbortHandle>,
}

impl RedisQueue {
    /// Connects to `redis://[[user]:password@]host[:port][/db]`, with the feature `tls` also to `rediss://..`, or to a socket by
    /// `unix:///path[?db=..]`. In a user or a password, `%` is written as `%25`, `@` as `%40`, `/` as `%2F`, `?` as `%3F` and `#` as `%23`.
    ///
    /// Over TLS (1.2 or 1.3) the server's certificate must be for the host that the address names, and come from an authority that is trusted: those
    /// that the system trusts or, if one of these variables is set, those in the file `SSL_CERT_FILE` and the folder `SSL_CERT_DIR`, in PEM. No
    /// address and no option turns that check off. The cryptography is that of the process' default provider of `rustls`; if there is
    /// none, `ring` becomes it. Certificates of clients are not supported.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`] if there is no answer, [`QueueError::Storage`] if the address is none, the server refuses, or its
    /// certificate is refused here.
    pub async fn connect(url: &str) -> Result<Self> {
        Self::connect_with(url, RedisOptions::default()).await
    }

    /// Connects with these options.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_with(url: &str, options: RedisOptions) -> Result<Self> {
        let client = address::client(url)?;
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(ANSWER))
            .set_connection_timeout(Some(CONNECT))
            .set_number_of_retries(1);
        let manager = match Link::connect(client.clone(), config).await {
            Ok(manager) => manager,
            Err(error) => return Err(address::unconnected(&client, error).await),
        };
        let news = Arc::new(News::default());
        let database = client.get_connection_info().redis_settings().db();
        let channels = [format!("{}news", options.prefix), topic(database, control::PIDBOX)];
        let (asked, asking) = mpsc::unbounded_channel();
        let listener = tokio::spawn(news::listen(client.clone(), channels, Arc::clone(&news), asked));
        news.rings_with(client);
        let (claims, claiming) = mpsc::unbounded_channel();
        let (finishes, finishing) = mpsc::unbounded_channel();
        let background = vec![listener.abort_handle()];
        let shared = Shared {
            manager,
            scripts: Scripts::default(),
            options,
            news,
            claims,
            finishes,
            chains: Mutex::default(),
            database,
            control: Control::default(),
            background,
        };
        let shared = Arc::new(shared);
        tokio::spawn(control::attend(Arc::downgrade(&shared), asking));
        tokio::spawn(together::claim(Arc::downgrade(&shared), claiming));
        tokio::spawn(together::finish(Arc::downgrade(&shared), finishing));
        if shared.forgets().await {
            tracing::warn!(
                "this Redis does not write every change to disk; if it ends, tasks are lost: set appendonly yes"
            );
        }
        Ok(Self { shared })
    }
}

impl Shared {
    /// Whether this Redis says that what it holds may be gone when it comes back.
    async fn forgets(&self) -> bool {
        let said: RedisResult<String> =
            ::redis::cmd("INFO").arg("persistence").query_async(&mut self.manager.clone()).await;
        said.is_ok_and(|said| said.contains("aof_enabled:0"))
    }

    fn chains(&self) -> std::sync::MutexGuard<'_, HashMap<(TaskId, u32), Signature>> {
        self.chains.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.background.iter().for_each(AbortHandle::abort);
        self.news.end();
    }
}

impl fmt::Debug for RedisQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisQueue").field("options", &self.shared.options).finish_non_exhaustive()
    }
}

/// The channel of a topic: Pub/Sub knows no databases, so that the name has to.
fn topic(database: i64, name: &str) -> String {
    format!("/{database}.{name}")
}

/// Whether this is an answer that was cut off in its middle.
fn is_cut(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Parse && error.to_string().contains("end of input")
}

/// Whether the same call may succeed later is all that callers need to know of an error.
#[expect(clippy::needless_pass_by_value, reason = "given to map_err")]
fn error(error: RedisError) -> QueueError {
    #[cfg(feature = "tls")]
    if let Some(refusal) = tls::refusal(&error) {
        return QueueError::Storage(refusal);
    }
    let passes = error.is_io_error()
        || error.is_timeout()
        || error.is_connection_dropped()
        || error.is_connection_refusal()
        || is_cut(&error)
        || matches!(
            error.code(),
            Some(
                "LOADING"
                    | "BUSY"
                    | "OOM"
                    | "READONLY"
                    | "MISCONF"
                    | "MASTERDOWN"
                    | "NOREPLICAS"
                    | "TRYAGAIN"
            )
        );
    if passes && error.kind() != ErrorKind::InvalidClientConfig {
        QueueError::Unavailable(error.to_string())
    } else {
        QueueError::Storage(error.to_string())
    }
}

/// An answer that is not what its script gives.
fn strange(what: impl fmt::Debug) -> QueueError {
    QueueError::Storage(format!("Redis gave a strange answer: {what:?}"))
}
