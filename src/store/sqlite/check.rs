//! Checks the database: its log, its lineage, SQLite's integrity check, references, the audit log, and that every
//! record can be read. It is read-only: nothing is created beside a copy, and its log is not copied into it.

use std::fs;
use std::path::Path;

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use rusqlite::{Connection, OpenFlags};

use super::announce::Announcement;
use super::files::{beside, trouble};
use super::lineage::{self, Accusation};
use super::log::Log;
use super::place::DatabaseFile;
use super::statement::sql;
use super::{companions, connection, locks, open, schema};
use crate::error::{Error, Result};
use crate::model::Consent;
use crate::store::Tx;
use crate::store::examination::{self, Examination};

pub fn examine(given: &Path, consent: Consent) -> Result<Examination> {
    let place = open::find(given, consent)?;
    let path = &place.path;
    companions::inspect(path)?;
    let missing = || Error::conflict(format!("There is no database at {}.", path.display()));
    let file = DatabaseFile::open(path)?.ok_or_else(missing)?;
    loop {
        let access = OpenMode::to(path);
        let examination = look(path, &file, access);
        // Somebody has started to write, although this reader assumed that the file was complete.
        if access != OpenMode::Still || OpenMode::to(path) == OpenMode::Still {
            return examination;
        }
    }
}

fn look(path: &Path, file: &DatabaseFile, access: OpenMode) -> Result<Examination> {
    let mut found = Examination::default();
    let mut is_without_log = false;
    if !locks::is_open(path) {
        let wal = beside(path, "-wal");
        let log = Log::read(&wal).map_err(|error| trouble(&wal, "cannot be read", error))?;
        if let Ok(Some(header)) = file.header() {
            if !log.may_continue(header.mark) {
                return Ok(Examination { findings: vec![format!("log: {}", open::foreign_log(path))], ..found });
            }
            is_without_log = header.mark.continues_in_log() && log.transactions == 0;
        }
    }
    let history = Announcement::peek(path)?;
    let db = access.connect(path)?;
    let is_present_version = schema::judge(&db, path)?;
    let accusation = match history {
        Some(history) => lineage::accuse(&history, &db, is_without_log)?,
        None => is_without_log.then_some(Accusation::WithoutLog),
    };
    found
        .findings
        .extend(accusation.map(|accusation| format!("log: {}", accusation.text(&path.display().to_string()))));
    found.findings.extend(structure(&db)?);
    examination::records(&Tx::from(&db), is_present_version, &mut found)?;
    Ok(found)
}

fn structure(db: &Connection) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    let mut integrity = db.prepare("PRAGMA integrity_check").map_err(sql)?;
    let rows = integrity.query_map([], |row| row.get::<_, String>(0)).map_err(sql)?;
    for row in rows {
        let line = row.map_err(sql)?;
        if line != "ok" {
            findings.push(format!("structure: {line}"));
        }
    }
    let mut references = db.prepare("PRAGMA foreign_key_check").map_err(sql)?;
    let rows = references.query_map([], |row| row.get::<_, String>(0)).map_err(sql)?;
    for row in rows {
        findings.push(format!("references: a row of {} refers to a missing row", row.map_err(sql)?));
    }
    Ok(findings)
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
