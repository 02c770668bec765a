//! The queue in memory does what every queue must do.

use std::sync::Arc;

use azura_queue::{MemoryQueue, Queue, conformance_suite};

async fn make() -> ((), Arc<dyn Queue>) {
    ((), Arc::new(MemoryQueue::new()))
}

conformance_suite!(memory, make);
