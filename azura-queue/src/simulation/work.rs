//! What the handlers do.

use std::{panic::resume_unwind, sync::Arc, time::Duration};

use serde_json::json;
use tokio::time::Instant;

use crate::{Keep, TaskContext, TaskFailure, attempt::Outcome, backoff::persist};

use super::machine::Machine;

/// Tasks of this name are ordinary.
pub(super) const WORK: &str = "work";
/// Tasks of this name kill whoever works on them.
pub(super) const POISON: &str = "poison";
/// Tasks of this name no worker knows.
pub(super) const UNKNOWN: &str = "surprise";

/// Reports progress for a while and comes to some end.
pub(super) async fn work(machine: Arc<Machine>, task: Arc<TaskContext>) -> Outcome {
    let world = &machine.line.world;
    let chance = &world.chance;
    let begun = Instant::now();
    let polite = !chance.one_in(5);
    let (mut kept, mut passing) = (0_u64, 0_u64);
    for _ in 0..chance.below(6) {
        let pause = chance.millis(0..=800);
        if polite {
            task.token().run_until_cancelled(machine.sleep(pause)).await;
        } else {
            machine.sleep(pause).await;
        }
        let limits = task.record().schedule.limits;
        if is_over(limits.soft, begun) || is_over(limits.hard, begun) {
            world.ensure(task.cancelled(), "a handler whose time is up is not asked to stop");
        }
        if polite && task.cancelled() {
            return end(&machine, &task, begun, Err(TaskFailure::cancelled()));
        }
        for _ in 0..chance.below(4) {
            if chance.one_in(3) {
                passing += 1;
                let details = json!({"attempt": task.attempt(), "kept": kept, "passing": passing});
                task.emitter().emit(Keep::Newest, &details);
            } else {
                kept += 1;
                world.attempt(&task.record().id, task.attempt(), |attempt| attempt.emitted = kept);
                task.emitter().emit(Keep::All, &json!({"attempt": task.attempt(), "kept": kept}));
            }
        }
        match chance.below(8) {
            0 => {
                let _ = task.while_it_lasts(persist(|| task.beat())).await;
            }
            1 if task.while_it_lasts(task.emitter().drain()).await.is_ok() => world.drained(&task, kept),
            _ => {}
        }
    }
    if task.record().name == POISON {
        world.tell(&machine.line.who, || "is poisoned".into());
        machine.line.severed.cancel();
        machine.line.alive().await;
    }
    if chance.one_in(8) {
        // Too long for limits, patience and, if nobody beats, the lease.
        machine.sleep(chance.millis(1000..=6000)).await;
    }
    let outcome = match chance.below(20) {
        0..=10 => Ok(json!({"attempt": task.attempt(), "kept": kept})),
        11..=15 => Err(TaskFailure::new("BROKEN", "it may pass").transient()),
        16..=18 => Err(TaskFailure::new("BROKEN", "it broke")),
        _ => Err(TaskFailure::new(TaskFailure::PANICKED, "it panicked")),
    };
    end(&machine, &task, begun, outcome)
}

fn is_over(limit: Option<Duration>, begun: Instant) -> bool {
    // Timers go by milliseconds.
    limit.is_some_and(|limit| begun.elapsed() > limit + Duration::from_millis(1))
}

/// Returns, or panics.
fn end(machine: &Machine, task: &TaskContext, begun: Instant, outcome: Outcome) -> Outcome {
    let world = &machine.line.world;
    // What comes after the hard limit is not to count.
    if !is_over(task.record().schedule.limits.hard, begun) {
        world.attempt(&task.record().id, task.attempt(), |attempt| attempt.outcome = Some(outcome.clone()));
    }
    world.tell(&machine.line.who, || format!("has worked on {}: {outcome:?}", world.name_of(task)));
    match outcome {
        // No hook prints it: nobody is to be told.
        Err(failure) if failure.code == TaskFailure::PANICKED => resume_unwind(Box::new(failure.message)),
        outcome => outcome,
    }
}
