//! Entries of a task's log.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{State, clock};

/// The place of a stored event in its task's log: 1, 2, 3, ... without gaps.
pub type Seq = u64;

/// What an event tells: a change of state, or progress within one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum EventKind {
    /// The task waits: submitted, or given back.
    Pending,
    /// An attempt began; `details` has its number as `attempt`, and as `from_epoch` how far earlier attempts stay valid
    /// (0: the work begins anew).
    Started,
    /// The worker reports; `details` is what it said.
    Progress,
    /// The task ended well; `details` is its result.
    Success,
    /// The task failed; `details` has `error_code` and `message`.
    Failure,
    /// The task was cancelled.
    Revoked,
}

impl EventKind {
    /// Whether this is the last event of its task.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Success | Self::Failure | Self::Revoked)
    }

    /// The name on the wire, in upper case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => State::Pending.as_str(),
            Self::Started => State::Started.as_str(),
            Self::Progress => "PROGRESS",
            Self::Success => State::Success.as_str(),
            Self::Failure => State::Failure.as_str(),
            Self::Revoked => State::Revoked.as_str(),
        }
    }
}

impl From<State> for EventKind {
    fn from(state: State) -> Self {
        match state {
            State::Pending => Self::Pending,
            State::Started => Self::Started,
            State::Success => Self::Success,
            State::Failure => Self::Failure,
            State::Revoked => Self::Revoked,
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How much of a stream of progress events is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Keep {
    /// Every event is stored, numbered and replayed to late followers.
    All,
    /// Only the newest event matters: it overwrites the one before it, is seen by those who follow just then, is never stored,
    /// and gives way to the next stored event. For what changes many times a second.
    Newest,
}

/// A progress event that a worker appends. Changes of state are not among them: they are written by the queue itself.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct NewEvent {
    /// How it is kept.
    pub keep: Keep,
    /// What it says.
    pub details: Value,
    /// When it happened.
    pub at: Timestamp,
}

impl NewEvent {
    /// An event that happens now.
    pub fn new(keep: Keep, details: Value) -> Self {
        Self { keep, details, at: clock::timestamp() }
    }

    /// As an entry, without a number.
    pub(crate) fn entry(&self, attempt: u32) -> Entry {
        Entry::new(EventKind::Progress, None, attempt, self.details.clone(), self.at)
    }
}

/// What is left to append of a batch whose stored events begin after number `after`, in a log that ends with number `last`.
pub(crate) fn not_yet_stored(events: &[NewEvent], after: Seq, last: Seq) -> impl Iterator<Item = &NewEvent> {
    let mut there = last.saturating_sub(after);
    events.iter().filter(move |event| {
        let known = event.keep == Keep::All && there > 0;
        there -= u64::from(known);
        !known
    })
}

/// An event as followers see it.
///
/// As JSON it is `{"state": "PROGRESS", "seq": 7, "attempt": 1, "details": {..}, "at": ".."}`, without `seq` where there is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Entry {
    /// What it tells.
    #[serde(rename = "state")]
    pub kind: EventKind,
    /// Its place in the log; `None` for an event that is not stored ([`Keep::Newest`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<Seq>,
    /// The attempt it belongs to; 0 before the first claim.
    pub attempt: u32,
    /// What it says.
    pub details: Value,
    /// When it happened.
    pub at: Timestamp,
}

impl Entry {
    /// An entry of all its parts.
    pub fn new(kind: EventKind, seq: Option<Seq>, attempt: u32, details: Value, at: Timestamp) -> Self {
        Self { kind, seq, attempt, details, at }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_entry_has_the_wire_form() {
        let at = "2026-03-01T12:00:00Z".parse().unwrap();
        let entry = Entry::new(EventKind::Progress, Some(7), 2, json!({"done": 3}), at);
        let wire = json!({"state": "PROGRESS", "seq": 7, "attempt": 2, "details": {"done": 3}, "at": "2026-03-01T12:00:00Z"});
        assert_eq!(serde_json::to_value(&entry).unwrap(), wire);
        assert_eq!(serde_json::from_value::<Entry>(wire).unwrap(), entry);

        let transient = Entry { seq: None, ..entry };
        assert!(serde_json::to_value(&transient).unwrap().get("seq").is_none());
    }

    #[test]
    fn every_state_has_its_event_of_the_same_name() {
        for state in State::ALL {
            let kind = EventKind::from(state);
            assert_eq!(kind.as_str(), state.as_str());
            assert_eq!(kind.is_terminal(), state.is_terminal());
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.to_string());
        }
    }
}
