//! The verbs of the queue on plain data: no waiting, no locking.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, hash_map},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::{sync::Notify, time::Instant};

use crate::{
    Entry, EventKind, Finish, Hold, Keep, Labels, Lease, ListQuery, MAX_LOST_LEASES, NewEvent, NewTask, Page,
    QueueError, QueueStats, Result, Seq, State, TaskFailure, TaskId, TaskRecord, Transition, Unique,
    WorkerId, WorkerInfo, clock, event::not_yet_stored, task::relabel,
};

#[derive(Default)]
pub(super) struct Table {
    tasks: HashMap<TaskId, Task>,
    /// All tasks in the order of their age.
    order: BTreeMap<Age, TaskId>,
    /// The tasks of each queue that can be claimed, the first one first.
    waiting: HashMap<String, BTreeMap<Turn, TaskId>>,
    /// The tasks that wait and are not due yet, by when they are.
    scheduled: BTreeMap<Moment, TaskId>,
    /// The tasks that do not wait for ever, by when they expire.
    expiring: BTreeMap<Moment, TaskId>,
    /// The tasks that somebody holds a lease of.
    running: BTreeSet<TaskId>,
    /// Who has a unique key, and until when if not until it lets go.
    keys: HashMap<String, (TaskId, Option<Instant>)>,
    /// The queues of which nothing is claimed.
    paused: BTreeSet<String>,
    /// Who is there, and until when.
    workers: BTreeMap<WorkerId, (WorkerInfo, Instant)>,
    /// How many tasks were ever recorded.
    recorded: u64,
}

/// When a task was created, and its place among those of the same moment.
type Age = (Timestamp, u64);
/// Priority, and the place in the order of submission.
type Turn = (u8, u64);
/// When something is due, and the task's place.
type Moment = (Instant, u64);

struct Task {
    record: Arc<TaskRecord>,
    /// Its place in the order of submission: the first one that waits is the first to be claimed.
    place: u64,
    /// When its lease runs out, while it is `STARTED`.
    lease_ends: Instant,
    /// When it may be claimed, while it is `PENDING`.
    due: Instant,
    /// When it is revoked if it still waits.
    expires: Option<Instant>,
    /// Entry `n` is number `n + 1`.
    log: Vec<Arc<Entry>>,
    /// The transient event that is newer than the whole log.
    newest: Option<Arc<Entry>>,
    /// How many transient events there were.
    versions: u64,
    /// Wakes followers, and the worker that waits for a cancel request.
    wake: Arc<Notify>,
}

impl Table {
    pub(super) fn submit(&mut self, task: NewTask) -> Result<TaskId> {
        let id = task.id.unwrap_or_else(TaskId::random);
        if let Some(Unique { key, .. }) = &task.schedule.unique
            && let Some(&(by, _)) =
                self.keys.get(key).filter(|(_, until)| until.is_none_or(|until| until > clock::now()))
        {
            return Err(QueueError::NotUnique { key: key.clone(), by });
        }
        let task = self.insert(TaskRecord::new(id, task, clock::timestamp()))?;
        task.store(EventKind::Pending, json!({}), task.record.created_at);
        if let Some(Unique { key, hold }) = task.record.schedule.unique.clone() {
            let until = match hold {
                Hold::Period(period) => Some(clock::after(period)),
                Hold::Queued | Hold::Running => None,
            };
            self.keys.insert(key, (id, until));
        }
        self.index(&id);
        Ok(id)
    }

    pub(super) fn restore(&mut self, record: TaskRecord, log: Vec<Entry>) -> Result<()> {
        let (id, state) = (record.id, record.state);
        let details = match state {
            State::Success => record.result.clone().unwrap_or_default(),
            State::Failure => record.error.as_ref().map(describe).unwrap_or_default(),
            State::Revoked => json!({}),
            State::Pending | State::Started => return Err(QueueError::NotFinished { id, state }),
        };
        let task = self.insert(record)?;
        for entry in log.into_iter().filter(|entry| entry.seq.is_some() && !entry.kind.is_terminal()) {
            task.push(entry);
        }
        let ended = task.record.finished_at.unwrap_or(task.record.created_at);
        task.store(state.into(), details, ended);
        Ok(())
    }

