//! A world from its beginning to its end.

use std::{
    fmt::Display,
    mem,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tokio::{
    runtime::Builder,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{Broker as _, Entry, EventKind, MemoryQueue, State, TaskContext, TaskId};

use super::{
    chance::Chance,
    client::client,
    ledger::{Attempt, Cause, Ledger, Tally},
    line::{LATEST, Line},
    machine::operate,
    stand_in::StandIn,
    verdict,
    watcher::{Seen, watch},
};

pub(super) const QUEUES: [&str; 2] = ["front", "back"];

/// Long enough for everything that is bound to happen.
const LONG: Duration = Duration::from_hours(1);

pub(super) struct World {
    pub(super) queue: MemoryQueue,
    pub(super) chance: Chance,
    /// Of so many calls each kind of trouble hits one; 0: this world is at peace, and nothing but the work itself ever goes wrong.
    trouble: u64,
    /// Cancelled when nothing goes wrong any more, and nobody asks for more.
    pub(super) calm: CancellationToken,
    /// Cancelled when all tasks have ended.
    pub(super) over: CancellationToken,
    pub(super) watchers: Mutex<Vec<JoinHandle<Seen>>>,
    ledger: Mutex<Ledger>,
    born: Instant,
    /// What happened, if it is to be told.
    history: Option<Mutex<Vec<String>>>,
}

/// What came of a world.
#[derive(Debug, PartialEq)]
pub(super) struct Outcome {
    pub(super) wrongs: Vec<String>,
    pub(super) tally: Tally,
    /// How many tasks there were, and events in their logs.
    pub(super) size: (usize, usize),
    pub(super) history: Vec<String>,
}

/// Runs the world of a seed.
pub(super) fn run(seed: u64, telling: bool) -> Outcome {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let stand_in = StandIn::new(seed);
        let world = Arc::new(World::new(seed, telling));
        live(&world).await;
        if stand_in.panicked() {
            world.wrong("something panicked");
        }
        world.end()
    })
}

async fn live(world: &Arc<World>) {
    let chance = &world.chance;
    let machines: Vec<_> =
        (0..chance.between(2..=3)).map(|n| tokio::spawn(operate(Arc::clone(world), n))).collect();
    let reapers: Vec<_> = (0..2).map(|_| tokio::spawn(reap(Arc::clone(world)))).collect();
    let clients: Vec<_> =
        (0..chance.between(2..=3)).map(|n| tokio::spawn(client(Arc::clone(world), n))).collect();

    sleep(chance.millis(6_000..=16_000)).await;
    world.tell("world", || "is calm".into());
    world.calm.cancel();
    for client in clients {
        client.await.unwrap();
    }
    // Calls that nobody waits for any more arrive, perhaps to pause a queue.
    sleep(Duration::from_millis(LATEST + 100)).await;
    for queue in QUEUES {
        world.resume("world", queue).await.unwrap();
    }

    let quiet = async {
        while world.ledger().cases.iter().any(|case| !case.state.is_terminal()) {
            sleep(Duration::from_secs(1)).await;
            // What has expired meanwhile.
            world.ledger().learn_all(Cause::Nothing);
        }
    };
    if timeout(LONG, quiet).await.is_err() {
        return world.wrong("some tasks never end");
    }
    let ids: Vec<TaskId> = world.ledger().cases.iter().map(|case| case.id).collect();
    for id in ids {
        watch(world, id);
    }
    let watchers = mem::take(&mut *world.watchers.lock().unwrap());
    for watcher in watchers {
        match timeout(LONG, watcher).await {
            Ok(seen) => world.watched(&seen.unwrap()),
            Err(_) => world.wrong("a watcher never sees the end"),
        }
    }
    world.over.cancel();
    for part in machines.into_iter().chain(reapers) {
        match timeout(LONG, part).await {
            Ok(ended) => ended.unwrap(),
            Err(_) => world.wrong("a machine never stops"),
        }
    }
    // Those who could not take their leave are soon forgotten.
    sleep(Duration::from_mins(1)).await;
    verdict::judge(world).await;
}

