//! When tasks run, how often, and when not.

use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::{
    Finish, Hold, ListQuery, MAX_LOST_LEASES, QueueError, QueueStats, Retry, State, TaskFailure, Unique,
    WorkerInfo, clock,
};

/// Long enough to look at what is not due yet, short enough to wait for it.
const SHORT: Duration = Duration::from_millis(400);

fn ago(span: Duration) -> Timestamp {
    clock::timestamp() - SignedDuration::try_from(span).unwrap()
}

fn failed(retry: bool) -> Finish {
    Finish::Failed { failure: TaskFailure::new("BROKEN", "it broke"), retry }
}

fn stats(name: &str, [waiting, scheduled, running, dead]: [u64; 4]) -> QueueStats {
    QueueStats { waiting, scheduled, running, dead, ..QueueStats::new(name) }
}

async fn submit_unique(queue: &Subject, hold: Hold) -> QueueResult<TaskId> {
    queue.submit(NewTask::new("work").unique(Unique::new("the key", hold))).await
}

fn taken(by: TaskId) -> QueueResult<TaskId> {
    Err(QueueError::NotUnique { key: "the key".into(), by })
}

pub async fn the_urgent_come_first(queue: Subject) {
    let mut ids = Vec::new();
    for priority in [6, 0, 9, 6, 0, 3] {
        ids.push(queue.submit(NewTask::new("work").priority(priority)).await.unwrap());
    }
    for n in [1, 4, 5, 0, 3, 2] {
        assert_eq!(claim(&queue).await.id(), ids[n]);
    }
    let task = NewTask::new("work").priority(200);
    assert_eq!(task.schedule.priority, crate::LEAST_URGENT);
}

pub async fn priorities_count_across_queues(queue: Subject) {
    let last = queue.submit(NewTask::new("work").queue("a").priority(6)).await.unwrap();
    let second = queue.submit(NewTask::new("work").queue("b").priority(3)).await.unwrap();
    let first = queue.submit(NewTask::new("work").queue("a")).await.unwrap();
    for id in [first, second, last] {
        let both = ["a".to_owned(), "b".to_owned()];
        let lease = queue.claim(&WorkerId::new("x"), &both, LONG, Duration::ZERO).await.unwrap();
        assert_eq!(lease.unwrap().id(), id);
    }
}

pub async fn what_is_not_due_is_not_claimed(queue: Subject) {
    let later = queue.submit(NewTask::new("work").delay(LONG)).await.unwrap();
    let due = queue.submit(NewTask::new("work").eta(ago(LONG))).await.unwrap();
    assert_eq!(claim(&queue).await.id(), due);
    assert_eq!(try_claim(&queue, LONG).await, None);
    let record = queue.get(&later).await.unwrap();
    assert_eq!((record.state, record.attempt), (State::Pending, 0));
    assert!(record.schedule.eta.unwrap() > clock::timestamp());
    assert_eq!(queue.cancel(&later).await, Ok(State::Revoked));
}

pub async fn a_waiting_claim_takes_what_comes_due(queue: Subject) {
    let begun = Instant::now();
    let id = queue.submit(NewTask::new("work").delay(SHORT)).await.unwrap();
    let waiting = queue.claim(&WorkerId::new("tester"), &queues(), LONG, LONG).await.unwrap();
    assert_eq!(waiting.unwrap().id(), id);
    // Times are kept in milliseconds, so it may come that much early.
    assert!(begun.elapsed() + Duration::from_millis(2) >= SHORT, "{:?}", begun.elapsed());
    assert!(begun.elapsed() < LONG / 2);
}

pub async fn what_has_expired_is_revoked(queue: Subject) {
    let expired = queue.submit(NewTask::new("work").expires(ago(LONG))).await.unwrap();
    let delayed = NewTask::new("work").delay(LONG).expires(ago(LONG));
    let delayed = queue.submit(delayed).await.unwrap();
    let good = queue.submit(NewTask::new("work").expires(clock::timestamp_after(LONG))).await.unwrap();
    let lease = claim(&queue).await;
    assert_eq!(lease.id(), good);
    assert_eq!(try_claim(&queue, LONG).await, None);
    queue.reap(Duration::MAX).await.unwrap();
    for id in [expired, delayed] {
        let record = queue.get(&id).await.unwrap();
        assert_eq!((record.state, record.attempt, record.cancel_requested), (State::Revoked, 0, false));
        assert!(record.finished_at.is_some());
        assert_eq!(last_details(&queue, &id).await, json!({"reason": "expired"}));
    }
}

