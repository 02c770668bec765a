//! What lies between somebody and the queue, and can fail.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::{
    Broker, Change, Entry, EventLog, Finish, Heartbeat, Keep, Labels, Lease, ListQuery, NewEvent, NewTask,
    Page, QueueError, QueueStats, Result, Seq, State, TaskFailure, TaskId, TaskRecord, WorkerId, WorkerInfo,
};

use super::world::World;

/// The longest that a call is on its way after its caller has given up.
pub(super) const LATEST: u64 = 3000;

pub(super) struct Line {
    pub(super) world: Arc<World>,
    pub(super) who: Arc<str>,
    /// Cancelled when who is at this end is dead: nothing goes out or comes in any more.
    pub(super) severed: CancellationToken,
    state: Mutex<Condition>,
    /// Attempts whose outcome was to be written down, and was not: that has to be asked for again.
    owed: Mutex<BTreeSet<(TaskId, u32)>>,
}

struct Condition {
    /// Until then, who is at this end stands still.
    frozen: Instant,
    /// Until then, no call reaches the queue.
    cut: Instant,
    /// After so many calls, who is at this end dies: before the queue has heard of the call, or after it has answered.
    doom: Option<(u64, bool)>,
}

/// What happens to a call.
enum Trouble {
    None,
    /// It does not reach the queue.
    Unreached,
    /// It is done, and nobody is told.
    AnswerLost,
    /// Its caller gives up, and it is done later.
    Late(Duration),
}

impl Line {
    pub(super) fn new(world: &Arc<World>, who: &str) -> Arc<Self> {
        let now = Instant::now();
        Arc::new(Self {
            world: Arc::clone(world),
            who: who.into(),
            severed: CancellationToken::new(),
            state: Mutex::new(Condition { frozen: now, cut: now, doom: None }),
            owed: Mutex::default(),
        })
    }

    pub(super) fn freeze(&self, span: Duration) {
        self.state.lock().unwrap().frozen = Instant::now() + span;
    }

    pub(super) fn cut(&self, span: Duration) {
        self.state.lock().unwrap().cut = Instant::now() + span;
    }

    pub(super) fn doom(&self, calls: u64, after: bool) {
        self.state.lock().unwrap().doom = Some((calls, after));
    }

    /// Whether an outcome was asked for and then given up.
    pub(super) fn owes(&self) -> bool {
        !self.owed.lock().unwrap().is_empty()
    }

    /// Goes on if who is at this end does: not while it is frozen, and never once it is dead.
    pub(super) async fn alive(&self) {
        loop {
            if self.severed.is_cancelled() {
                return pending().await;
            }
            let frozen = self.state.lock().unwrap().frozen;
            if frozen <= Instant::now() {
                return;
            }
            sleep_until(frozen).await;
        }
    }

    async fn call<T, F>(
        &self,
        verb: &'static str,
        effect: impl FnOnce(Arc<World>, Arc<str>) -> F + Send,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        self.alive().await;
        let effect = effect(Arc::clone(&self.world), Arc::clone(&self.who));
        let (trouble, dies_after) = self.set_out(verb).await;
        let answer = match trouble {
            Trouble::None => effect.await,
            Trouble::Unreached => Err(away()),
            Trouble::AnswerLost => effect.await.and(Err(away())),
            Trouble::Late(delay) => {
                tokio::spawn(async move {
                    sleep(delay).await;
                    let _ = effect.await;
                });
                Err(away())
            }
        };
        if dies_after {
            self.die("after", verb).await;
        }
        self.travel().await;
        self.alive().await;
        answer
    }

