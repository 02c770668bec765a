//! What may happen, held against what does: a few facts of each task, which change by what was asked of the queue and by `State::apply` only.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    time::Duration,
};

use futures_util::FutureExt as _;
use jiff::Timestamp;
use serde_json::json;
use tokio::time::Instant;

use crate::{
    Entry, EventKind, EventLog as _, Finish, Hold, Lease, MAX_LOST_LEASES, MemoryQueue, NewTask, QueueError,
    Seq, State, TaskFailure, TaskId, Transition, WorkerId, attempt::Outcome, clock,
};

/// Longer than any world lasts.
const FOREVER: Duration = Duration::from_hours(24 * 365);

/// How often something happened: its kind, and which.
pub(super) type Tally = BTreeMap<(&'static str, &'static str), u64>;

pub(super) struct Ledger {
    queue: MemoryQueue,
    born: Instant,
    /// In the order of submission.
    pub(super) cases: Vec<Case>,
    pub(super) paused: BTreeSet<String>,
    /// Since when queues that were paused are not.
    resumed: BTreeMap<String, Instant>,
    /// When leases were taken back last.
    reaped: Option<Instant>,
    /// What should not have happened.
    pub(super) wrongs: Vec<String>,
    pub(super) tally: Tally,
}

/// A task, as the log has told of it so far.
pub(super) struct Case {
    pub(super) id: TaskId,
    pub(super) task: NewTask,
    pub(super) state: State,
    pub(super) attempt: u32,
    pub(super) failures: u32,
    pub(super) lost: u32,
    pub(super) dead: bool,
    /// When somebody asked to cancel it.
    pub(super) cancelled: Option<Instant>,
    /// Who holds its lease, since when and until when.
    pub(super) worker: Option<WorkerId>,
    claimed: Instant,
    lease_ends: Instant,
    /// While it waits: before the first instant nobody may claim it, from the second on somebody may.
    due: (Instant, Instant),
    expires: Option<Instant>,
    /// Until when it has its unique key.
    key_until: Option<Instant>,
    /// The end that a client was told of.
    pub(super) told: Option<State>,
    pub(super) log: Vec<Entry>,
    /// When each entry came to the log.
    pub(super) written: Vec<Timestamp>,
    /// What was done in each attempt.
    pub(super) attempts: BTreeMap<u32, Attempt>,
}

/// What the work of an attempt did.
#[derive(Default)]
pub(super) struct Attempt {
    /// How many events it emitted that are kept.
    pub(super) emitted: u64,
    pub(super) outcome: Option<Outcome>,
    /// Whether the attempt was ended by that outcome, and so not before all its events were in the log.
    pub(super) complete: bool,
}

