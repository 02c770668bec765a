//! Who follows a task: from the start, from somewhere, again after a break; quick or slow.

use std::sync::Arc;

use futures_util::StreamExt as _;
use jiff::Timestamp;
use tokio::time::sleep;

use crate::{Entry, EventKind, EventLog as _, Seq, TaskId, backoff::persist, clock};

use super::{
    ledger::{Case, ensure},
    line::Line,
    world::World,
};

/// No task has so much to tell: what goes on beyond that never ends.
const FLOOD: usize = 10_000;

/// What a watcher has seen.
pub(super) struct Seen {
    pub(super) id: TaskId,
    /// What it asked for: the events after this number.
    after: Seq,
    entries: Vec<Entry>,
    /// When it asked for each of them, and when it was told.
    times: Vec<(Timestamp, Timestamp)>,
}

/// Sets a watcher going.
pub(super) fn watch(world: &Arc<World>, id: TaskId) {
    let line = Line::new(world, "watcher");
    let after = if world.chance.one_in(2) { 0 } else { world.chance.below(8) };
    let watching = tokio::spawn(async move {
        let mut seen = Seen { id, after, entries: Vec::new(), times: Vec::new() };
        while !seen.follow(&line).await {
            line.world.count("watcher", "came back");
            sleep(line.world.chance.millis(0..=3000)).await;
        }
        seen
    });
    world.watchers.lock().unwrap().push(watching);
}

impl Seen {
    /// Follows for a while; whether to the end.
    async fn follow(&mut self, line: &Line) -> bool {
        let chance = &line.world.chance;
        let last = self.entries.iter().rev().find_map(|entry| entry.seq).unwrap_or(self.after);
        let mut stream = persist(|| line.follow(&self.id, last)).await.unwrap();
        let patience = if chance.one_in(2) { u64::MAX } else { chance.below(8) };
        let slow = chance.one_in(3);
        for _ in 0..patience {
            if self.entries.len() > FLOOD {
                return true;
            }
            let asked = clock::timestamp();
            let Some(entry) = stream.next().await else { return true };
            self.entries.push(entry.unwrap());
            self.times.push((asked, clock::timestamp()));
            if slow {
                sleep(chance.millis(0..=2000)).await;
            }
        }
        false
    }

    /// Holds what was seen against the whole log.
    pub(super) fn check(&self, case: &Case) -> Result<(), String> {
        let stored = self.entries.iter().filter(|entry| entry.seq.is_some());
        let missed = case.log.iter().skip(self.after as usize);
        ensure(stored.eq(missed), "a watcher saw something else than the log")?;
        for (entry, (asked, told)) in self.entries.iter().zip(&self.times) {
            let written = entry.seq.and_then(|seq| case.written.get(seq as usize - 1));
            ensure(written.is_none_or(|at| at.max(asked) == told), "a watcher was told late")?;
        }
        // What is not stored belongs to the attempt that runs just then, and builds on nothing that has not been told. Who asked for what
        // comes after a number that is still to come cannot tell, before that.
        let mut before: Vec<_> = case.log.iter().take(self.after as usize).collect();
        let mut knows = self.after == 0;
        for entry in &self.entries {
            if entry.seq.is_some() {
                knows = true;
                before.push(entry);
            } else if knows {
                let last = before.last().map(|last| (last.attempt, last.kind));
                let runs = [EventKind::Started, EventKind::Progress].map(|kind| Some((entry.attempt, kind)));
                ensure(runs.contains(&last), "a watcher was told in passing of another attempt")?;
                let kept = before
                    .iter()
                    .filter(|past| past.kind == EventKind::Progress && past.attempt == entry.attempt);
                let known = entry.details["kept"].as_u64().is_some_and(|built| built <= kept.count() as u64);
                ensure(known, "a watcher was told in passing of what is yet to be told")?;
            }
        }
        Ok(())
    }
}
