//! The file: whose it is, which version, and how it is opened.

use std::{path::Path, thread, time::Duration};

use rusqlite::{Connection, OpenFlags, TransactionBehavior, config::DbConfig};

use super::sql::Result;
use crate::QueueError;

/// The steps from an empty file to the newest schema. A file keeps in `user_version` how many it has taken; steps are only ever added.
const STEPS: &[&str] = &[
    include_str!("schema/1.sql"),
    include_str!("schema/2.sql"),
    include_str!("schema/3.sql"),
    include_str!("schema/4.sql"),
];

/// "AzFQ": says in the file's header that it is a queue.
const APPLICATION: i64 = 0x417a_4651;

/// For how many milliseconds a lock of another process is waited for.
const PATIENCE: i32 = 5000;

/// More than there are statements.
const STATEMENTS: usize = 128;

/// Opens the file for the one who writes, and brings it up to date. If there is none, it is made.
pub(super) fn writer(path: &Path) -> Result<Connection> {
    let mut sql = connect(path, OpenFlags::SQLITE_OPEN_CREATE)?;
    // Nothing of a stranger's file is touched, not even its journal mode. One transaction: while another process makes the file, its parts are not
    // seen from different moments.
    let seen = sql.transaction()?;
    version(&seen)?;
    drop(seen);
    sql.pragma_update(None, "journal_mode", "WAL")?;
    sql.pragma_update(None, "synchronous", "FULL")?;
    // Without this, macOS confirms what its disk has only heard of.
    sql.pragma_update(None, "fullfsync", true)?;
    // Ids are random, so that tasks far apart change pages all over the file: 16 MB of those stay at hand, and of what has
    // changed 16 MB are collected before it moves from the log into the file.
    sql.pragma_update(None, "cache_size", -16_000)?;
    sql.pragma_update(None, "wal_autocheckpoint", 4000)?;
    let transaction = sql.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Looked at once more: another process may just have done it all.
    for (n, step) in STEPS.iter().enumerate().skip(version(&transaction)?) {
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", n as i64 + 1)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
    }
    transaction.commit()?;
    Ok(sql)
}

/// Opens the file for reading only.
pub(super) fn reader(path: &Path) -> Result<Connection> {
    let sql = connect(path, OpenFlags::empty())?;
    sql.pragma_update(None, "query_only", true)?;
    Ok(sql)
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection> {
    let flags = flags | OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut sql = Connection::open_with_flags(path, flags)?;
    sql.set_prepared_statement_cache_capacity(STATEMENTS);
    // Plans that do not depend on what is bound, so that nothing is prepared anew for each call.
    sql.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // Asks often: SQLite's own handler sleeps for ever longer, and so gets no turn beside a busy process.
    sql.busy_handler(Some(|tries| {
        thread::sleep(Duration::from_millis(1));
        tries < PATIENCE
    }))?;
    Ok(sql)
}

/// How many steps the file has taken, if it is a queue's file and not from the future.
fn version(sql: &Connection) -> Result<usize> {
    let ask = |what| sql.query_row(what, [], |row| row.get::<_, i64>(0));
    let version = ask("PRAGMA user_version")?;
    let why = match ask("PRAGMA application_id")? {
        APPLICATION if version <= STEPS.len() as i64 => return Ok(version as usize),
        APPLICATION => format!(
            "it was written by a newer version: its schema is number {version}, known are those up to {}",
            STEPS.len()
        ),
        0 if version == 0 && ask("SELECT count(*) FROM sqlite_schema")? == 0 => return Ok(0),
        _ => "it is the database of another application".to_owned(),
    };
    Err(QueueError::Storage(why).into())
}
