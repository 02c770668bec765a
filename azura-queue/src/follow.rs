//! Following a task: the log is the truth, a wake-up only says "read on".

use std::collections::VecDeque;

use async_trait::async_trait;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use tokio::sync::Notify;

use crate::{Entry, Result, Seq, TaskId, backoff::persist};

/// How many entries are read at a time.
const BATCH: usize = 256;

/// A storage whose tasks can be followed.
#[async_trait]
pub(crate) trait Source: Send + Sync + 'static {
    /// What says "read on".
    fn wake(&self, id: &TaskId) -> &Notify;

    /// What a task has to tell, all of the same moment.
    async fn news(&self, id: &TaskId, after: Seq, limit: usize) -> Result<News>;
}

/// What a task has to tell.
pub(crate) struct News {
    /// The stored events after a number.
    pub(crate) stored: Vec<Entry>,
    /// The transient event that is newer than the whole log, and its version, which rises.
    pub(crate) newest: Option<(u64, Entry)>,
    /// Whether nothing more will be stored.
    pub(crate) ended: bool,
}

struct Follower<S> {
    source: S,
    id: TaskId,
    /// The last stored event that was read.
    after: Seq,
    /// The version of the transient event that was read last.
    version: u64,
    /// What was read and not yet handed on.
    read: VecDeque<Entry>,
}

/// The stream of a task's events after number `after`; see [`EventLog::follow`](crate::EventLog::follow).
pub(crate) fn stream(source: impl Source, id: TaskId, after: Seq) -> BoxStream<'static, Result<Entry>> {
    let follower = Follower { source, id, after, version: 0, read: VecDeque::new() };
    stream::try_unfold(follower, |mut follower| async move {
        Ok(follower.next().await?.map(|entry| (entry, follower)))
    })
    .boxed()
}

impl<S: Source> Follower<S> {
    async fn next(&mut self) -> Result<Option<Entry>> {
        loop {
            if let Some(entry) = self.read.pop_front() {
                return Ok(Some(entry));
            }
            // Made before the look, so that nothing can slip in between.
            let woken = self.source.wake(&self.id).notified();
            // While the storage is away a follower waits.
            let news = persist(|| self.source.news(&self.id, self.after, BATCH));
            let News { stored, newest, ended } = news.await?;
            let whole = stored.len() < BATCH;
            self.after = stored.last().and_then(|entry| entry.seq).unwrap_or(self.after);
            self.read = stored.into();
            if let Some((version, newest)) = newest.filter(|(version, _)| whole && *version > self.version) {
                self.version = version;
                self.read.push_back(newest);
            }
            if self.read.is_empty() {
                if ended {
                    return Ok(None);
                }
                woken.await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures_util::TryStreamExt as _;
    use serde_json::json;

    use super::*;
    use crate::{EventKind, QueueError, clock};

    /// A storage that gives these answers, one after the other.
    struct Answers {
        wake: Notify,
        left: Mutex<VecDeque<Result<News>>>,
    }

    #[async_trait]
    impl Source for Answers {
        fn wake(&self, _: &TaskId) -> &Notify {
            &self.wake
        }

        async fn news(&self, _: &TaskId, _: Seq, _: usize) -> Result<News> {
            self.left.lock().unwrap().pop_front().expect("nobody reads on after the end")
        }
    }

    fn told(seq: Seq, kind: EventKind) -> News {
        let entry = Entry::new(kind, Some(seq), 1, json!({}), clock::timestamp());
        News { stored: vec![entry], newest: None, ended: kind.is_terminal() }
    }

    fn follow(answers: impl IntoIterator<Item = Result<News>>) -> BoxStream<'static, Result<Entry>> {
        let left = Mutex::new(answers.into_iter().collect());
        stream(Answers { wake: Notify::new(), left }, TaskId::random(), 0)
    }

    #[tokio::test(start_paused = true)]
    async fn a_storage_that_is_away_is_waited_for() {
        let away = || Err(QueueError::Unavailable("locked".into()));
        let (first, last) = (Ok(told(1, EventKind::Pending)), Ok(told(2, EventKind::Revoked)));
        let end = Ok(News { stored: vec![], newest: None, ended: true });
        let answers = [away(), first, away(), away(), last, away(), end];
        let seen: Vec<Entry> = follow(answers).try_collect().await.unwrap();
        assert_eq!(seen.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [Some(1), Some(2)]);
    }

    #[tokio::test]
    async fn what_does_not_pass_ends_it() {
        let broken = QueueError::Storage("broken".into());
        let mut seen = follow([Ok(told(1, EventKind::Pending)), Err(broken.clone())]);
        assert!(seen.next().await.unwrap().is_ok());
        assert_eq!(seen.next().await, Some(Err(broken)));
        assert_eq!(seen.next().await, None);
    }
}
