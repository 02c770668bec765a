//! Cancelling works at any time, whoever is there.

use std::time::Instant;

use crate::{EventKind, Finish, Heartbeat, State, TaskFailure};
use serde_json::json;

use super::*;

pub async fn a_waiting_task_is_revoked_at_once(queue: Subject) {
    let id = submit(&queue).await;
    assert_eq!(queue.cancel(&id).await, Ok(State::Revoked));
    assert_eq!(queue.cancel(&id).await, Ok(State::Revoked));
    let record = queue.get(&id).await.unwrap();
    assert_eq!((record.state, record.attempt), (State::Revoked, 0));
    assert!(record.cancel_requested && record.finished_at.is_some());
    assert_eq!(try_claim(&queue, LONG).await, None);
    let told = follow(&queue, &id, 0).await;
    assert_eq!(told.len(), 2);
    assert_eq!((told[1].kind, &told[1].details), (EventKind::Revoked, &json!({})));
}

pub async fn a_running_task_hears_of_it(queue: Subject) {
    let id = submit(&queue).await;
    let lease = claim(&queue).await;
    assert_eq!(queue.await_cancel(&lease, Duration::ZERO).await, Ok(false));
    for _ in 0..2 {
        assert_eq!(queue.cancel(&id).await, Ok(State::Started));
        let record = queue.get(&id).await.unwrap();
        assert_eq!((record.state, record.cancel_requested), (State::Started, true));
    }
    assert_eq!(queue.heartbeat(&lease, LONG).await, Ok(Heartbeat::new(true)));
    assert_eq!(queue.await_cancel(&lease, LONG).await, Ok(true));
    // Its last words are still heard.
    append(&queue, &lease, &[progress(1)]).await.unwrap();
    assert_eq!(queue.finish(&lease, Finish::Cancelled).await, Ok(State::Revoked));
    assert_eq!(
        kinds(&queue, &id).await,
        [EventKind::Pending, EventKind::Started, EventKind::Progress, EventKind::Revoked]
    );
}

pub async fn a_waiting_heartbeat_is_woken(queue: Subject) {
    let id = submit(&queue).await;
    let lease = claim(&queue).await;
    let started = Instant::now();
    let waiting = {
        let queue = Arc::clone(&queue);
        tokio::spawn(async move { queue.await_cancel(&lease, LONG).await })
    };
    tokio::task::yield_now().await;
    queue.cancel(&id).await.unwrap();
    assert_eq!(soon(waiting).await.unwrap(), Ok(true));
    assert!(started.elapsed() < LONG / 2, "it was woken");
}

pub async fn what_has_ended_stays_as_it_is(queue: Subject) {
    let failure = TaskFailure::new("BROKEN", "it broke");
    for (how, state) in [
        (Finish::Succeeded(json!(1)), State::Success),
        (Finish::Failed { failure, retry: false }, State::Failure),
        (Finish::Cancelled, State::Revoked),
    ] {
        let id = submit(&queue).await;
        let lease = claim(&queue).await;
        queue.finish(&lease, how).await.unwrap();
        let before = (queue.get(&id).await.unwrap(), log(&queue, &id).await);
        assert_eq!(queue.cancel(&id).await, Ok(state));
        assert_eq!((queue.get(&id).await.unwrap(), log(&queue, &id).await), before);
    }
}

pub async fn a_cancelled_task_never_returns_to_the_queue(queue: Subject) {
    let failure = TaskFailure::new("BROKEN", "it broke");
    for how in [Some(Finish::Released), Some(Finish::Failed { failure, retry: true }), None] {
        let id = submit(&queue).await;
        let lease = claim_in_vain(&queue).await;
        queue.cancel(&id).await.unwrap();
        match how {
            Some(how) => assert_eq!(queue.finish(&lease, how).await, Ok(State::Revoked)),
            None => assert_eq!(queue.reap(Duration::MAX).await, Ok(1)),
        }
        assert_eq!(queue.get(&id).await.unwrap().state, State::Revoked);
        assert_eq!(kinds(&queue, &id).await, [EventKind::Pending, EventKind::Started, EventKind::Revoked]);
        assert_eq!(try_claim(&queue, LONG).await, None);
    }
}

pub async fn a_result_may_still_come_first(queue: Subject) {
    let id = submit(&queue).await;
    let lease = claim(&queue).await;
    queue.cancel(&id).await.unwrap();
    assert_eq!(queue.finish(&lease, Finish::Succeeded(json!(1))).await, Ok(State::Success));
    assert_eq!(queue.cancel(&id).await, Ok(State::Success));
}
