//! The verbs of the queue on plain data: no waiting, no locking.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, hash_map},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::Instant;

use crate::{
    Change, Entry, EventKind, Finish, Gone, Hold, Keep, Labels, Lease, ListQuery, NewEvent, NewTask, Page,
    QueueError, QueueStats, Result, Seq, State, TaskId, TaskRecord, Unique, WorkerId, WorkerInfo, clock,
    event::not_yet_stored, follow::News, task::relabel, wake::Wakes,
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
    /// When leases were taken back last.
    reaped: Option<Instant>,
    /// How many tasks were ever recorded.
    recorded: u64,
    /// Told of all that others may wait for.
    pub(super) wakes: Arc<Wakes>,
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
    log: Vec<Entry>,
    /// The transient event that is newer than the whole log.
    newest: Option<Entry>,
    /// How many transient events there were.
    versions: u64,
}

impl Table {
    pub(super) fn submit(&mut self, task: NewTask) -> Result<TaskId> {
        let id = task.id.unwrap_or_else(TaskId::random);
        if self.tasks.contains_key(&id) {
            return Err(QueueError::Duplicate(id));
        }
        if let Some(Unique { key, .. }) = &task.schedule.unique
            && let Some(&(by, _)) =
                self.keys.get(key).filter(|(_, until)| until.is_none_or(|until| until > clock::now()))
        {
            return Err(QueueError::NotUnique { key: key.clone(), by });
        }
        let task = self.insert(TaskRecord::new(id, task, clock::timestamp()))?;
        task.store(task.record.submitted());
        if let Some(Unique { key, hold }) = task.record.schedule.unique.clone() {
            let until = match hold {
                Hold::Period(period) => Some(clock::after(period)),
                Hold::Queued | Hold::Running => None,
            };
            self.keys.insert(key, (id, until));
        }
        self.index(&id);
        self.wakes.tell(&Change::Task(id));
        self.wakes.ready.notify_waiters();
        Ok(id)
    }

    pub(super) fn restore(&mut self, record: TaskRecord, log: Vec<Entry>) -> Result<()> {
        let (id, log) = (record.id, record.restored(log)?);
        let task = self.insert(record)?;
        for entry in log {
            task.store(entry);
        }
        self.wakes.tell(&Change::Task(id));
        Ok(())
    }

    pub(super) fn record(&self, id: &TaskId) -> Result<Arc<TaskRecord>> {
        Ok(Arc::clone(&self.task(id)?.record))
    }