    /// The way to the queue: what happens to this call, and whether its caller does not live to see the answer.
    async fn set_out(&self, verb: &'static str) -> (Trouble, bool) {
        let world = &self.world;
        let (cut, doom) = {
            let mut state = self.state.lock().unwrap();
            let doom = state.doom.take();
            state.doom = doom.and_then(|(calls, after)| Some((calls.checked_sub(1)?, after)));
            (state.cut > Instant::now(), doom.filter(|(calls, _)| *calls == 0).map(|(_, after)| after))
        };
        if doom == Some(false) {
            self.die("before", verb).await;
        }
        self.travel().await;
        let trouble = match world.trouble() {
            _ if cut => Trouble::Unreached,
            None => Trouble::None,
            Some(0) => Trouble::Unreached,
            Some(1) => Trouble::AnswerLost,
            Some(2) => Trouble::Late(world.chance.millis(0..=LATEST)),
            Some(_) => {
                world.count("slow", verb);
                sleep(world.chance.millis(50..=LATEST)).await;
                Trouble::None
            }
        };
        let kind = match trouble {
            Trouble::None => return (trouble, doom == Some(true)),
            Trouble::Unreached => "unreached",
            Trouble::AnswerLost => "answer lost",
            Trouble::Late(_) => "late",
        };
        world.count(kind, verb);
        world.tell(&self.who, || format!("{verb}: {kind}"));
        (trouble, doom == Some(true))
    }

    async fn travel(&self) {
        let chance = &self.world.chance;
        if chance.one_in(3) {
            sleep(chance.millis(1..=30)).await;
        }
    }

    async fn die(&self, when: &'static str, verb: &'static str) {
        self.world.count(if when == "before" { "died before" } else { "died after" }, verb);
        self.world.tell(&self.who, || format!("dies {when} {verb}"));
        self.severed.cancel();
        pending::<()>().await;
    }
}

fn away() -> QueueError {
    QueueError::Unavailable("the line is bad".into())
}

fn copy(lease: &Lease) -> Lease {
    Lease::new(lease.task.clone(), lease.worker.clone(), lease.seq)
}

#[async_trait]
impl Broker for Line {
    async fn submit(&self, task: NewTask) -> Result<TaskId> {
        self.call("submit", |world, who| async move { world.submit(&who, task).await }).await
    }

    async fn restore(&self, _: TaskRecord, _: Vec<Entry>) -> Result<()> {
        unimplemented!("nobody asks for it here")
    }