/// Takes leases back, beside the workers who do the same.
async fn reap(world: Arc<World>) {
    let line = Line::new(&world, "reaper");
    loop {
        let pause = world.chance.millis(500..=3000);
        if world.over.run_until_cancelled(sleep(pause)).await.is_none() {
            return;
        }
        let _ = line.reap(pause).await;
    }
}

impl World {
    fn new(seed: u64, telling: bool) -> Self {
        let chance = Chance::new(seed);
        let queue = MemoryQueue::new();
        Self {
            trouble: chance.one_of(&[0, 15, 30, 60, 100]),
            ledger: Mutex::new(Ledger::new(queue.clone())),
            queue,
            chance,
            calm: CancellationToken::new(),
            over: CancellationToken::new(),
            watchers: Mutex::default(),
            born: Instant::now(),
            history: telling.then(Mutex::default),
        }
    }

    fn end(&self) -> Outcome {
        let mut ledger = self.ledger();
        Outcome {
            wrongs: mem::take(&mut ledger.wrongs),
            tally: mem::take(&mut ledger.tally),
            size: (ledger.cases.len(), ledger.cases.iter().map(|case| case.log.len()).sum()),
            history: self.history.as_ref().map(|lines| lines.lock().unwrap().clone()).unwrap_or_default(),
        }
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap()
    }

    pub(super) fn is_at_peace(&self) -> bool {
        self.trouble == 0
    }

    /// Which trouble hits the next call, if any.
    pub(super) fn trouble(&self) -> Option<u64> {
        if self.is_at_peace() || self.calm.is_cancelled() {
            return None;
        }
        Some(self.chance.below(self.trouble)).filter(|kind| *kind < 4)
    }

    pub(super) fn count(&self, kind: &'static str, which: &'static str) {
        self.ledger().count(kind, which);
    }

    pub(super) fn wrong(&self, why: impl Display) {
        self.ledger().wrong(why);
    }

    pub(super) fn ensure(&self, condition: bool, otherwise: &str) {
        if !condition {
            self.wrong(otherwise);
        }
    }

    /// A line of the history.
    pub(super) fn tell(&self, who: &str, what: impl FnOnce() -> String) {
        if let Some(history) = &self.history {
            let at = self.born.elapsed().as_secs_f64();
            history.lock().unwrap().push(format!("{at:9.3} {who:<10} {}", what()));
        }
    }

    /// Notes what the work of an attempt does.
    pub(super) fn attempt(&self, id: &TaskId, attempt: u32, note: impl FnOnce(&mut Attempt)) {
        if let Some(case) = self.ledger().case(id) {
            note(case.attempts.entry(attempt).or_default());
        }
    }

    /// The work of an attempt was told that all it has emitted so far is in the log.
    pub(super) fn drained(&self, task: &TaskContext, emitted: u64) {
        let mut ledger = self.ledger();
        let Some(case) = ledger.case(&task.record().id) else { return };
        let own = |entry: &&Entry| entry.kind == EventKind::Progress && entry.attempt == task.attempt();
        if case.log.iter().filter(own).count() as u64 != emitted {
            ledger.wrong(format!("{} is not drained", task.record().id));
        }
    }

    /// A client was told of a task's state: if it is an end, it stays.
    pub(super) fn told(&self, id: &TaskId, state: State) {
        if let Some(case) = self.ledger().case(id)
            && state.is_terminal()
        {
            case.told.get_or_insert(state);
        }
    }

    /// A client was told that a task was taken, or that it was not.
    pub(super) fn must_know(&self, id: &TaskId, known: bool) {
        if self.ledger().find(id).is_some() != known {
            self.wrong(format!("a client was told that {id} was {}taken", if known { "" } else { "not " }));
        }
    }

    /// Holds what a watcher has seen against the log.
    fn watched(&self, seen: &Seen) {
        let mut ledger = self.ledger();
        let Some(case) = ledger.case(&seen.id) else { return };
        match seen.check(case) {
            Ok(()) => ledger.count("watcher", "saw all"),
            Err(why) => ledger.wrong(why),
        }
    }

    pub(super) fn name_of(&self, task: &TaskContext) -> String {
        format!("{}/{}", self.ledger().name(&task.record().id), task.attempt())
    }
}