    pub(super) fn list(&self, query: &ListQuery) -> Result<Page<Arc<TaskRecord>>> {
        let before = match &query.cursor {
            Some(cursor) => age(cursor).ok_or_else(|| QueueError::InvalidCursor(cursor.clone()))?,
            None => (Timestamp::MAX, u64::MAX),
        };
        let (limit, within) = (query.limit.max(1), query.submitted.as_ref());
        let before = within.map_or(before, |within| before.min((within.end, 0)));
        let mut found = self
            .order
            .range(..before)
            .rev()
            .take_while(|((created, _), _)| within.is_none_or(|within| *created >= within.start))
            .filter_map(|(_, id)| self.tasks.get(id))
            .filter(|task| query.matches(&task.record));
        let page: Vec<_> =
            found.by_ref().take(limit).map(|task| (Arc::clone(&task.record), task.cursor())).collect();
        Ok(Page::new(page, found.next().is_some()))
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
        let told = task.record_mut().claim(worker)?;
        self.changed(&id, told)?;
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
                let told = self.task_mut(&id)?.record_mut().expire()?;
                self.changed(&id, told)?;
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

    pub(super) fn checkpoint(&mut self, lease: &Lease, epoch: u64) -> Result<()> {
        self.leased(lease)?.record_mut().reach(epoch);
        Ok(())
    }

    /// Whether somebody asked to cancel.
    pub(super) fn cancel_requested(&mut self, lease: &Lease) -> Result<bool> {
        Ok(self.leased(lease)?.record.cancel_requested)
    }

    pub(super) fn finish(&mut self, lease: &Lease, how: Finish) -> Result<State> {
        let task = self.leased(lease)?;
        let told = task.record_mut().finish(how)?;
        self.changed(&lease.id(), told)
    }

    pub(super) fn cancel(&mut self, id: &TaskId) -> Result<State> {
        if let Some(told) = self.task_mut(id)?.record_mut().cancel()? {
            return self.changed(id, told);
        }
        self.wakes.tell(&Change::Task(*id));
        Ok(self.task(id)?.record.state)
    }

    pub(super) fn reap(&mut self, every: Duration) -> Result<usize> {
        self.tick()?;
        let (now, patience) = (clock::now(), every.saturating_mul(2));
        if self.reaped.replace(now).is_some_and(|before| now - before > patience) {
            for id in &self.running {
                if let Some(task) = self.tasks.get_mut(id) {
                    task.lease_ends = task.lease_ends.max(clock::after(patience));
                }
            }
        }
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
            let told = self.task_mut(id)?.record_mut().lose_lease()?;
            self.changed(id, told)?;
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
        self.wakes.tell(&Change::Task(*id));
        Ok(new)
    }

    pub(super) fn pause(&mut self, queue: &str) {
        self.paused.insert(queue.to_owned());
    }

    pub(super) fn resume(&mut self, queue: &str) {
        self.paused.remove(queue);
        self.wakes.ready.notify_waiters();
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
        self.order.remove(&age);
        if let Some(Task { record, .. }) = self.tasks.remove(id) {
            if let Some(unique) = &record.schedule.unique {
                self.let_go(id, &unique.key);
            }
            self.wakes.tell(&Change::Deleted(Gone::of(&record)));
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
        let labels = record.labels.clone();
        self.wakes.tell(&Change::Task(*id));
        Ok(labels)
    }

    pub(super) fn append(&mut self, lease: &Lease, after: Seq, events: &[NewEvent]) -> Result<Seq> {
        let task = self.leased(lease)?;
        for event in not_yet_stored(events, after, task.log.len() as Seq) {
            match event.keep {
                Keep::All => task.store(event.entry(lease.attempt())),
                Keep::Newest => task.overwrite(event.entry(lease.attempt())),
            }
        }
        let last = task.log.len() as Seq;
        self.wakes.tell(&Change::Task(lease.id()));
        Ok(last)
    }

    pub(super) fn read(&self, id: &TaskId, after: Seq, limit: usize) -> Result<Vec<Entry>> {
        let log = &self.task(id)?.log;
        let start = usize::try_from(after).map_or(log.len(), |after| after.min(log.len()));
        Ok(log[start..].iter().take(limit).cloned().collect())
    }

    pub(super) fn newest(&self, id: &TaskId, keep: Keep) -> Result<Option<Entry>> {
        let task = self.task(id)?;
        let newest = match keep {
            Keep::All => task.log.iter().rev().find(|entry| entry.kind == EventKind::Progress),
            Keep::Newest => task.newest.as_ref(),
        };
        Ok(newest.cloned())
    }

    pub(super) fn news(&self, id: &TaskId, after: Seq, limit: usize) -> Result<News> {
        let task = self.task(id)?;
        Ok(News {
            stored: self.read(id, after, limit)?,
            newest: task.newest.clone().map(|entry| (task.versions, entry)),
            ended: task.record.state.is_terminal(),
        })
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

    /// Every change of a state comes by here, with the event that tells of it.
    fn changed(&mut self, id: &TaskId, told: Entry) -> Result<State> {
        let task = self.task_mut(id)?;
        let state = task.record.state;
        if state == State::Pending {
            task.due = due(&task.record);
        }
        task.store(told);
        if let Some(unique) = task.record.schedule.unique.clone().filter(|unique| unique.hold.ends(state)) {
            self.let_go(id, &unique.key);
        }
        self.index(id);
        self.wakes.tell(&Change::Task(*id));
        if state == State::Pending {
            self.wakes.ready.notify_waiters();
        }
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
            due: due(&record),
            expires: record.schedule.expires.map(|expires| clock::after(clock::until(expires))),
            record: Arc::new(record),
            log: Vec::new(),
            newest: None,
            versions: 0,
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

    /// Numbers an event and adds it to the log. It is newer than the transient one, which goes.
    fn store(&mut self, entry: Entry) {
        let seq = Some(self.log.len() as Seq + 1);
        self.log.push(Entry { seq, ..entry });
        self.newest = None;
    }

    /// Replaces the transient event.
    fn overwrite(&mut self, entry: Entry) {
        self.newest = Some(entry);
        self.versions += 1;
    }
}

/// When a task may be claimed.
fn due(record: &TaskRecord) -> Instant {
    clock::after(record.schedule.eta.map(clock::until).unwrap_or_default())
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
