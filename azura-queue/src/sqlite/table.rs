//! The verbs that change something. Each runs in a savepoint of the writer's transaction.

use std::{collections::BTreeMap, mem, time::Duration};

use jiff::Timestamp;
use rusqlite::{Connection, Params, Row};

use super::{
    Fence,
    changes::Changes,
    query::{self, micros, now, stands},
    sql::{Result, Sql as _},
};
use crate::{
    Change, Entry, Finish, Gone, Hold, Keep, Labels, Lease, NewEvent, NewTask, QueueError, Seq, State,
    TaskId, TaskRecord, Unique, WorkerId, WorkerInfo,
    clock::{self, Steps},
    event::not_yet_stored,
    task::relabel,
    wake::Wakes,
};

pub(super) struct Table {
    sql: Connection,
    /// What the wall clock, by which leases are measured, is watched with.
    steps: Steps,
    told: Told,
    changes: Changes,
    /// Rises with every transaction of another process.
    version: Option<i64>,
}

/// Whom the running transaction concerns.
#[derive(Default)]
pub(super) struct Told {
    ready: bool,
    changes: Vec<Change>,
}

impl Told {
    pub(super) fn wake(&self, wakes: &Wakes) {
        if self.ready {
            wakes.ready.notify_waiters();
        }
        for change in &self.changes {
            wakes.tell(change);
        }
    }
}

impl Table {
    pub(super) fn new(sql: Connection) -> Result<Self> {
        let changes = Changes::new(&sql)?;
        Ok(Self { sql, steps: Steps::new(), told: Told::default(), changes, version: None })
    }

    #[cfg(test)]
    pub(super) fn sql(&self) -> &Connection {
        &self.sql
    }

    /// Runs verbs and commits what they did, once and for all of them.
    pub(super) fn transaction(&mut self, verbs: impl FnOnce(&mut Self) -> Result<()>) -> Result<Told> {
        self.told = Told::default();
        self.run("BEGIN IMMEDIATE", [])?;
        let outcome = verbs(self).and_then(|()| {
            let written = self.changes.write(&self.sql, &self.told.changes)?;
            self.run("COMMIT", [])?;
            Ok(written)
        });
        if outcome.is_err() && !self.sql.is_autocommit() {
            self.run("ROLLBACK", [])?;
        }
        self.changes.wrote(outcome?);
        Ok(mem::take(&mut self.told))
    }

    /// Runs a verb that, if it fails, leaves no trace. The outer failure is that of the whole transaction.
    pub(super) fn attempt<T>(&mut self, verb: impl FnOnce(&mut Self) -> Result<T>) -> Result<Result<T>> {
        self.run("SAVEPOINT verb", [])?;
        let outcome = verb(self);
        // A disk that fails ends the transaction there and then.
        if self.sql.is_autocommit() {
            return outcome.map(Ok);
        }
        if outcome.is_err() {
            self.run("ROLLBACK TO verb", [])?;
        }
        self.run("RELEASE verb", [])?;
        Ok(outcome)
    }

    /// What other processes have changed since this was asked last, if they have written at all. Not to know counts as yes.
    pub(super) fn of_others(&mut self) -> Option<Vec<Change>> {
        let version = self.sql.first("PRAGMA data_version", [], |row| Ok(row.get(0)?));
        let before = mem::replace(&mut self.version, version.unwrap_or_default());
        if self.version.is_some() && self.version == before {
            return None;
        }
        // What cannot be read now is read next time.
        let read = self.changes.read(&self.sql);
        self.version = self.version.filter(|_| read.is_ok());
        Some(read.unwrap_or_default())
    }

    pub(super) fn submit(&mut self, task: NewTask) -> Result<TaskId> {
        let id = task.id.unwrap_or_else(TaskId::random);
        let record = TaskRecord::new(id, task, clock::timestamp());
        let task = self.insert(&record)?;
        if let Some(Unique { key, .. }) = &record.schedule.unique
            && let Some(by) = query::owner(&self.sql, key)?
        {
            return Err(QueueError::NotUnique { key: key.clone(), by }.into());
        }
        self.store(task, record.submitted())?;
        self.wait(task, &record)?;
        self.told.changes.push(Change::Task(id));
        if let Some(Unique { key, hold }) = &record.schedule.unique {
            let until = match hold {
                Hold::Period(period) => Some(micros(clock::timestamp_after(*period))),
                Hold::Queued | Hold::Running => None,
            };
            self.run("INSERT OR REPLACE INTO keys VALUES (?1, ?2, ?3)", (key, task, until))?;
        }
        Ok(id)
    }