pub async fn what_expires_while_it_runs_is_revoked_when_it_comes_back(queue: Subject) {
    let task = NewTask::new("work").expires(clock::timestamp_after(SHORT));
    let (lost, done) = (queue.submit(task.clone()).await.unwrap(), queue.submit(task).await.unwrap());
    let (_lost, lease) = (claim_in_vain(&queue).await, claim(&queue).await);
    tokio::time::sleep(SHORT * 2).await;
    assert_eq!(queue.reap(Duration::MAX).await, Ok(1));
    queue.reap(Duration::MAX).await.unwrap();
    assert_eq!(try_claim(&queue, LONG).await, None);
    assert_eq!(queue.get(&lost).await.unwrap().state, State::Revoked);
    // What runs is not stopped by it.
    assert_eq!(queue.finish(&lease, Finish::Succeeded(json!(1))).await, Ok(State::Success));
    assert_eq!(queue.get(&done).await.unwrap().state, State::Success);
}

pub async fn a_passing_failure_is_tried_again_until_it_is_dead(queue: Subject) {
    let retry = Retry::attempts(3).pauses(SHORT, SHORT);
    let id = queue.submit(NewTask::new("work").retry(retry)).await.unwrap();
    for failures in 1..=3 {
        let begun = Instant::now();
        let lease = queue.claim(&WorkerId::new("tester"), &queues(), LONG, LONG).await.unwrap().unwrap();
        assert_eq!((lease.attempt(), lease.task.failures), (failures, failures - 1));
        if failures > 1 {
            assert!(begun.elapsed() > SHORT / 4, "it paused: {:?}", begun.elapsed());
        }
        let state = if failures < 3 { State::Pending } else { State::Failure };
        assert_eq!(queue.finish(&lease, failed(true)).await, Ok(state));
        if failures < 3 {
            assert_eq!(try_claim(&queue, LONG).await, None, "it pauses");
        }
    }
    let record = queue.get(&id).await.unwrap();
    assert_eq!((record.failures, record.dead, record.error.unwrap().code.as_str()), (3, true, "BROKEN"));
    assert_eq!(queue.list(&ListQuery::default().dead()).await.unwrap().items.len(), 1);
}

pub async fn a_failure_that_does_not_pass_is_no_dead_letter(queue: Subject) {
    let id = queue.submit(NewTask::new("work").retry(Retry::attempts(3))).await.unwrap();
    let lease = claim(&queue).await;
    assert_eq!(queue.finish(&lease, failed(false)).await, Ok(State::Failure));
    assert!(!queue.get(&id).await.unwrap().dead);
    assert!(queue.list(&ListQuery::default().dead()).await.unwrap().items.is_empty());
    assert_eq!(queue.requeue(&id, &[].into()).await, Err(QueueError::NotDead(id)));
}

pub async fn a_dead_letter_can_be_requeued(queue: Subject) {
    let task = NewTask::new("work").arg(json!([1])).label("a", "1").label("b", "2").priority(4);
    let id = queue.submit(task.eta(ago(LONG))).await.unwrap();
    let lease = claim(&queue).await;
    queue.finish(&lease, failed(true)).await.unwrap();
    let dead = queue.get(&id).await.unwrap();
    assert!(dead.dead);

    let changes = [("b".into(), None), ("c".into(), Some("3".into()))];
    let new = queue.requeue(&id, &changes.into()).await.unwrap();
    assert_ne!(new, id);
    let record = queue.get(&new).await.unwrap();
    assert_eq!((&record.name, &record.args, &record.queue), (&dead.name, &dead.args, &dead.queue));
    assert_eq!((record.schedule.priority, record.schedule.eta), (4, None));
    assert_eq!(record.labels, [("a".into(), "1".into()), ("c".into(), "3".into())].into());
    assert_eq!((record.state, record.attempt, record.failures), (State::Pending, 0, 0));
    let old = queue.get(&id).await.unwrap();
    assert_eq!((old.state, old.dead), (State::Failure, false));
    assert_eq!(queue.requeue(&id, &[].into()).await, Err(QueueError::NotDead(id)));
    let nothing = TaskId::random();
    assert_eq!(queue.requeue(&nothing, &[].into()).await, Err(QueueError::NotFound(nothing)));
    assert_eq!(claim(&queue).await.id(), new);
}

