//! What is read from the file.

use std::{collections::BTreeMap, fmt::Write as _};

use jiff::Timestamp;
use rusqlite::{Connection, Params, Row, params_from_iter, types::Value as SqlValue};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    Fence,
    sql::{Result, Sql as _},
};
use crate::{
    Entry, Keep, ListQuery, Page, ParseTaskIdError, QueueError, QueueStats, Seq, State, TaskId, TaskRecord,
    WorkerId, WorkerInfo, clock, follow::News,
};

/// Where dead letters stand: apart from other failures.
const DEAD: &str = "DEAD";

/// Under which name a task is listed.
pub(super) fn stands(record: &TaskRecord) -> &'static str {
    if record.dead { DEAD } else { record.state.as_str() }
}

/// A moment as the file keeps it: in microseconds.
pub(super) fn micros(moment: Timestamp) -> i64 {
    moment.as_microsecond()
}

/// The moment that is now.
pub(super) fn now() -> i64 {
    micros(clock::timestamp())
}

/// A task's place in the order of submission, by which all tables know it.
pub(super) fn task(sql: &Connection, id: &TaskId) -> Result<i64> {
    let found = sql.first("SELECT task FROM tasks WHERE id = ?1", [id.to_string()], |row| Ok(row.get(0)?))?;
    found.ok_or_else(|| QueueError::NotFound(*id).into())
}

/// A task's record, by its place.
pub(super) fn record(sql: &Connection, task: i64) -> Result<TaskRecord> {
    let found = sql.first("SELECT record FROM tasks WHERE task = ?1", [task], |row| to_record(row, 0))?;
    found.ok_or_else(|| QueueError::Storage(format!("task number {task} has no record")).into())
}

pub(super) fn get(sql: &Connection, id: &TaskId) -> Result<TaskRecord> {
    record(sql, task(sql, id)?)
}

