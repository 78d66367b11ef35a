//! Opens a database, or a copy of one, only to read it. Nothing is created beside it, and its log is not copied into it.

use std::fs;
use std::path::Path;

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use rusqlite::{Connection, OpenFlags};

use super::announce::Announcement;
use super::files::{beside, trouble};
use super::lineage::{self, Accusation};
use super::log::Log;
use super::place::{DatabaseFile, Place};
use super::{companions, connection, locks, open, schema};
use crate::error::{Error, Result};
use crate::model::Consent;

/// An open database, or why it was not opened.
pub(super) enum ReadOnly {
    Opened {
        db: Connection,
        is_of_this_version: bool,
        /// Why it does not seem to be the newest database.
        accusation: Option<Accusation>,
    },
    /// Its log belongs to another copy; the message.
    ForeignLog(String),
}

/// The database at this path, whose file system must be suitable unless the operator accepts another one. Calls `read`
/// again if somebody has begun to write to a file that was assumed to be complete.
pub(super) fn read<T>(given: &Path, consent: Consent, read: impl Fn(&Path, ReadOnly) -> Result<T>) -> Result<T> {
    read_at(&open::find(given, consent)?.path, read)
}

/// Nobody writes to a backup, so it can be on any file system.
pub(super) fn read_backup<T>(given: &Path, read: impl Fn(&Path, ReadOnly) -> Result<T>) -> Result<T> {
    read_at(&Place::find(given)?.path, read)
}

fn read_at<T>(path: &Path, read: impl Fn(&Path, ReadOnly) -> Result<T>) -> Result<T> {
    companions::inspect(path)?;
    let missing = || Error::conflict(format!("There is no database at {}.", path.display()));
    let file = DatabaseFile::open(path)?.ok_or_else(missing)?;
    loop {
        let mode = OpenMode::to(path);
        let found = read(path, open_with(path, &file, mode)?);
        if mode != OpenMode::Still || OpenMode::to(path) == OpenMode::Still {
            return found;
        }
    }
}

/// Opens a complete database that nobody else has open.
pub(super) fn still(path: &Path) -> Result<Connection> {
    OpenMode::Still.connect(path)
}

fn open_with(path: &Path, file: &DatabaseFile, mode: OpenMode) -> Result<ReadOnly> {
    let mut is_without_log = false;
    if !locks::is_open(path) {
        let wal = beside(path, "-wal");
        let log = Log::read(&wal).map_err(|error| trouble(&wal, "cannot be read", error))?;
        if let Ok(Some(header)) = file.header() {
            if !log.may_continue(header.mark) {
                return Ok(ReadOnly::ForeignLog(open::foreign_log(path)));
            }
            is_without_log = header.mark.continues_in_log() && log.transactions == 0;
        }
    }
    let history = Announcement::peek(path)?;
    let db = mode.connect(path)?;
    let is_of_this_version = schema::judge(&db, path)?;
    let accusation = match history {
        Some(history) => lineage::accuse(&history, &db, is_without_log)?,
        None => is_without_log.then_some(Accusation::WithoutLog),
    };
    Ok(ReadOnly::Opened { db, is_of_this_version, accusation })
}

/// How SQLite must open the file so that it creates no other files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OpenMode {
    /// It has a log and its shared memory: someone has it open, or had it open until a crash.
    Shared,
    /// It has only a log, whose index SQLite then keeps in private memory.
    Alone,
    /// It has no log, so the file is complete.
    Still,
}

impl OpenMode {
    fn to(path: &Path) -> Self {
        let log = fs::metadata(beside(path, "-wal")).ok().map(|found| found.len());
        match (log, beside(path, "-shm").exists()) {
            (Some(_), true) => OpenMode::Shared,
            (Some(1..), false) => OpenMode::Alone,
            _ => OpenMode::Still,
        }
    }

    fn connect(self, path: &Path) -> Result<Connection> {
        let at = |error| connection::at(path, error);
        let db = match self {
            OpenMode::Shared => connection::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?,
            OpenMode::Alone => {
                let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(at)?;
                db.pragma_update(None, "locking_mode", "EXCLUSIVE").map_err(at)?;
                db
            }
            OpenMode::Still => {
                let name = percent_encode(path.as_os_str().as_encoded_bytes(), NON_ALPHANUMERIC);
                let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
                Connection::open_with_flags(format!("file:{name}?immutable=1"), flags).map_err(at)?
            }
        };
        connection::keep_log(&db);
        db.pragma_update(None, "query_only", "ON").map_err(at)?;
        Ok(db)
    }
}
