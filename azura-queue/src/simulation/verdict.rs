//! What must be true when a world is over.

use std::collections::BTreeMap;

use crate::{
    Broker as _, Entry, EventKind, EventLog as _, ListQuery, QueueStats, State, TaskFailure, TaskRecord,
};

use super::{
    ledger::{Case, ensure},
    world::World,
};

/// Holds every task's record and log, and the queue as a whole, against the ledger.
pub(super) async fn judge(world: &World) {
    let queue = &world.queue;
    let query = ListQuery::default().limit(usize::MAX);
    let records = queue.list(&query).await.unwrap().items;
    let dead = queue.list(&query.dead()).await.unwrap().items;
    let (holders, stats) = (queue.holders().await.unwrap(), queue.stats().await.unwrap());
    let workers = queue.workers().await.unwrap();
    let mut logs = BTreeMap::new();
    for record in &records {
        logs.insert(record.id, queue.read(&record.id, 0, usize::MAX).await.unwrap());
    }

    let mut ledger = world.ledger();
    let mut wrongs = Vec::new();
    for (n, case) in ledger.cases.iter().enumerate() {
        let record = records.iter().find(|record| record.id == case.id);
        let found = record.ok_or_else(|| "it is lost".to_owned());
        let verdict = found.and_then(|record| check(case, record, &logs[&case.id]));
        wrongs.extend(verdict.err().map(|why| format!("#{n}: {why}: {record:?} {:?}", case.log)));
    }
    if records.len() != ledger.cases.len() {
        wrongs.push(format!("{} tasks instead of {}", records.len(), ledger.cases.len()));
    }
    let letters = ledger.cases.iter().filter(|case| case.dead).count();
    if dead.len() != letters || !dead.iter().all(|record| record.dead) {
        wrongs.push(format!("{} dead letters instead of {letters}", dead.len()));
    }
    let idle = |stats: &QueueStats| QueueStats { dead: 0, ..stats.clone() }.is_idle();
    if !holders.is_empty() || !workers.is_empty() || !stats.iter().all(idle) {
        wrongs.push(format!("all is over, and yet: {holders:?} {workers:?} {stats:?}"));
    }
    if world.is_at_peace() && ledger.cases.iter().any(|case| case.lost > 0) {
        wrongs.push("a lease was lost in peace".into());
    }
    let ends: Vec<_> = ledger.cases.iter().map(end).collect();
    for end in ends {
        ledger.count("end", end);
    }
    drop(ledger);
    for wrong in wrongs {
        world.wrong(wrong);
    }
}

fn check(case: &Case, record: &TaskRecord, log: &[Entry]) -> Result<(), String> {
    let found = (record.state, record.attempt, record.failures, record.lost_leases);
    let expected = (case.state, case.attempt, case.failures, case.lost);
    ensure(found == expected, "the record is not what it should be")?;
    let found = (record.dead, record.cancel_requested);
    ensure(found == (case.dead, case.cancelled()), "the record is not marked as it should be")?;
    ensure(record.state.is_terminal() && record.finished_at.is_some(), "it has not ended")?;
    ensure(case.told.is_none_or(|told| told == record.state), "somebody was told of another end")?;
    ensure(log == case.log, "the past has changed")?;

    // The laws of a log, whatever the ledger says.
    for (n, entry) in log.iter().enumerate() {
        ensure(entry.seq == Some(n as u64 + 1), "the numbers have a gap")?;
        ensure(entry.kind.is_terminal() == (n + 1 == log.len()), "there is not one end")?;
    }
    for pair in log.windows(2) {
        let begins = u32::from(pair[1].kind == EventKind::Started);
        ensure(pair[1].attempt == pair[0].attempt + begins, "two attempts write at the same time")?;
    }

    // Whose result it is.
    let succeeded = record.state == State::Success;
    ensure(record.result.is_some() == succeeded, "a result belongs to a success")?;
    ensure(record.error.is_some() == (record.state == State::Failure), "an error belongs to a failure")?;
    if let Some(result) = &record.result {
        ensure(result["attempt"] == record.attempt, "the result is of a stale attempt")?;
        ensure(log.last().is_some_and(|end| end.details == *result), "the log tells of another result")?;
        ensure(record.worker == case.worker, "somebody else is said to have done it")?;
    }

    // What each attempt had to tell is there: as far as it came, in its order, each once.
    let mut told: BTreeMap<u32, Vec<&Entry>> = BTreeMap::new();
    for entry in log.iter().filter(|entry| entry.kind == EventKind::Progress) {
        told.entry(entry.attempt).or_default().push(entry);
    }
    ensure(told.keys().all(|attempt| case.attempts.contains_key(attempt)), "nobody emitted this")?;
    for (number, attempt) in &case.attempts {
        let told = told.remove(number).unwrap_or_default();
        let in_order = told
            .iter()
            .zip(1_u64..)
            .all(|(entry, n)| entry.details["attempt"] == *number && entry.details["kept"] == n);
        let count = told.len() as u64;
        ensure(in_order && count <= attempt.emitted, "its events are not those it emitted")?;
        ensure(!attempt.complete || count == attempt.emitted, "events of a whole attempt are missing")?;
    }
    Ok(())
}

/// How a task ended.
fn end(case: &Case) -> &'static str {
    let Some(last) = case.log.last() else { return "not at all" };
    match case.state {
        State::Success => "success",
        State::Revoked if last.details["reason"] == "expired" => "expired",
        State::Revoked if case.attempt == 0 => "revoked before it ran",
        State::Revoked => "revoked",
        State::Failure => match last.details["error_code"].as_str() {
            Some(TaskFailure::WORKER_LOST) => "worker lost",
            Some(TaskFailure::TIME_LIMIT) => "took too long",
            Some(TaskFailure::UNKNOWN_TASK) => "unknown",
            Some(TaskFailure::PANICKED) => "panicked",
            Some(TaskFailure::ABANDONED) => "abandoned",
            _ if case.dead => "dead letter",
            _ => "failed",
        },
        State::Pending | State::Started => "not at all",
    }
}
