//! From submission to the end.

use crate::{
    EventKind, Finish, Labels, ListQuery, MAX_LOST_LEASES, NewTask, QueueError, Retry, State, TaskFailure,
    TaskId,
};
use serde_json::json;

use super::*;

const PENDING: EventKind = EventKind::Pending;
const STARTED: EventKind = EventKind::Started;

fn failed(retry: bool) -> Finish {
    let failure = TaskFailure::new("BROKEN", "it broke").traceback("line 7");
    Finish::Failed { failure, retry }
}

pub async fn a_task_lives_and_succeeds(queue: Subject) {
    let task = NewTask::new("work").arg(json!({"size": 3})).arg("x").label("kind", "small");
    let id = queue.submit(task).await.unwrap();
    let record = queue.get(&id).await.unwrap();
    assert_eq!((record.id, record.state, record.attempt), (id, State::Pending, 0));
    assert_eq!((record.name.as_str(), record.queue.as_str()), ("work", crate::DEFAULT_QUEUE));
    assert_eq!(record.args, [json!({"size": 3}), json!("x")]);
    assert_eq!(record.labels, Labels::from([("kind".into(), "small".into())]));
    assert_eq!((record.started_at, record.finished_at, &record.worker), (None, None, &None));
    assert_eq!(kinds(&queue, &id).await, [EventKind::Pending]);

    let lease = claim(&queue).await;
    assert_eq!((lease.id(), lease.attempt(), lease.worker.as_str()), (id, 1, "tester"));
    let record = queue.get(&id).await.unwrap();
    assert_eq!(lease.task, record);
    assert_eq!((record.state, record.attempt), (State::Started, 1));
    assert_eq!(record.worker, Some(lease.worker.clone()));
    assert!(record.started_at >= Some(record.created_at) && record.finished_at.is_none());
    assert_eq!(last_details(&queue, &id).await, json!({"attempt": 1, "from_epoch": 0}));

    let result = json!({"answer": 42});
    assert_eq!(queue.finish(&lease, Finish::Succeeded(result.clone())).await, Ok(State::Success));
    let record = queue.get(&id).await.unwrap();
    assert_eq!((record.state, record.attempt, record.lost_leases), (State::Success, 1, 0));
    assert_eq!((record.result, record.error), (Some(result.clone()), None));
    assert!(record.finished_at >= record.started_at);

    let log = log(&queue, &id).await;
    assert_eq!(seqs(&log), [1, 2, 3]);
    assert_eq!(log.iter().map(|entry| entry.attempt).collect::<Vec<_>>(), [0, 1, 1]);
    assert_eq!((log[2].kind, &log[2].details), (EventKind::Success, &result));
}

pub async fn a_failure_is_recorded_and_told(queue: Subject) {
    let id = submit(&queue).await;
    let lease = claim(&queue).await;
    assert_eq!(queue.finish(&lease, failed(false)).await, Ok(State::Failure));
    let record = queue.get(&id).await.unwrap();
    assert_eq!((record.state, record.result), (State::Failure, None));
    assert_eq!(record.error, Some(TaskFailure::new("BROKEN", "it broke").traceback("line 7")));
    assert!(record.finished_at.is_some());
    assert_eq!(last_details(&queue, &id).await, json!({"error_code": "BROKEN", "message": "it broke"}));
}

pub async fn a_retry_starts_anew(queue: Subject) {
    let retry = Retry::attempts(2).pauses(Duration::ZERO, Duration::ZERO);
    let id = queue.submit(NewTask::new("work").retry(retry)).await.unwrap();
    let lease = claim(&queue).await;
    assert_eq!(queue.finish(&lease, failed(true)).await, Ok(State::Pending));
    let record = queue.get(&id).await.unwrap();
    assert_eq!((record.state, record.attempt, record.error), (State::Pending, 1, None));
    assert_eq!((record.started_at, record.finished_at, record.worker), (None, None, None));
    assert_eq!((record.failures, record.dead), (1, false));
    let told = last_details(&queue, &id).await;
    let due = record.schedule.eta.unwrap();
    assert_eq!(told, json!({"reason": "retry", "error_code": "BROKEN", "message": "it broke", "eta": due}));

    let lease = claim(&queue).await;
    assert_eq!(lease.attempt(), 2);
    assert_eq!(last_details(&queue, &id).await, json!({"attempt": 2, "from_epoch": 0}));
    queue.finish(&lease, Finish::Succeeded(json!(null))).await.unwrap();
    assert_eq!(kinds(&queue, &id).await, [PENDING, STARTED, PENDING, STARTED, EventKind::Success]);
}

