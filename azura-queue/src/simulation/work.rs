//! What the handlers do.

use std::{panic::resume_unwind, sync::Arc};

use serde_json::json;

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
    let polite = !chance.one_in(5);
    let (mut kept, mut passing) = (0_u64, 0_u64);
    for _ in 0..chance.below(6) {
        let pause = chance.millis(0..=800);
        if polite {
            task.token().run_until_cancelled(machine.sleep(pause)).await;
        } else {
            machine.sleep(pause).await;
        }
        if polite && task.cancelled() {
            return end(&machine, &task, Err(TaskFailure::cancelled()));
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
    end(&machine, &task, outcome)
}

/// Returns, or panics.
fn end(machine: &Machine, task: &TaskContext, outcome: Outcome) -> Outcome {
    let world = &machine.line.world;
    world.attempt(&task.record().id, task.attempt(), |attempt| attempt.outcome = Some(outcome.clone()));
    world.tell(&machine.line.who, || format!("has worked on {}: {outcome:?}", world.name_of(task)));
    match outcome {
        // No hook prints it: nobody is to be told.
        Err(failure) if failure.code == TaskFailure::PANICKED => resume_unwind(Box::new(failure.message)),
        outcome => outcome,
    }
}
