//! Finding tasks again.

use crate::{Finish, Labels, ListQuery, NewTask, QueueError, State, TaskRecord};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::*;

async fn found(queue: &Subject, query: &ListQuery) -> Vec<TaskId> {
    queue.list(query).await.unwrap().items.into_iter().map(|record| record.id).collect()
}

pub async fn the_newest_come_first(queue: Subject) {
    assert!(found(&queue, &ListQuery::default()).await.is_empty());
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.insert(0, submit(&queue).await);
    }
    assert_eq!(found(&queue, &ListQuery::default()).await, ids);
    // Work on a task does not move it.
    let lease = claim(&queue).await;
    queue.finish(&lease, Finish::Released).await.unwrap();
    assert_eq!(found(&queue, &ListQuery::default()).await, ids);
    let page = queue.list(&ListQuery::default()).await.unwrap();
    assert_eq!((page.items[0].clone(), page.next), (queue.get(&ids[0]).await.unwrap(), None));
}

pub async fn filters_narrow_it_down(queue: Subject) {
    let mut ids = Vec::new();
    for n in 0..12 {
        let task = NewTask::new(if n % 2 == 0 { "even" } else { "odd" })
            .label("third", (n % 3).to_string())
            .label("n", n.to_string());
        ids.push(queue.submit(task).await.unwrap());
    }
    let lease = claim(&queue).await;
    queue.finish(&lease, Finish::Succeeded(json!(1))).await.unwrap();
    queue.cancel(&ids[1]).await.unwrap();
    let _running = claim(&queue).await;

    let all = ListQuery::default;
    assert_eq!(found(&queue, &all().name("odd").label("third", "0")).await, [ids[9], ids[3]]);
    assert_eq!(found(&queue, &all().label("third", "1").label("n", "7")).await, [ids[7]]);
    assert!(found(&queue, &all().label("third", "9")).await.is_empty());
    assert!(found(&queue, &all().label("fourth", "1")).await.is_empty());
    assert!(found(&queue, &all().name("eve")).await.is_empty());
    assert_eq!(found(&queue, &all().state(State::Success).state(State::Revoked)).await, [ids[1], ids[0]]);
    assert_eq!(found(&queue, &all().state(State::Started)).await, [ids[2]]);
    assert_eq!(found(&queue, &all().state(State::Pending).limit(100)).await.len(), 9);
}

pub async fn hints_leave_out_nothing_that_has_them(queue: Subject) {
    let tags =
        json!(["Nightly", "say \"when\"", "back\\slash", "ölçüm", "TAKSİ", "300 \u{212a}elvin"]).to_string();
    let task = NewTask::new("work").arg(json!({"data": {"set": "Sunspots 1700"}})).label("tags", tags);
    let id = queue.submit(task).await.unwrap();
    // One that says less of itself than another, and one that will never say more.
    let waits = queue.submit(NewTask::new("work").label("waits", "yes")).await.unwrap();
    let never = queue.submit(NewTask::new("work")).await.unwrap();
    for id in [&id, &never] {
        queue.cancel(id).await.unwrap();
    }
    let first = id.to_string()[..13].to_owned();
    for text in [
        "nightly",
        "SUNSPOTS 1",
        &first,
        "say \"when\"",
        "back\\slash",
        "ölçüm",
        "Ölçüm",
        "taksi",
        "300 kelvin",
        "",
    ] {
        let listed = found(&queue, &ListQuery::default().hint(text).hint("work")).await;
        assert!(listed.contains(&id), "{text}: {listed:?}");
    }
    // A page is as long as is asked for, whatever is left out of it.
    let tagged = || ListQuery::default().hint("nightly").hinted("tags");
    let page = queue.list(&tagged().limit(1)).await.unwrap();
    let next = queue.list(&tagged().cursor(page.next.unwrap())).await.unwrap();
    let listed = page.items.iter().chain(&next.items).map(|record| record.id);
    assert_eq!(listed.collect::<Vec<_>>(), [never, waits, id]);
}

pub async fn pages_hold_while_tasks_come_and_go(queue: Subject) {
    let mut ids = Vec::new();
    for n in 0..10 {
        let task = NewTask::new("work").label("parity", (n % 2).to_string());
        ids.insert(0, queue.submit(task).await.unwrap());
    }
    let query = || ListQuery::default().limit(4);
    let first = queue.list(&query()).await.unwrap();
    assert_eq!(first.items.iter().map(|record| record.id).collect::<Vec<_>>(), ids[..4]);

    submit(&queue).await;
    for id in &ids[3..5] {
        queue.cancel(id).await.unwrap();
        queue.delete(id).await.unwrap();
    }
    let second = queue.list(&query().cursor(first.next.unwrap())).await.unwrap();
    assert_eq!(second.items.iter().map(|record| record.id).collect::<Vec<_>>(), ids[5..9]);
    let third = queue.list(&query().cursor(second.next.unwrap())).await.unwrap();
    assert_eq!(third.items.iter().map(|record| record.id).collect::<Vec<_>>(), ids[9..]);
    assert_eq!(third.next, None);

    // A page that is exactly full is the last one if nothing is left that the query asks for.
    let evens = queue.list(&query().label("parity", "0")).await.unwrap();
    assert_eq!((evens.items.len(), evens.next), (4, None));
    assert_eq!(found(&queue, &query().limit(0)).await.len(), 1);
    let error = queue.list(&query().cursor("nonsense")).await;
    assert_eq!(error, Err(QueueError::InvalidCursor("nonsense".into())));
}

