//! Following a task: its stream is the truth, a wake-up only says "read on".

use std::{collections::VecDeque, sync::Arc, time::Duration};

use ::redis::{Value as Answer, pipe};
use futures_util::stream::{self, BoxStream, StreamExt as _};
use tokio::time::timeout;

use super::{Shared, call::outcome, error, record, strange};
use crate::{Entry, EventKind, Keep, QueueError, Result, Seq, TaskId, backoff::persist};

/// How many entries are read at a time.
const BATCH: usize = 256;
/// How many entries are read at a time, from the end, to find one of progress: it is the last one, but for changes of state.
const FEW: usize = 4;
/// A look without having been told anything, should a wake-up have been lost.
const LOOK: Duration = Duration::from_secs(5);

/// Of a task: its state, its attempt, its transient event with time and version, the number of its last entry.
type Slot = (Option<String>, Option<u32>, Option<String>, Option<i64>, Option<u64>, Option<Seq>);
struct Follower {
    shared: Arc<Shared>,
    id: TaskId,
    after: Seq,
    /// The version of the transient event that was read last.
    version: u64,
    read: VecDeque<Entry>,
    /// Whether nothing comes after what was read.
    ended: bool,
}

/// The stream, unless there is no such task: it has looked once, and while Redis is away it waits from the beginning.
pub(super) async fn stream(
    shared: Arc<Shared>,
    id: TaskId,
    after: Seq,
) -> Result<BoxStream<'static, Result<Entry>>> {
    let mut follower = Follower { shared, id, after, version: 0, read: VecDeque::new(), ended: false };
    follower.read_on().await?;
    let stream = stream::try_unfold(follower, |mut follower| async move {
        Ok(follower.next().await?.map(|entry| (entry, follower)))
    });
    Ok(stream.boxed())
}

impl Follower {
    async fn next(&mut self) -> Result<Option<Entry>> {
        let wake = self.shared.news.of(self.id);
        loop {
            if let Some(entry) = self.read.pop_front() {
                return Ok(Some(entry));
            }
            if self.ended {
                return Ok(None);
            }
            let woken = wake.notified();
            self.read_on().await?;
            if self.read.is_empty() && !self.ended {
                let _ = timeout(LOOK, woken).await;
            }
        }
    }

    async fn read_on(&mut self) -> Result<()> {
        // While Redis is away a follower waits.
        let (read, version, ended) = persist(|| self.look()).await?;
        self.after = read.iter().rev().find_map(|entry| entry.seq).unwrap_or(self.after);
        (self.read, self.version, self.ended) = (read, version, ended);
        Ok(())
    }

    /// What is new, the version of the newest transient event, and whether that is all there will ever be.
    async fn look(&self) -> Result<(VecDeque<Entry>, u64, bool)> {
        let mut connection = self.shared.manager.clone();
        let from = self.after.saturating_add(1);
        let (log, slot): (Answer, Slot) = pipe()
            .atomic()
            .cmd("XRANGE")
            .arg(self.shared.key("log", &self.id))
            .arg(from)
            .arg("+")
            .arg("COUNT")
            .arg(BATCH)
            .cmd("HMGET")
            .arg(self.shared.key("task", &self.id))
            .arg(&["state", "attempt", "newest", "newest_at", "version", "seq"])
            .query_async(&mut connection)
            .await
            .map_err(error)?;
        let (state, attempt, newest, at, version, seq) = slot;
        let mut read: VecDeque<Entry> = entries(&log)?.into();
        let Some(state) = state else { return Err(QueueError::NotFound(self.id)) };
        let all = read.len() < BATCH;
        let version = version.unwrap_or(0);
        if let (true, Some(newest)) = (all && version > self.version, newest) {
            read.push_back(passing(&newest, attempt, at)?);
        }
        let ended = ["SUCCESS", "FAILURE", "REVOKED"].contains(&state.as_str());
        // A log may have expired, but how the task ended is known.
        if let (true, true, Some(seq)) = (ended, read.is_empty(), seq.filter(|seq| *seq > self.after)) {
            let record = self.shared.record(&self.id).await?;
            let kind = serde_json::from_value(state.into()).map_err(|error| strange(error.to_string()))?;
            let (attempt, at) = (record.attempt, record.finished_at.unwrap_or(record.created_at));
            read.push_back(Entry::new(kind, Some(seq), attempt, outcome(&record), at));
        }
        Ok((read, version.max(self.version), all && ended))
    }
}