/// The fence: the place of the lease's task, if the lease still stands, and whether somebody asked to cancel it.
pub(super) fn leased(sql: &Connection, fence: Fence) -> Result<(i64, bool)> {
    let found = sql.first(
        "SELECT task, cancelled FROM leases JOIN tasks USING (task) WHERE id = ?1 AND attempt = ?2",
        (fence.id.to_string(), fence.attempt),
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    found.ok_or_else(|| fence.stale().into())
}

/// The number of the last stored event.
pub(super) fn last(sql: &Connection, task: i64) -> Result<Seq> {
    let last = sql.first("SELECT max(seq) FROM events WHERE task = ?1", [task], |row| {
        Ok(row.get::<_, Option<Seq>>(0)?)
    })?;
    Ok(last.flatten().unwrap_or_default())
}

pub(super) fn read(sql: &Connection, id: &TaskId, after: Seq, limit: usize) -> Result<Vec<Entry>> {
    entries(sql, task(sql, id)?, after, limit)
}

fn entries(sql: &Connection, task: i64, after: Seq, limit: usize) -> Result<Vec<Entry>> {
    let [after, limit] = [after, limit as u64].map(|n| i64::try_from(n).unwrap_or(i64::MAX));
    sql.all(
        "SELECT entry FROM events WHERE task = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
        [task, after, limit],
        |row| from_json(row, 0),
    )
}

pub(super) fn news(sql: &Connection, id: &TaskId, after: Seq, limit: usize) -> Result<News> {
    let task = task(sql, id)?;
    Ok(News {
        stored: entries(sql, task, after, limit)?,
        newest: passing(sql, task)?,
        ended: sql
            .first("SELECT stands NOT IN ('PENDING', 'STARTED') FROM tasks WHERE task = ?1", [task], |row| {
                Ok(row.get(0)?)
            })?
            .unwrap_or_default(),
    })
}

/// The newest progress that is kept in this way.
pub(super) fn newest(sql: &Connection, id: &TaskId, keep: Keep) -> Result<Option<Entry>> {
    let task = task(sql, id)?;
    if keep == Keep::Newest {
        return Ok(passing(sql, task)?.map(|(_, entry)| entry));
    }
    sql.first(
        "SELECT entry FROM events WHERE task = ?1 AND entry ->> 'state' = 'PROGRESS' ORDER BY seq DESC LIMIT 1",
        [task],
        |row| from_json(row, 0),
    )
}

/// The transient event that is newer than the whole log, and its version.
fn passing(sql: &Connection, task: i64) -> Result<Option<(u64, Entry)>> {
    sql.first(
        "SELECT version, entry FROM newest
         WHERE task = ?1 AND after = (SELECT max(seq) FROM events WHERE task = ?1)",
        [task],
        |row| Ok((row.get(0)?, from_json(row, 1)?)),
    )
}

pub(super) fn holders(sql: &Connection) -> Result<Vec<WorkerId>> {
    sql.all("SELECT DISTINCT worker FROM leases ORDER BY worker", [], |row| {
        Ok(WorkerId::new(row.get::<_, String>(0)?))
    })
}

/// Who is there.
pub(super) fn workers(sql: &Connection) -> Result<Vec<WorkerInfo>> {
    sql.all("SELECT info FROM workers WHERE until > ?1 ORDER BY worker", [now()], |row| {
        Ok(serde_json::from_str(&row.get::<_, String>(0)?)?)
    })
}

/// Who has a unique key.
pub(super) fn owner(sql: &Connection, key: &str) -> Result<Option<TaskId>> {
    sql.first(
        "SELECT id FROM keys JOIN tasks USING (task) WHERE key = ?1 AND (until IS NULL OR until > ?2)",
        (key, now()),
        |row| {
            let id: String = row.get(0)?;
            Ok(id.parse().map_err(|error: ParseTaskIdError| QueueError::Storage(error.to_string()))?)
        },
    )
}

pub(super) fn stats(sql: &Connection) -> Result<Vec<QueueStats>> {
    let counts = sql.all(
        "SELECT queue, 'paused', 1 FROM paused
         UNION ALL SELECT queue, 'waiting', count(*) FROM waiting WHERE due IS NULL GROUP BY queue
         UNION ALL SELECT queue, 'waiting', count(*) FROM waiting WHERE due <= ?1 GROUP BY queue
         UNION ALL SELECT queue, 'scheduled', count(*) FROM waiting WHERE due > ?1 GROUP BY queue
         UNION ALL SELECT queue, 'running', count(*) FROM leases JOIN tasks USING (task) GROUP BY queue
         UNION ALL SELECT queue, 'dead', count(*) FROM tasks WHERE stands = 'DEAD' GROUP BY queue",
        [now()],
        |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, u64>(2)?)),
    )?;
    let mut all = BTreeMap::new();
    for (queue, what, count) in counts {
        let stats = all.entry(queue).or_insert_with_key(|queue| QueueStats::new(queue.as_str()));
        match what.as_str() {
            "paused" => stats.paused = true,
            "waiting" => stats.waiting += count,
            "scheduled" => stats.scheduled = count,
            "running" => stats.running = count,
            _ => stats.dead = count,
        }
    }
    Ok(all.into_values().collect())
}

pub(super) fn list(sql: &Connection, query: &ListQuery) -> Result<Page<TaskRecord>> {
    let (created, task) = match &query.cursor {
        Some(cursor) => age(cursor).ok_or_else(|| QueueError::InvalidCursor(cursor.clone()))?,
        None => (i64::MAX, i64::MAX),
    };
    let end = query.submitted.as_ref().map_or((i64::MAX, i64::MAX), |within| (micros(within.end), 0));
    let (created, task) = (created, task).min(end);
    let limit = query.limit.clamp(1, i64::MAX as usize - 1);
    let mut params: Vec<SqlValue> = vec![created.into(), task.into(), (limit as i64 + 1).into()];
    let Some(listing) = listing(sql, query, &mut params)? else { return Ok(Page::new([], false)) };
    let found = sql.all(&listing, params_from_iter(params), |row| {
        let (created, task): (i64, i64) = (row.get(0)?, row.get(1)?);
        Ok((to_record(row, 2)?, format!("{created}/{task}")))
    })?;
    let more = found.len() > limit;
    Ok(Page::new(found.into_iter().take(limit), more))
}