    async fn get(&self, id: &TaskId) -> Result<TaskRecord> {
        let id = *id;
        self.call("get", move |world, _| async move { world.queue.get(&id).await }).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Page<TaskRecord>> {
        let query = query.clone();
        self.call("list", |world, _| async move { world.queue.list(&query).await }).await
    }

    async fn claim(
        &self,
        worker: &WorkerId,
        queues: &[String],
        ttl: Duration,
        wait: Duration,
    ) -> Result<Option<Lease>> {
        let (worker, queues) = (worker.clone(), queues.to_owned());
        self.call(
            "claim",
            move |world, who| async move { world.claim(&who, &worker, &queues, ttl, wait).await },
        )
        .await
    }

    async fn heartbeat(&self, lease: &Lease, ttl: Duration) -> Result<Heartbeat> {
        let lease = copy(lease);
        self.call("heartbeat", move |world, who| async move { world.heartbeat(&who, &lease, ttl).await })
            .await
    }

    async fn checkpoint(&self, lease: &Lease, epoch: u64) -> Result<()> {
        let lease = copy(lease);
        self.call("checkpoint", move |world, _| async move { world.checkpoint(&lease, epoch).await }).await
    }

    async fn await_cancel(&self, lease: &Lease, wait: Duration) -> Result<bool> {
        let lease = copy(lease);
        self.call("await_cancel", move |world, _| async move { world.await_cancel(&lease, wait).await }).await
    }

    async fn finish(&self, lease: &Lease, how: Finish) -> Result<State> {
        let (lease, attempt) = (copy(lease), (lease.id(), lease.attempt()));
        // What was not the handler's own end is asked for within a moment, or left to the lease.
        let owed = match &how {
            Finish::Released => false,
            Finish::Failed { failure, .. } => failure.code != TaskFailure::TIME_LIMIT,
            Finish::Succeeded(_) | Finish::Cancelled => true,
        };
        self.owed.lock().unwrap().remove(&attempt);
        let answer = self.call("finish", |world, who| async move { world.finish(&who, &lease, how).await });
        let answer = answer.await;
        if owed && matches!(answer, Err(QueueError::Unavailable(_))) {
            self.owed.lock().unwrap().insert(attempt);
        }
        answer
    }

    async fn cancel(&self, id: &TaskId) -> Result<State> {
        let id = *id;
        self.call("cancel", move |world, who| async move { world.cancel(&who, &id).await }).await
    }

    async fn reap(&self, every: Duration) -> Result<usize> {
        self.call("reap", move |world, who| async move { world.reap(&who, every).await }).await
    }

    async fn disown(&self, worker: &WorkerId) -> Result<usize> {
        let worker = worker.clone();
        self.call("disown", |world, who| async move { world.disown(&who, &worker).await }).await
    }

    async fn holders(&self) -> Result<Vec<WorkerId>> {
        self.call("holders", |world, _| async move { world.queue.holders().await }).await
    }

    async fn attend(&self, worker: &WorkerInfo, ttl: Duration) -> Result<()> {
        let worker = worker.clone();
        self.call("attend", move |world, _| async move { world.queue.attend(&worker, ttl).await }).await
    }

    async fn leave(&self, worker: &WorkerId) -> Result<()> {
        let worker = worker.clone();
        self.call("leave", |world, _| async move { world.queue.leave(&worker).await }).await
    }

    async fn workers(&self) -> Result<Vec<WorkerInfo>> {
        self.call("workers", |world, _| async move { world.queue.workers().await }).await
    }

    async fn requeue(&self, id: &TaskId, labels: &BTreeMap<String, Option<String>>) -> Result<TaskId> {
        let (id, labels) = (*id, labels.clone());
        self.call("requeue", move |world, who| async move { world.requeue(&who, &id, &labels).await }).await
    }

    async fn pause(&self, queue: &str) -> Result<()> {
        let queue = queue.to_owned();
        self.call("pause", |world, who| async move { world.pause(&who, &queue).await }).await
    }

    async fn resume(&self, queue: &str) -> Result<()> {
        let queue = queue.to_owned();
        self.call("resume", |world, who| async move { world.resume(&who, &queue).await }).await
    }

    async fn stats(&self) -> Result<Vec<QueueStats>> {
        self.call("stats", |world, _| async move { world.queue.stats().await }).await
    }

    async fn delete(&self, _: &TaskId) -> Result<()> {
        unimplemented!("nobody asks for it here")
    }

    async fn annotate(&self, id: &TaskId, labels: &BTreeMap<String, Option<String>>) -> Result<Labels> {
        let (id, labels) = (*id, labels.clone());
        self.call("annotate", move |world, _| async move { world.queue.annotate(&id, &labels).await }).await
    }
}

#[async_trait]
impl EventLog for Line {
    async fn append(&self, lease: &Lease, after: Seq, events: &[NewEvent]) -> Result<Seq> {
        let (lease, events) = (copy(lease), events.to_owned());
        self.call("append", move |world, who| async move { world.append(&who, &lease, after, &events).await })
            .await
    }

    async fn read(&self, id: &TaskId, after: Seq, limit: usize) -> Result<Vec<Entry>> {
        let id = *id;
        self.call("read", move |world, _| async move { world.queue.read(&id, after, limit).await }).await
    }

    async fn follow(&self, id: &TaskId, after: Seq) -> Result<BoxStream<'static, Result<Entry>>> {
        let id = *id;
        self.call("follow", move |world, _| async move { world.queue.follow(&id, after).await }).await
    }

    async fn newest(&self, id: &TaskId, keep: Keep) -> Result<Option<Entry>> {
        let id = *id;
        self.call("newest", move |world, _| async move { world.queue.newest(&id, keep).await }).await
    }

    async fn follow_all(&self) -> Result<BoxStream<'static, Result<Change>>> {
        self.call("follow_all", |world, _| async move { world.queue.follow_all().await }).await
    }
}
