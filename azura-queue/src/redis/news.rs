//! Waking those who wait. What they then see, they read: a wake-up says no more than that there is something.

use std::{
    collections::{HashMap, HashSet},
    io,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
    time::Duration,
};

use ::redis::{AsyncConnectionConfig, Client, RedisResult, Value};
use futures_util::StreamExt as _;
use tokio::{
    select,
    sync::{Notify, mpsc, watch},
    task::AbortHandle,
    time::{sleep, timeout},
};

use super::wire;
use crate::{
    TaskId,
    follow_all::{Change, Watchers},
};

/// The pauses between two tries to connect.
const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(2);
/// How long one look at a list waits for something to come.
const LOOK: Duration = Duration::from_secs(2);
/// The pause after something was seen in a list, until it is looked at again: what is there may not be due, or the queue may be paused.
const PAUSE: Duration = Duration::from_millis(20);
/// How long nothing is said until Redis is asked whether it is there.
const QUIET: Duration = Duration::from_secs(3);

#[derive(Debug, Default)]
pub(super) struct News {
    /// Wakes claims that wait.
    pub(super) ready: Notify,
    tasks: Mutex<HashMap<TaskId, Weak<Notify>>>,
    /// Those who watch everything.
    pub(super) watchers: Watchers,
    /// Whether there was a connection that heard the news.
    heard: watch::Sender<bool>,
    bells: Mutex<Bells>,
    client: OnceLock<Client>,
    /// How many claims wait.
    waiting: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Bells {
    queues: HashSet<String>,
    tasks: Vec<AbortHandle>,
    ended: bool,
}

/// A claim that waits, for as long as this lives.
pub(super) struct Waiting<'a>(&'a News);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.send_modify(|count| *count -= 1);
    }
}

impl News {
    pub(super) fn rings_with(&self, client: Client) {
        let _ = self.client.set(client);
    }

    /// What is notified whenever something happens to a task.
    pub(super) fn of(&self, id: TaskId) -> Arc<Notify> {
        let mut tasks = lock(&self.tasks);
        if let Some(notify) = tasks.get(&id).and_then(Weak::upgrade) {
            return notify;
        }
        if tasks.len() >= 64 {
            tasks.retain(|_, notify| notify.strong_count() > 0);
        }
        let notify = Arc::new(Notify::new());
        tasks.insert(id, Arc::downgrade(&notify));
        notify
    }

    fn tell(&self, what: &str) {
        if what == "+" {
            self.ready.notify_waiters();
            return;
        }
        let change = if let Some(gone) = what.strip_prefix('-') {
            // A process of an older version does not say what it has deleted.
            serde_json::from_str(gone).map_or(Change::Missed, Change::Deleted)
        } else {
            let Ok(id) = what.parse() else { return };
            Change::Task(id)
        };
        self.watchers.tell(&change);
        if let Some(notify) = change.task().and_then(|id| lock(&self.tasks).get(id)?.upgrade()) {
            notify.notify_waiters();
        }
    }

    /// Returns when the news are heard. What is not heard later, while the connection is lost, is told as missed.
    pub(super) async fn heard(&self) {
        // It is closed only with what this belongs to.
        let _ = self.heard.subscribe().wait_for(|heard| *heard).await;
    }

    fn tell_all(&self) {
        self.ready.notify_waiters();
        self.watchers.tell(&Change::Missed);
        for notify in lock(&self.tasks).values().filter_map(Weak::upgrade) {
            notify.notify_waiters();
        }
    }

    /// Also hears of messages that others put into the lists of these queues, for as long as what this returns lives.
    pub(super) fn wait_for(self: &Arc<Self>, queues: &[String]) -> Waiting<'_> {
        self.waiting.send_modify(|count| *count += 1);
        let mut bells = lock(&self.bells);
        if let Some(client) = self.client.get().filter(|_| !bells.ended) {
            for queue in queues {
                if bells.queues.insert(queue.clone()) {
                    for step in [0, 3, 6, 9] {
                        let bell = ring(client.clone(), wire::list(queue, step), Arc::clone(self));
                        bells.tasks.push(tokio::spawn(bell).abort_handle());
                    }
                }
            }
        }
        drop(bells);
        Waiting(self)
    }

    pub(super) fn end(&self) {
        let mut bells = lock(&self.bells);
        bells.ended = true;
        bells.tasks.drain(..).for_each(|task| task.abort());
    }
}

/// Listens to what our own scripts tell, on a connection of its own that is made again when it breaks.
/// Of the two channels the first is ours and the second is where Celery's clients ask.
pub(super) async fn listen(
    client: Client,
    channels: [String; 2],
    news: Arc<News>,
    asked: mpsc::UnboundedSender<String>,
) {
    let mut pause = FIRST;
    loop {
        let listening = async {
            let mut connection = in_time(client.get_async_pubsub()).await?;
            connection.subscribe(&channels).await?;
            // What happened while nobody listened is not told again.
            news.tell_all();
            news.heard.send_replace(true);
            pause = FIRST;
            let (mut sink, mut messages) = connection.split();
            // Silence may be that of a connection that leads nowhere.
            let asking = async {
                loop {
                    sleep(QUIET).await;
                    if let Err(error) = in_time(sink.ping::<Value>()).await {
                        break error;
                    }
                }
            };
            let mut asking = pin!(asking);
            loop {
                let message = select! {
                    message = messages.next() => message,
                    error = &mut asking => return Err(error),
                };
                let Some(message) = message else { return RedisResult::Ok(()) };
                let said = String::from_utf8_lossy(message.get_payload_bytes());
                if message.get_channel_name() == channels[0] {
                    news.tell(&said);
                } else {
                    let _ = asked.send(said.into_owned());
                }
            }
        };
        if let Err(error) = listening.await {
            tracing::warn!(%error, "the connection to Redis is lost; trying again");
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST);
    }
}

/// What takes longer than this has failed.
async fn in_time<T>(answer: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    let late = || io::Error::new(io::ErrorKind::TimedOut, "Redis does not answer");
    timeout(super::CONNECT, answer).await.unwrap_or_else(|_| Err(late().into()))
}

/// Rings when there is something in a list: moving its last message to its own end waits for one, and changes nothing.
async fn ring(client: Client, list: String, news: Arc<News>) {
    let mut waiting = news.waiting.subscribe();
    let mut pause = FIRST;
    loop {
        let looking = async {
            let config = AsyncConnectionConfig::new().set_response_timeout(Some(LOOK + super::CONNECT));
            let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
            loop {
                if waiting.wait_for(|count| *count > 0).await.is_err() {
                    return RedisResult::Ok(());
                }
                let mut look = ::redis::cmd("BLMOVE");
                look.arg(&list).arg(&list).arg("RIGHT").arg("RIGHT").arg(LOOK.as_secs());
                let seen: Value = look.query_async(&mut connection).await?;
                pause = FIRST;
                if seen != Value::Nil {
                    news.ready.notify_waiters();
                    sleep(PAUSE).await;
                }
            }
        };
        if looking.await.is_ok() {
            return;
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
