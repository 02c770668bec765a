//! What only the inside of the queue can bring about, or see.

use std::{fs, sync::Arc, time::Instant};

use futures_util::future::join_all;
use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::Gone;

fn open() -> (TempDir, SqliteQueue) {
    let folder = tempfile::tempdir().unwrap();
    let queue = SqliteQueue::open(folder.path().join("queue.db")).unwrap();
    (folder, queue)
}

fn beside(folder: &TempDir) -> Connection {
    Connection::open(folder.path().join("queue.db")).unwrap()
}

async fn tasks(queue: &SqliteQueue) -> usize {
    queue.list(&ListQuery::default().limit(usize::MAX)).await.unwrap().items.len()
}

fn refusal(path: impl AsRef<Path>) -> String {
    let error = SqliteQueue::open(path).unwrap_err();
    assert!(matches!(error, QueueError::Storage(_)), "{error:?}");
    error.to_string()
}

#[test]
fn a_file_from_the_future_is_refused() {
    let (folder, queue) = open();
    drop(queue);
    beside(&folder).pragma_update(None, "user_version", 99).unwrap();
    let refusal = refusal(folder.path().join("queue.db"));
    assert!(refusal.contains("queue.db: it was written by a newer version"), "{refusal}");
    assert!(refusal.contains("99"), "{refusal}");
}

#[tokio::test]
async fn what_lacks_a_hint_is_not_read() {
    let (_folder, queue) = open();
    let mut ids = Vec::new();
    for (key, name) in [("name", "Alpha"), ("name", "beta"), ("other", "gamma")] {
        ids.push(queue.submit(NewTask::new("work").label(key, name)).await.unwrap());
    }
    // What has no such label is listed whatever its record says.
    for (hint, expected) in [
        ("alpha", vec![ids[2], ids[0]]),
        ("delta", vec![ids[2]]),
        ("a%a", vec![ids[2]]),
        ("be_a", vec![ids[2]]),
    ] {
        let page = queue.list(&ListQuery::default().hint(hint).hinted("name")).await.unwrap();
        assert_eq!(page.items.iter().map(|record| record.id).collect::<Vec<_>>(), expected, "{hint}");
    }
}

#[test]
fn what_is_no_queue_is_refused_and_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text");
    fs::write(&text, "no database at all, but longer than a header would be ".repeat(100)).unwrap();
    let other = folder.path().join("other.db");
    Connection::open(&other).unwrap().execute_batch("CREATE TABLE theirs (n)").unwrap();
    for (path, why) in [(text, "not a database"), (other, "another application")] {
        let before = fs::read(&path).unwrap();
        let refusal = refusal(&path);
        assert!(refusal.contains(why), "{refusal}");
        assert_eq!(fs::read(&path).unwrap(), before);
    }
    let nowhere = SqliteQueue::open(folder.path().join("no/folder/queue.db"));
    assert!(matches!(nowhere, Err(QueueError::Unavailable(_))), "{nowhere:?}");
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_passes() {
    let (_folder, queue) = open();
    let limit = |pages: i64| {
        queue.change(move |table| Ok(table.sql().pragma_update(None, "max_page_count", pages)?))
    };
    limit(100).await.unwrap();
    let mut submitted = 0;
    for _ in 0..100 {
        let outcomes = join_all((0..16).map(|_| queue.submit(NewTask::new("work")))).await;
        submitted += outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        for error in outcomes.into_iter().filter_map(Result::err) {
            assert!(error.is_transient(), "{error:?}");
        }
        assert_eq!(tasks(&queue).await, submitted);
    }
    let full = queue.submit(NewTask::new("big").arg("x".repeat(1_000_000))).await;
    assert!(matches!(full, Err(QueueError::Unavailable(_))), "{full:?}");
    assert!(submitted > 16, "{submitted} fitted");

    limit(1_000_000).await.unwrap();
    queue.submit(NewTask::new("work")).await.unwrap();
    assert_eq!(tasks(&queue).await, submitted + 1);
}

