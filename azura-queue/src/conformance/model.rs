//! Random histories against the table: whatever is asked of a queue, its tasks change as `State::apply` says and in no other way.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{
    DEFAULT_QUEUE, Entry, EventKind, Finish, Heartbeat, Hold, Keep, Lease, MAX_LOST_LEASES, NewEvent,
    NewTask, Queue, QueueError, Retry, State, TaskFailure, TaskId, Transition, Unique, WorkerId,
};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::json;

const LONG: Duration = Duration::from_hours(1);
/// How often a task may fail.
const ATTEMPTS: u32 = 3;
const WORKERS: [&str; 2] = ["one", "two"];
const KEY: &str = "key";

/// What can be asked. Numbers choose among the tasks or the leases there are.
#[derive(Debug, Clone)]
enum Op {
    Submit { priority: u8, keyed: bool },
    Pause { paused: bool },
    Requeue { task: usize },
    Disown { worker: usize },
    Claim { worker: usize, expired: bool },
    Heartbeat { lease: usize, expired: bool },
    Append { lease: usize, events: usize },
    Finish { lease: usize, how: usize },
    Cancel { task: usize },
    Delete { task: usize },
    Reap,
}

fn op() -> impl Strategy<Value = Op> {
    // Small numbers count back from the newest lease, so that most histories get somewhere.
    let lease = prop_oneof![3 => Just(0), 1 => 0..20_usize];
    prop_oneof![
        2 => (0..3_u8, any::<bool>()).prop_map(|(step, keyed)| Op::Submit { priority: 3 * step, keyed }),
        1 => (0..4).prop_map(|n| Op::Pause { paused: n == 0 }),
        1 => (0..20_usize).prop_map(|task| Op::Requeue { task }),
        1 => (0..2_usize).prop_map(|worker| Op::Disown { worker }),
        5 => (0..2_usize, any::<bool>()).prop_map(|(worker, expired)| Op::Claim { worker, expired }),
        1 => (lease.clone(), any::<bool>()).prop_map(|(lease, expired)| Op::Heartbeat { lease, expired }),
        2 => (lease.clone(), 0..4_usize).prop_map(|(lease, events)| Op::Append { lease, events }),
        3 => (lease, 0..5_usize).prop_map(|(lease, how)| Op::Finish { lease, how }),
        1 => (0..20_usize).prop_map(|task| Op::Cancel { task }),
        1 => (0..20_usize).prop_map(|task| Op::Delete { task }),
        2 => Just(Op::Reap),
    ]
}

/// What a task should be.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Debug)]
struct Expected {
    id: TaskId,
    state: State,
    attempt: u32,
    lost: u32,
    failures: u32,
    dead: bool,
    priority: u8,
    /// Whether it has the unique key.
    keyed: bool,
    worker: usize,
    cancelled: bool,
    expired: bool,
    deleted: bool,
    story: Vec<EventKind>,
}

impl Expected {
    fn new(id: TaskId, priority: u8, keyed: bool) -> Self {
        Self {
            id,
            failures: 0,
            dead: false,
            priority,
            keyed,
            worker: 0,
            state: State::Pending,
            attempt: 0,
            lost: 0,
            cancelled: false,
            expired: false,
            deleted: false,
            story: vec![EventKind::Pending],
        }
    }

    fn change(&mut self, transition: Transition) -> State {
        let back = matches!(transition, Transition::Retry | Transition::LoseLease | Transition::Release);
        let transition = if back && self.cancelled { Transition::Cancel } else { transition };
        self.state = self.state.apply(transition).unwrap();
        self.story.push(self.state.into());
        self.keyed &= !self.state.is_terminal();
        self.state
    }

    /// Whether a lease still stands, or how it is refused.
    fn fence(&self, lease: &Lease) -> Result<(), QueueError> {
        let stands = !self.deleted && self.state == State::Started && self.attempt == lease.attempt();
        let stale = QueueError::StaleLease { id: self.id, attempt: lease.attempt() };
        if stands { Ok(()) } else { Err(stale) }
    }
}

/// The queue, and what should be true of it.
struct Model {
    queue: Arc<dyn Queue>,
    tasks: Vec<Expected>,
    leases: Vec<Lease>,
    paused: bool,
}

