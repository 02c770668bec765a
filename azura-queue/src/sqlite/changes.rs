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
            let gone = matches!(change, Change::Deleted(_));
            sql.run("INSERT INTO changes (rev, id, gone) VALUES (?1, ?2, ?3)", (last, id.to_string(), gone))?;
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
        let rows =
            sql.all("SELECT rev, id, gone FROM changes WHERE rev > ?1 ORDER BY rev", [self.seen], |row| {
                let id: String = row.get(1)?;
                let id =
                    id.parse().map_err(|error: ParseTaskIdError| QueueError::Storage(error.to_string()))?;
                let gone: bool = row.get(2)?;
                Ok((row.get::<_, i64>(0)?, if gone { Change::Deleted(id) } else { Change::Task(id) }))
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
