//! A process with a worker in it, and what befalls it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    select,
    task::{AbortHandle, JoinHandle},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use crate::{Broker as _, Queue, Worker, WorkerId};

use super::{
    line::Line,
    work::{POISON, WORK, work},
    world::{QUEUES, World},
};

pub(super) struct Machine {
    pub(super) line: Arc<Line>,
    /// What its handlers do, some of it perhaps after their attempts.
    works: Mutex<Vec<AbortHandle>>,
}

impl Machine {
    /// Sleeps; longer if the machine is frozen meanwhile, and for ever if it dies.
    pub(super) async fn sleep(&self, span: Duration) {
        sleep(span).await;
        self.line.alive().await;
    }

    fn begin(self: &Arc<Self>, worker: Worker, name: &str) -> Worker {
        let machine = Arc::clone(self);
        worker.begin(name, move |task| {
            let running = tokio::spawn(work(Arc::clone(&machine), task));
            machine.works.lock().unwrap().push(running.abort_handle());
            running
        })
    }
}

/// Keeps a machine going until the world is over: each time it has died or was shut down, it starts again.
pub(super) async fn operate(world: Arc<World>, n: u64) {
    let chance = &world.chance;
    let mut generation = 0;
    while !world.over.is_cancelled() {
        generation += 1;
        let name = format!("w{n}.{generation}");
        let line = Line::new(&world, &name);
        // Nothing depends on a worker's name being its own.
        let id = WorkerId::new(if chance.one_in(4) { "twin" } else { &name });
        let machine = Arc::new(Machine { line: Arc::clone(&line), works: Mutex::default() });
        let ttl = chance.millis(1500..=5000);
        // The first machine serves all queues, so that no task waits in vain.
        let queues = if n == 0 || chance.one_in(2) { &QUEUES[..] } else { &QUEUES[..1] };
        let worker = Worker::new(Arc::clone(&line) as Arc<dyn Queue>)
            .id(id.clone())
            .slots(chance.between(1..=3) as usize)
            .lease(ttl, ttl / 3)
            .grace(chance.millis(0..=1500))
            .queues(queues.iter().copied());
        let worker = machine.begin(machine.begin(worker, WORK), POISON);
        world.tell(&name, || "starts".into());
        let shutdown = CancellationToken::new();
        let mut running = tokio::spawn(worker.run(shutdown.clone()));
        if live(&world, &machine, ttl, &shutdown, &mut running).await {
            world.ensure(!line.owes(), "a worker has given up an outcome");
            continue;
        }
        world.tell(&name, || "is dead".into());
        running.abort();
        let _ = running.await;
        for work in machine.works.lock().unwrap().drain(..) {
            work.abort();
        }
        sleep(chance.millis(0..=1500)).await;
        if chance.one_in(3) {
            let _ = Line::new(&world, "supervisor").disown(&id).await;
        }
    }
}

/// Whether the machine came to a good end.
async fn live(
    world: &World,
    machine: &Machine,
    ttl: Duration,
    shutdown: &CancellationToken,
    running: &mut JoinHandle<()>,
) -> bool {
    let (line, chance) = (&machine.line, &world.chance);
    loop {
        select! {
            biased;
            () = line.severed.cancelled() => return false,
            () = world.over.cancelled() => shutdown.cancel(),
            () = sleep(chance.millis(200..=6000)) => {}
        }
        let spared = world.calm.is_cancelled() || world.is_at_peace();
        let fate = if spared { u64::MAX } else { chance.below(7) };
        match fate {
            0 => {
                world.count("machine", "killed");
                line.severed.cancel();
            }
            1 => {
                world.count("machine", "doomed");
                line.doom(chance.below(10), chance.one_in(2));
            }
            2 | 3 => {
                let span = ttl.mul_f64(chance.between(3..=20) as f64 / 10.0);
                world.count("machine", "frozen");
                world.tell(&line.who, || format!("is frozen for {span:?}"));
                line.freeze(span);
            }
            4 | 5 => {
                let span = chance.millis(100..=5000);
                world.count("machine", "cut off");
                world.tell(&line.who, || format!("is cut off for {span:?}"));
                line.cut(span);
            }
            6 => {
                world.count("machine", "shut down");
                world.tell(&line.who, || "shuts down".into());
                shutdown.cancel();
            }
            _ => {}
        }
        if shutdown.is_cancelled() {
            select! {
                biased;
                () = line.severed.cancelled() => return false,
                ended = running => {
                    ended.unwrap();
                    return true;
                }
            }
        }
    }
}