impl Model {
    /// A lease, counted back from the newest, and its task.
    fn lease(&mut self, back: usize) -> Option<(&Lease, &mut Expected)> {
        let n = self.leases.len().checked_sub(1 + back % self.leases.len().max(1))?;
        let lease = &self.leases[n];
        let task = self.tasks.iter_mut().find(|task| task.id == lease.id()).unwrap();
        Some((lease, task))
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each operation")]
    async fn step(&mut self, op: Op) {
        let queue = Arc::clone(&self.queue);
        match op {
            Op::Submit { priority, keyed } => {
                let retry = Retry::attempts(ATTEMPTS).pauses(Duration::ZERO, Duration::ZERO);
                let mut task = NewTask::new("work").priority(priority).retry(retry);
                if keyed {
                    task = task.unique(Unique::new(KEY, Hold::Running));
                }
                let submitted = queue.submit(task).await;
                match self.tasks.iter().find(|task| keyed && task.keyed) {
                    Some(task) => {
                        assert_eq!(submitted, Err(QueueError::NotUnique { key: KEY.into(), by: task.id }));
                    }
                    None => self.tasks.push(Expected::new(submitted.unwrap(), priority, keyed)),
                }
            }
            Op::Pause { paused } => {
                if paused {
                    queue.pause(DEFAULT_QUEUE).await.unwrap();
                } else {
                    queue.resume(DEFAULT_QUEUE).await.unwrap();
                }
                self.paused = paused;
            }
            Op::Requeue { task } => {
                let free = !self.tasks.iter().any(|task| task.keyed);
                if let Some(task) = choose(&mut self.tasks, task).filter(|task| !task.deleted) {
                    let record = queue.get(&task.id).await.unwrap();
                    let keyed = record.schedule.unique.is_some();
                    let requeued = queue.requeue(&task.id, &BTreeMap::new()).await;
                    if !task.dead {
                        assert_eq!(requeued, Err(QueueError::NotDead(task.id)));
                    } else if keyed && !free {
                        assert!(matches!(requeued, Err(QueueError::NotUnique { .. })), "{requeued:?}");
                    } else {
                        task.dead = false;
                        let again = Expected::new(requeued.unwrap(), task.priority, keyed);
                        self.tasks.push(again);
                    }
                }
            }
            Op::Disown { worker } => {
                let lost = self.lose(|task| task.worker == worker);
                assert_eq!(queue.disown(&WorkerId::new(WORKERS[worker])).await, Ok(lost));
            }
            Op::Claim { worker, expired } => {
                let ttl = if expired { Duration::ZERO } else { LONG };
                let names = [DEFAULT_QUEUE.to_owned()];
                let claimed = queue.claim(&WorkerId::new(WORKERS[worker]), &names, ttl, Duration::ZERO).await;
                let claimed = claimed.unwrap();
                let waiting = || self.tasks.iter().filter(|task| task.state == State::Pending);
                let urgency = waiting().map(|task| task.priority).min().filter(|_| !self.paused);
                let equals: Vec<_> = waiting().filter(|task| Some(task.priority) == urgency).collect();
                // What has come back, in any order, and then the first that was submitted.
                let back = equals.iter().filter(|task| task.attempt > 0).map(|task| task.id);
                let first = equals.first().map(|task| task.id);
                let mut expected: Vec<_> = back.collect();
                if expected.is_empty() {
                    expected.extend(first);
                }
                assert_eq!(claimed.is_some(), !expected.is_empty());
                assert!(claimed.as_ref().is_none_or(|lease| expected.contains(&lease.id())));
                let id = claimed.as_ref().map(Lease::id);
                let waiting = self.tasks.iter_mut().find(|task| Some(task.id) == id);
                if let (Some(lease), Some(task)) = (claimed, waiting) {
                    task.change(Transition::Claim);
                    task.attempt += 1;
                    (task.expired, task.worker) = (expired, worker);
                    assert_eq!((lease.attempt(), lease.seq), (task.attempt, task.story.len() as u64));
                    self.leases.push(lease);
                }
            }
            Op::Heartbeat { lease, expired } => {
                if let Some((lease, task)) = self.lease(lease) {
                    let ttl = if expired { Duration::ZERO } else { LONG };
                    let beat = task.fence(lease).map(|()| {
                        task.expired = expired;
                        Heartbeat::new(task.cancelled)
                    });
                    assert_eq!(queue.heartbeat(lease, ttl).await, beat);
                }
            }
            Op::Append { lease, events } => {
                if let Some((lease, task)) = self.lease(lease) {
                    let events = vec![NewEvent::new(Keep::All, json!(task.attempt)); events];
                    let appended = task.fence(lease).map(|()| {
                        task.story.extend(events.iter().map(|_| EventKind::Progress));
                        task.story.len() as u64
                    });
                    let after = appended.as_ref().map_or(0, |last| last - events.len() as u64);
                    assert_eq!(queue.append(lease, after, &events).await, appended);
                }
            }
            Op::Finish { lease, how } => {
                if let Some((lease, task)) = self.lease(lease) {
                    let failure = TaskFailure::new("BROKEN", "it broke");
                    let (how, transition) = match how {
                        0 => (Finish::Succeeded(json!(1)), Transition::Succeed),
                        1 => (Finish::Failed { failure, retry: false }, Transition::Fail),
                        2 => (Finish::Failed { failure, retry: true }, Transition::Retry),
                        3 => (Finish::Cancelled, Transition::Cancel),
                        _ => (Finish::Released, Transition::Release),
                    };
                    let ended = task.fence(lease).map(|()| {
                        let failed = matches!(transition, Transition::Fail | Transition::Retry);
                        task.failures += u32::from(failed);
                        let spent =
                            transition == Transition::Retry && task.failures == ATTEMPTS && !task.cancelled;
                        task.dead = spent;
                        task.change(if spent { Transition::Fail } else { transition })
                    });
                    assert_eq!(queue.finish(lease, how).await, ended);
                }
            }
            Op::Cancel { task } => {
                if let Some(task) = choose(&mut self.tasks, task) {
                    if !task.state.is_terminal() {
                        task.cancelled = true;
                    }
                    if task.state == State::Pending {
                        task.change(Transition::Cancel);
                    }
                    let state =
                        if task.deleted { Err(QueueError::NotFound(task.id)) } else { Ok(task.state) };
                    assert_eq!(queue.cancel(&task.id).await, state);
                }
            }
            Op::Delete { task } => {
                if let Some(task) = choose(&mut self.tasks, task) {
                    let (id, state) = (task.id, task.state);
                    let deleted = match task {
                        Expected { deleted: true, .. } => Err(QueueError::NotFound(id)),
                        _ if !state.is_terminal() => Err(QueueError::NotFinished { id, state }),
                        _ => Ok(()),
                    };
                    assert_eq!(queue.delete(&id).await, deleted);
                    task.deleted |= deleted.is_ok();
                }
            }
            Op::Reap => {
                let lost = self.lose(|task| task.expired);
                assert_eq!(queue.reap(Duration::MAX).await, Ok(lost));
            }
        }
    }

    /// What becomes of running tasks that lose their leases, and how many they are.
    fn lose(&mut self, which: impl Fn(&Expected) -> bool) -> usize {
        let tasks = self.tasks.iter_mut().filter(|task| task.state == State::Started && which(task));
        tasks
            .map(|task| {
                task.lost += 1;
                let given_up = task.lost == MAX_LOST_LEASES;
                task.dead = given_up && !task.cancelled;
                task.change(if given_up { Transition::Fail } else { Transition::LoseLease });
            })
            .count()
    }

    /// The queue is what it should be.
    async fn check(&self) {
        for task in &self.tasks {
            if task.deleted {
                assert_eq!(self.queue.get(&task.id).await, Err(QueueError::NotFound(task.id)));
                continue;
            }
            let record = self.queue.get(&task.id).await.unwrap();
            let found = (record.state, record.attempt, record.lost_leases, record.cancel_requested);
            assert_eq!(found, (task.state, task.attempt, task.lost, task.cancelled));
            assert_eq!((record.failures, record.dead), (task.failures, task.dead));
            assert_eq!(record.finished_at.is_some(), task.state.is_terminal());
            assert_eq!(record.result.is_some(), task.state == State::Success);
            assert_eq!(record.error.is_some(), task.state == State::Failure);

            let log = self.queue.read(&task.id, 0, usize::MAX).await.unwrap();
            assert_eq!(log.iter().map(|entry| entry.kind).collect::<Vec<_>>(), task.story);
            assert_lawful(&log, task.state);
        }
    }
}

/// The laws of a log, without any model: numbers without gaps, attempts that rise, and one end.
fn assert_lawful(log: &[Entry], state: State) {
    for (n, entry) in log.iter().enumerate() {
        assert_eq!(entry.seq, Some(n as u64 + 1));
        assert_eq!(entry.kind.is_terminal(), state.is_terminal() && n + 1 == log.len());
    }
    for pair in log.windows(2) {
        let begins = u32::from(pair[1].kind == EventKind::Started);
        assert_eq!(pair[1].attempt, pair[0].attempt + begins);
        let in_an_attempt = matches!(pair[0].kind, EventKind::Started | EventKind::Progress);
        assert_eq!(in_an_attempt, begins == 0 && !(pair[0].kind == EventKind::Pending), "{pair:?}");
    }
}

fn choose(tasks: &mut [Expected], n: usize) -> Option<&mut Expected> {
    let n = n.checked_rem(tasks.len())?;
    tasks.get_mut(n)
}

/// Makes many queues and holds a random history of each against the model. The environment variable `PROPTEST_CASES` says how many.
pub fn histories<Kept, Made>(make: impl Fn() -> Made)
where
    Made: Future<Output = (Kept, Arc<dyn Queue>)>,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = Config { failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&vec(op(), 1..120), |ops| {
        runtime.block_on(async {
            let (_kept, queue) = make().await;
            let mut model = Model { queue, tasks: Vec::new(), leases: Vec::new(), paused: false };
            for (n, op) in ops.into_iter().enumerate() {
                model.step(op).await;
                if n % 8 == 0 {
                    model.check().await;
                }
            }
            model.check().await;
        });
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
