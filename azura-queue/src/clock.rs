//! The two clocks: wall-clock time is shown, and decides only where several processes must agree; elsewhere monotonic time decides.

use std::time::Duration;

#[cfg(feature = "sqlite")]
use jiff::SignedDuration;
use jiff::Timestamp;
use tokio::time::Instant;

/// No lease or pause needs more; it keeps sums of an instant and a duration from overflowing.
const FAR: Duration = Duration::from_hours(365 * 24);

/// The time of day, for records and events.
#[expect(clippy::disallowed_methods, reason = "the one place of this crate that reads the wall clock")]
pub(crate) fn timestamp() -> Timestamp {
    #[cfg(test)]
    if let Some(simulated) = crate::simulation::stand_in::timestamp() {
        return simulated;
    }
    Timestamp::now()
}

/// The time of day that lies `span` ahead.
pub(crate) fn timestamp_after(span: Duration) -> Timestamp {
    timestamp().saturating_add(span).unwrap_or(Timestamp::MAX)
}

/// How far a time of day lies ahead; nothing if it is past.
pub(crate) fn until(moment: Timestamp) -> Duration {
    moment.duration_since(timestamp()).try_into().unwrap_or_default()
}

/// Monotonic time, for leases and pauses.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The instant that lies `span` ahead.
pub(crate) fn after(span: Duration) -> Instant {
    now() + span.min(FAR)
}

/// Notices when the wall clock was set, and when the machine slept: monotonic time does neither.
#[cfg(feature = "sqlite")]
pub(crate) struct Steps {
    wall: Timestamp,
    steady: Instant,
}

#[cfg(feature = "sqlite")]
impl Steps {
    pub(crate) fn new() -> Self {
        Self { wall: timestamp(), steady: now() }
    }

    /// Whether there was a step since this was asked last. Clocks that are slewed differ by less than a second.
    pub(crate) fn any(&mut self) -> bool {
        let before = std::mem::replace(self, Self::new());
        let wall = self.wall.duration_since(before.wall);
        let steady = SignedDuration::try_from(self.steady - before.steady).unwrap_or(SignedDuration::MAX);
        (wall - steady).abs() > SignedDuration::from_secs(1)
    }
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_noticed_once() {
        let hour = SignedDuration::from_hours(1);
        for wall in [timestamp() - hour, timestamp() + hour] {
            let mut steps = Steps { wall, steady: now() };
            assert!(steps.any());
            assert!(!steps.any());
        }
        assert!(!Steps::new().any());
    }
}