pub async fn a_lost_task_is_a_dead_letter(queue: Subject) {
    let id = submit(&queue).await;
    for _ in 0..MAX_LOST_LEASES {
        let _lost = claim_in_vain(&queue).await;
        assert_eq!(queue.reap(Duration::MAX).await, Ok(1));
    }
    let record = queue.get(&id).await.unwrap();
    assert_eq!((record.state, record.dead), (State::Failure, true));
    queue.delete(&id).await.unwrap();
    assert_eq!(queue.stats().await, Ok(vec![]));
}

pub async fn a_key_is_unique_while_queued(queue: Subject) {
    let id = submit_unique(&queue, Hold::Queued).await.unwrap();
    assert_eq!(submit_unique(&queue, Hold::Queued).await, taken(id));
    assert_eq!(queue.list(&ListQuery::default()).await.unwrap().items.len(), 1, "nothing was recorded");
    let lease = claim(&queue).await;
    let second = submit_unique(&queue, Hold::Queued).await.unwrap();
    // What comes back to the queue does not take the key from whoever has it now.
    queue.finish(&lease, Finish::Released).await.unwrap();
    assert_eq!(submit_unique(&queue, Hold::Running).await, taken(second));
    queue.cancel(&second).await.unwrap();
    submit_unique(&queue, Hold::Queued).await.unwrap();
}

pub async fn a_key_is_unique_while_running(queue: Subject) {
    let id = submit_unique(&queue, Hold::Running).await.unwrap();
    let lease = claim(&queue).await;
    assert_eq!(submit_unique(&queue, Hold::Queued).await, taken(id));
    queue.finish(&lease, Finish::Released).await.unwrap();
    assert_eq!(submit_unique(&queue, Hold::Running).await, taken(id));
    let lease = claim(&queue).await;
    queue.finish(&lease, Finish::Succeeded(json!(1))).await.unwrap();
    let second = submit_unique(&queue, Hold::Running).await.unwrap();
    assert_eq!(submit_unique(&queue, Hold::Running).await, taken(second));
}

pub async fn a_key_is_unique_for_a_period(queue: Subject) {
    let begun = Instant::now();
    let id = submit_unique(&queue, Hold::Period(SHORT)).await.unwrap();
    let lease = claim(&queue).await;
    queue.finish(&lease, Finish::Succeeded(json!(1))).await.unwrap();
    let early = submit_unique(&queue, Hold::Queued).await;
    if begun.elapsed() < SHORT {
        assert_eq!(early, taken(id));
    }
    tokio::time::sleep(SHORT).await;
    let second = submit_unique(&queue, Hold::Period(LONG)).await.unwrap();
    assert_eq!(submit_unique(&queue, Hold::Period(LONG)).await, taken(second));
    queue.cancel(&second).await.unwrap();
    assert_eq!(submit_unique(&queue, Hold::Period(LONG)).await, taken(second));
    queue.delete(&second).await.unwrap();
    submit_unique(&queue, Hold::Queued).await.unwrap();
}

pub async fn a_repeated_submission_is_known_by_its_id(queue: Subject) {
    let id = TaskId::random();
    let task = NewTask::new("work").id(id).unique(Unique::new("the key", Hold::Queued));
    assert_eq!(queue.submit(task.clone()).await, Ok(id));
    // The answer was lost. That the key is taken is true, and not what matters.
    assert_eq!(queue.submit(task.clone()).await, Err(QueueError::Duplicate(id)));
    let _lease = claim(&queue).await;
    submit_unique(&queue, Hold::Queued).await.unwrap();
    assert_eq!(queue.submit(task).await, Err(QueueError::Duplicate(id)));
    assert_eq!(log(&queue, &id).await.len(), 2);
    assert_eq!(queue.list(&ListQuery::default()).await.unwrap().items.len(), 2);
}

