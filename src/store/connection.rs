//! Connections to SQLite, with the settings of each.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::mark::Mark;
use crate::error::{Error, Kind, Result};

/// How long to wait for the write lock, and how often to look for it. SQLite's own handler pauses for up to a tenth of
/// a second, in which another process takes its next turn.
const BUSY: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(2);

/// The writer's connection again, after a failure.
pub(super) fn writer(path: &Path) -> Result<Connection> {
    let db = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    prepare_writer(&db, path)?;
    Ok(db)
}

pub(super) fn prepare_writer(db: &Connection, path: &Path) -> Result<()> {
    // FULL: with NORMAL a power cut may take back the last commits, and with them a revocation.
    // A checkpoint takes the writer some milliseconds: one for each 16 MiB, not for each 4.
    for (pragma, value) in [
        ("journal_mode", "WAL"),
        ("synchronous", "FULL"),
        ("journal_size_limit", "67108864"),
        ("wal_autocheckpoint", "4000"),
        ("cache_size", "-2048"),
    ] {
        db.pragma_update(None, pragma, value).map_err(|error| at(path, error))?;
    }
    // A database that was in another mode (made by VACUUM INTO, say) gets its log at the first look into it.
    Mark::of(db).map(drop)
}

pub(super) fn reader(path: &Path) -> Result<Connection> {
    let db = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // Small: what it does not hold, the system's cache does.
    for (pragma, value) in [("query_only", "ON"), ("cache_size", "-512")] {
        db.pragma_update(None, pragma, value).map_err(|error| at(path, error))?;
    }
    // The writer's alone to write the log into the file, once it knows that both are in their places.
    keep_log(&db);
    Ok(db)
}

/// Lets the log stand when this connection is closed, even if it is the last one.
pub(super) fn keep_log(db: &Connection) {
    let set = db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
    debug_assert!(set.is_ok(), "SQLite knows this setting");
}

pub(super) fn connect(path: &Path, access: OpenFlags) -> Result<Connection> {
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags).map_err(|error| at(path, error))?;
    // SQLite falls back to reading where it may not write.
    if access.contains(OpenFlags::SQLITE_OPEN_READ_WRITE) && db.is_readonly("main").map_err(|error| at(path, error))? {
        return Err(Error::new(Kind::Unavailable, read_only(path, "no right to write")));
    }
    db.busy_handler(Some(wait_for_lock)).map_err(|error| at(path, error))?;
    db.set_prepared_statement_cache_capacity(64);
    // Plans by the statements alone. Planning anew for each bound value took a quarter of the writer's time.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(|error| at(path, error))?;
    // No value of ours comes near a mebibyte; nothing bigger is read or built.
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
    std::thread::sleep(LOOK);
    LOOK * looks.unsigned_abs() < BUSY
}

/// A message that names the file and what to do; for start-up, where the operator reads it.
pub(super) fn at(file: &Path, error: rusqlite::Error) -> Error {
    let path = file.display();
    let way_out = "Stop the server, keep these files, and put a sound copy of the database in their place.";
    let message = match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => format!("{path} is not a database, or is damaged. {way_out}"),
        Some(ErrorCode::DatabaseCorrupt) => format!("{path} is damaged ({error}). {way_out}"),
        Some(ErrorCode::ReadOnly) => read_only(file, &error.to_string()),
        Some(ErrorCode::DatabaseBusy) => format!("{path} is locked by another program: {error}."),
        _ => format!("{path} cannot be opened: {error}."),
    };
    Error::new(Kind::Unavailable, message)
}

fn read_only(path: &Path, why: &str) -> String {
    let path = path.display();
    format!("{path} cannot be written: {why}. Check the owner and mode of the file and its directory.")
}
