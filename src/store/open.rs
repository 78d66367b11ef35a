//! Opening and creating the database: pragmas, modes, migrations, and the refusal of a file that is
//! not ours or is newer than this program.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::files::{self, trouble};
use crate::error::{Error, Kind, Result};

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// "KBR\x11": set by the first migration.
const APPLICATION_ID: i64 = 1_262_637_649;
/// Older ones can corrupt a database on which two connections checkpoint at once.
const OLDEST_SQLITE: i32 = 3_051_003;
/// How long to wait for the write lock, and how often to look for it. SQLite's own handler pauses for up to a tenth of
/// a second, in which another process takes its next turn.
const BUSY: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(2);

/// Makes sure that a sound database of this program's schema stands at `path`.
pub(super) fn prepare(path: &Path) -> Result<()> {
    if rusqlite::version_number() < OLDEST_SQLITE {
        return Err(Error::internal(format!(
            "SQLite {} is older than 3.51.3, which is not safe here",
            rusqlite::version()
        )));
    }
    if !path.try_exists().map_err(|error| trouble(path, "cannot be reached", error))? {
        create(path)?;
    }
    files::narrow_modes(path)?;
    inspect(path)?;
    let mut db = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    migrate(&mut db, path)
}

/// A new database is made under another name and linked into place whole: a crash in between leaves
/// nothing half, and of two processes that both create, one wins.
fn create(path: &Path) -> Result<()> {
    if let Some(wal) = ["-wal", "-shm"].map(|suffix| files::beside(path, suffix)).into_iter().find(|file| file.exists())
    {
        return Err(Error::conflict(format!(
            "{} is missing but {} is there: the database was moved or deleted. Put it back, or put a sound copy of both in their place.",
            path.display(),
            wal.display()
        )));
    }
    let draft = files::beside(path, &format!("-new-{}", std::process::id()));
    let _ = fs::remove_file(&draft); // left by a crashed process of the same pid
    files::private_file(&draft)?;
    let made = (|| {
        let mut db = connect(&draft, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        db.pragma_update(None, "journal_mode", "WAL").map_err(|error| at(path, error))?;
        migrate(&mut db, &draft)?;
        db.close().map_err(|(_, error)| at(path, error))?;
        fs::File::open(&draft)
            .and_then(|file| file.sync_all())
            .map_err(|error| trouble(path, "cannot be written", error))?;
        match fs::hard_link(&draft, path) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                Err(trouble(path, "cannot be created", error))
            }
            _ => files::sync_directory_of(path),
        }
    })();
    for leftover in ["", "-wal", "-shm"].map(|suffix| files::beside(&draft, suffix)) {
        let _ = fs::remove_file(leftover); // the link at `path` is what counts
    }
    made
}

/// Refuses, before anything is written, what this program cannot serve from.
fn inspect(path: &Path) -> Result<()> {
    let db = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let application: i64 =
        db.query_row("PRAGMA application_id", [], |row| row.get(0)).map_err(|error| at(path, error))?;
    if application != APPLICATION_ID {
        return Err(Error::conflict(format!(
            "{} is not a keybearer database (or is empty). Choose another --database, or put the right file there from a backup.",
            path.display()
        )));
    }
    let found: u32 = db
        .query_row("SELECT coalesce(max(version), 0) FROM refinery_schema_history", [], |row| row.get(0))
        .map_err(|error| at(path, error))?;
    let known =
        embedded::migrations::runner().get_migrations().iter().map(|migration| migration.version()).max().unwrap_or(0);
    if found > known as u32 {
        return Err(Error::conflict(format!(
            "{} was written by a newer keybearer (schema {found}; this one knows {known}). Install that version or a later one; nothing was changed.",
            path.display()
        )));
    }
    Ok(())
}

fn migrate(db: &mut Connection, path: &Path) -> Result<()> {
    embedded::migrations::runner()
        .run(db)
        .map(drop)
        .map_err(|error| trouble(path, "cannot be brought to this version's schema", error))
}

/// The writer's connection.
pub(super) fn writer(path: &Path) -> Result<Connection> {
    let db = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
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
    Ok(db)
}

pub(super) fn reader(path: &Path) -> Result<Connection> {
    let db = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // Small: what it does not hold, the system's cache does.
    for (pragma, value) in [("query_only", "ON"), ("cache_size", "-512")] {
        db.pragma_update(None, pragma, value).map_err(|error| at(path, error))?;
    }
    Ok(db)
}

/// What tells this database from others.
pub(super) fn installation(path: &Path) -> Result<[u8; 16]> {
    reader(path)?.query_row("SELECT id FROM installation", [], |row| row.get(0)).map_err(|error| at(path, error))
}

fn connect(path: &Path, access: OpenFlags) -> Result<Connection> {
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags).map_err(|error| at(path, error))?;
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
fn at(path: &Path, error: rusqlite::Error) -> Error {
    let path = path.display();
    let way_out = "Stop the server, keep these files, and put a sound copy of the database in their place.";
    let message = match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => format!("{path} is not a database, or is damaged. {way_out}"),
        Some(ErrorCode::DatabaseCorrupt) => format!("{path} is damaged ({error}). {way_out}"),
        Some(ErrorCode::ReadOnly) => {
            format!("{path} cannot be written: {error}. Check the owner and mode of the file and its directory.")
        }
        Some(ErrorCode::DatabaseBusy) => format!("{path} is locked by another program: {error}."),
        _ => format!("{path} cannot be opened: {error}."),
    };
    Error::new(Kind::Unavailable, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_of_the_first_schema_gets_all_later_ones_in_order() {
        let mut db = Connection::open_in_memory().unwrap();
        embedded::migrations::runner().set_target(refinery::Target::Version(1)).run(&mut db).unwrap();
        migrate(&mut db, Path::new("memory")).unwrap();
        let mut query = db.prepare("SELECT version FROM refinery_schema_history ORDER BY version").unwrap();
        let applied: Vec<u32> =
            query.query_map([], |row| row.get(0)).unwrap().collect::<rusqlite::Result<_>>().unwrap();
        let mut known: Vec<u32> =
            embedded::migrations::runner().get_migrations().iter().map(|m| m.version() as u32).collect();
        known.sort_unstable();
        assert_eq!(applied, known);
        assert_eq!(applied[..3], [1, 2, 3]);
    }
}
