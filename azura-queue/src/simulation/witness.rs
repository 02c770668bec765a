//! The verbs of the queue, right at the queue: what it answers, and what it does, is held against the ledger.

use std::{
    collections::BTreeMap,
    fmt::{Debug, Write as _},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    Broker as _, EventLog as _, Finish, Heartbeat, Lease, NewEvent, NewTask, QueueError, Result, Seq, State,
    TaskId, WorkerId,
};

use super::{
    ledger::{Case, Cause, Ledger},
    world::World,
};

/// How a stale lease is refused.
fn stale<T>(lease: &Lease) -> Result<T> {
    Err(QueueError::StaleLease { id: lease.id(), attempt: lease.attempt() })
}

impl Ledger {
    fn compare<T: PartialEq + Debug>(&mut self, verb: &str, answer: &T, expected: &T) {
        if answer != expected {
            self.wrong(format!("{verb} answered {answer:?} instead of {expected:?}"));
        }
    }

    /// A task as a history names it.
    pub(super) fn name(&self, id: &TaskId) -> String {
        self.find(id).map_or_else(|| id.to_string(), |n| format!("#{n}"))
    }

    /// Counts what is refused.
    fn fence(&mut self, verb: &'static str, stands: bool) {
        if !stands {
            self.count("stale", verb);
        }
    }

    fn attempt(&self, lease: &Lease) -> String {
        format!("{}/{}", self.name(&lease.id()), lease.attempt())
    }
}

impl World {
    pub(super) async fn submit(&self, who: &str, task: NewTask) -> Result<TaskId> {
        let id = task.id.unwrap();
        let expected = {
            let mut ledger = self.ledger();
            ledger.learn_all(Cause::Nothing);
            if ledger.find(&id).is_some() {
                Err(QueueError::Duplicate(id))
            } else {
                ledger.taken(&task).map_or(Ok(id), Err)
            }
        };
        let answer = self.queue.submit(task.clone()).await;
        let mut ledger = self.ledger();
        ledger.compare("submit", &answer, &expected);
        if answer.is_ok() {
            ledger.cases.push(Case::new(id, task.clone()));
            let n = ledger.cases.len() - 1;
            ledger.learn(n, Cause::Submit);
        }
        if let Err(QueueError::NotUnique { .. }) = answer {
            ledger.count("refused", "key is taken");
        }
        self.tell(who, || {
            format!("submits {} {:?}: {answer:?}", ledger.name(&id), (&task.name, &task.schedule))
        });
        answer
    }

    pub(super) async fn claim(
        &self,
        who: &str,
        worker: &WorkerId,
        queues: &[String],
        ttl: Duration,
        wait: Duration,
    ) -> Result<Option<Lease>> {
        let asked = Instant::now();
        let answer = self.queue.claim(worker, queues, ttl, wait).await;
        let mut ledger = self.ledger();
        let claimed = answer.as_ref().ok().and_then(|lease| ledger.find(&lease.as_ref()?.id()));
        let open =
            |case: &Case| queues.contains(&case.task.queue) && !ledger.paused.contains(&case.task.queue);
        let most_urgent = ledger.cases.iter().filter(|case| open(case) && case.can_be_claimed());
        let most_urgent = most_urgent.map(|case| case.task.schedule.priority).min();
        let (Some(n), Ok(Some(lease))) = (claimed, &answer) else {
            ledger.compare("claim", &(answer.as_ref(), most_urgent), &(Ok(&None), None));
            return answer;
        };
        let case = &ledger.cases[n];
        let since = ledger.claimable_since(case).max(asked);
        let law = [
            (open(case), "it is of a queue that is not to be claimed from"),
            (most_urgent.is_none_or(|other| case.task.schedule.priority <= other), "another is more urgent"),
            // Timers go by milliseconds.
            (Instant::now() <= since + Duration::from_millis(1), "it could have been claimed earlier"),
        ];
        for (_, why) in law.into_iter().filter(|(lawful, _)| !lawful) {
            ledger.wrong(format!("#{n} was claimed, but {why}"));
        }
        ledger.learn(n, Cause::Claim(worker, ttl));
        let case = &ledger.cases[n];
        let expected = (case.attempt, case.log.len() as Seq, case.id, worker.clone(), State::Started);
        let found = (lease.attempt(), lease.seq, lease.task.id, lease.worker.clone(), lease.task.state);
        ledger.compare("claim", &found, &expected);
        self.tell(who, || format!("claims {}", ledger.attempt(lease)));
        answer
    }