/// The statement of a listing: for each standing a walk along an index, which SQLite merges by age and ends when the page is full.
fn listing(sql: &Connection, query: &ListQuery, params: &mut Vec<SqlValue>) -> Result<Option<String>> {
    let asked = |state: &State| query.states.is_empty() || query.states.contains(state);
    let mut standings: Vec<&str> = Vec::new();
    if !query.dead {
        standings.extend(State::ALL.iter().filter(|state| asked(state)).map(|state| state.as_str()));
    }
    if asked(&State::Failure) {
        standings.push(DEAD);
    }

    let mut bind = |value: SqlValue| {
        params.push(value);
        format!("?{}", params.len())
    };
    let mut filter = String::new();
    // What the walk goes along and past, with the number of rows that each would offer.
    let mut tables = Vec::new();
    for (n, (key, value)) in query.labels.iter().enumerate() {
        tables.push((
            few(sql, "labels WHERE key = ?1 AND value = ?2", [key, value])?,
            "labels",
            format!("l{n}"),
        ));
        let _ = write!(
            filter,
            " AND l{n}.key = {} AND l{n}.value = {}",
            bind(key.clone().into()),
            bind(value.clone().into())
        );
    }
    let mut named = u64::MAX;
    if let Some(name) = &query.name {
        named = few(sql, "tasks WHERE name = ?1", [name])?;
        let _ = write!(filter, " AND name = {}", bind(name.clone().into()));
    }
    tables.push((named, "tasks", "t".to_owned()));

    // The rarest leads; a cross join keeps the order.
    tables.sort();
    let from: Vec<_> = tables.iter().map(|(_, table, alias)| format!("{table} AS {alias}")).collect();
    let (from, lead) = (from.join(" CROSS JOIN "), tables[0].2.as_str());
    if let Some(within) = &query.submitted {
        let _ = write!(filter, " AND {lead}.created >= {}", bind(micros(within.start).into()));
    }
    for (_, _, alias) in &tables[1..] {
        let _ = write!(filter, " AND {alias}.task = {lead}.task");
    }
    let plain: Vec<_> = query.hints.iter().filter(|text| is_plain(text)).collect();
    if !plain.is_empty() {
        let sought =
            plain.into_iter().map(|text| format!("record LIKE {} ESCAPE '\\'", bind(pattern(text).into())));
        let sought = sought.collect::<Vec<_>>().join(" AND ");
        let _ = match &query.hinted {
            None => write!(filter, " AND {sought}"),
            Some(key) => write!(
                filter,
                " AND ({sought} OR NOT EXISTS (SELECT 1 FROM labels WHERE task = {lead}.task AND key = {}))",
                bind(key.clone().into())
            ),
        };
    }
    let walk = |stands: &str| {
        format!(
            "SELECT {lead}.created AS created, {lead}.task AS task, record FROM {from}
             WHERE {lead}.stands = '{stands}' AND ({lead}.created, {lead}.task) < (?1, ?2){filter}"
        )
    };
    let walks: Vec<_> = standings.into_iter().map(walk).collect();
    let whole = || walks.join(" UNION ALL ") + " ORDER BY created DESC, task DESC LIMIT ?3";
    Ok((!walks.is_empty()).then(whole))
}

/// Whether a text stands in JSON as it is, however deep, has no letters but ASCII's, and makes a pattern that is not too long for SQLite.
fn is_plain(text: &str) -> bool {
    text.len() <= 1000
        && text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\')
}

/// What is `LIKE` a plain text: of letters that are not ASCII's, which SQLite does not know in small and capital, two have small ones that are. The
/// Kelvin sign is a `k`, and `İ` an `i` with a dot that stands behind it, so that a text can only end there.
fn pattern(text: &str) -> String {
    let last = text.len().saturating_sub(1);
    let part = |(at, letter)| match letter {
        'k' | 'K' => "_".to_owned(),
        'i' | 'I' if at == last => "_".to_owned(),
        '%' | '_' => format!("\\{letter}"),
        _ => String::from(letter),
    };
    format!("%{}%", text.char_indices().map(part).collect::<String>())
}

/// How many rows these are, counted no further than it pays.
fn few(sql: &Connection, rows: &str, params: impl Params) -> Result<u64> {
    let count = format!("SELECT count(*) FROM (SELECT 1 FROM {rows} LIMIT 1000)");
    Ok(sql.first(&count, params, |row| Ok(row.get(0)?))?.unwrap_or_default())
}

/// Reads a cursor: when a task was created, and its place among those of the same moment.
fn age(cursor: &str) -> Option<(i64, i64)> {
    let (created, task) = cursor.split_once('/')?;
    Some((created.parse().ok()?, task.parse().ok()?))
}

fn from_json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<T> {
    Ok(serde_json::from_str(&row.get::<_, String>(column)?)?)
}

fn to_record(row: &Row<'_>, column: usize) -> Result<TaskRecord> {
    let mut record: TaskRecord = from_json(row, column)?;
    // A result that is null is a result; JSON does not tell it from none.
    if record.state == State::Success {
        record.result.get_or_insert(Value::Null);
    }
    Ok(record)
}