    pub(super) fn restore(&mut self, record: &TaskRecord, log: Vec<Entry>) -> Result<()> {
        let log = record.restored(log)?;
        let task = self.insert(record)?;
        for entry in log {
            self.store(task, entry)?;
        }
        self.told.changes.push(Change::Task(record.id));
        Ok(())
    }

    /// Takes a task, or tells when the next one is due.
    pub(super) fn claim(
        &mut self,
        worker: &WorkerId,
        queues: &[String],
        ttl: Duration,
    ) -> Result<(Option<Lease>, Option<Timestamp>)> {
        self.tick()?;
        let mut first: Option<(u8, i64)> = None;
        for queue in queues {
            let waits = self.sql.first(
                "SELECT priority, task FROM waiting WHERE due IS NULL AND queue = ?1
                 AND queue NOT IN (SELECT queue FROM paused) ORDER BY priority, task LIMIT 1",
                [queue],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            first = first.into_iter().chain(waits).min();
        }
        let Some((_, task)) = first else {
            let due = self.sql.first("SELECT min(due) FROM waiting WHERE due IS NOT NULL", [], |row| {
                Ok(row.get::<_, Option<i64>>(0)?)
            })?;
            return Ok((None, due.flatten().and_then(|due| Timestamp::from_microsecond(due).ok())));
        };
        let mut record = query::record(&self.sql, task)?;
        let told = record.claim(worker)?;
        self.changed(task, &record, told)?;
        self.run(
            "INSERT INTO leases (task, attempt, worker, ends, ttl) VALUES (?1, ?2, ?3, ?4 + ?5, ?5)",
            (task, record.attempt, worker.as_str(), now(), span(ttl)),
        )?;
        let seq = query::last(&self.sql, task)?;
        Ok((Some(Lease::new(record, worker.clone(), seq)), None))
    }

    /// Extends the lease and returns whether somebody asked to cancel.
    pub(super) fn heartbeat(&mut self, fence: Fence, ttl: Duration) -> Result<bool> {
        let (task, cancelled) = query::leased(&self.sql, fence)?;
        self.run("UPDATE leases SET ends = ?2 + ?3, ttl = ?3 WHERE task = ?1", (task, now(), span(ttl)))?;
        Ok(cancelled)
    }

    pub(super) fn checkpoint(&mut self, fence: Fence, epoch: u64) -> Result<()> {
        let (task, _) = query::leased(&self.sql, fence)?;
        let mut record = query::record(&self.sql, task)?;
        record.reach(epoch);
        self.update(task, &record)
    }

    pub(super) fn finish(&mut self, fence: Fence, how: Finish) -> Result<State> {
        let (task, _) = query::leased(&self.sql, fence)?;
        let mut record = query::record(&self.sql, task)?;
        let told = record.finish(how)?;
        self.changed(task, &record, told)
    }

    pub(super) fn cancel(&mut self, id: &TaskId) -> Result<State> {
        let task = query::task(&self.sql, id)?;
        let mut record = query::record(&self.sql, task)?;
        if let Some(told) = record.cancel()? {
            return self.changed(task, &record, told);
        }
        if record.state == State::Started {
            self.update(task, &record)?;
            self.run("UPDATE leases SET cancelled = 1 WHERE task = ?1", [task])?;
            self.told.changes.push(Change::Task(*id));
        }
        Ok(record.state)
    }

    pub(super) fn reap(&mut self, every: Duration) -> Result<usize> {
        self.tick()?;
        // A lease that seems to begin in the future was given before the clock was set back.
        let stepped = self.steps.any();
        self.run("UPDATE leases SET ends = ?1 + ttl WHERE ?2 OR ends - ttl > ?1", (now(), stepped))?;
        let patience = i64::try_from(every.as_micros()).unwrap_or(i64::MAX).saturating_mul(2);
        let before = self.sql.first("SELECT at FROM reaped", [], |row| Ok(row.get::<_, i64>(0)?))?;
        if before.is_some_and(|before| now().saturating_sub(before) > patience) {
            self.run("UPDATE leases SET ends = max(ends, ?1)", [now().saturating_add(patience)])?;
        }
        self.run("INSERT OR REPLACE INTO reaped VALUES (1, ?1)", [now()])?;
        self.lose("SELECT task FROM leases WHERE ends <= ?1", [now()])
    }

    pub(super) fn disown(&mut self, worker: &WorkerId) -> Result<usize> {
        self.lose("SELECT task FROM leases WHERE worker = ?1", [worker.as_str()])
    }

    pub(super) fn requeue(
        &mut self,
        id: &TaskId,
        labels: &BTreeMap<String, Option<String>>,
    ) -> Result<TaskId> {
        let task = query::task(&self.sql, id)?;
        let mut record = query::record(&self.sql, task)?;
        if !record.dead {
            return Err(QueueError::NotDead(*id).into());
        }
        let mut again = NewTask::again(&record);
        relabel(&mut again.labels, labels);
        let new = self.submit(again)?;
        record.dead = false;
        self.update(task, &record)?;
        self.told.changes.push(Change::Task(*id));
        Ok(new)
    }

    pub(super) fn pause(&mut self, queue: &str) -> Result<()> {
        self.run("INSERT OR IGNORE INTO paused VALUES (?1)", [queue])?;
        Ok(())
    }

    pub(super) fn resume(&mut self, queue: &str) -> Result<()> {
        self.run("DELETE FROM paused WHERE queue = ?1", [queue])?;
        self.told.ready = true;
        Ok(())
    }

    pub(super) fn attend(&mut self, worker: &WorkerInfo, ttl: Duration) -> Result<()> {
        let until = micros(clock::timestamp_after(ttl));
        self.run("DELETE FROM workers WHERE until <= ?1", [now()])?;
        let row = (worker.id.as_str(), until, serde_json::to_string(worker)?);
        self.run("INSERT OR REPLACE INTO workers VALUES (?1, ?2, ?3)", row)?;
        Ok(())
    }

    pub(super) fn leave(&mut self, worker: &WorkerId) -> Result<()> {
        self.run("DELETE FROM workers WHERE worker = ?1", [worker.as_str()])?;
        Ok(())
    }

    pub(super) fn delete(&mut self, id: &TaskId) -> Result<()> {
        let task = query::task(&self.sql, id)?;
        let record = query::record(&self.sql, task)?;
        let state = record.state;
        if !state.is_terminal() {
            return Err(QueueError::NotFinished { id: *id, state }.into());
        }
        self.let_go(task, &record)?;
        self.run("DELETE FROM tasks WHERE task = ?1", [task])?;
        self.told.changes.push(Change::Deleted(Gone::of(&record)));
        Ok(())
    }

    pub(super) fn annotate(
        &mut self,
        id: &TaskId,
        labels: &BTreeMap<String, Option<String>>,
    ) -> Result<Labels> {
        let task = query::task(&self.sql, id)?;
        let mut record = query::record(&self.sql, task)?;
        relabel(&mut record.labels, labels);
        self.update(task, &record)?;
        self.run("DELETE FROM labels WHERE task = ?1", [task])?;
        self.label(task, &record)?;
        self.told.changes.push(Change::Task(*id));
        Ok(record.labels)
    }

    pub(super) fn append(&mut self, fence: Fence, after: Seq, events: &[NewEvent]) -> Result<Seq> {
        let (task, _) = query::leased(&self.sql, fence)?;
        for event in not_yet_stored(events, after, query::last(&self.sql, task)?) {
            let entry = event.entry(fence.attempt);
            match event.keep {
                Keep::All => self.store(task, entry)?,
                Keep::Newest => self.overwrite(task, &entry)?,
            }
        }
        self.told.changes.push(Change::Task(fence.id));
        query::last(&self.sql, task)
    }

    fn run(&self, sql: &str, params: impl Params) -> Result<usize> {
        self.sql.run(sql, params)
    }

    /// Lets come what is due, and go what has expired.
    fn tick(&mut self) -> Result<()> {
        let expired = self.sql.all("SELECT task FROM waiting WHERE expires <= ?1", [now()], place)?;
        for task in expired {
            let mut record = query::record(&self.sql, task)?;
            let told = record.expire()?;
            self.changed(task, &record, told)?;
        }
        self.run("UPDATE waiting SET due = NULL WHERE due <= ?1", [now()])?;
        Ok(())
    }

    /// Takes back the leases of these tasks.
    fn lose(&mut self, which: &str, params: impl Params) -> Result<usize> {
        let lost = self.sql.all(which, params, place)?;
        for task in &lost {
            let mut record = query::record(&self.sql, *task)?;
            let told = record.lose_lease()?;
            self.changed(*task, &record, told)?;
        }
        Ok(lost.len())
    }

    fn insert(&self, record: &TaskRecord) -> Result<i64> {
        let inserted = self.run(
            "INSERT INTO tasks (id, queue, name, stands, created, record) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (id) DO NOTHING",
            (
                record.id.to_string(),
                &record.queue,
                &record.name,
                stands(record),
                micros(record.created_at),
                serde_json::to_string(record)?,
            ),
        )?;
        if inserted == 0 {
            return Err(QueueError::Duplicate(record.id).into());
        }
        let task = self.sql.last_insert_rowid();
        self.label(task, record)?;
        Ok(task)
    }

    fn label(&self, task: i64, record: &TaskRecord) -> Result<()> {
        for (key, value) in &record.labels {
            self.run(
                "INSERT INTO labels (task, key, value, stands, created) VALUES (?1, ?2, ?3, ?4, ?5)",
                (task, key, value, stands(record), micros(record.created_at)),
            )?;
        }
        Ok(())
    }

    fn update(&self, task: i64, record: &TaskRecord) -> Result<()> {
        self.run(
            "UPDATE tasks SET stands = ?2, record = ?3 WHERE task = ?1",
            (task, stands(record), serde_json::to_string(record)?),
        )?;
        Ok(())
    }

    /// Every change of a state comes by here, with the event that tells of it.
    fn changed(&mut self, task: i64, record: &TaskRecord, told: Entry) -> Result<State> {
        self.update(task, record)?;
        self.store(task, told)?;
        self.run("DELETE FROM waiting WHERE task = ?1", [task])?;
        self.run("DELETE FROM leases WHERE task = ?1", [task])?;
        if record.state == State::Pending {
            self.wait(task, record)?;
        }
        if record.schedule.unique.as_ref().is_some_and(|unique| unique.hold.ends(record.state)) {
            self.let_go(task, record)?;
        }
        self.told.changes.push(Change::Task(record.id));
        Ok(record.state)
    }

    /// Puts a task among those that wait.
    fn wait(&mut self, task: i64, record: &TaskRecord) -> Result<()> {
        let schedule = &record.schedule;
        let due = schedule.eta.map(micros).filter(|eta| *eta > now());
        self.run(
            "INSERT INTO waiting (task, queue, priority, due, expires) VALUES (?1, ?2, ?3, ?4, ?5)",
            (task, &record.queue, schedule.priority, due, schedule.expires.map(micros)),
        )?;
        self.told.ready = true;
        Ok(())
    }

    /// Frees a unique key, if this task has it.
    fn let_go(&self, task: i64, record: &TaskRecord) -> Result<()> {
        if let Some(unique) = &record.schedule.unique {
            self.run("DELETE FROM keys WHERE key = ?1 AND task = ?2", (&unique.key, task))?;
        }
        Ok(())
    }

    /// Numbers an event and adds it to the log.
    fn store(&self, task: i64, entry: Entry) -> Result<()> {
        let seq = query::last(&self.sql, task)? + 1;
        let entry = serde_json::to_string(&Entry { seq: Some(seq), ..entry })?;
        self.run("INSERT INTO events (task, seq, entry) VALUES (?1, ?2, ?3)", (task, seq, entry))?;
        Ok(())
    }

    /// Replaces the transient event.
    fn overwrite(&self, task: i64, entry: &Entry) -> Result<()> {
        self.run(
            "INSERT INTO newest (task, version, after, entry)
             VALUES (?1, 1, (SELECT max(seq) FROM events WHERE task = ?1), ?2)
             ON CONFLICT (task) DO UPDATE
             SET version = version + 1, after = excluded.after, entry = excluded.entry",
            (task, serde_json::to_string(entry)?),
        )?;
        Ok(())
    }
}

/// A time to live as the file keeps it. No lease needs more than a year.
fn span(ttl: Duration) -> i64 {
    ttl.min(Duration::from_hours(365 * 24)).as_micros() as i64
}

fn place(row: &Row<'_>) -> Result<i64> {
    Ok(row.get(0)?)
}
