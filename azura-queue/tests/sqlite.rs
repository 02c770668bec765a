//! The queue in a file does what every queue must do, and keeps it.

use std::sync::Arc;

use azura_queue::{Queue, SqliteQueue, conformance_suite};
use tempfile::TempDir;

async fn make() -> (TempDir, Arc<dyn Queue>) {
    let folder = tempfile::tempdir().unwrap();
    let queue = SqliteQueue::open(folder.path().join("queue.db")).unwrap();
    (folder, Arc::new(queue))
}

conformance_suite!(sqlite, make);
