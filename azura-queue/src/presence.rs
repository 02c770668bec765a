//! Workers at work, as others see them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{TaskId, WorkerId, clock};

/// A worker at work: who it is, what it takes, what it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WorkerInfo {
    /// Its name.
    pub id: WorkerId,
    /// Its process.
    pub pid: u32,
    /// The queues it takes tasks from.
    pub queues: Vec<String>,
    /// The names of the tasks that it can do.
    pub handlers: Vec<String>,
    /// How many tasks it does at the same time.
    pub slots: usize,
    /// When it began.
    pub started_at: Timestamp,
    /// What it does just now.
    pub running: Vec<TaskId>,
    /// How many attempts it has ended, by the task's name.
    pub done: BTreeMap<String, u64>,
}

impl WorkerInfo {
    /// A worker of this process that begins now, with one slot, and has done nothing yet.
    pub fn new(id: WorkerId) -> Self {
        Self {
            id,
            pid: std::process::id(),
            queues: Vec::new(),
            handlers: Vec::new(),
            slots: 1,
            started_at: clock::timestamp(),
            running: Vec::new(),
            done: BTreeMap::new(),
        }
    }
}
