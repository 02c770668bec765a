//! Statements in a word, and what their failures mean.

use rusqlite::{Connection, Error, ErrorCode, Params, Row};

use crate::QueueError;

pub(super) type Result<T> = std::result::Result<T, Failure>;

/// A [`QueueError`] that SQLite's errors turn into: a type of its own, so that nobody else sees that they do.
#[derive(Debug)]
pub(super) struct Failure(pub(super) QueueError);

impl From<QueueError> for Failure {
    fn from(error: QueueError) -> Self {
        Self(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        use ErrorCode::{
            CannotOpen, DatabaseBusy, DatabaseLocked, DiskFull, FileLockingProtocolFailed, OutOfMemory,
            SystemIoFailure,
        };
        Self(match error.sqlite_error_code() {
            Some(
                CannotOpen
                | DatabaseBusy
                | DatabaseLocked
                | DiskFull
                | FileLockingProtocolFailed
                | OutOfMemory
                | SystemIoFailure,
            ) => QueueError::Unavailable(error.to_string()),
            _ => QueueError::Storage(error.to_string()),
        })
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self(QueueError::Storage(error.to_string()))
    }
}

/// Statements, each prepared once for a connection.
pub(super) trait Sql {
    /// Carries it out and returns how many rows were changed.
    fn run(&self, sql: &str, params: impl Params) -> Result<usize>;

    /// The rows of its answer.
    fn all<T>(&self, sql: &str, params: impl Params, row: impl Fn(&Row<'_>) -> Result<T>) -> Result<Vec<T>>;

    /// The first row of its answer, if there is one.
    fn first<T>(
        &self,
        sql: &str,
        params: impl Params,
        row: impl Fn(&Row<'_>) -> Result<T>,
    ) -> Result<Option<T>>;
}

impl Sql for Connection {
    fn run(&self, sql: &str, params: impl Params) -> Result<usize> {
        Ok(self.prepare_cached(sql)?.execute(params)?)
    }

    fn all<T>(&self, sql: &str, params: impl Params, row: impl Fn(&Row<'_>) -> Result<T>) -> Result<Vec<T>> {
        self.prepare_cached(sql)?.query_and_then(params, row)?.collect()
    }

    fn first<T>(
        &self,
        sql: &str,
        params: impl Params,
        row: impl Fn(&Row<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        self.prepare_cached(sql)?.query_and_then(params, row)?.next().transpose()
    }
}