    pub(super) fn record(&self, id: &TaskId) -> Result<Arc<TaskRecord>> {
        Ok(Arc::clone(&self.task(id)?.record))
    }

    pub(super) fn wake(&self, id: &TaskId) -> Result<Arc<Notify>> {
        Ok(Arc::clone(&self.task(id)?.wake))
    }

    pub(super) fn list(&self, query: &ListQuery) -> Result<Page<Arc<TaskRecord>>> {
        let before = match &query.cursor {
            Some(cursor) => age(cursor).ok_or_else(|| QueueError::InvalidCursor(cursor.clone()))?,
            None => (Timestamp::MAX, u64::MAX),
        };
        let limit = query.limit.max(1);
        let mut found = self
            .order
            .range(..before)
            .rev()
            .filter_map(|(_, id)| self.tasks.get(id))
            .filter(|task| query.matches(&task.record));
        let page: Vec<&Task> = found.by_ref().take(limit).collect();
        let next = match page.last() {
            Some(last) if found.next().is_some() => Some(last.cursor()),
            _ => None,
        };
        Ok(Page::new(page.into_iter().map(|task| Arc::clone(&task.record)).collect(), next))
    }

    pub(super) fn claim(
        &mut self,
        worker: &WorkerId,
        queues: &[String],
        ttl: Duration,
    ) -> Result<Option<Lease>> {
        self.tick()?;
        let first = queues
            .iter()
            .filter(|queue| !self.paused.contains(*queue))
            .filter_map(|queue| self.waiting.get(queue)?.first_key_value())
            .min()
            .map(|(_, id)| *id);
        let Some(id) = first else { return Ok(None) };
        let task = self.task_mut(&id)?;
        task.lease_ends = clock::after(ttl);
        let record = task.record_mut();
        record.attempt += 1;
        record.worker = Some(worker.clone());
        let details = json!({"attempt": record.attempt, "from_epoch": 0});
        self.change(&id, Transition::Claim, details)?;
        let task = self.task(&id)?;
        Ok(Some(Lease::new(TaskRecord::clone(&task.record), worker.clone(), task.log.len() as Seq)))
    }