    pub(super) async fn heartbeat(&self, who: &str, lease: &Lease, ttl: Duration) -> Result<Heartbeat> {
        let answer = self.queue.heartbeat(lease, ttl).await;
        let mut ledger = self.ledger();
        let stands = ledger.stands(lease);
        if let Some(case) = ledger.case(&lease.id()) {
            let expected = if stands { Ok(Heartbeat::new(case.cancelled())) } else { stale(lease) };
            if stands {
                case.extend(ttl);
            }
            ledger.compare("heartbeat", &answer, &expected);
        }
        ledger.fence("heartbeat", stands);
        self.tell(who, || format!("beats for {}: {answer:?}", ledger.attempt(lease)));
        answer
    }

    pub(super) async fn checkpoint(&self, lease: &Lease, epoch: u64) -> Result<()> {
        let answer = self.queue.checkpoint(lease, epoch).await;
        let mut ledger = self.ledger();
        let stands = ledger.stands(lease);
        ledger.fence("checkpoint", stands);
        ledger.compare("checkpoint", &answer, &if stands { Ok(()) } else { stale(lease) });
        answer
    }

    pub(super) async fn await_cancel(&self, lease: &Lease, wait: Duration) -> Result<bool> {
        let asked = Instant::now();
        let answer = self.queue.await_cancel(lease, wait).await;
        let mut ledger = self.ledger();
        let stands = ledger.stands(lease);
        if let Some(case) = ledger.case(&lease.id()) {
            let expected = if stands { Ok(case.cancelled()) } else { stale(lease) };
            let late = answer == Ok(true) && case.cancelled.is_some_and(|at| at.max(asked) < Instant::now());
            ledger.compare("await_cancel", &answer, &expected);
            ledger.compare("await_cancel, asked whether it is late,", &late, &false);
        }
        answer
    }

    pub(super) async fn append(
        &self,
        who: &str,
        lease: &Lease,
        after: Seq,
        events: &[NewEvent],
    ) -> Result<Seq> {
        self.catch_up(&lease.id());
        let answer = self.queue.append(lease, after, events).await;
        let mut ledger = self.ledger();
        let stands = ledger.stands(lease);
        if let Some(n) = ledger.find(&lease.id()) {
            let before = ledger.cases[n].log.len() as Seq;
            ledger.learn(n, Cause::Append);
            let expected = if stands { Ok(ledger.cases[n].log.len() as Seq) } else { stale(lease) };
            ledger.compare("append", &answer, &expected);
            if stands && before > after {
                ledger.count("repeated", "append");
            }
        }
        ledger.fence("append", stands);
        self.tell(who, || {
            let events: Vec<_> = events.iter().map(|event| event.details.to_string()).collect();
            format!("appends to {} after {after}: {} -> {answer:?}", ledger.attempt(lease), events.join(" "))
        });
        answer
    }

    pub(super) async fn finish(&self, who: &str, lease: &Lease, how: Finish) -> Result<State> {
        self.catch_up(&lease.id());
        let answer = self.queue.finish(lease, how.clone()).await;
        let mut ledger = self.ledger();
        let stands = ledger.stands(lease);
        if let Some(n) = ledger.find(&lease.id()) {
            let told = ledger.learn(n, Cause::Finish(&how));
            let done = ledger.cases[n].attempts.get(&lease.attempt()).is_some_and(|attempt| attempt.complete);
            if done && !stands {
                ledger.count("repeated", "finish");
            }
            let expected = if stands { Ok(ledger.cases[n].state) } else { stale(lease) };
            ledger.compare("finish", &answer, &expected);
            ledger.compare("events of finish", &told, &usize::from(stands));
        }
        ledger.fence("finish", stands);
        self.tell(who, || format!("finishes {}: {how:?} -> {answer:?}", ledger.attempt(lease)));
        answer
    }

    /// Reads on in the log of a task about which something is to be asked: it may have expired.
    fn catch_up(&self, id: &TaskId) {
        let mut ledger = self.ledger();
        if let Some(n) = ledger.find(id) {
            ledger.learn(n, Cause::Nothing);
        }
    }

