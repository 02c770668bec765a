//! Which tasks changed, written down for other processes.

use std::collections::HashSet;

use rusqlite::Connection;

use super::sql::{Result, Sql as _};
use crate::{Change, ParseTaskIdError, QueueError};

/// So many changes at least are kept. Whoever is behind by more has missed some.
const KEPT: i64 = 4096;

/// How far this process knows what happened.
pub(super) struct Changes {
    seen: i64,
}

impl Changes {
    /// From now on.
    pub(super) fn new(sql: &Connection) -> Result<Self> {
        Ok(Self { seen: newest(sql)? })
    }

    /// Writes down, within a transaction, what changes by it: each task once. Returns the numbers that the rows lie between.
    pub(super) fn write(&self, sql: &Connection, changes: &[Change]) -> Result<(i64, i64)> {
        if changes.is_empty() {
            return Ok((self.seen, self.seen));
        }
        let (before, mut named) = (newest(sql)?, HashSet::new());
        // The last word about a task counts.
        let mut words: Vec<_> = changes.iter().rev().filter(|change| named.insert(change.task())).collect();
        words.reverse();
        let mut last = before;
        for change in words {
            let Some(id) = change.task() else { continue };
            last += 1;
            let was = match change {
                Change::Deleted(gone) => Some(serde_json::to_string(gone)?),
                _ => None,
            };
            sql.run(
                "INSERT INTO changes (rev, id, gone, was) VALUES (?1, ?2, ?3, ?4)",
                (last, id.to_string(), was.is_some(), was),
            )?;
        }
        // Not each time, so that the beginning of the table is seldom touched.
        if last / KEPT > before / KEPT {
            sql.run("DELETE FROM changes WHERE rev <= ?1", [last - KEPT])?;
        }
        Ok((before, last))
    }

    /// What was written between these numbers is committed, and its watchers are told. If others have written before, both is read.
    pub(super) fn wrote(&mut self, (before, last): (i64, i64)) {
        if self.seen == before {
            self.seen = last;
        }
    }

    /// What was written since this was asked last.
    pub(super) fn read(&mut self, sql: &Connection) -> Result<Vec<Change>> {
        let newer = "SELECT rev, id, gone, was FROM changes WHERE rev > ?1 ORDER BY rev";
        let rows = sql.all(newer, [self.seen], |row| {
            let id: String = row.get(1)?;
            let id = id.parse().map_err(|error: ParseTaskIdError| QueueError::Storage(error.to_string()))?;
            let change = match (row.get(2)?, row.get::<_, Option<String>>(3)?) {
                (false, _) => Change::Task(id),
                // A process of another version may say nothing, or something else, of what it deleted.
                (true, was) => was
                    .and_then(|was| serde_json::from_str(&was).ok())
                    .map_or(Change::Missed, Change::Deleted),
            };
            Ok((row.get::<_, i64>(0)?, change))
        })?;
        let missed = rows.first().is_some_and(|(first, _)| *first > self.seen + 1);
        self.seen = rows.last().map_or(self.seen, |(last, _)| *last);
        Ok(if missed { vec![Change::Missed] } else { rows.into_iter().map(|(_, change)| change).collect() })
    }
}

/// The number of the newest row.
fn newest(sql: &Connection) -> Result<i64> {
    let newest = sql.first("SELECT max(rev) FROM changes", [], |row| Ok(row.get::<_, Option<i64>>(0)?))?;
    Ok(newest.flatten().unwrap_or_default())
}
