//! Connections that read, beside the one that writes.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::Connection;
use tokio::{sync::Semaphore, task::spawn_blocking};

use super::{file, sql::Result};
use crate::QueueError;

/// More reads than this at a time would only get into each other's way.
const READERS: usize = 4;

pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    turns: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, idle: Mutex::default(), turns: Arc::new(Semaphore::new(READERS)) }
    }

    /// Reads, from one state of the file.
    pub(super) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> crate::Result<T> {
        let gone = |error: &dyn std::error::Error| QueueError::Unavailable(error.to_string());
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|error| gone(&error))?;
        let readers = Arc::clone(self);
        let outcome = spawn_blocking(move || {
            let _turn = turn;
            readers.read(read).map_err(|failure| failure.0)
        });
        outcome.await.map_err(|error| gone(&error))?
    }

    fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = idle().pop();
        let sql = taken.map_or_else(|| file::reader(&self.path), Ok)?;
        let transaction = sql.unchecked_transaction()?;
        let outcome = read(&transaction);
        drop(transaction);
        idle().push(sql);
        outcome
    }
}
