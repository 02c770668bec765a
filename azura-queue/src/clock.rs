//! The two clocks: wall-clock time is only ever shown, monotonic time decides.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

/// No lease or pause needs more; it keeps sums of an instant and a duration from overflowing.
const FAR: Duration = Duration::from_hours(365 * 24);

/// The time of day, for records and events.
#[expect(clippy::disallowed_methods, reason = "the one place of this crate that reads the wall clock")]
pub(crate) fn timestamp() -> Timestamp {
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
