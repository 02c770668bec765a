//! The wall clock: read for what people see, never for what decides.

use jiff::Timestamp;

/// Now.
#[expect(clippy::disallowed_methods, reason = "the one place of this crate that reads the wall clock")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}
