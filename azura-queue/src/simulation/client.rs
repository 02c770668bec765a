//! Who submits tasks, calls them off, brings dead letters back, and pauses queues.

use std::sync::Arc;

use serde_json::json;
use tokio::{select, time::sleep};

use crate::{
    Broker as _, Hold, Keep, ListQuery, NewTask, Queue, QueueError, Retry, TaskFailure, TaskId, Unique,
    backoff::persist, clock, track,
};

use super::{
    line::Line,
    watcher::watch,
    work::{POISON, UNKNOWN, WORK},
    world::{QUEUES, World},
};

/// Does something now and then until the world is calm.
pub(super) async fn client(world: Arc<World>, n: u64) {
    let line = Line::new(&world, &format!("c{n}"));
    let chance = &world.chance;
    let mut known = Vec::new();
    let mut left = chance.between(2..=5);
    loop {
        select! {
            biased;
            () = world.calm.cancelled() => return,
            () = sleep(chance.millis(0..=2000)) => {}
        }
        match chance.below(15) {
            0..=5 if left > 0 => {
                left -= 1;
                known.extend(submit(&line).await);
            }
            6 | 7 if !known.is_empty() => {
                let id = chance.one_of(&known);
                let state = persist(|| line.cancel(&id)).await.unwrap();
                world.told(&id, state);
            }
            8 | 9 | 12 | 13 => requeue(&line, &mut known).await,
            10 if chance.one_in(3) => {
                tokio::spawn(track_own(Arc::clone(&world)));
            }
            11 => {
                let queue = chance.one_of(&QUEUES);
                persist(|| line.pause(queue)).await.unwrap();
                sleep(chance.millis(100..=3000)).await;
                persist(|| line.resume(queue)).await.unwrap();
                world.count("queue", "paused");
            }
            _ if !known.is_empty() => watch(&world, chance.one_of(&known)),
            _ => {}
        }
    }
}

/// Submits a task and returns its id if it was taken.
async fn submit(line: &Arc<Line>) -> Option<TaskId> {
    let world = &line.world;
    let id = TaskId::random();
    let task = task(world).id(id);
    match persist(|| line.submit(task.clone())).await {
        // Under its own id it can only have arrived at an earlier try.
        Ok(_) | Err(QueueError::Duplicate(_)) => {
            world.must_know(&id, true);
            for _ in 0..world.chance.below(3) {
                watch(world, id);
            }
            Some(id)
        }
        Err(QueueError::NotUnique { .. }) => {
            world.must_know(&id, false);
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn task(world: &World) -> NewTask {
    let chance = &world.chance;
    let name = match chance.below(40) {
        0 if !world.is_at_peace() => POISON,
        1 => UNKNOWN,
        _ => WORK,
    };
    let retry = Retry::attempts(chance.between(1..=4) as u32);
    let mut task = NewTask::new(name)
        .queue(chance.one_of(&QUEUES))
        .priority(chance.one_of(&[0, 0, 3, 6, 9]))
        .retry(retry.pauses(chance.millis(0..=1500), chance.millis(1500..=3000)));
    if chance.one_in(4) {
        task = task.delay(chance.millis(0..=5000));
    }
    if chance.one_in(8) {
        task = task.expires(clock::timestamp_after(chance.millis(0..=5000)));
    }
    if chance.one_in(3) {
        let hold = chance.one_of(&[
            Hold::Queued,
            Hold::Running,
            Hold::Running,
            Hold::Period(chance.millis(0..=9000)),
        ]);
        task = task.unique(Unique::new(chance.one_of(&["a", "b"]), hold));
    }
    if chance.one_in(6) {
        task = task.soft_limit(chance.millis(200..=2000));
    }
    if chance.one_in(6) {
        task = task.hard_limit(chance.millis(200..=3000));
    }
    task
}

/// Brings a dead letter back, if there is one.
async fn requeue(line: &Arc<Line>, known: &mut Vec<TaskId>) {
    let query = ListQuery::default().dead();
    let dead = persist(|| line.list(&query)).await.unwrap().items;
    if dead.is_empty() {
        return;
    }
    let id = dead[line.world.chance.below(dead.len() as u64) as usize].id;
    let labels = [].into();
    match persist(|| line.requeue(&id, &labels)).await {
        Ok(new) => {
            line.world.must_know(&new, true);
            known.push(new);
        }
        // Somebody else has, or an earlier try.
        Err(QueueError::NotDead(_) | QueueError::NotUnique { .. }) => {}
        Err(error) => panic!("{error}"),
    }
}

/// Works on a task itself, in a process of its own.
async fn track_own(world: Arc<World>) {
    let line = Line::new(&world, "own");
    let chance = &world.chance;
    if !world.is_at_peace() && chance.one_in(2) {
        line.doom(chance.below(10), chance.one_in(2));
    }
    let id = TaskId::random();
    let Ok(task) = track(Arc::clone(&line) as Arc<dyn Queue>, NewTask::new(WORK).id(id)).await else {
        return;
    };
    watch(&world, id);
    let mut kept = 0_u64;
    for _ in 0..chance.below(6) {
        task.token().run_until_cancelled(sleep(chance.millis(0..=2000))).await;
        line.alive().await;
        kept += 1;
        world.attempt(&id, 1, |attempt| attempt.emitted = kept);
        task.emitter().emit(Keep::All, &json!({"attempt": 1, "kept": kept}));
    }
    let outcome = match chance.below(4) {
        // Without a word.
        0 => return,
        1 => Err(TaskFailure::new("BROKEN", "it broke")),
        _ if task.token().is_cancelled() => Err(TaskFailure::cancelled()),
        _ => Ok(json!({"attempt": 1, "kept": kept})),
    };
    world.attempt(&id, 1, |attempt| attempt.outcome = Some(outcome.clone()));
    world.count("own work", "done");
    task.finish(outcome).await;
}
