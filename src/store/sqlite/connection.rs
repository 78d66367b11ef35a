//! Connections to SQLite and their settings.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::mark::Mark;
use crate::error::{Error, Kind, Result};

/// How long to wait for the write lock, and how often to try. SQLite's own handler pauses for up to a tenth of a
/// second, in which another process can take its next turn.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);
const LOCK_RETRY_INTERVAL: Duration = Duration::from_millis(2);

/// Opens the writer's connection again after a failure.
pub(super) fn writer(path: &Path) -> Result<Connection> {
    let db = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    prepare_writer(&db, path)?;
    Ok(db)
}

pub(super) fn prepare_writer(db: &Connection, path: &Path) -> Result<()> {
    // `synchronous` is FULL, because with NORMAL a power cut can undo the last commits, and with them a revocation.
    // There is a checkpoint per 16 MiB instead of 4, because each one costs the writer some milliseconds.
    for (pragma, value) in [
        ("journal_mode", "WAL"),
        ("synchronous", "FULL"),
        ("journal_size_limit", "67108864"),
        ("wal_autocheckpoint", "4000"),
        ("cache_size", "-2048"),
    ] {
        db.pragma_update(None, pragma, value).map_err(|error| at(path, error))?;
    }
    // A database that was in another mode (for example, created by VACUUM INTO) gets its log on the first read.
    Mark::of(db).map(drop)
}

pub(super) fn reader(path: &Path) -> Result<Connection> {
    let db = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // The cache is small, because the system caches the rest.
    for (pragma, value) in [("query_only", "ON"), ("cache_size", "-512")] {
        db.pragma_update(None, pragma, value).map_err(|error| at(path, error))?;
    }
    // Only the writer copies the log into the file, after checking that both are in place.
    keep_log(&db);
    Ok(db)
}

/// Keeps the log when this connection is closed, even if it is the last one.
pub(super) fn keep_log(db: &Connection) {
    let set = db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
    debug_assert!(set.is_ok(), "SQLite knows this setting");
}

pub(super) fn connect(path: &Path, access: OpenFlags) -> Result<Connection> {
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags).map_err(|error| at(path, error))?;
    // SQLite falls back to read-only if it has no right to write.
    if access.contains(OpenFlags::SQLITE_OPEN_READ_WRITE) && db.is_readonly("main").map_err(|error| at(path, error))? {
        return Err(Error::new(Kind::Unavailable, read_only(path, "permission denied")));
    }
    db.busy_handler(Some(wait_for_lock)).map_err(|error| at(path, error))?;
    db.set_prepared_statement_cache_capacity(64);
    // Query plans must depend only on the statement. Planning again for each bound value took a quarter of the writer's
    // time.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(|error| at(path, error))?;
    // All our values are far smaller than a mebibyte; nothing larger is read or built.
    db.set_limit(Limit::SQLITE_LIMIT_LENGTH, 1 << 20).map_err(|error| at(path, error))?;
    for (pragma, value) in [
        ("foreign_keys", "ON"),
        ("trusted_schema", "OFF"),
        ("secure_delete", "ON"),
        ("cell_size_check", "ON"),
        ("temp_store", "MEMORY"),
    ] {
        db.pragma_update(None, pragma, value).map_err(|error| at(path, error))?;
    }
    Ok(db)
}

fn wait_for_lock(looks: i32) -> bool {
    std::thread::sleep(LOCK_RETRY_INTERVAL);
    LOCK_RETRY_INTERVAL * looks.unsigned_abs() < LOCK_TIMEOUT
}

/// A startup error that names the file and says what the operator can do.
pub(super) fn at(file: &Path, error: rusqlite::Error) -> Error {
    let path = file.display();
    let way_out = "Stop the server and restore a backup with keybearer restore FILE, which keeps these files.";
    let message = match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => format!("{path} is not a database, or is damaged. {way_out}"),
        Some(ErrorCode::DatabaseCorrupt) => format!("{path} is damaged ({error}). {way_out}"),
        Some(ErrorCode::ReadOnly) => read_only(file, &error.to_string()),
        Some(ErrorCode::DatabaseBusy) => {
            format!("{path} is locked by another program ({error}). Stop that program, then try again.")
        }
        _ => format!("{path} cannot be opened: {error}."),
    };
    Error::new(Kind::Unavailable, message)
}

fn read_only(path: &Path, why: &str) -> String {
    let path = path.display();
    format!("{path} cannot be written: {why}. Check the owner and mode of the file and its directory.")
}
