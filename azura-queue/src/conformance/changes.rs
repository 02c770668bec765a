//! What those are told who watch everything, and what they then ask.

use std::collections::BTreeMap;

use futures_util::{FutureExt as _, stream::BoxStream};
use serde_json::json;

use super::*;
use crate::{Change, EventKind, Finish, Gone, State, TaskFailure};

type Changes = BoxStream<'static, QueueResult<Change>>;

/// What is told next.
pub async fn change(changes: &mut Changes) -> Change {
    soon(changes.next()).await.expect("it never ends").unwrap()
}

/// What is told until a task is named, it included.
async fn until(changes: &mut Changes, id: TaskId) -> Vec<Change> {
    let mut told = Vec::new();
    while told.last() != Some(&Change::Task(id)) {
        told.push(change(changes).await);
    }
    told
}

pub async fn every_verb_is_told(queue: Subject) {
    let mut changes = queue.follow_all().await.unwrap();
    let names = |id: &str| BTreeMap::from([("name".to_owned(), Some(id.to_owned()))]);
    let mut expect = async |told| assert_eq!(change(&mut changes).await, told);

    let id = submit(&queue).await;
    expect(Change::Task(id)).await;
    let lease = claim(&queue).await;
    expect(Change::Task(id)).await;
    append(&queue, &lease, &[progress(1)]).await.unwrap();
    expect(Change::Task(id)).await;
    append(&queue, &lease, &[NewEvent::new(Keep::Newest, json!(2))]).await.unwrap();
    expect(Change::Task(id)).await;
    // What is told to nobody: how long a lease lasts, and how far the work is safe.
    queue.heartbeat(&lease, LONG).await.unwrap();
    queue.checkpoint(&lease, 1).await.unwrap();
    queue.annotate(&id, &names("a")).await.unwrap();
    expect(Change::Task(id)).await;
    assert_eq!(queue.cancel(&id).await, Ok(State::Started));
    expect(Change::Task(id)).await;
    queue.finish(&lease, Finish::Cancelled).await.unwrap();
    expect(Change::Task(id)).await;
    let (record, log) = (queue.get(&id).await.unwrap(), log(&queue, &id).await);
    queue.delete(&id).await.unwrap();
    assert_eq!(record.labels["name"], "a");
    expect(Change::Deleted(Gone::of(&record))).await;
    queue.restore(record, log).await.unwrap();
    expect(Change::Task(id)).await;

    let lost = submit(&queue).await;
    expect(Change::Task(lost)).await;
    let _lease = claim_in_vain(&queue).await;
    expect(Change::Task(lost)).await;
    assert_eq!(queue.reap(LONG).await, Ok(1));
    expect(Change::Task(lost)).await;
    assert_eq!(queue.cancel(&lost).await, Ok(State::Revoked));
    expect(Change::Task(lost)).await;

    let dead = submit(&queue).await;
    expect(Change::Task(dead)).await;
    let lease = claim(&queue).await;
    expect(Change::Task(dead)).await;
    let failure = TaskFailure::new("BROKEN", "it does not pass");
    queue.finish(&lease, Finish::Failed { failure, retry: true }).await.unwrap();
    expect(Change::Task(dead)).await;
    let again = queue.requeue(&dead, &BTreeMap::new()).await.unwrap();
    let both = [change(&mut changes).await, change(&mut changes).await];
    assert!(both.contains(&Change::Task(dead)) && both.contains(&Change::Task(again)), "{both:?}");
    assert!(changes.next().now_or_never().is_none(), "nothing else was told");
}

pub async fn what_changes_often_is_named_once(queue: Subject) {
    let (mut sleeper, mut awake) = (queue.follow_all().await.unwrap(), queue.follow_all().await.unwrap());
    let busy = submit(&queue).await;
    let lease = claim(&queue).await;
    let short = queue.submit(NewTask::new("other").queue("other")).await.unwrap();
    for n in 0..100 {
        append(&queue, &lease, &[progress(n)]).await.unwrap();
    }
    queue.cancel(&short).await.unwrap();
    let gone = Gone::of(&queue.get(&short).await.unwrap());
    queue.delete(&short).await.unwrap();
    let last = queue.submit(NewTask::new("last").queue("other")).await.unwrap();
    // Who is told later has read it: all of it has been told.
    until(&mut awake, last).await;
    let told = until(&mut sleeper, last).await;
    assert_eq!(told, [Change::Task(busy), Change::Deleted(gone), Change::Task(last)]);
    append(&queue, &lease, &[progress(100)]).await.unwrap();
    assert_eq!(change(&mut sleeper).await, Change::Task(busy));
}