    pub(super) async fn cancel(&self, who: &str, id: &TaskId) -> Result<State> {
        self.catch_up(id);
        let answer = self.queue.cancel(id).await;
        let mut ledger = self.ledger();
        if let Some(n) = ledger.find(id) {
            let case = &mut ledger.cases[n];
            let which = match case.state {
                State::Pending => "waiting",
                State::Started => "running",
                _ => "ended",
            };
            if which != "ended" {
                case.cancelled.get_or_insert(Instant::now());
            }
            ledger.learn(n, Cause::Cancel);
            let state = ledger.cases[n].state;
            ledger.compare("cancel", &answer, &Ok(state));
            ledger.count("cancel", which);
        } else {
            ledger.compare("cancel", &answer, &Err(QueueError::NotFound(*id)));
        }
        self.tell(who, || format!("cancels {}: {answer:?}", ledger.name(id)));
        answer
    }

    pub(super) async fn reap(&self, who: &str, every: Duration) -> Result<usize> {
        self.ledger().look(every);
        let overdue = self.overdue(Case::is_overdue);
        let answer = self.queue.reap(every).await;
        self.lost(who, Cause::Reap, overdue, &answer);
        answer
    }

    pub(super) async fn disown(&self, who: &str, worker: &WorkerId) -> Result<usize> {
        let held = |case: &Case| case.state == State::Started && case.worker.as_ref() == Some(worker);
        let overdue = self.overdue(held);
        let answer = self.queue.disown(worker).await;
        self.lost(who, Cause::Disown(worker), overdue, &answer);
        answer
    }

    fn overdue(&self, which: impl Fn(&Case) -> bool) -> usize {
        self.ledger().cases.iter().filter(|case| which(case)).count()
    }

    fn lost(&self, who: &str, cause: Cause<'_>, expected: usize, answer: &Result<usize>) {
        let mut ledger = self.ledger();
        ledger.compare("the number of lost leases", answer, &Ok(expected));
        if *answer == Ok(0) {
            return;
        }
        ledger.learn_all(cause);
        let left = ledger.cases.iter().filter(|case| case.is_overdue()).count();
        if matches!(cause, Cause::Reap) {
            ledger.compare("the number of leases that ran out and stand", &left, &0);
            ledger.count("lost", "by reaping");
        } else {
            ledger.count("lost", "by disowning");
        }
        self.tell(who, || format!("takes back {answer:?} leases"));
    }

    pub(super) async fn requeue(
        &self,
        who: &str,
        id: &TaskId,
        labels: &BTreeMap<String, Option<String>>,
    ) -> Result<TaskId> {
        self.ledger().learn_all(Cause::Nothing);
        let answer = self.queue.requeue(id, labels).await;
        let mut ledger = self.ledger();
        let Some(n) = ledger.find(id) else { return answer };
        let case = &ledger.cases[n];
        let (refusal, which) = match ledger.taken(&case.task) {
            _ if !case.dead => (Some(QueueError::NotDead(*id)), "not dead"),
            None => (None, "done"),
            refusal => (refusal, "key is taken"),
        };
        ledger.compare("requeue", &answer.clone().err(), &refusal);
        ledger.count("requeue", which);
        if let Ok(new) = answer {
            let mut task = ledger.cases[n].task.clone();
            (task.schedule.eta, task.schedule.expires) = (None, None);
            ledger.cases[n].dead = false;
            ledger.cases.push(Case::new(new, task));
            let n = ledger.cases.len() - 1;
            ledger.learn(n, Cause::Submit);
        }
        self.tell(who, || {
            let mut line = format!("requeues {}: {answer:?}", ledger.name(id));
            if let Ok(new) = answer {
                let _ = write!(line, ", {}", ledger.name(&new));
            }
            line
        });
        answer
    }

    pub(super) async fn pause(&self, who: &str, queue: &str) -> Result<()> {
        self.queue.pause(queue).await?;
        self.ledger().paused.insert(queue.to_owned());
        self.tell(who, || format!("pauses {queue}"));
        Ok(())
    }

    pub(super) async fn resume(&self, who: &str, queue: &str) -> Result<()> {
        self.queue.resume(queue).await?;
        self.ledger().resume(queue);
        self.tell(who, || format!("resumes {queue}"));
        Ok(())
    }
}
