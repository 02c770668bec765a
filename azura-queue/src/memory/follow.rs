//! Following a task: the log is the truth, a wake-up only says "read on".

use std::{collections::VecDeque, sync::Arc};

use super::Shared;
use crate::{Entry, Result, Seq, TaskId};
use futures_util::stream::{self, BoxStream, StreamExt as _};

/// How many entries are taken from the table at a time.
const BATCH: usize = 256;

struct Follower {
    shared: Arc<Shared>,
    id: TaskId,
    /// The last stored event that was read.
    after: Seq,
    /// The version of the transient event that was read last.
    version: u64,
    /// What was read and not yet handed on.
    read: VecDeque<Arc<Entry>>,
}

pub(super) fn stream(shared: Arc<Shared>, id: TaskId, after: Seq) -> BoxStream<'static, Result<Entry>> {
    let follower = Follower { shared, id, after, version: 0, read: VecDeque::new() };
    stream::try_unfold(follower, |mut follower| async move {
        Ok(follower.next().await?.map(|entry| (entry, follower)))
    })
    .boxed()
}

impl Follower {
    async fn next(&mut self) -> Result<Option<Entry>> {
        loop {
            if let Some(entry) = self.read.pop_front() {
                return Ok(Some(Arc::unwrap_or_clone(entry)));
            }
            // Asked for each time: the task may have been deleted, and another one recorded under its id.
            let wake = self.shared.table().wake(&self.id)?;
            let woken = wake.notified();
            if self.read_on()? {
                return Ok(None);
            }
            if self.read.is_empty() {
                woken.await;
            }
        }
    }

    /// Reads what is new; true if there is nothing and will be nothing any more.
    fn read_on(&mut self) -> Result<bool> {
        let table = self.shared.table();
        self.read = table.read(&self.id, self.after, BATCH)?.into();
        if let Some(last) = self.read.back() {
            self.after = last.seq.unwrap_or(self.after);
        }
        if self.read.len() < BATCH
            && let Some((version, newest)) = table.newest(&self.id)?
            && version > self.version
        {
            self.version = version;
            self.read.push_back(newest);
        }
        Ok(self.read.is_empty() && table.record(&self.id)?.state.is_terminal())
    }
}