pub async fn all_who_watch_see_everything(queue: Subject) {
    let before = submit(&queue).await;
    let mut watchers = Vec::new();
    for _ in 0..2 {
        watchers.push(queue.follow_all().await.unwrap());
    }
    let mut ids = Vec::new();
    for _ in 0..50 {
        ids.push(submit(&queue).await);
    }
    let gone = queue.follow_all().await.unwrap();
    drop(gone);
    let last = submit(&queue).await;
    for watcher in &mut watchers {
        let told = until(watcher, last).await;
        // What came just before may be told too: it is on its way when the watching begins.
        let told = told.strip_prefix(&[Change::Task(before)]).unwrap_or(&told);
        let named = ids.iter().chain([&last]).map(|id| Change::Task(*id));
        assert_eq!(told, named.collect::<Vec<_>>());
    }
}

/// Whoever asks after each change has seen the end of everything, however it comes about.
pub async fn what_is_told_is_there_to_be_read(queue: Subject) {
    const TASKS: usize = 30;
    let mut changes = queue.follow_all().await.unwrap();
    let watching = {
        let queue = Arc::clone(&queue);
        tokio::spawn(async move {
            let mut seen = BTreeMap::new();
            while seen.values().filter(|state| **state == State::Success).count() < TASKS {
                let Change::Task(id) = change(&mut changes).await else { panic!("none is deleted") };
                seen.insert(id.to_string(), queue.get(&id).await.unwrap().state);
            }
        })
    };
    for n in 0..TASKS {
        submit(&queue).await;
        let lease = claim(&queue).await;
        append(&queue, &lease, &[progress(n)]).await.unwrap();
        queue.finish(&lease, Finish::Succeeded(json!(n))).await.unwrap();
    }
    soon(watching).await.unwrap();
}

pub async fn the_newest_progress_is_known(queue: Subject) {
    let passing = |n: usize| NewEvent::new(Keep::Newest, json!({"n": n}));
    let newest = async |id: &TaskId| {
        let mut both = Vec::new();
        for keep in [Keep::All, Keep::Newest] {
            let entry = queue.newest(id, keep).await.unwrap();
            both.push(entry.map(|entry| {
                assert_eq!(entry.kind, EventKind::Progress);
                (entry.details["n"].as_u64().unwrap(), entry.seq, entry.attempt)
            }));
        }
        both
    };
    let id = submit(&queue).await;
    assert_eq!(newest(&id).await, [None, None]);
    let lease = claim(&queue).await;
    assert_eq!(newest(&id).await, [None, None], "that it began is no progress");
    append(&queue, &lease, &[passing(1)]).await.unwrap();
    assert_eq!(newest(&id).await, [None, Some((1, None, 1))]);
    append(&queue, &lease, &[progress(2), progress(3)]).await.unwrap();
    assert_eq!(newest(&id).await, [Some((3, Some(4), 1)), None]);
    append(&queue, &lease, &[passing(4)]).await.unwrap();
    append(&queue, &lease, &[passing(5)]).await.unwrap();
    assert_eq!(newest(&id).await, [Some((3, Some(4), 1)), Some((5, None, 1))]);
    // What passes has passed when something else is stored. Behind that is what was stored before, however far.
    queue.finish(&lease, Finish::Released).await.unwrap();
    assert_eq!(newest(&id).await, [Some((3, Some(4), 1)), None]);
    for _ in 0..5 {
        let lease = claim(&queue).await;
        queue.finish(&lease, Finish::Released).await.unwrap();
    }
    assert_eq!(newest(&id).await, [Some((3, Some(4), 1)), None]);
    let lease = claim(&queue).await;
    append(&queue, &lease, &[progress(6), passing(7)]).await.unwrap();
    queue.finish(&lease, Finish::Succeeded(json!(null))).await.unwrap();
    assert_eq!(newest(&id).await, [Some((6, Some(17), 7)), None]);

    let silent = submit(&queue).await;
    for _ in 0..5 {
        let lease = claim(&queue).await;
        queue.finish(&lease, Finish::Released).await.unwrap();
    }
    assert_eq!(newest(&silent).await, [None, None]);
    let unknown = TaskId::random();
    for keep in [Keep::All, Keep::Newest] {
        assert_eq!(queue.newest(&unknown, keep).await, Err(crate::QueueError::NotFound(unknown)));
    }
}