pub async fn a_paused_queue_gives_nothing(queue: Subject) {
    queue.pause("celery").await.unwrap();
    queue.pause("celery").await.unwrap();
    let id = submit(&queue).await;
    let other = queue.submit(NewTask::new("work").queue("other")).await.unwrap();
    assert_eq!(try_claim(&queue, LONG).await, None);
    let paused = QueueStats { paused: true, ..stats("celery", [1, 0, 0, 0]) };
    assert_eq!(queue.stats().await, Ok(vec![paused, stats("other", [1, 0, 0, 0])]));
    let both = ["celery".to_owned(), "other".to_owned()];
    let lease = queue.claim(&WorkerId::new("x"), &both, LONG, Duration::ZERO).await.unwrap().unwrap();
    assert_eq!(lease.id(), other);

    let waiting = {
        let queue = Arc::clone(&queue);
        tokio::spawn(async move { queue.claim(&WorkerId::new("x"), &queues(), LONG, LONG).await })
    };
    tokio::time::sleep(SHORT / 4).await;
    assert!(!waiting.is_finished());
    queue.resume("celery").await.unwrap();
    assert_eq!(soon(waiting).await.unwrap().unwrap().unwrap().id(), id);
    queue.resume("never paused").await.unwrap();
}

pub async fn queues_are_counted(queue: Subject) {
    assert_eq!(queue.stats().await, Ok(vec![]));
    let dead = queue.submit(NewTask::new("work")).await.unwrap();
    let lease = claim(&queue).await;
    queue.finish(&lease, failed(true)).await.unwrap();
    let done = submit(&queue).await;
    let lease = claim(&queue).await;
    queue.finish(&lease, Finish::Succeeded(json!(1))).await.unwrap();
    let _running = (submit(&queue).await, claim(&queue).await);
    for _ in 0..3 {
        submit(&queue).await;
    }
    queue.submit(NewTask::new("work").delay(LONG)).await.unwrap();
    queue.submit(NewTask::new("work").queue("b").delay(LONG)).await.unwrap();
    let counted = queue.stats().await.unwrap();
    assert_eq!(counted, [stats("b", [0, 1, 0, 0]), stats("celery", [3, 1, 1, 1])]);
    queue.delete(&done).await.unwrap();
    queue.delete(&dead).await.unwrap();
    assert_eq!(queue.stats().await.unwrap()[1], stats("celery", [3, 1, 1, 0]));
}

pub async fn a_dead_worker_is_disowned(queue: Subject) {
    let ids = [submit(&queue).await, submit(&queue).await, submit(&queue).await];
    let mut leases = Vec::new();
    for name in ["dead", "alive", "dead"] {
        let lease = queue.claim(&WorkerId::new(name), &queues(), LONG, Duration::ZERO).await.unwrap();
        leases.push(lease.unwrap());
    }
    assert_eq!(queue.holders().await, Ok(vec!["alive".into(), "dead".into()]));
    assert_eq!(queue.disown(&"dead".into()).await, Ok(2));
    assert_eq!(queue.disown(&"dead".into()).await, Ok(0));
    assert_eq!(queue.disown(&"unknown".into()).await, Ok(0));
    assert_eq!(queue.holders().await, Ok(vec!["alive".into()]));
    for (id, state) in ids.iter().zip([State::Pending, State::Started, State::Pending]) {
        let record = queue.get(id).await.unwrap();
        assert_eq!((record.state, record.lost_leases), (state, u32::from(state == State::Pending)));
    }
    let stale = QueueError::StaleLease { id: ids[0], attempt: 1 };
    assert_eq!(queue.heartbeat(&leases[0], LONG).await, Err(stale));
    assert!(queue.heartbeat(&leases[1], LONG).await.is_ok());
}

pub async fn workers_are_there_until_they_leave_or_are_silent(queue: Subject) {
    assert_eq!(queue.workers().await, Ok(vec![]));
    let mut first = WorkerInfo::new("first".into());
    first.queues = queues();
    first.done.insert("work".into(), 3);
    let (second, silent) = (WorkerInfo::new("second".into()), WorkerInfo::new("silent".into()));
    for worker in [&second, &first, &silent] {
        let ttl = if *worker == silent { Duration::ZERO } else { LONG };
        queue.attend(worker, ttl).await.unwrap();
    }
    assert_eq!(queue.workers().await, Ok(vec![first.clone(), second.clone()]));
    first.running.push(TaskId::random());
    queue.attend(&first, LONG).await.unwrap();
    queue.leave(&second.id).await.unwrap();
    queue.leave(&second.id).await.unwrap();
    assert_eq!(queue.workers().await, Ok(vec![first]));
}