pub async fn a_release_does_not_count(queue: Subject) {
    let id = submit(&queue).await;
    for attempt in 1..=MAX_LOST_LEASES + 5 {
        let lease = claim(&queue).await;
        assert_eq!(lease.attempt(), attempt);
        assert_eq!(queue.finish(&lease, Finish::Released).await, Ok(State::Pending));
        assert_eq!(last_details(&queue, &id).await, json!({"reason": "released"}));
    }
    assert_eq!(queue.get(&id).await.unwrap().lost_leases, 0);
}

pub async fn ten_lost_leases_are_the_end(queue: Subject) {
    let id = submit(&queue).await;
    for lost in 1..MAX_LOST_LEASES {
        let _lost = claim_in_vain(&queue).await;
        assert_eq!(queue.reap(Duration::MAX).await, Ok(1));
        let record = queue.get(&id).await.unwrap();
        assert_eq!((record.state, record.lost_leases, record.worker), (State::Pending, lost, None));
        assert_eq!(last_details(&queue, &id).await, json!({"reason": "lease lost"}));
    }
    let released = claim(&queue).await;
    queue.finish(&released, Finish::Released).await.unwrap();
    let _lost = claim_in_vain(&queue).await;
    assert_eq!(queue.reap(Duration::MAX).await, Ok(1));
    assert_eq!(queue.reap(Duration::MAX).await, Ok(0));

    let record = queue.get(&id).await.unwrap();
    assert_eq!((record.state, record.lost_leases), (State::Failure, MAX_LOST_LEASES));
    assert_eq!(record.error.unwrap().code, TaskFailure::WORKER_LOST);
    assert_eq!(last_details(&queue, &id).await["error_code"], "WORKER_LOST");
    assert_eq!(try_claim(&queue, LONG).await, None);
}

pub async fn the_next_attempt_begins_behind_the_checkpoint(queue: Subject) {
    let id = submit(&queue).await;
    let first = claim_in_vain(&queue).await;
    queue.reap(Duration::MAX).await.unwrap();
    assert_eq!(first.task.checkpoint, 0);

    let second = claim_in_vain(&queue).await;
    assert_eq!(last_details(&queue, &id).await, json!({"attempt": 2, "from_epoch": 0}));
    assert_eq!(queue.get(&id).await.unwrap().lost_leases, 1);
    // One that is no further than another changes nothing.
    for (epoch, expected) in [(3, 3), (7, 7), (7, 7), (5, 7)] {
        queue.checkpoint(&second, epoch).await.unwrap();
        let record = queue.get(&id).await.unwrap();
        assert_eq!((record.checkpoint, record.lost_leases), (expected, 0));
    }
    assert_eq!(kinds(&queue, &id).await, [PENDING, STARTED, PENDING, STARTED]);
    queue.reap(Duration::MAX).await.unwrap();

    // Lost leases are counted anew behind it, and without another one they are the end.
    for lost in 2..=MAX_LOST_LEASES {
        let lease = claim_in_vain(&queue).await;
        assert_eq!((lease.task.checkpoint, lease.task.lost_leases), (7, lost - 1));
        assert_eq!(last_details(&queue, &id).await, json!({"attempt": lost + 1, "from_epoch": 7}));
        queue.checkpoint(&lease, 6).await.unwrap();
        queue.reap(Duration::MAX).await.unwrap();
    }
    assert_eq!(last_details(&queue, &id).await["error_code"], "WORKER_LOST");
    assert_eq!(queue.get(&id).await.unwrap().checkpoint, 7);
}

