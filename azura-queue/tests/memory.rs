//! The queue in memory does what every queue must do.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod suite;

use azura_queue::MemoryQueue;

suite!(memory, MemoryQueue::new());