    /// When the next task is due that is not yet.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.scheduled.first_key_value().map(|((due, _), _)| *due)
    }

    /// Lets come what is due, and go what has expired.
    fn tick(&mut self) -> Result<()> {
        let now = clock::now();
        while let Some(entry) = self.expiring.first_entry().filter(|entry| entry.key().0 <= now) {
            let id = entry.remove();
            if self.task(&id)?.record.state == State::Pending {
                self.change(&id, Transition::Expire, json!({"reason": "expired"}))?;
            }
        }
        while let Some(entry) = self.scheduled.first_entry().filter(|entry| entry.key().0 <= now) {
            let id = entry.remove();
            self.index(&id);
        }
        Ok(())
    }

    /// Extends the lease and returns whether somebody asked to cancel.
    pub(super) fn heartbeat(&mut self, lease: &Lease, ttl: Duration) -> Result<bool> {
        let task = self.leased(lease)?;
        task.lease_ends = clock::after(ttl);
        Ok(task.record.cancel_requested)
    }

    /// Whether somebody asked to cancel, and what wakes those who wait for that.
    pub(super) fn cancel_requested(&mut self, lease: &Lease) -> Result<(bool, Arc<Notify>)> {
        let task = self.leased(lease)?;
        Ok((task.record.cancel_requested, Arc::clone(&task.wake)))
    }

    pub(super) fn finish(&mut self, lease: &Lease, how: Finish) -> Result<State> {
        let task = self.leased(lease)?;
        let id = task.record.id;
        match how {
            Finish::Succeeded(result) => {
                task.record_mut().result = Some(result.clone());
                self.change(&id, Transition::Succeed, result)
            }
            Finish::Failed { failure, retry } => {
                let record = task.record_mut();
                record.failures += 1;
                let pause = match retry {
                    // It comes back only to be revoked.
                    true if record.cancel_requested => Some(Duration::ZERO),
                    true => record.schedule.retry.pause(id, record.failures),
                    false => None,
                };
                let Some(pause) = pause else {
                    record.dead = retry;
                    return self.fail(&id, failure);
                };
                let eta = clock::timestamp_after(pause);
                record.schedule.eta = Some(eta);
                task.due = clock::after(pause);
                let mut details = describe(&failure);
                details["reason"] = "retry".into();
                details["eta"] = json!(eta);
                self.give_back(&id, Transition::Retry, details)
            }
            Finish::Cancelled => self.change(&id, Transition::Cancel, json!({})),
            Finish::Released => self.give_back(&id, Transition::Release, json!({"reason": "released"})),
        }
    }

    pub(super) fn cancel(&mut self, id: &TaskId) -> Result<State> {
        let task = self.task_mut(id)?;
        let state = task.record.state;
        if state.is_terminal() {
            return Ok(state);
        }
        task.record_mut().cancel_requested = true;
        task.wake.notify_waiters();
        match state {
            State::Pending => self.change(id, Transition::Cancel, json!({})),
            _ => Ok(state),
        }
    }

    pub(super) fn reap(&mut self) -> Result<usize> {
        self.tick()?;
        let now = clock::now();
        self.lose(|task| task.lease_ends <= now)
    }

    pub(super) fn disown(&mut self, worker: &WorkerId) -> Result<usize> {
        self.lose(|task| task.record.worker.as_ref() == Some(worker))
    }

    pub(super) fn holders(&self) -> Vec<WorkerId> {
        let tasks = self.running.iter().filter_map(|id| self.tasks.get(id));
        let holders: BTreeSet<_> = tasks.filter_map(|task| task.record.worker.clone()).collect();
        holders.into_iter().collect()
    }

    /// Takes back the leases of these tasks.
    fn lose(&mut self, lost: impl Fn(&Task) -> bool) -> Result<usize> {
        let lost: Vec<TaskId> =
            self.running.iter().filter(|id| self.tasks.get(id).is_some_and(&lost)).copied().collect();
        for id in &lost {
            let record = self.task_mut(id)?.record_mut();
            record.lost_leases += 1;
            if record.lost_leases < MAX_LOST_LEASES {
                self.give_back(id, Transition::LoseLease, json!({"reason": "lease lost"}))?;
            } else {
                record.dead = !record.cancel_requested;
                let message = format!("the task lost its worker {MAX_LOST_LEASES} times");
                self.fail(id, TaskFailure::new(TaskFailure::WORKER_LOST, message))?;
            }
        }
        Ok(lost.len())
    }

    pub(super) fn attend(&mut self, worker: &WorkerInfo, ttl: Duration) {
        self.workers.insert(worker.id.clone(), (worker.clone(), clock::after(ttl)));
    }

    pub(super) fn leave(&mut self, worker: &WorkerId) {
        self.workers.remove(worker);
    }

    pub(super) fn workers(&mut self) -> Vec<WorkerInfo> {
        let now = clock::now();
        self.workers.retain(|_, (_, until)| *until > now);
        self.workers.values().map(|(worker, _)| worker.clone()).collect()
    }

    pub(super) fn requeue(
        &mut self,
        id: &TaskId,
        labels: &BTreeMap<String, Option<String>>,
    ) -> Result<TaskId> {
        let record = &self.task(id)?.record;
        if !record.dead {
            return Err(QueueError::NotDead(*id));
        }
        let mut task = NewTask::again(record);
        relabel(&mut task.labels, labels);
        let new = self.submit(task)?;
        self.task_mut(id)?.record_mut().dead = false;
        Ok(new)
    }

    pub(super) fn pause(&mut self, queue: &str) {
        self.paused.insert(queue.to_owned());
    }

    pub(super) fn resume(&mut self, queue: &str) {
        self.paused.remove(queue);
    }

    pub(super) fn stats(&self) -> Vec<QueueStats> {
        let now = clock::now();
        let mut all: BTreeMap<&str, QueueStats> = BTreeMap::new();
        for queue in &self.paused {
            all.insert(queue, QueueStats { paused: true, ..QueueStats::new(queue.as_str()) });
        }
        for Task { record, due, .. } in self.tasks.values() {
            let queue = record.queue.as_str();
            let stats = all.entry(queue).or_insert_with(|| QueueStats::new(queue));
            match record.state {
                State::Pending if *due > now => stats.scheduled += 1,
                State::Pending => stats.waiting += 1,
                State::Started => stats.running += 1,
                State::Failure if record.dead => stats.dead += 1,
                _ => {}
            }
        }
        all.into_values().filter(|stats| !stats.is_idle()).collect()
    }

    pub(super) fn delete(&mut self, id: &TaskId) -> Result<()> {
        let task = self.task(id)?;
        let state = task.record.state;
        if !state.is_terminal() {
            return Err(QueueError::NotFinished { id: *id, state });
        }
        let age = task.age();
        task.wake.notify_waiters();
        self.order.remove(&age);
        if let Some(task) = self.tasks.remove(id)
            && let Some(unique) = &task.record.schedule.unique
        {
            self.let_go(id, &unique.key);
        }
        Ok(())
    }

    pub(super) fn annotate(
        &mut self,
        id: &TaskId,
        labels: &BTreeMap<String, Option<String>>,
    ) -> Result<Labels> {
        let record = self.task_mut(id)?.record_mut();
        relabel(&mut record.labels, labels);
        Ok(record.labels.clone())
    }

    pub(super) fn append(&mut self, lease: &Lease, after: Seq, events: &[NewEvent]) -> Result<Seq> {
        let task = self.leased(lease)?;
        for event in not_yet_stored(events, after, task.log.len() as Seq) {
            match event.keep {
                Keep::All => task.store(EventKind::Progress, event.details.clone(), event.at),
                Keep::Newest => task.overwrite(event.details.clone(), event.at),
            }
        }
        task.wake.notify_waiters();
        Ok(task.log.len() as Seq)
    }

    pub(super) fn read(&self, id: &TaskId, after: Seq, limit: usize) -> Result<Vec<Arc<Entry>>> {
        let log = &self.task(id)?.log;
        let start = usize::try_from(after).map_or(log.len(), |after| after.min(log.len()));
        Ok(log[start..].iter().take(limit).cloned().collect())
    }

    /// The transient event that is newer than the whole log, and its version.
    pub(super) fn newest(&self, id: &TaskId) -> Result<Option<(u64, Arc<Entry>)>> {
        let task = self.task(id)?;
        Ok(task.newest.clone().map(|entry| (task.versions, entry)))
    }

    fn task(&self, id: &TaskId) -> Result<&Task> {
        self.tasks.get(id).ok_or(QueueError::NotFound(*id))
    }

    fn task_mut(&mut self, id: &TaskId) -> Result<&mut Task> {
        self.tasks.get_mut(id).ok_or(QueueError::NotFound(*id))
    }

    fn insert(&mut self, record: TaskRecord) -> Result<&mut Task> {
        let id = record.id;
        match self.tasks.entry(id) {
            hash_map::Entry::Occupied(_) => Err(QueueError::Duplicate(id)),
            hash_map::Entry::Vacant(vacancy) => {
                self.recorded += 1;
                let task = vacancy.insert(Task::new(record, self.recorded));
                self.order.insert(task.age(), id);
                Ok(task)
            }
        }
    }

    /// The fence: the task of a lease that still stands.
    fn leased(&mut self, lease: &Lease) -> Result<&mut Task> {
        let (id, attempt) = (lease.id(), lease.attempt());
        self.tasks
            .get_mut(&id)
            .filter(|task| task.record.state == State::Started && task.record.attempt == attempt)
            .ok_or(QueueError::StaleLease { id, attempt })
    }

    fn fail(&mut self, id: &TaskId, failure: TaskFailure) -> Result<State> {
        let details = describe(&failure);
        self.task_mut(id)?.record_mut().error = Some(failure);
        self.change(id, Transition::Fail, details)
    }

    /// Back to the queue, unless somebody asked to cancel: then that is due now.
    fn give_back(&mut self, id: &TaskId, transition: Transition, details: Value) -> Result<State> {
        if self.task(id)?.record.cancel_requested {
            self.change(id, Transition::Cancel, json!({}))
        } else {
            self.change(id, transition, details)
        }
    }

    /// The only place where a state changes, with its event and the indexes.
    fn change(&mut self, id: &TaskId, transition: Transition, details: Value) -> Result<State> {
        let now = clock::timestamp();
        let task = self.task_mut(id)?;
        let state = task.record.state.apply(transition)?;
        let record = task.record_mut();
        record.state = state;
        match state {
            State::Pending => (record.started_at, record.worker) = (None, None),
            State::Started => record.started_at = Some(now),
            State::Success | State::Failure | State::Revoked => record.finished_at = Some(now),
        }
        task.store(state.into(), details, now);
        task.wake.notify_waiters();
        if let Some(unique) = task.record.schedule.unique.clone().filter(|unique| unique.hold.ends(state)) {
            self.let_go(id, &unique.key);
        }
        self.index(id);
        Ok(state)
    }

    /// Frees a unique key, if this task has it.
    fn let_go(&mut self, id: &TaskId, key: &str) {
        if self.keys.get(key).is_some_and(|(by, _)| by == id) {
            self.keys.remove(key);
        }
    }

    /// Puts a task where its state says that it belongs.
    fn index(&mut self, id: &TaskId) {
        let Some(Task { record, place, due, expires, .. }) = self.tasks.get(id) else { return };
        let (turn, due, pending) =
            ((record.schedule.priority, *place), (*due, *place), record.state == State::Pending);
        let waits = pending && due.0 <= clock::now();
        keep(&mut self.scheduled, due, *id, pending && !waits);
        if let Some(expires) = expires {
            keep(&mut self.expiring, (*expires, *place), *id, pending);
        }
        if waits {
            self.waiting.entry(record.queue.clone()).or_default().insert(turn, *id);
        } else if let hash_map::Entry::Occupied(mut waiting) = self.waiting.entry(record.queue.clone()) {
            waiting.get_mut().remove(&turn);
            if waiting.get().is_empty() {
                waiting.remove();
            }
        }
        if record.state == State::Started {
            self.running.insert(*id);
        } else {
            self.running.remove(id);
        }
    }
}

