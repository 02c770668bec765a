//! The log and those who follow it.

use crate::{EventKind, Finish};
use futures_util::FutureExt as _;
use serde_json::json;
use tokio::task::JoinSet;

use super::*;

fn transient(n: usize) -> NewEvent {
    NewEvent::new(Keep::Newest, json!({"n": n}))
}

/// A task that made `events` events of progress and ended; its log has three more.
async fn finished(queue: &Subject, events: usize) -> TaskId {
    let id = submit(queue).await;
    let lease = claim(queue).await;
    let events: Vec<_> = (0..events).map(progress).collect();
    append(queue, &lease, &events).await.unwrap();
    queue.finish(&lease, Finish::Succeeded(json!("done"))).await.unwrap();
    id
}

pub async fn they_are_told_in_order(queue: Subject) {
    let id = submit(&queue).await;
    let mut follower = queue.follow(&id, 0).await.unwrap();
    assert_eq!(next(&mut follower).await.kind, EventKind::Pending);
    assert!(follower.next().now_or_never().is_none(), "there is nothing more yet");
    let lease = claim(&queue).await;
    assert_eq!(next(&mut follower).await.kind, EventKind::Started);
    assert_eq!(append(&queue, &lease, &[]).await, Ok(2));
    assert_eq!(append(&queue, &lease, &[progress(1), progress(2)]).await, Ok(4));
    assert_eq!(append(&queue, &lease, &[progress(3)]).await, Ok(5));
    for n in 1..=3 {
        let entry = next(&mut follower).await;
        assert_eq!((entry.kind, entry.seq, entry.attempt), (EventKind::Progress, Some(n + 2), 1));
        assert_eq!(entry.details, json!({"n": n}));
    }
    queue.finish(&lease, Finish::Cancelled).await.unwrap();
    let last = next(&mut follower).await;
    assert_eq!((last.kind, last.seq), (EventKind::Revoked, Some(6)));
    assert!(soon(follower.next()).await.is_none());
}

pub async fn a_late_follower_misses_nothing(queue: Subject) {
    let id = finished(&queue, 700).await;
    let told = follow(&queue, &id, 0).await;
    assert_eq!(told, log(&queue, &id).await);
    assert_eq!(seqs(&told), (1..=703).collect::<Vec<_>>());
    assert_eq!(told.last().unwrap().kind, EventKind::Success);
}

pub async fn a_follower_resumes_anywhere(queue: Subject) {
    let id = finished(&queue, 20).await;
    let whole = log(&queue, &id).await;
    for after in 0..=whole.len() {
        assert_eq!(follow(&queue, &id, after as Seq).await, whole[after..]);
    }
    assert!(follow(&queue, &id, 1000).await.is_empty());
    assert!(follow(&queue, &id, Seq::MAX).await.is_empty());

    // From beyond the end of a task that still runs: what comes after that number, and the end.
    let running = submit(&queue).await;
    let mut follower = queue.follow(&running, 3).await.unwrap();
    assert!(follower.next().now_or_never().is_none());
    let lease = claim(&queue).await;
    append(&queue, &lease, &[progress(1), progress(2)]).await.unwrap();
    assert_eq!(next(&mut follower).await.seq, Some(4));
    queue.finish(&lease, Finish::Cancelled).await.unwrap();
    assert_eq!(next(&mut follower).await.kind, EventKind::Revoked);
}

pub async fn followers_of_a_busy_task_agree(queue: Subject) {
    const EVENTS: usize = 500;
    let id = submit(&queue).await;
    let lease = claim(&queue).await;
    let mut followers = JoinSet::new();
    let mut last = lease.seq;
    for n in 0..EVENTS {
        if n % 50 == 0 {
            let queue = Arc::clone(&queue);
            let after = n as Seq / 2;
            followers.spawn(async move { (after, follow(&queue, &id, after).await) });
        }
        last = queue.append(&lease, last, &[progress(n)]).await.unwrap();
        if n % 7 == 0 {
            tokio::task::yield_now().await;
        }
    }
    queue.finish(&lease, Finish::Succeeded(json!(null))).await.unwrap();
    let whole = log(&queue, &id).await;
    assert_eq!(whole.len(), EVENTS + 3);
    for (after, told) in soon(followers.join_all()).await {
        assert_eq!(told, whole[after as usize..]);
    }
}

pub async fn a_sleeping_follower_misses_nothing(queue: Subject) {
    let id = submit(&queue).await;
    let lease = claim(&queue).await;
    let mut sleeper = queue.follow(&id, 0).await.unwrap();
    next(&mut sleeper).await;
    let mut last = lease.seq;
    for n in 0..1000 {
        last = queue.append(&lease, last, &[progress(n)]).await.unwrap();
    }
    queue.finish(&lease, Finish::Released).await.unwrap();
    let lease = claim(&queue).await;
    queue.finish(&lease, Finish::Succeeded(json!(1))).await.unwrap();
    let rest: Vec<_> = soon(sleeper.map(Result::unwrap).collect()).await;
    assert_eq!(seqs(&rest), (2..=1005).collect::<Vec<_>>());
}