/// The transient event of a task.
fn passing(details: &str, attempt: Option<u32>, at: Option<i64>) -> Result<Entry> {
    let details = serde_json::from_str(details).map_err(|error| strange(error.to_string()))?;
    let at = record::timestamp(at.unwrap_or_default())?;
    Ok(Entry::new(EventKind::Progress, None, attempt.unwrap_or(0), details, at))
}

/// The entries of a range of the stream.
pub(super) fn entries(log: &Answer) -> Result<Vec<Entry>> {
    match log {
        Answer::Array(log) => log.iter().map(entry).collect(),
        // What Redis says to somebody who asks for no entry at all.
        Answer::Nil => Ok(Vec::new()),
        other => Err(strange(other)),
    }
}

fn entry(entry: &Answer) -> Result<Entry> {
    let text = |value: &Answer| match value {
        Answer::BulkString(bytes) => String::from_utf8(bytes.clone()).map_err(|_| strange("no UTF-8")),
        other => Err(strange(other)),
    };
    let Answer::Array(parts) = entry else { return Err(strange(entry)) };
    let [id, Answer::Array(fields)] = &parts[..] else { return Err(strange(entry)) };
    let [_, kind, _, attempt, _, details, _, at] = &fields[..] else { return Err(strange(fields)) };
    let (id, kind) = (text(id)?, text(kind)?);
    let seq = id.split('-').next().and_then(|seq| seq.parse().ok());
    let kind = serde_json::from_value(kind.into()).map_err(|error| strange(error.to_string()))?;
    let details = serde_json::from_str(&text(details)?).map_err(|error| strange(error.to_string()))?;
    let attempt = text(attempt)?.parse().map_err(|_| strange(attempt))?;
    let at = record::timestamp(text(at)?.parse().map_err(|_| strange(at))?)?;
    Ok(Entry::new(kind, seq, attempt, details, at))
}

impl Shared {
    /// The newest progress that is kept in this way.
    pub(super) async fn newest(&self, id: &TaskId, keep: Keep) -> Result<Option<Entry>> {
        if keep == Keep::Newest {
            let mut slot = ::redis::cmd("HMGET");
            slot.arg(self.key("task", id)).arg(&["state", "attempt", "newest", "newest_at"]);
            let (state, attempt, newest, at): (Option<String>, _, Option<String>, _) =
                slot.query_async(&mut self.manager.clone()).await.map_err(error)?;
            state.ok_or(QueueError::NotFound(*id))?;
            return newest.map(|newest| passing(&newest, attempt, at)).transpose();
        }
        let mut end = "+".to_owned();
        loop {
            let (log, known): (Answer, bool) = pipe()
                .atomic()
                .cmd("XREVRANGE")
                .arg(self.key("log", id))
                .arg(&end)
                .arg("-")
                .arg("COUNT")
                .arg(FEW)
                .exists(self.key("task", id))
                .query_async(&mut self.manager.clone())
                .await
                .map_err(error)?;
            if !known {
                return Err(QueueError::NotFound(*id));
            }
            let entries = entries(&log)?;
            let first = entries.last().and_then(|entry| entry.seq).unwrap_or_default();
            let told = entries.into_iter().find(|entry| entry.kind == EventKind::Progress);
            if told.is_some() || first <= 1 {
                return Ok(told);
            }
            end = (first - 1).to_string();
        }
    }

    pub(super) async fn read_log(&self, id: TaskId, after: Seq, limit: usize) -> Result<Vec<Entry>> {
        let mut connection = self.manager.clone();
        let (log, known): (Answer, bool) = pipe()
            .atomic()
            .cmd("XRANGE")
            .arg(self.key("log", &id))
            .arg(after.saturating_add(1))
            .arg("+")
            .arg("COUNT")
            .arg(limit.min(i64::MAX as usize))
            .exists(self.key("task", &id))
            .query_async(&mut connection)
            .await
            .map_err(error)?;
        if known { entries(&log) } else { Err(QueueError::NotFound(id)) }
    }
}