pub async fn a_page_begins_behind_any_item(queue: Subject) {
    let mut ids = Vec::new();
    for n in 0..6 {
        let task = NewTask::new("work").label("parity", (n % 2).to_string());
        ids.insert(0, queue.submit(task).await.unwrap());
    }
    let page = queue.list(&ListQuery::default().limit(4)).await.unwrap();
    assert_eq!((page.cursors.len(), page.cursors.last()), (4, page.next.as_ref()));
    // Neither what is gone nor what is new shifts what lies behind a place, and the place is the same to another query.
    for id in &ids[0..3] {
        queue.cancel(id).await.unwrap();
        queue.delete(id).await.unwrap();
    }
    submit(&queue).await;
    for (n, cursor) in page.cursors.iter().enumerate() {
        let behind = ListQuery::default().cursor(cursor);
        assert_eq!(found(&queue, &behind).await, ids[3.max(n + 1)..], "behind item {n}");
        let even = found(&queue, &behind.label("parity", "0")).await;
        let expected: Vec<_> = [ids[3], ids[5]].into_iter().filter(|id| ids[n + 1..].contains(id)).collect();
        assert_eq!(even, expected, "behind item {n}");
    }
    let last = queue.list(&ListQuery::default()).await.unwrap();
    assert!(found(&queue, &ListQuery::default().cursor(&last.cursors[3])).await.is_empty());
}

pub async fn a_time_narrows_it_down(queue: Subject) {
    let id = queue.submit(NewTask::new("work").label("kind", "old")).await.unwrap();
    queue.cancel(&id).await.unwrap();
    let revoked = queue.get(&id).await.unwrap();
    let second = Timestamp::from_second(1_700_000_000).unwrap();
    let mut ids = Vec::new();
    for micros in [-1, 0, 1, 999_999, 1_000_000] {
        let created_at = second + SignedDuration::from_micros(micros);
        let record = TaskRecord { id: TaskId::random(), created_at, ..revoked.clone() };
        ids.push(record.id);
        queue.restore(record, Vec::new()).await.unwrap();
    }
    let within = || ListQuery::default().submitted(second..second + SignedDuration::from_secs(1));
    for query in [within(), within().name("work"), within().label("kind", "old").state(State::Revoked)] {
        assert_eq!(found(&queue, &query).await, [ids[3], ids[2], ids[1]]);
    }
    let first = queue.list(&within().limit(2)).await.unwrap();
    assert_eq!(first.items.len(), 2);
    assert_eq!(found(&queue, &within().cursor(first.next.unwrap())).await, [ids[1]]);
    assert!(found(&queue, &ListQuery::default().submitted(second..second)).await.is_empty());
}

pub async fn labels_are_set_and_removed(queue: Subject) {
    let id = queue.submit(NewTask::new("work").label("a", "1").label("b", "2")).await.unwrap();
    let change = [("b".into(), None), ("c".into(), Some("3".into())), ("d".into(), None)];
    let expected = Labels::from([("a".into(), "1".into()), ("c".into(), "3".into())]);
    assert_eq!(queue.annotate(&id, &change.into()).await, Ok(expected.clone()));
    assert_eq!(queue.get(&id).await.unwrap().labels, expected);
    assert_eq!(found(&queue, &ListQuery::default().label("c", "3")).await, [id]);
    assert!(found(&queue, &ListQuery::default().label("b", "2")).await.is_empty());

    queue.cancel(&id).await.unwrap();
    let change = [("a".into(), Some("9".into()))];
    assert_eq!(queue.annotate(&id, &change.into()).await.unwrap()["a"], "9");
    assert_eq!(log(&queue, &id).await.len(), 2, "labels are no events");
}

pub async fn what_has_ended_can_be_restored(queue: Subject) {
    let id = queue.submit(NewTask::new("work").arg(7).label("kind", "old")).await.unwrap();
    let lease = claim(&queue).await;
    append(&queue, &lease, &[progress(1), progress(2)]).await.unwrap();
    let copy = log(&queue, &id).await;
    let waiting = queue.get(&id).await.unwrap();
    queue.finish(&lease, Finish::Succeeded(json!({"fine": true}))).await.unwrap();
    let (record, whole) = (queue.get(&id).await.unwrap(), log(&queue, &id).await);

    assert_eq!(queue.restore(record.clone(), whole.clone()).await, Err(QueueError::Duplicate(id)));
    queue.delete(&id).await.unwrap();
    let unfinished = QueueError::NotFinished { id, state: State::Started };
    assert_eq!(queue.restore(waiting, whole.clone()).await, Err(unfinished));

    let newer = submit(&queue).await;
    // The copy of the log was made before the end; the end is in the record.
    for log_left in [copy, whole.clone()] {
        assert_eq!(queue.restore(record.clone(), log_left).await, Ok(()));
        assert_eq!(queue.get(&id).await, Ok(record.clone()));
        assert_eq!(follow(&queue, &id, 0).await, whole);
        assert_eq!(found(&queue, &ListQuery::default()).await, [newer, id]);
        assert_eq!(queue.cancel(&id).await, Ok(State::Success));
        queue.delete(&id).await.unwrap();
    }
    queue.restore(record, Vec::new()).await.unwrap();
    let told = follow(&queue, &id, 0).await;
    assert_eq!((told.len(), told[0].seq), (1, Some(1)));
    assert_eq!(told[0].details, json!({"fine": true}));
    assert_eq!(claim(&queue).await.id(), newer);
    assert_eq!(try_claim(&queue, LONG).await, None);
}