pub async fn ten_thousand_are_no_problem(queue: Subject) {
    const EVENTS: usize = 10_000;
    let id = submit(&queue).await;
    let lease = claim(&queue).await;
    let follower = {
        let queue = Arc::clone(&queue);
        tokio::spawn(async move { follow(&queue, &id, 0).await })
    };
    let mut last = lease.seq;
    for batch in 0..EVENTS / 10 {
        let events: Vec<_> = (0..10).map(|n| progress(batch * 10 + n)).collect();
        last = queue.append(&lease, last, &events).await.unwrap();
    }
    queue.finish(&lease, Finish::Succeeded(json!(null))).await.unwrap();
    let told = soon(follower).await.unwrap();
    assert_eq!(seqs(&told), (1..=EVENTS as Seq + 3).collect::<Vec<_>>());
    for (n, entry) in told[2..EVENTS + 2].iter().enumerate() {
        assert_eq!(entry.details, json!({"n": n}));
    }
}

pub async fn transient_ones_are_seen_and_not_stored(queue: Subject) {
    let id = submit(&queue).await;
    let lease = claim(&queue).await;
    let mut follower = queue.follow(&id, 2).await.unwrap();
    for n in 1..=3 {
        assert_eq!(append(&queue, &lease, &[transient(n)]).await, Ok(2));
        let entry = next(&mut follower).await;
        assert_eq!((entry.kind, entry.seq, entry.attempt), (EventKind::Progress, None, 1));
        assert_eq!(entry.details, json!({"n": n}));
    }
    // Of those that came while nobody looked, the newest is left, and it is seen once.
    append(&queue, &lease, &[transient(4), transient(5)]).await.unwrap();
    append(&queue, &lease, &[transient(6)]).await.unwrap();
    assert_eq!(next(&mut follower).await.details, json!({"n": 6}));
    assert!(follower.next().now_or_never().is_none());
    queue.finish(&lease, Finish::Succeeded(json!(1))).await.unwrap();
    assert_eq!(next(&mut follower).await.seq, Some(3));
    assert_eq!(seqs(&log(&queue, &id).await), [1, 2, 3]);
    assert_eq!(follow(&queue, &id, 0).await, log(&queue, &id).await);
}

pub async fn a_stored_event_replaces_the_transient_one(queue: Subject) {
    let id = submit(&queue).await;
    let lease = claim(&queue).await;
    let mut follower = queue.follow(&id, 2).await.unwrap();
    append(&queue, &lease, &[transient(1), progress(2), transient(3)]).await.unwrap();
    let seen = [next(&mut follower).await, next(&mut follower).await];
    assert_eq!(
        seen.map(|entry| (entry.seq, entry.details)),
        [(Some(3), json!({"n": 2})), (None, json!({"n": 3}))]
    );
    append(&queue, &lease, &[transient(4)]).await.unwrap();
    queue.finish(&lease, Finish::Released).await.unwrap();
    assert_eq!(next(&mut follower).await.kind, EventKind::Pending);
    assert!(follower.next().now_or_never().is_none());
}

pub async fn the_state_is_never_behind_its_event(queue: Subject) {
    let mut watchers = JoinSet::new();
    let mut ids = Vec::new();
    for _ in 0..50 {
        let id = submit(&queue).await;
        ids.push(id);
        let queue = Arc::clone(&queue);
        watchers.spawn(async move {
            let mut follower = queue.follow(&id, 0).await.unwrap();
            while let Some(entry) = soon(follower.next()).await {
                let (entry, record) = (entry.unwrap(), queue.get(&id).await.unwrap());
                assert!(record.attempt >= entry.attempt);
                if entry.kind.is_terminal() {
                    assert_eq!(EventKind::from(record.state), entry.kind);
                    assert_eq!(record.result.as_ref(), Some(&entry.details));
                }
            }
        });
    }
    for n in 0..ids.len() {
        let lease = claim(&queue).await;
        queue.finish(&lease, Finish::Succeeded(json!(n))).await.unwrap();
    }
    soon(watchers.join_all()).await;
}

pub async fn the_log_is_read_in_pieces(queue: Subject) {
    let id = finished(&queue, 7).await;
    let read = async |after, limit| seqs(&queue.read(&id, after, limit).await.unwrap());
    assert_eq!(read(0, 3).await, [1, 2, 3]);
    assert_eq!(read(8, 3).await, [9, 10]);
    assert_eq!(read(10, 3).await, [0; 0]);
    assert_eq!(read(Seq::MAX, usize::MAX).await, [0; 0]);
    assert_eq!(read(0, 0).await, [0; 0]);
}

pub async fn a_repeated_append_stores_nothing_twice(queue: Subject) {
    let id = submit(&queue).await;
    let lease = claim(&queue).await;
    assert_eq!(lease.seq, 2);
    let first = [progress(1), transient(2), progress(3)];
    assert_eq!(queue.append(&lease, 2, &first).await, Ok(4));
    // Its answer was lost.
    assert_eq!(queue.append(&lease, 2, &first).await, Ok(4));
    assert_eq!(queue.append(&lease, 4, &[progress(4)]).await, Ok(5));
    // More has come since, but what was there already stays there once.
    assert_eq!(queue.append(&lease, 4, &[progress(4), progress(5)]).await, Ok(6));
    let told: Vec<_> = log(&queue, &id).await.into_iter().skip(2).map(|entry| entry.details).collect();
    assert_eq!(told, [1, 3, 4, 5].map(|n| json!({"n": n})));
}
