//! Live progress: a task's log, from its start or from where a watcher left off, over a WebSocket.

use std::{io, sync::Arc, time::Duration};

use azura_queue::{Entry, EventKind, QueueError, Result as QueueResult, Seq};
use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _, stream::BoxStream};
use poem::{
    IntoResponse, handler,
    web::{
        Data, Path, Query,
        websocket::{CloseCode, Message, WebSocket, WebSocketConfig},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::{
    select,
    time::{Instant, interval_at, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{App, AppError};

/// How often a silent watcher is asked whether it is still there.
const PING: Duration = Duration::from_secs(20);
/// How long a watcher may be silent.
const SILENCE: Duration = Duration::from_secs(40);
/// How long a watcher may take to read one frame.
const WRITE: Duration = Duration::from_secs(10);
/// How long a watcher is waited for when the connection ends.
const FAREWELL: Duration = Duration::from_secs(2);
/// The longest message that a watcher may send. None is of interest.
const INBOUND: usize = 64 << 10;
/// What may wait to be written to one watcher: more than the longest frame, so that one always fits, and not without end, since whoever
/// sends pings and does not read makes answers pile up.
const OUTBOUND: usize = 16 << 20;

const UNKNOWN_TASK: (CloseCode, &str) = (CloseCode::Reserved(4404), "there is no such task");
const AWAY: (CloseCode, &str) = (CloseCode::Away, "the server shuts down");

/// How a watcher wants to be told.
#[derive(Debug, Deserialize)]
pub(crate) struct Watch {
    /// Only what came after this number.
    #[serde(default)]
    after: Seq,
    #[serde(default)]
    level: Level,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    /// What is stored.
    #[default]
    Epoch,
    /// Also what is only live.
    Batch,
}

/// An entry of the log as watchers see it.
#[derive(Debug, Serialize)]
struct Frame<'a> {
    state: EventKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<Seq>,
    attempt: u32,
    details: &'a Value,
}

#[handler]
pub(crate) fn task_status(
    socket: WebSocket,
    Path(id): Path<String>,
    Query(watch): Query<Watch>,
    Data(app): Data<&Arc<App>>,
) -> impl IntoResponse + use<> {
    let app = Arc::clone(app);
    let config = WebSocketConfig::default()
        .max_message_size(Some(INBOUND))
        .max_frame_size(Some(INBOUND))
        .read_buffer_size(4 << 10)
        .write_buffer_size(0)
        .max_write_buffer_size(OUTBOUND);
    let tracked = app.watchers().token();
    socket.config(config).on_upgrade(move |socket| async move {
        let _tracked = tracked;
        let entries = app.follow(&id, watch.after).await;
        tell(socket, entries, &watch, app.shutdown()).await;
    })
}

/// Tells a watcher of every entry, at the watcher's own pace. It reads from the log and holds up nobody.
async fn tell<S>(
    mut socket: S,
    entries: Result<BoxStream<'static, QueueResult<Entry>>, AppError>,
    watch: &Watch,
    shutdown: &CancellationToken,
) where
    S: Sink<Message, Error = io::Error> + Stream<Item = io::Result<Message>> + Unpin,
{
    let ending = match entries {
        Ok(entries) => pass_on(&mut socket, entries, watch, shutdown).await,
        Err(AppError::NoExperiment(_)) => Some(UNKNOWN_TASK),
        Err(error) => Some(failed(&error)),
    };
    if let Some((code, reason)) = ending {
        let farewell = async {
            socket.send(Message::close_with(code, reason)).await?;
            while socket.next().await.transpose()?.is_some_and(|message| !message.is_close()) {}
            io::Result::Ok(())
        };
        // A watcher that does not answer is left all the same.
        let _ = timeout(FAREWELL, farewell).await;
    }
}

/// Passes entries on until there are no more; returns how to close the connection, if it still stands.
async fn pass_on<S>(
    socket: &mut S,
    mut entries: BoxStream<'static, QueueResult<Entry>>,
    watch: &Watch,
    shutdown: &CancellationToken,
) -> Option<(CloseCode, &'static str)>
where
    S: Sink<Message, Error = io::Error> + Stream<Item = io::Result<Message>> + Unpin,
{
    let mut ping = interval_at(Instant::now() + PING, PING);
    let mut heard = Instant::now();
    let mut sent = watch.after;
    loop {
        let message = select! {
            () = shutdown.cancelled() => return Some(AWAY),
            message = socket.next() => match message {
                Some(Ok(Message::Close(_))) => {
                    // The answer to it is written with the next frame, and there is none.
                    let _ = timeout(FAREWELL, socket.flush()).await;
                    return None;
                }
                Some(Err(_)) | None => return None,
                Some(Ok(_)) => {
                    heard = Instant::now();
                    continue;
                }
            },
            _ = ping.tick() => {
                if heard.elapsed() >= SILENCE {
                    return Some((CloseCode::Policy, "nothing was heard of the watcher"));
                }
                Message::ping([])
            }
            entry = entries.next() => match entry {
                Some(Ok(entry)) if entry.seq.is_none() && watch.level == Level::Epoch => continue,
                Some(Ok(entry)) => {
                    sent = entry.seq.unwrap_or(sent);
                    Message::text(frame(&entry))
                }
                // It was deleted, or the queue has lost it.
                Some(Err(QueueError::NotFound(_))) => return Some(UNKNOWN_TASK),
                Some(Err(error)) => return Some(failed(&error)),
                None => return Some((CloseCode::Normal, "the task has ended")),
            },
        };
        let sending = shutdown.run_until_cancelled(timeout(WRITE, socket.send(message)));
        match sending.await {
            None => return Some(AWAY),
            Some(Ok(Ok(()))) => {}
            Some(Ok(Err(_))) => return None,
            Some(Err(_)) => {
                let resync = json!({"state": "RESYNC", "after": sent}).to_string();
                // It goes out if the watcher reads again while it is waited for.
                let _ = timeout(FAREWELL, socket.send(Message::text(resync))).await;
                return Some((CloseCode::Again, "the watcher is too slow"));
            }
        }
    }
}

/// An entry as watchers read it, whatever carries it to them.
pub(crate) fn frame(entry: &Entry) -> String {
    let Entry { kind: state, seq, attempt, details, .. } = entry;
    let frame = Frame { state: *state, seq: *seq, attempt: *attempt, details };
    serde_json::to_string(&frame).unwrap_or_default()
}

fn failed(error: &dyn std::error::Error) -> (CloseCode, &'static str) {
    tracing::warn!(%error, "a watcher is sent away");
    (CloseCode::Error, "the task's log cannot be read")
}

#[cfg(test)]
mod tests {
    use std::{
        collections::VecDeque,
        pin::Pin,
        task::{Context, Poll, ready},
    };

    use azura_queue::{Broker as _, EventLog as _, Keep, MemoryQueue, NewEvent, NewTask, TaskId};
    use futures_util::stream;
    use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

    use super::*;

    /// The server's end of a connection. The far end takes as many messages as there are permits.
    struct Line {
        inbound: UnboundedReceiver<Message>,
        outbound: UnboundedSender<Message>,
        permits: UnboundedReceiver<()>,
        taken: VecDeque<Message>,
    }

    struct FarEnd {
        say: UnboundedSender<Message>,
        hear: UnboundedReceiver<Message>,
        permit: UnboundedSender<()>,
    }

    fn line(permits: usize) -> (Line, FarEnd) {
        let (say, inbound) = unbounded_channel();
        let (outbound, hear) = unbounded_channel();
        let (permit, receiver) = unbounded_channel();
        (0..permits).for_each(|_| permit.send(()).unwrap());
        (Line { inbound, outbound, permits: receiver, taken: VecDeque::new() }, FarEnd { say, hear, permit })
    }

    impl Stream for Line {
        type Item = io::Result<Message>;

        fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            self.inbound.poll_recv(cx).map(|message| message.map(Ok))
        }
    }

    /// As a socket does, it takes what it is given, and has sent it when it is flushed.
    impl Sink<Message> for Line {
        type Error = io::Error;

        fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn start_send(mut self: Pin<&mut Self>, message: Message) -> io::Result<()> {
            self.taken.push_back(message);
            Ok(())
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            while !self.taken.is_empty() {
                ready!(self.permits.poll_recv(cx)).ok_or(io::ErrorKind::BrokenPipe)?;
                let message = self.taken.pop_front().unwrap();
                self.outbound.send(message).map_err(io::Error::other)?;
            }
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    const WATCH: Watch = Watch { after: 0, level: Level::Epoch };

    fn close(code: CloseCode) -> impl Fn(&Message) -> bool {
        move |message| matches!(message, Message::Close(Some((found, _))) if *found == code)
    }

    async fn waiting_task() -> BoxStream<'static, QueueResult<Entry>> {
        let queue = MemoryQueue::new();
        let id = queue.submit(NewTask::new("x")).await.unwrap();
        queue.follow(&id, 0).await.unwrap()
    }

    async fn three_entries() -> BoxStream<'static, QueueResult<Entry>> {
        let queue = MemoryQueue::new();
        let id = queue.submit(NewTask::new("x")).await.unwrap();
        let (worker, second) = ("x".into(), Duration::from_secs(1));
        let lease = queue.claim(&worker, &["celery".into()], second, second).await.unwrap().unwrap();
        queue.append(&lease, lease.seq, &[NewEvent::new(Keep::All, json!({}))]).await.unwrap();
        queue.follow(&id, 0).await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_log_that_ends_in_an_error_is_no_end() {
        let id = TaskId::random();
        for (error, code) in [
            (QueueError::NotFound(id), CloseCode::Reserved(4404)),
            (QueueError::Storage("broken".into()), CloseCode::Error),
        ] {
            let (line, mut far) = line(10);
            let entries = waiting_task().await.take(1).chain(stream::iter([Err(error)])).boxed();
            tokio::spawn(async move { tell(line, Ok(entries), &WATCH, &CancellationToken::new()).await });
            assert!(matches!(far.hear.recv().await, Some(Message::Text(_))));
            let last = far.hear.recv().await.unwrap();
            assert!(close(code)(&last), "{last:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_watcher_is_asked_and_then_left() {
        let (line, mut far) = line(10);
        let begun = Instant::now();
        let entries = waiting_task().await;
        tokio::spawn(async move { tell(line, Ok(entries), &WATCH, &CancellationToken::new()).await });
        assert!(matches!(far.hear.recv().await, Some(Message::Text(_))));
        assert_eq!(far.hear.recv().await, Some(Message::ping([])));
        assert_eq!(begun.elapsed(), PING);
        far.say.send(Message::pong([])).unwrap();
        assert_eq!(far.hear.recv().await, Some(Message::ping([])));
        let last = far.hear.recv().await.unwrap();
        assert!(close(CloseCode::Policy)(&last), "{last:?}");
        assert_eq!(begun.elapsed(), 3 * PING);
    }

    #[tokio::test(start_paused = true)]
    async fn a_watcher_that_does_not_read_is_sent_away() {
        let (line, far) = line(1);
        let begun = Instant::now();
        tell(line, Ok(three_entries().await), &WATCH, &CancellationToken::new()).await;
        assert_eq!(begun.elapsed(), WRITE + 2 * FAREWELL);
        drop(far);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_watcher_is_told_where_to_go_on() {
        let (line, mut far) = line(2);
        let entries = three_entries().await;
        let telling =
            tokio::spawn(async move { tell(line, Ok(entries), &WATCH, &CancellationToken::new()).await });
        for _ in 0..2 {
            assert!(matches!(far.hear.recv().await, Some(Message::Text(_))));
        }
        tokio::time::sleep(WRITE + FAREWELL / 2).await;
        for _ in 0..3 {
            far.permit.send(()).unwrap();
        }
        // The third was on its way already.
        assert!(matches!(far.hear.recv().await, Some(Message::Text(_))));
        assert_eq!(far.hear.recv().await, Some(Message::text(r#"{"after":3,"state":"RESYNC"}"#)));
        let last = far.hear.recv().await.unwrap();
        assert!(close(CloseCode::Again)(&last), "{last:?}");
        drop(far.say);
        telling.await.unwrap();
    }
}
