//! Who gets which task, and when.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::{EventKind, Finish, NewTask, QueueError, State, TaskId};
use futures_util::future::join_all;
use serde_json::json;
use tokio::{sync::Barrier, task::JoinSet, time::sleep};

use super::*;

pub async fn the_oldest_comes_first(queue: Subject) {
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(submit(&queue).await);
    }
    queue.cancel(&ids.remove(2)).await.unwrap();
    for id in ids {
        assert_eq!(claim(&queue).await.id(), id);
    }
    assert_eq!(try_claim(&queue, LONG).await, None);
}

pub async fn queues_are_separate(queue: Subject) {
    let worker = WorkerId::new("tester");
    let slow = queue.submit(NewTask::new("work").queue("slow")).await.unwrap();
    let quick = queue.submit(NewTask::new("work").queue("quick")).await.unwrap();
    let take = async |names: &[&str]| {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let lease = queue.claim(&worker, &names, LONG, Duration::ZERO).await.unwrap();
        lease.map(|lease| lease.id())
    };
    assert_eq!(take(&[]).await, None);
    assert_eq!(take(&["celery"]).await, None);
    assert_eq!(take(&["celery", "quick"]).await, Some(quick));
    assert_eq!(take(&["quick", "slow"]).await, Some(slow));
    assert_eq!(take(&["quick", "slow"]).await, None);
}

fn claim_later(queue: &Subject) -> tokio::task::JoinHandle<TaskId> {
    let queue = Arc::clone(queue);
    tokio::spawn(async move {
        let lease = queue.claim(&WorkerId::new("waiting"), &queues(), LONG, LONG).await.unwrap();
        lease.expect("a task came").id()
    })
}

pub async fn a_claim_waits_for_a_task(queue: Subject) {
    let started = Instant::now();
    let claims = [claim_later(&queue), claim_later(&queue)];
    tokio::task::yield_now().await;
    let mut submitted = [submit(&queue).await, submit(&queue).await];
    let mut claimed = Vec::new();
    for claim in claims {
        claimed.push(soon(claim).await.unwrap());
    }
    claimed.sort();
    submitted.sort();
    assert_eq!(claimed, submitted);
    assert!(started.elapsed() < LONG / 2, "the claims were woken");
}

pub async fn a_claim_gives_up_after_its_wait(queue: Subject) {
    let wait = Duration::from_millis(50);
    let started = Instant::now();
    let claimed = queue.claim(&WorkerId::new("tester"), &queues(), LONG, wait).await.unwrap();
    assert_eq!(claimed, None);
    assert!(started.elapsed() >= wait);
}

pub async fn a_waiting_claim_takes_what_comes_back(queue: Subject) {
    let id = submit(&queue).await;
    let lease = claim(&queue).await;
    let waiting = claim_later(&queue);
    queue.finish(&lease, Finish::Released).await.unwrap();
    assert_eq!(soon(waiting).await.unwrap(), id);

    let other = submit(&queue).await;
    let _lost = claim_in_vain(&queue).await;
    let waiting = claim_later(&queue);
    assert_eq!(queue.reap(Duration::MAX).await, Ok(1));
    assert_eq!(soon(waiting).await.unwrap(), other);
}

pub async fn each_task_is_claimed_once(queue: Subject) {
    const WORKERS: usize = 8;
    const TASKS: usize = 200;
    let mut workers = JoinSet::new();
    for n in 0..WORKERS {
        let queue = Arc::clone(&queue);
        workers.spawn(async move {
            let worker = WorkerId::new(format!("worker {n}"));
            let mut done = Vec::new();
            loop {
                let lease = queue.claim(&worker, &queues(), LONG, LONG).await.unwrap().unwrap();
                if lease.task.name == "stop" {
                    break done;
                }
                append(&queue, &lease, &[progress(n)]).await.unwrap();
                queue.finish(&lease, Finish::Succeeded(json!(n))).await.unwrap();
                done.push((lease.id(), n));
            }
        });
    }
    let mut submitted = Vec::new();
    for _ in 0..TASKS {
        submitted.push(submit(&queue).await);
    }
    for _ in 0..WORKERS {
        queue.submit(NewTask::new("stop")).await.unwrap();
    }
    let done: Vec<_> = soon(workers.join_all()).await.concat();
    assert_eq!(done.len(), TASKS);
    let by: HashMap<TaskId, usize> = done.into_iter().collect();
    for id in submitted {
        let record = queue.get(&id).await.unwrap();
        assert_eq!((record.state, record.attempt), (State::Success, 1));
        assert_eq!(record.result, Some(json!(by[&id])));
        assert_eq!(seqs(&log(&queue, &id).await), [1, 2, 3, 4]);
    }
}

