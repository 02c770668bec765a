//! The states of a task and the one table of its legal changes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a task stands.
///
/// ```text
///            claim            succeed, fail, cancel
/// PENDING ---------> STARTED ------------------------> SUCCESS | FAILURE | REVOKED
///    |  ^               |                                                   ^
///    |  '---------------'                                                   |
///    |   retry, lost lease, release                                         |
///    '----------------------------------------------------------------------'
///                              cancel, expire
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum State {
    /// Waits for a worker.
    Pending,
    /// A worker holds its lease.
    Started,
    /// Ended with a result.
    Success,
    /// Ended with an error.
    Failure,
    /// Ended by a cancel request.
    Revoked,
}

/// What may happen to a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transition {
    /// A worker takes the task.
    Claim,
    /// Its attempt failed and another one is wanted.
    Retry,
    /// Its worker was not heard of for longer than the lease.
    LoseLease,
    /// Its worker gives it back unfinished, as at a shutdown.
    Release,
    /// Its attempt came to a result.
    Succeed,
    /// Its attempt failed, or the task lost too many workers.
    Fail,
    /// It is called off: at once while it waits, by its worker while it runs.
    Cancel,
    /// It waited for longer than it may.
    Expire,
}

/// A change that [`State::apply`] does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a task that is {from} cannot {transition}")]
#[non_exhaustive]
pub struct IllegalTransition {
    /// The state the task is in, and stays in.
    pub from: State,
    /// What was to happen.
    pub transition: Transition,
}

impl State {
    /// All there are.
    #[cfg(any(feature = "sqlite", test))]
    pub(crate) const ALL: [Self; 5] =
        [Self::Pending, Self::Started, Self::Success, Self::Failure, Self::Revoked];

    /// The state after `transition`: the only table of what is legal.
    ///
    /// # Errors
    /// [`IllegalTransition`] for everything that is not in the table; in particular nothing leaves a terminal state.
    pub fn apply(self, transition: Transition) -> Result<Self, IllegalTransition> {
        match (self, transition) {
            (Self::Pending, Transition::Claim) => Ok(Self::Started),
            (Self::Started, Transition::Retry | Transition::LoseLease | Transition::Release) => {
                Ok(Self::Pending)
            }
            (Self::Started, Transition::Succeed) => Ok(Self::Success),
            (Self::Started, Transition::Fail) => Ok(Self::Failure),
            (Self::Pending | Self::Started, Transition::Cancel) | (Self::Pending, Transition::Expire) => {
                Ok(Self::Revoked)
            }
            (from, transition) => Err(IllegalTransition { from, transition }),
        }
    }

    /// Whether the task has ended and stays as it is.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Success | Self::Failure | Self::Revoked)
    }

    /// The name on the wire, in upper case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Started => "STARTED",
            Self::Success => "SUCCESS",
            Self::Failure => "FAILURE",
            Self::Revoked => "REVOKED",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Transition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Claim => "be claimed",
            Self::Retry => "be retried",
            Self::LoseLease => "lose its lease",
            Self::Release => "be released",
            Self::Succeed => "succeed",
            Self::Fail => "fail",
            Self::Cancel => "be cancelled",
            Self::Expire => "expire",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRANSITIONS: [Transition; 8] = [
        Transition::Claim,
        Transition::Retry,
        Transition::LoseLease,
        Transition::Release,
        Transition::Succeed,
        Transition::Fail,
        Transition::Cancel,
        Transition::Expire,
    ];

    #[test]
    fn nothing_leaves_a_terminal_state() {
        for state in State::ALL.into_iter().filter(|state| state.is_terminal()) {
            for transition in TRANSITIONS {
                let error = IllegalTransition { from: state, transition };
                assert_eq!(state.apply(transition), Err(error));
                assert!(error.to_string().contains(state.as_str()));
            }
        }
    }

    #[test]
    fn every_state_can_be_reached_and_only_a_claim_starts() {
        let mut reached = vec![State::Pending];
        for _ in State::ALL {
            for transition in TRANSITIONS {
                let next: Vec<_> = reached.iter().filter_map(|s| s.apply(transition).ok()).collect();
                assert!(transition == Transition::Claim || !next.contains(&State::Started));
                reached.extend(next);
                reached.dedup();
            }
        }
        assert!(State::ALL.iter().all(|state| reached.contains(state)));
    }

    #[test]
    fn the_wire_name_is_the_displayed_one() {
        for state in State::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.to_string());
        }
    }
}
