#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod attempt;
mod backoff;
mod broker;
mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
mod context;
mod emitter;
mod error;
mod event;
mod follow;
mod follow_all;
mod id;
mod life;
mod list;
mod memory;
mod presence;
#[cfg(feature = "redis")]
mod redis;
mod schedule;
#[cfg(test)]
mod simulation;
#[cfg(feature = "sqlite")]
mod sqlite;
mod state;
mod task;
mod track;
mod wake;
mod worker;

pub use broker::{Broker, EventLog, Finish, Heartbeat, Lease, MAX_LOST_LEASES, Queue, QueueStats};
pub use context::{StopReason, TaskContext};
pub use emitter::Emitter;
pub use error::{QueueError, Result};
pub use event::{Entry, EventKind, Keep, NewEvent, Seq};
pub use follow_all::{Change, Gone};
pub use id::{ParseTaskIdError, TaskId, WorkerId};
pub use list::{ListQuery, Page};
pub use memory::MemoryQueue;
pub use presence::WorkerInfo;
#[cfg(feature = "redis")]
pub use redis::{RedisOptions, RedisQueue};
pub use schedule::{Hold, LEAST_URGENT, Retry, Schedule, TimeLimits, Unique};
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteQueue;
pub use state::{IllegalTransition, State, Transition};
pub use task::{DEFAULT_QUEUE, Labels, NewTask, TaskFailure, TaskRecord};
pub use track::{Tracked, track};
pub use worker::Worker;
