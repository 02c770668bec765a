//! What each verb makes of a task's record, and the event that tells of it: the same in every storage.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    Entry, Finish, MAX_LOST_LEASES, QueueError, Result, State, TaskFailure, TaskRecord, Transition, WorkerId,
    clock,
};

/// A storage calls one of these, stores record and event in one step, and puts the task where its new state says.
impl TaskRecord {
    /// The event of its submission.
    pub(crate) fn submitted(&self) -> Entry {
        self.tells(json!({}), self.created_at)
    }

    /// A worker takes it.
    pub(crate) fn claim(&mut self, worker: &WorkerId) -> Result<Entry> {
        self.attempt += 1;
        self.worker = Some(worker.clone());
        let details = json!({"attempt": self.attempt, "from_epoch": self.checkpoint});
        self.change(Transition::Claim, details)
    }

    /// Its work is safe up to here.
    pub(crate) fn reach(&mut self, epoch: u64) {
        if epoch > self.checkpoint {
            (self.checkpoint, self.lost_leases) = (epoch, 0);
        }
    }

    /// Its attempt ends. If it is to be tried again, its `eta` says when.
    pub(crate) fn finish(&mut self, how: Finish) -> Result<Entry> {
        match how {
            Finish::Succeeded(result) => {
                self.result = Some(result.clone());
                self.change(Transition::Succeed, result)
            }
            Finish::Failed { failure, retry } => {
                self.failures += 1;
                let pause = match retry {
                    // It comes back only to be revoked.
                    true if self.cancel_requested => Some(Duration::ZERO),
                    true => self.schedule.retry.pause(self.id, self.failures),
                    false => None,
                };
                let Some(pause) = pause else {
                    self.dead = retry;
                    return self.fail(failure);
                };
                let eta = clock::timestamp_after(pause);
                self.schedule.eta = Some(eta);
                let mut details = describe(&failure);
                details["reason"] = "retry".into();
                details["eta"] = json!(eta);
                self.give_back(Transition::Retry, details)
            }
            Finish::Cancelled => self.change(Transition::Cancel, json!({})),
            Finish::Released => self.give_back(Transition::Release, json!({"reason": "released"})),
        }
    }

    /// Its lease is taken back.
    pub(crate) fn lose_lease(&mut self) -> Result<Entry> {
        self.lost_leases += 1;
        if self.lost_leases < MAX_LOST_LEASES {
            return self.give_back(Transition::LoseLease, json!({"reason": "lease lost"}));
        }
        self.dead = !self.cancel_requested;
        let message = format!("the task lost its worker {MAX_LOST_LEASES} times");
        self.fail(TaskFailure::new(TaskFailure::WORKER_LOST, message))
    }

    /// Somebody asks to cancel it. There is an event if that ends it at once.
    pub(crate) fn cancel(&mut self) -> Result<Option<Entry>> {
        self.cancel_requested |= !self.state.is_terminal();
        match self.state {
            State::Pending => self.change(Transition::Cancel, json!({})).map(Some),
            _ => Ok(None),
        }
    }

    /// It waited for too long.
    pub(crate) fn expire(&mut self) -> Result<Entry> {
        self.change(Transition::Expire, json!({"reason": "expired"}))
    }

    /// The log of a record that is restored: what is left of its old one, and the end as the record has it.
    pub(crate) fn restored(&self, log: Vec<Entry>) -> Result<Vec<Entry>> {
        let (id, state) = (self.id, self.state);
        let details = match state {
            State::Success => self.result.clone().unwrap_or_default(),
            State::Failure => self.error.as_ref().map(describe).unwrap_or_default(),
            State::Revoked => json!({}),
            State::Pending | State::Started => return Err(QueueError::NotFinished { id, state }),
        };
        let end = self.tells(details, self.finished_at.unwrap_or(self.created_at));
        let left = log.into_iter().filter(|entry| entry.seq.is_some() && !entry.kind.is_terminal());
        Ok(left.chain([end]).collect())
    }

    fn fail(&mut self, failure: TaskFailure) -> Result<Entry> {
        let details = describe(&failure);
        self.error = Some(failure);
        self.change(Transition::Fail, details)
    }

    /// Back to the queue, unless somebody asked to cancel: then that is due now.
    fn give_back(&mut self, transition: Transition, details: Value) -> Result<Entry> {
        if self.cancel_requested {
            self.change(Transition::Cancel, json!({}))
        } else {
            self.change(transition, details)
        }
    }

    /// The only place where a state changes.
    fn change(&mut self, transition: Transition, details: Value) -> Result<Entry> {
        let now = clock::timestamp();
        self.state = self.state.apply(transition)?;
        match self.state {
            State::Pending => (self.started_at, self.worker) = (None, None),
            State::Started => self.started_at = Some(now),
            State::Success | State::Failure | State::Revoked => self.finished_at = Some(now),
        }
        Ok(self.tells(details, now))
    }

    /// The event that tells of its state.
    fn tells(&self, details: Value, at: Timestamp) -> Entry {
        Entry::new(self.state.into(), None, self.attempt, details, at)
    }
}

/// What watchers are told of a failure.
fn describe(failure: &TaskFailure) -> Value {
    json!({"error_code": failure.code, "message": failure.message})
}