pub async fn one_of_many_finishes_wins(queue: Subject) {
    let id = submit(&queue).await;
    let lease = Arc::new(claim(&queue).await);
    let mut finishes = JoinSet::new();
    for n in 0..8 {
        let (queue, lease) = (Arc::clone(&queue), Arc::clone(&lease));
        finishes.spawn(async move { queue.finish(&lease, Finish::Succeeded(json!(n))).await.map(|_| n) });
    }
    let outcomes = soon(finishes.join_all()).await;
    let winners: Vec<i32> = outcomes.iter().flatten().copied().collect();
    let [winner] = winners[..] else { panic!("{outcomes:?}") };
    let stale = Err(QueueError::StaleLease { id, attempt: 1 });
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == stale).count(), 7);
    assert_eq!(queue.get(&id).await.unwrap().result, Some(json!(winner)));
    assert_eq!(seqs(&log(&queue, &id).await), [1, 2, 3]);
}

pub async fn a_lost_lease_is_counted_once(queue: Subject) {
    a_lost_lease_is_counted_once_among(vec![queue; 4]).await;
}

/// The same for several ways to one queue, such as connections or processes have.
pub async fn a_lost_lease_is_counted_once_among(ways: Vec<Subject>) {
    const EACH: usize = 40;
    let queue = Arc::clone(&ways[0]);
    join_all((0..4 * EACH).map(|_| submit(&queue))).await;
    let (mut lost, mut held) = (Vec::new(), Vec::new());
    for _ in 0..EACH {
        // Run out, given up by a worker that is dead, both, and neither.
        for (worker, ttl) in
            [("slow", Duration::ZERO), ("dead", LONG), ("dead", Duration::ZERO), ("alive", LONG)]
        {
            let lease = queue.claim(&WorkerId::new(worker), &queues(), ttl, Duration::ZERO).await.unwrap();
            let id = lease.expect("a task waits").id();
            if worker == "alive" { held.push(id) } else { lost.push(id) }
        }
    }
    let start = Arc::new(Barrier::new(2 * ways.len()));
    let mut taking = JoinSet::new();
    for way in ways {
        let (reaper, disowner) = (Arc::clone(&way), way);
        let (start, also) = (Arc::clone(&start), Arc::clone(&start));
        taking.spawn(async move {
            start.wait().await;
            reaper.reap(Duration::MAX).await.unwrap()
        });
        taking.spawn(async move {
            also.wait().await;
            disowner.disown(&"dead".into()).await.unwrap()
        });
    }
    let taken = soon(taking.join_all()).await;
    assert_eq!(taken.iter().sum::<usize>(), lost.len(), "{taken:?}");
    assert_eq!(queue.holders().await, Ok(vec!["alive".into()]));
    for id in &held {
        assert_eq!(queue.get(id).await.unwrap().state, State::Started);
    }
    for id in &lost {
        let record = queue.get(id).await.unwrap();
        assert_eq!((record.state, record.attempt, record.lost_leases), (State::Pending, 1, 1));
        assert_eq!(kinds(&queue, id).await, [EventKind::Pending, EventKind::Started, EventKind::Pending]);
        assert_eq!(last_details(&queue, id).await, json!({"reason": "lease lost"}));
    }
    let mut again = Vec::new();
    while let Some(lease) = try_claim(&queue, LONG).await {
        assert_eq!(lease.attempt(), 2);
        again.push(lease.id());
    }
    lost.sort();
    again.sort();
    assert_eq!(again, lost, "each is there to be claimed, once");
}

pub async fn nobody_is_dead_at_once_after_a_silence(queue: Subject) {
    let every = Duration::from_millis(200);
    assert_eq!(queue.reap(every).await, Ok(0));
    let id = submit(&queue).await;
    let lease = claim_in_vain(&queue).await;
    sleep(3 * every).await;
    // The lease has run out long ago, but nobody could have renewed it: the queue was away.
    assert_eq!(queue.reap(every).await, Ok(0));
    queue.heartbeat(&lease, Duration::ZERO).await.unwrap();
    // From here on it is looked at in time, and who does not renew is dead.
    assert_eq!(queue.reap(every).await, Ok(1));
    assert_eq!(queue.get(&id).await.unwrap().state, State::Pending);
}
