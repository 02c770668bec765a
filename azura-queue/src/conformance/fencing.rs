//! A lease that is over is worth nothing.

use crate::{Finish, Heartbeat, QueueError, State, TaskFailure};
use serde_json::json;

use super::*;

/// Everything that a lease allows is refused.
async fn assert_fenced(queue: &Subject, lease: &Lease) {
    let before = (queue.get(&lease.id()).await.unwrap(), log(queue, &lease.id()).await);
    let stale = QueueError::StaleLease { id: lease.id(), attempt: lease.attempt() };
    assert_eq!(queue.heartbeat(lease, LONG).await, Err(stale.clone()));
    assert_eq!(queue.checkpoint(lease, 9).await, Err(stale.clone()));
    assert_eq!(queue.await_cancel(lease, LONG).await, Err(stale.clone()));
    assert_eq!(queue.append(lease, 9, &[progress(666)]).await, Err(stale.clone()));
    let failure = TaskFailure::new("STALE", "from a stale attempt");
    for how in [
        Finish::Succeeded(json!("stale")),
        Finish::Failed { failure: failure.clone(), retry: false },
        Finish::Failed { failure, retry: true },
        Finish::Cancelled,
        Finish::Released,
    ] {
        assert_eq!(queue.finish(lease, how).await, Err(stale.clone()));
    }
    let after = (queue.get(&lease.id()).await.unwrap(), log(queue, &lease.id()).await);
    assert_eq!(before, after);
}

pub async fn a_stale_attempt_of_the_same_worker_is_refused(queue: Subject) {
    let id = submit(&queue).await;
    let old = claim_in_vain(&queue).await;
    append(&queue, &old, &[progress(1)]).await.unwrap();
    assert_eq!(queue.reap(Duration::MAX).await, Ok(1));
    assert_fenced(&queue, &old).await;

    let new = claim(&queue).await;
    assert_eq!((new.attempt(), &new.worker), (2, &old.worker));
    assert_fenced(&queue, &old).await;
    assert_eq!(queue.heartbeat(&new, LONG).await, Ok(Heartbeat::new(false)));
    assert_eq!(append(&queue, &new, &[progress(2)]).await, Ok(6));
    assert_eq!(queue.finish(&new, Finish::Succeeded(json!("new"))).await, Ok(State::Success));
    assert_fenced(&queue, &old).await;
    assert_eq!(queue.get(&id).await.unwrap().result, Some(json!("new")));
    let attempts: Vec<_> = log(&queue, &id).await.iter().map(|entry| entry.attempt).collect();
    assert_eq!(attempts, [0, 1, 1, 1, 2, 2, 2]);
}

pub async fn a_finished_lease_is_worth_nothing(queue: Subject) {
    for how in [Finish::Succeeded(json!(1)), Finish::Cancelled, Finish::Released] {
        let id = submit(&queue).await;
        let lease = claim(&queue).await;
        queue.finish(&lease, how).await.unwrap();
        assert_fenced(&queue, &lease).await;
        queue.cancel(&id).await.unwrap();
    }
}

pub async fn a_lease_lives_until_it_is_reaped(queue: Subject) {
    let id = submit(&queue).await;
    let lease = claim_in_vain(&queue).await;
    assert_eq!(queue.heartbeat(&lease, LONG).await, Ok(Heartbeat::new(false)));
    assert_eq!(queue.reap(Duration::MAX).await, Ok(0));
    assert_eq!(append(&queue, &lease, &[progress(1)]).await, Ok(3));
    assert_eq!(queue.heartbeat(&lease, Duration::ZERO).await, Ok(Heartbeat::new(false)));
    assert_eq!(queue.reap(Duration::MAX).await, Ok(1));
    assert_fenced(&queue, &lease).await;
    assert_eq!(queue.get(&id).await.unwrap().state, State::Pending);
}

pub async fn a_refused_append_leaves_no_trace(queue: Subject) {
    let id = submit(&queue).await;
    let old = claim_in_vain(&queue).await;
    queue.reap(Duration::MAX).await.unwrap();
    let events: Vec<_> = (0..100).map(progress).collect();
    assert!(append(&queue, &old, &events).await.is_err());
    assert!(append(&queue, &old, &[NewEvent::new(Keep::Newest, json!(1))]).await.is_err());
    let new = claim(&queue).await;
    queue.finish(&new, Finish::Cancelled).await.unwrap();
    assert_eq!(seqs(&follow(&queue, &id, 0).await), [1, 2, 3, 4, 5]);
}
