//! When a task runs, how often it is tried, and for how long.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{State, TaskId};

/// The least urgent priority; 0 is the most urgent one, as in Celery over Redis.
pub const LEAST_URGENT: u8 = 9;

/// How a task that failed in passing is tried again.
///
/// A handler says that its failure may pass with [`TaskFailure::transient`](crate::TaskFailure::transient). After the `n`th such failure the
/// task waits for `first * 2^(n-1)`, at most `longest`, shortened by up to half: by how much depends on the task's id and on `n`, so that
/// many tasks that failed together do not come back together. After the `attempts`th it is a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Retry {
    /// How often the task may fail, at least 1.
    pub attempts: u32,
    /// The pause after the first failure.
    pub first: Duration,
    /// No pause is longer.
    pub longest: Duration,
}

impl Default for Retry {
    /// Never again: one failure is the end.
    fn default() -> Self {
        Self { attempts: 1, first: Duration::from_secs(1), longest: Duration::from_mins(10) }
    }
}

impl Retry {
    /// Up to so many attempts, with pauses from 1 s to 10 min.
    pub fn attempts(attempts: u32) -> Self {
        Self { attempts: attempts.max(1), ..Self::default() }
    }

    /// Sets the pause after the first failure, and the longest pause.
    #[must_use]
    pub fn pauses(self, first: Duration, longest: Duration) -> Self {
        Self { first, longest, ..self }
    }

    /// How long `id` waits after its failure number `failures`; `None` if that was the last one.
    ///
    /// ```
    /// # use azura_queue::{Retry, TaskId};
    /// # use std::time::Duration;
    /// let retry = Retry::attempts(3).pauses(Duration::from_secs(4), Duration::from_secs(60));
    /// let id = TaskId::random();
    /// let (first, second) = (retry.pause(id, 1).unwrap(), retry.pause(id, 2).unwrap());
    /// assert!((2.0..=4.0).contains(&first.as_secs_f64()) && (4.0..=8.0).contains(&second.as_secs_f64()));
    /// assert_eq!(retry.pause(id, 3), None);
    /// ```
    pub fn pause(&self, id: TaskId, failures: u32) -> Option<Duration> {
        if failures >= self.attempts {
            return None;
        }
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
        let pause = self.first.saturating_mul(doubled).min(self.longest);
        // The id is random already; a multiplication spreads it anew for each failure.
        let mixed = id.low_bits().wrapping_add(u64::from(failures)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Some(pause.mul_f64(1.0 - (mixed >> 11) as f64 / 2_f64.powi(54)))
    }
}

/// A key that only one task may have at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Unique {
    /// The key.
    pub key: String,
    /// For how long the task has it.
    pub hold: Hold,
}

impl Unique {
    /// A key.
    pub fn new(key: impl Into<String>, hold: Hold) -> Self {
        Self { key: key.into(), hold }
    }
}

/// For how long a task has its unique key, at most until it is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Hold {
    /// Until it is claimed for the first time, or ends without that.
    Queued,
    /// Until it ends.
    Running,
    /// For a time from its submission on, however it fares.
    Period(Duration),
}

impl Hold {
    /// Whether a task lets go of its key when it comes to this state.
    pub(crate) fn ends(self, state: State) -> bool {
        match self {
            Self::Queued => state != State::Pending,
            Self::Running => state.is_terminal(),
            Self::Period(_) => false,
        }
    }
}

/// How long one attempt may take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct TimeLimits {
    /// After this the handler is asked to stop, and the task fails with [`TaskFailure::TIME_LIMIT`](crate::TaskFailure::TIME_LIMIT).
    pub soft: Option<Duration>,
    /// After this the task has failed, whatever the handler does.
    pub hard: Option<Duration>,
}

/// How a task is scheduled: what a submission says of it, and the record keeps.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Schedule {
    /// From 0, which comes first, to [`LEAST_URGENT`].
    pub priority: u8,
    /// Not before this moment.
    pub eta: Option<Timestamp>,
    /// Not after this moment: if it still waits then, it is `REVOKED`.
    pub expires: Option<Timestamp>,
    /// What happens after failures that may pass.
    pub retry: Retry,
    /// A key that no other task may have meanwhile.
    pub unique: Option<Unique>,
    /// How long an attempt may take.
    pub limits: TimeLimits,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_are_spread() {
        let retry = Retry::attempts(60).pauses(Duration::from_secs(1), Duration::from_secs(30));
        let ids: Vec<_> = (0..500).map(|_| TaskId::random()).collect();
        for (failures, whole) in [(1, 1.0), (2, 2.0), (5, 16.0), (6, 30.0), (59, 30.0)] {
            let pauses: Vec<f64> =
                ids.iter().map(|id| retry.pause(*id, failures).unwrap().as_secs_f64()).collect();
            assert!(pauses.iter().all(|pause| (whole / 2.0..=whole).contains(pause)));
            let mean = pauses.iter().sum::<f64>() / 500.0;
            // Uniform on the upper half: mean 3/4, standard error of 500 draws 0.0065.
            assert!((mean / whole - 0.75).abs() < 0.04, "{mean}");
        }
        assert_eq!(retry.pause(ids[0], 60), None);
        assert_eq!(Retry::default().pause(ids[0], 1), None);
    }
}