pub async fn what_goes_on_from_another_task_begins_behind_its_checkpoint(queue: Subject) {
    let id = queue.submit(NewTask::new("work").checkpoint(5)).await.unwrap();
    assert_eq!(claim_in_vain(&queue).await.task.checkpoint, 5);
    assert_eq!(last_details(&queue, &id).await, json!({"attempt": 1, "from_epoch": 5}));
    assert_eq!(queue.get(&id).await.unwrap().checkpoint, 5);
}

pub async fn a_given_id_is_kept_and_taken_once(queue: Subject) {
    let id: TaskId = "f1e46e69-9e7c-31b1-a4ff-11648f66b69e".parse().unwrap();
    assert_eq!(queue.submit(NewTask::new("work").id(id)).await, Ok(id));
    assert_eq!(queue.submit(NewTask::new("other").id(id)).await, Err(QueueError::Duplicate(id)));
    assert_eq!(queue.get(&id).await.unwrap().name, "work");
    assert_eq!(claim(&queue).await.id(), id);
    assert_eq!(try_claim(&queue, LONG).await, None);
}

pub async fn what_is_not_there_is_not_found(queue: Subject) {
    let id = TaskId::random();
    let missing = QueueError::NotFound(id);
    assert_eq!(queue.get(&id).await, Err(missing.clone()));
    assert_eq!(queue.cancel(&id).await, Err(missing.clone()));
    assert_eq!(queue.delete(&id).await, Err(missing.clone()));
    assert_eq!(queue.read(&id, 0, 10).await, Err(missing.clone()));
    assert_eq!(queue.annotate(&id, &[].into()).await, Err(missing.clone()));
    assert_eq!(queue.follow(&id, 0).await.err(), Some(missing));
}

pub async fn only_what_has_ended_is_deleted(queue: Subject) {
    let id = submit(&queue).await;
    assert_eq!(queue.delete(&id).await, Err(QueueError::NotFinished { id, state: State::Pending }));
    let lease = claim(&queue).await;
    assert_eq!(queue.delete(&id).await, Err(QueueError::NotFinished { id, state: State::Started }));
    let mut follower = queue.follow(&id, 0).await.unwrap();
    assert_eq!(next(&mut follower).await.kind, EventKind::Pending);
    queue.finish(&lease, Finish::Succeeded(json!(1))).await.unwrap();
    assert_eq!(queue.delete(&id).await, Ok(()));

    assert_eq!(queue.get(&id).await, Err(QueueError::NotFound(id)));
    assert!(queue.list(&ListQuery::default()).await.unwrap().items.is_empty());
    let stale = QueueError::StaleLease { id, attempt: 1 };
    assert_eq!(queue.heartbeat(&lease, LONG).await, Err(stale));
    // A follower sees what it had read before, then an error; it is not left hanging.
    let rest: Vec<_> = soon(follower.collect()).await;
    assert!(rest.iter().all(Result::is_ok) || rest.last() == Some(&Err(QueueError::NotFound(id))));
}

pub async fn texts_and_sizes_of_all_kinds_survive(queue: Subject) {
    let text = "Ağaç 🌳 \u{0} \" \\ \r\n \u{2028} ﷽ e\u{301}";
    let big = "x".repeat(5_000_000);
    let value = json!({"text": text, "big": big, "n": 1.5e-300, "i": u64::MAX, "deep": [[[[]]]]});
    let task = NewTask::new(text).queue(text).label(text, text).arg(value.clone());
    let id = queue.submit(task).await.unwrap();
    let lease = queue.claim(&WorkerId::new(text), &[text.to_owned()], LONG, LONG).await.unwrap().unwrap();
    assert_eq!(lease.task.args[0], value);
    append(&queue, &lease, &[NewEvent::new(Keep::All, value.clone())]).await.unwrap();
    queue.finish(&lease, Finish::Succeeded(value.clone())).await.unwrap();

    let record = queue.get(&id).await.unwrap();
    assert_eq!((record.name.as_str(), record.queue.as_str()), (text, text));
    assert_eq!(record.labels[text], text);
    assert_eq!(record.worker, Some(WorkerId::new(text)));
    assert_eq!(record.result.as_ref(), Some(&value));
    let told: Vec<_> = follow(&queue, &id, 2).await.into_iter().map(|entry| entry.details).collect();
    assert_eq!(told, [value.clone(), value]);
}