#[tokio::test]
async fn a_verb_that_fails_leaves_no_trace_and_spoils_no_other() {
    let (_folder, queue) = open();
    let submits = (0..50).map(|n| {
        let queue = &queue;
        async move {
            let half = move |table: &mut Table| {
                let id = table.submit(NewTask::new("work"))?;
                if n % 5 == 0 { Err(QueueError::NotDead(id).into()) } else { Ok(id) }
            };
            queue.change(half).await
        }
    });
    let outcomes = join_all(submits).await;
    let failed = outcomes.iter().filter(|outcome| matches!(outcome, Err(QueueError::NotDead(_))));
    assert_eq!((failed.count(), tasks(&queue).await), (10, 40));
    for id in outcomes.into_iter().flatten() {
        assert_eq!(queue.get(&id).await.unwrap().state, State::Pending);
    }
}

#[tokio::test]
async fn a_lock_that_stays_is_an_outage() {
    let (folder, queue) = open();
    let id = queue.submit(NewTask::new("work")).await.unwrap();
    let other = beside(&folder);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = queue.submit(NewTask::new("work")).await;
    assert!(matches!(refused, Err(QueueError::Unavailable(_))), "{refused:?}");
    assert_eq!(queue.get(&id).await.unwrap().state, State::Pending, "reading needs no lock");
    other.execute_batch("ROLLBACK").unwrap();
    queue.submit(NewTask::new("work")).await.unwrap();
}

#[tokio::test]
async fn the_thread_ends_with_the_last_handle() {
    let (_folder, queue) = open();
    let id = queue.submit(NewTask::new("work")).await.unwrap();
    let thread = Arc::downgrade(&queue.shared.wakes);
    let (clone, follower) = (queue.clone(), queue.follow(&id, 0).await.unwrap());
    drop(queue);
    clone.submit(NewTask::new("work")).await.unwrap();
    drop((clone, follower));
    let begun = Instant::now();
    while thread.strong_count() > 0 {
        assert!(begun.elapsed() < Duration::from_secs(30), "the thread goes on");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_clock_that_is_set_back_makes_no_lease_longer() {
    let ttl = Duration::from_mins(1);
    let (folder, queue) = open();
    queue.submit(NewTask::new("work")).await.unwrap();
    let queues = [crate::DEFAULT_QUEUE.to_owned()];
    let lease = queue.claim(&"one".into(), &queues, ttl, Duration::ZERO).await.unwrap();
    let before = query::now();
    beside(&folder).execute("UPDATE leases SET ends = ends + 3600000000", []).unwrap();
    assert_eq!(queue.reap(Duration::MAX).await, Ok(0));
    let ends: i64 = beside(&folder).query_row("SELECT ends FROM leases", [], |row| row.get(0)).unwrap();
    assert!((before..=query::now()).contains(&(ends - 60_000_000)));
    assert!(lease.is_some());
}

#[tokio::test]
async fn only_the_newest_changes_are_kept_and_who_is_behind_has_missed_some() {
    let (folder, queue) = open();
    // Another process, which never polls.
    let other = beside(&folder);
    let mut behind = changes::Changes::new(&other).unwrap();
    for _ in 0..100 {
        join_all((0..200).map(|_| queue.submit(NewTask::new("work")))).await;
        let kept: i64 = other.query_row("SELECT count(*) FROM changes", [], |row| row.get(0)).unwrap();
        assert!(kept < 2 * 4096 + 512, "{kept}");
    }
    assert_eq!(behind.read(&other).unwrap(), [Change::Missed]);
    assert_eq!(behind.read(&other).unwrap(), []);
    let id = queue.submit(NewTask::new("work")).await.unwrap();
    queue.cancel(&id).await.unwrap();
    let gone = Gone::of(&queue.get(&id).await.unwrap());
    queue.delete(&id).await.unwrap();
    assert_eq!(behind.read(&other).unwrap(), [Change::Task(id), Change::Task(id), Change::Deleted(gone)]);
}

#[tokio::test]
async fn what_one_transaction_changes_is_written_once() {
    let (folder, queue) = open();
    let id = queue.submit(NewTask::new("work")).await.unwrap();
    let verbs = move |table: &mut Table| {
        table.annotate(&id, &BTreeMap::new())?;
        table.cancel(&id)?;
        table.delete(&id)
    };
    queue.change(verbs).await.unwrap();
    let rows: Vec<(i64, bool)> = beside(&folder)
        .prepare("SELECT rev, gone FROM changes")
        .and_then(|mut all| all.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
        .unwrap();
    assert_eq!(rows, [(1, false), (2, true)]);
}