/// What was asked of the queue when it wrote an entry.
#[derive(Clone, Copy)]
pub(super) enum Cause<'a> {
    /// Nothing that concerns this task.
    Nothing,
    Submit,
    Claim(&'a WorkerId, Duration),
    Append,
    Finish(&'a Finish),
    Cancel,
    Reap,
    Disown(&'a WorkerId),
}

impl Ledger {
    pub(super) fn new(queue: MemoryQueue) -> Self {
        let (cases, paused, resumed, reaped, wrongs, tally) = Default::default();
        Self { queue, born: Instant::now(), cases, paused, resumed, reaped, wrongs, tally }
    }

    /// Leases are about to be taken back: after a silence each lasts for a while.
    pub(super) fn look(&mut self, every: Duration) {
        let now = Instant::now();
        if self.reaped.replace(now).is_some_and(|before| now - before > 2 * every) {
            self.count("silence", "before reaping");
            for case in &mut self.cases {
                case.lease_ends = case.lease_ends.max(now + 2 * every);
            }
        }
    }

    pub(super) fn wrong(&mut self, why: impl Display) {
        self.wrongs.push(format!("{:9.3} {why}", self.born.elapsed().as_secs_f64()));
    }

    pub(super) fn count(&mut self, kind: &'static str, which: &'static str) {
        *self.tally.entry((kind, which)).or_default() += 1;
    }

    pub(super) fn find(&self, id: &TaskId) -> Option<usize> {
        self.cases.iter().position(|case| case.id == *id)
    }

    /// What is known of a task; `None` is wrong in itself, since every task was submitted here.
    pub(super) fn case(&mut self, id: &TaskId) -> Option<&mut Case> {
        let found = self.find(id);
        if found.is_none() {
            self.wrong(format!("task {id} was never submitted"));
        }
        found.map(|n| &mut self.cases[n])
    }

    /// Whether a lease still stands.
    pub(super) fn stands(&self, lease: &Lease) -> bool {
        self.find(&lease.id()).is_some_and(|n| {
            let case = &self.cases[n];
            case.state == State::Started && case.attempt == lease.attempt()
        })
    }

    /// How a task is refused whose unique key another one has.
    pub(super) fn taken(&self, task: &NewTask) -> Option<QueueError> {
        let key = &task.schedule.unique.as_ref()?.key;
        let now = Instant::now();
        let by = self.cases.iter().find(|case| {
            let has = case.key_until.is_some_and(|until| until > now);
            has && case.task.schedule.unique.as_ref().is_some_and(|unique| unique.key == *key)
        });
        by.map(|case| QueueError::NotUnique { key: key.clone(), by: case.id })
    }

    pub(super) fn resume(&mut self, queue: &str) {
        self.paused.remove(queue);
        self.resumed.insert(queue.to_owned(), Instant::now());
    }

    /// Since when somebody may claim a task that waits.
    pub(super) fn claimable_since(&self, case: &Case) -> Instant {
        let resumed = self.resumed.get(&case.task.queue).copied();
        case.due.1.max(resumed.unwrap_or(self.born))
    }

    /// Reads on in the log of a task and returns how many entries there were.
    pub(super) fn learn(&mut self, n: usize, cause: Cause<'_>) -> usize {
        let case = &mut self.cases[n];
        let news = self.queue.read(&case.id, case.log.len() as Seq, usize::MAX).now_or_never();
        let news = news.expect("memory does not wait").unwrap_or_default();
        let count = news.len();
        for entry in news {
            let case = &mut self.cases[n];
            let learnt = case.learn(&entry, cause);
            // A change is dated by the queue, progress by whoever made it.
            let changed = entry.kind != EventKind::Progress;
            case.written.push(if changed { entry.at } else { clock::timestamp() });
            case.log.push(entry);
            match learnt {
                Ok(None) => {}
                Ok(Some(which)) => self.count("change", which),
                Err(why) => self.wrong(format!("#{n}: {why}: {:?}", self.cases[n].log.last())),
            }
        }
        count
    }

    /// Reads on in the logs of all that has not ended.
    pub(super) fn learn_all(&mut self, cause: Cause<'_>) {
        for n in 0..self.cases.len() {
            if !self.cases[n].state.is_terminal() {
                self.learn(n, cause);
            }
        }
    }
}

impl Case {
    pub(super) fn new(id: TaskId, task: NewTask) -> Self {
        let now = Instant::now();
        let instant = |moment: Timestamp| {
            now + Duration::try_from(moment.duration_since(clock::timestamp())).unwrap_or_default()
        };
        let due = task.schedule.eta.map_or(now, instant);
        let hold = task.schedule.unique.as_ref().map(|unique| unique.hold);
        Self {
            id,
            state: State::Pending,
            attempt: 0,
            failures: 0,
            lost: 0,
            dead: false,
            cancelled: None,
            worker: None,
            claimed: now,
            lease_ends: now,
            due: (due, due),
            expires: task.schedule.expires.map(instant),
            key_until: hold.map(|hold| now + if let Hold::Period(period) = hold { period } else { FOREVER }),
            task,
            told: None,
            log: Vec::new(),
            written: Vec::new(),
            attempts: BTreeMap::new(),
        }
    }

    /// Whether nothing speaks against a claim.
    pub(super) fn can_be_claimed(&self) -> bool {
        let now = Instant::now();
        self.state == State::Pending && self.due.1 <= now && self.expires.is_none_or(|expires| expires > now)
    }

    pub(super) fn cancelled(&self) -> bool {
        self.cancelled.is_some()
    }

    /// Whether its lease has run out.
    pub(super) fn is_overdue(&self) -> bool {
        self.state == State::Started && self.lease_ends <= Instant::now()
    }

    /// Its lease lasts for so long from now on.
    pub(super) fn extend(&mut self, ttl: Duration) {
        self.lease_ends = Instant::now() + ttl;
    }

    /// Takes in the next entry of its log and returns the change that it tells of.
    fn learn(&mut self, entry: &Entry, cause: Cause<'_>) -> Result<Option<&'static str>, String> {
        let change = if entry.details == json!({"reason": "expired"}) {
            let expired = self.expires.is_some_and(|expires| expires <= Instant::now());
            ensure(expired, "it expired too early")?;
            Some(Transition::Expire)
        } else {
            self.change(cause)?
        };
        if let Some(change) = change {
            self.state = self.state.apply(change).map_err(|illegal| illegal.to_string())?;
        }
        let kind = if matches!(cause, Cause::Append) { EventKind::Progress } else { self.state.into() };
        ensure(entry.kind == kind, "this should be another event")?;
        ensure(entry.attempt == self.attempt, "this is of another attempt")?;
        ensure(entry.seq == Some(self.log.len() as Seq + 1), "the numbers have a gap")?;
        let let_go = match self.task.schedule.unique.as_ref().map(|unique| unique.hold) {
            Some(Hold::Queued) => self.state != State::Pending,
            Some(Hold::Running) => self.state.is_terminal(),
            Some(Hold::Period(_)) | None => false,
        };
        if let_go {
            self.key_until = None;
        }
        Ok(change.map(name))
    }

    /// What has to become of it.
    fn change(&mut self, cause: Cause<'_>) -> Result<Option<Transition>, String> {
        let now = Instant::now();
        let change = match cause {
            Cause::Nothing => return Err("nobody has asked for this".into()),
            Cause::Submit => return ensure(self.log.is_empty(), "it was submitted twice").map(|()| None),
            Cause::Append => {
                return ensure(self.state == State::Started, "nobody may write").map(|()| None);
            }
            Cause::Claim(worker, ttl) => {
                ensure(!self.cancelled(), "it was cancelled")?;
                ensure(self.due.0 <= now, "it is not due")?;
                ensure(self.expires.is_none_or(|expires| expires > now), "it has expired")?;
                self.attempt += 1;
                (self.worker, self.claimed, self.lease_ends) = (Some(worker.clone()), now, now + ttl);
                Transition::Claim
            }
            Cause::Finish(how) => {
                self.justify(how)?;
                self.due = (now, now);
                self.finish(how)
            }
            Cause::Cancel => {
                ensure(self.state == State::Pending, "it runs")?;
                Transition::Cancel
            }
            Cause::Reap => {
                ensure(self.lease_ends <= now, "its lease had not run out")?;
                self.lose()
            }
            Cause::Disown(worker) => {
                ensure(self.worker.as_ref() == Some(worker), "it was not the worker's")?;
                self.lose()
            }
        };
        Ok(Some(change))
    }

    /// Whether the work of the attempt gave reason to end it like that.
    fn justify(&mut self, how: &Finish) -> Result<(), String> {
        let passed = self.claimed.elapsed();
        let limits = self.task.schedule.limits;
        let attempt = self.attempts.entry(self.attempt).or_default();
        let justified = match (how, &attempt.outcome) {
            (Finish::Released, _) => return Ok(()),
            (Finish::Failed { failure, retry: false }, _) if failure.code == TaskFailure::TIME_LIMIT => {
                let late = [limits.soft, limits.hard].into_iter().flatten().any(|limit| limit <= passed);
                return ensure(late, "it had time");
            }
            (Finish::Failed { failure, retry: false }, None) if failure.code == TaskFailure::UNKNOWN_TASK => {
                self.task.name == super::work::UNKNOWN
            }
            (Finish::Failed { failure, retry: false }, None) if failure.code == TaskFailure::ABANDONED => {
                self.task.queue.starts_with("tracked-")
            }
            (Finish::Succeeded(result), Some(Ok(outcome))) => result == outcome,
            (Finish::Cancelled, Some(Err(outcome))) => outcome.is_cancelled() && self.cancelled.is_some(),
            (Finish::Failed { failure, retry }, Some(Err(outcome))) => {
                failure == outcome && *retry == outcome.transient
            }
            _ => false,
        };
        attempt.complete = justified;
        ensure(justified, "its work had come to something else")
    }

    fn finish(&mut self, how: &Finish) -> Transition {
        match how {
            Finish::Succeeded(_) => Transition::Succeed,
            Finish::Failed { retry, .. } => {
                self.failures += 1;
                let retries = self.task.schedule.retry;
                match retry {
                    true if self.cancelled() => Transition::Cancel,
                    true if self.failures < retries.attempts => {
                        let doubled = retries.first * 2_u32.pow(self.failures - 1);
                        let pause = doubled.min(retries.longest);
                        self.due = (Instant::now() + pause / 2, Instant::now() + pause);
                        Transition::Retry
                    }
                    _ => {
                        self.dead = *retry;
                        Transition::Fail
                    }
                }
            }
            Finish::Released if !self.cancelled() => Transition::Release,
            Finish::Released | Finish::Cancelled => Transition::Cancel,
        }
    }

    fn lose(&mut self) -> Transition {
        self.lost += 1;
        self.due = (Instant::now(), Instant::now());
        if self.lost == MAX_LOST_LEASES {
            self.dead = !self.cancelled();
            Transition::Fail
        } else if self.cancelled() {
            Transition::Cancel
        } else {
            Transition::LoseLease
        }
    }
}

pub(super) fn ensure(condition: bool, otherwise: &str) -> Result<(), String> {
    if condition { Ok(()) } else { Err(otherwise.into()) }
}

fn name(change: Transition) -> &'static str {
    match change {
        Transition::Claim => "claimed",
        Transition::Retry => "retried",
        Transition::LoseLease => "lease lost",
        Transition::Release => "released",
        Transition::Succeed => "succeeded",
        Transition::Fail => "failed",
        Transition::Cancel => "cancelled",
        Transition::Expire => "expired",
    }
}
