//! Opening the database: in which order it is found, locked, judged and migrated, and the settings of each
//! connection. `create` makes a new one.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::announce::Announcement;
use super::files::{beside, trouble};
use super::lineage::{self, Accusation};
use super::locks::{self, Opening, ServerLock};
use super::log::Log;
use super::mark::Mark;
use super::place::{DatabaseFile, Place};
use super::{companions, create, filesystem};
use crate::error::{Error, Kind, Result};
use crate::model::{Consent, Purpose};

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// Older ones can corrupt a database on which two connections checkpoint at once.
const OLDEST_SQLITE: i32 = 3_051_003;
/// How long to wait for the write lock, and how often to look for it. SQLite's own handler pauses for up to a tenth of
/// a second, in which another process takes its next turn.
const BUSY: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(2);

/// A sound database of this program's schema, open.
pub(super) struct Opened {
    pub place: Place,
    pub file: Arc<DatabaseFile>,
    pub announcement: Arc<Announcement>,
    pub lock: Option<ServerLock>,
    /// The writer's connection.
    pub db: Connection,
    /// What tells this database from others; copies of one share it.
    pub installation: [u8; 16],
    /// It is not the newest database, as far as one can tell, and the operator knows.
    pub accepted: Option<Accusation>,
}

/// Opens or creates it. What is not ours is refused before anything is changed or created.
pub(super) fn open(given: &Path, purpose: Purpose, consent: Consent) -> Result<Opened> {
    let place = find(given, consent)?;
    let is_shared = filesystem::shared(place.folder())?.is_some();
    let path = &place.path;
    companions::inspect(path)?;
    let found = match DatabaseFile::open(path)? {
        Some(file) => file,
        None => {
            create::create(path)?;
            let vanished = || Error::unavailable("the database file vanished while it was made");
            DatabaseFile::open(path)?.ok_or_else(vanished)?
        }
    };
    companions::narrow_modes(path)?;
    let (file, announcement) = (Arc::new(found), Arc::new(Announcement::open(path)?));
    let lockable = (!is_shared).then_some(&file);
    let opening = if is_shared { Opening::without() } else { Opening::begin(place.folder())? };
    let lock = match (purpose, lockable) {
        (Purpose::Serve, _) => Some(ServerLock::take(path, &announcement, lockable)?),
        (Purpose::Command | Purpose::Revocation, Some(file)) => {
            locks::must_be_heard(path, &announcement, file).map(|()| None)?
        }
        (Purpose::Command | Purpose::Revocation, None) => None,
    };
    let is_without_log = opening.is_alone(path) && judge_log(path, &file, &announcement)?;
    let had_log = beside(path, "-wal").exists();
    let mut db = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let judged = judge(&db, path).and_then(|_| lineage::accuse(announcement.history(), &db, is_without_log));
    let accepted = judged.and_then(|accusation| match accusation {
        Some(accusation) if !consent.older_database => Err(refusal(path, &accusation)),
        accepted => Ok(accepted),
    });
    // From here on SQLite's own lock tells others that somebody has it open.
    drop(opening);
    let accepted = match accepted {
        Ok(accepted) => accepted,
        Err(error) => {
            if had_log {
                // The log stays as it is: closing the last connection would write it into the file.
                keep_log(&db);
            }
            return Err(error);
        }
    };
    migrate(&mut db, path)?;
    prepare_writer(&db, path)?;
    let installation = db.query_row("SELECT id FROM installation", [], |row| row.get(0));
    let installation = installation.map_err(|error| at(path, error))?;
    Ok(Opened { place, file, announcement, lock, db, installation, accepted })
}

/// Where it is, on a file system that it can be on.
pub(super) fn find(given: &Path, consent: Consent) -> Result<Place> {
    if rusqlite::version_number() < OLDEST_SQLITE {
        return Err(Error::internal(format!(
            "SQLite {} is older than 3.51.3, which is not safe here",
            rusqlite::version()
        )));
    }
    let place = Place::find(given)?;
    for at in [place.folder(), place.path.as_path()].into_iter().filter(|at| at.exists()) {
        match filesystem::shared(at)? {
            Some(name) if consent.network_file_system => {
                tracing::warn!(database = %place.path.display(), file_system = name, "--allow-network-filesystem: let only this machine reach it");
            }
            Some(name) => return Err(filesystem::refusal(&place.path, name)),
            None => {}
        }
    }
    Ok(place)
}

/// While nobody has the database open: refuses a log that does not belong to the file, and takes back a write that
/// nobody was told of. True if the file was copied while it was in use, and has no log.
fn judge_log(path: &Path, file: &DatabaseFile, announcement: &Announcement) -> Result<bool> {
    let wal = beside(path, "-wal");
    let unreadable = |error| trouble(&wal, "cannot be read", error);
    let log = Log::read(&wal).map_err(unreadable)?;
    let Some(header) = file.header().map_err(|error| trouble(path, "cannot be read", error))? else {
        return Err(Error::unavailable("the database file was replaced while it was opened"));
    };
    if !log.may_continue(header.mark) {
        return Err(Error::conflict(foreign_log(path)));
    }
    if let (Some(number), Some(last)) = (lineage::to_take_back(announcement.history()), log.last)
        && last.mark.is_some_and(|mark| mark.number() == number)
    {
        last.take_back(&wal).map_err(|error| trouble(&wal, "cannot be written", error))?;
        tracing::warn!("a change that could not be saved for certain before the last end was taken back");
    }
    Ok(header.mark.continues_in_log() && log.transactions == 0)
}

pub(super) fn foreign_log(path: &Path) -> String {
    let path = path.display();
    format!(
        "{path} and its log {path}-wal do not belong together: another copy of the database was put in its place. \
         Together they would be damaged. Put the database back that was here. To go on with this one, move {path}-wal \
         and {path}-shm away, and start once with --accept-older-database"
    )
}

fn refusal(path: &Path, accusation: &Accusation) -> Error {
    Error::conflict(format!(
        "{}. Keys that were revoked meanwhile would be live again. Put the newest database back, with its -wal if \
         there is one. To go on with this one, start once with --accept-older-database; the audit log will say so.",
        accusation.text(&path.display().to_string())
    ))
}

/// Refuses, before anything is written, what this program cannot serve from. False for an earlier version's schema.
pub(super) fn judge(db: &Connection, path: &Path) -> Result<bool> {
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
    Ok(found == known as u32)
}

pub(super) fn migrate(db: &mut Connection, path: &Path) -> Result<()> {
    embedded::migrations::runner()
        .run(db)
        .map(drop)
        .map_err(|error| trouble(path, "cannot be brought to this version's schema", error))
}

/// The writer's connection again, after a failure.
pub(super) fn writer(path: &Path) -> Result<Connection> {
    let db = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    prepare_writer(&db, path)?;
    Ok(db)
}

fn prepare_writer(db: &Connection, path: &Path) -> Result<()> {
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