impl Task {
    fn new(record: TaskRecord, place: u64) -> Self {
        Self {
            place,
            lease_ends: clock::now(),
            due: clock::after(record.schedule.eta.map(clock::until).unwrap_or_default()),
            expires: record.schedule.expires.map(|expires| clock::after(clock::until(expires))),
            record: Arc::new(record),
            log: Vec::new(),
            newest: None,
            versions: 0,
            wake: Arc::default(),
        }
    }

    fn age(&self) -> Age {
        (self.record.created_at, self.place)
    }

    /// Where a listing goes on that ended with this task.
    fn cursor(&self) -> String {
        let (created, place) = self.age();
        format!("{created}/{place}")
    }

    fn record_mut(&mut self) -> &mut TaskRecord {
        Arc::make_mut(&mut self.record)
    }

    /// Adds an event to the log. It is newer than the transient one, which goes.
    fn store(&mut self, kind: EventKind, details: Value, at: Timestamp) {
        self.push(Entry::new(kind, None, self.record.attempt, details, at));
        self.newest = None;
    }

    /// Numbers an entry and adds it to the log.
    fn push(&mut self, entry: Entry) {
        let seq = Some(self.log.len() as Seq + 1);
        self.log.push(Arc::new(Entry { seq, ..entry }));
    }

    /// Replaces the transient event.
    fn overwrite(&mut self, details: Value, at: Timestamp) {
        let entry = Entry::new(EventKind::Progress, None, self.record.attempt, details, at);
        self.newest = Some(Arc::new(entry));
        self.versions += 1;
    }
}

/// Keeps an entry of an index, or keeps it out.
fn keep(index: &mut BTreeMap<Moment, TaskId>, moment: Moment, id: TaskId, belongs: bool) {
    if belongs {
        index.insert(moment, id);
    } else {
        index.remove(&moment);
    }
}

/// Reads a cursor.
fn age(cursor: &str) -> Option<Age> {
    let (created, place) = cursor.split_once('/')?;
    Some((created.parse().ok()?, place.parse().ok()?))
}

/// What watchers are told of a failure.
fn describe(failure: &TaskFailure) -> Value {
    json!({"error_code": failure.code, "message": failure.message})
}
