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
use super::rows::{Salvage, sql};
use super::tables::keys::{KEY, record};
use super::tables::users::{USER, user};
use super::{Tx, companions, connection, locks, open, schema};
use crate::error::{Error, Result};
use crate::model::{ChainReport, Consent, FamilyId};

/// Maximum number of damaged records that are listed; further ones are only counted.
const MAX_LISTED: usize = 100;

#[derive(Default)]
pub struct Examination {
    /// Descriptions of what is wrong; empty if the database is undamaged.
    pub findings: Vec<String>,
    /// The number of revoked keys that are recorded. `None` for a database of an earlier version, whose records are not
    /// read.
    pub revoked_keys: Option<u64>,
}

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
    if is_present_version {
        found.findings.extend(damaged_users(&db)?);
        found.findings.extend(damaged_keys(&db)?);
        found.findings.extend(damaged_families(&db)?);
        found.revoked_keys = Some(Tx::new(&db).count_tombstones()?);
    }
    if let ChainReport::Broken { seq } = Tx::new(&db).verify_events()? {
        found.findings.push(format!("audit log: line {seq} does not follow from the line before it"));
    }
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

fn damaged_users(db: &Connection) -> Result<Vec<String>> {
    let mut query = db.prepare(&format!("SELECT {USER} FROM users u ORDER BY u.id")).map_err(sql)?;
    let mut rows = query.query([]).map_err(sql)?;
    let mut damaged = Damaged::default();
    while let Some(row) = rows.next().map_err(sql)? {
        let user = user(row, 0).map_err(sql)?;
        if user.unreadable.contains(&"id") {
            damaged.note("a user has an invalid id".to_owned());
        } else if !user.unreadable.is_empty() {
            let fields = user.unreadable.join(", ");
            damaged.note(format!("user {} ({}): cannot be read: {fields}", user.id, user.email));
        }
    }
    Ok(damaged.findings("users"))
}

fn damaged_keys(db: &Connection) -> Result<Vec<String>> {
    let mut query = db.prepare(&format!("{KEY} ORDER BY k.id")).map_err(sql)?;
    let mut rows = query.query([]).map_err(sql)?;
    let mut damaged = Damaged::default();
    while let Some(row) = rows.next().map_err(sql)? {
        let key = record(row).map_err(sql)?;
        if key.unreadable.contains(&"id") {
            damaged.note(format!(
                "a key ({}) has an invalid id; revoke it by its text with keys revoke --stdin",
                key.hint
            ));
        } else if !key.unreadable.is_empty() {
            let fields = key.unreadable.join(", ");
            damaged.note(format!("key {} ({}): cannot be read: {fields}; it can be revoked", key.id, key.hint));
        }
    }
    Ok(damaged.findings("keys"))
}

/// Damaged sign-ins of programs, which no list shows.
fn damaged_families(db: &Connection) -> Result<Vec<String>> {
    let mut query = db
        .prepare("SELECT id, key_id, created_at, expires_at, user_id FROM token_families ORDER BY id")
        .map_err(sql)?;
    let mut rows = query.query([]).map_err(sql)?;
    let mut damaged = Damaged::default();
    while let Some(row) = rows.next().map_err(sql)? {
        let mut salvage = Salvage::of(row);
        let (id, _, _) = (salvage.id("id", 0), salvage.id("key_id", 1), salvage.id("user_id", 4));
        salvage.time("created_at", 2);
        salvage.time("expires_at", 3);
        if !salvage.unreadable.is_empty() {
            let fields = salvage.unreadable.join(", ");
            damaged.note(format!("sign-in {} of a program: cannot be read: {fields}", FamilyId::from_bytes(id)));
        }
    }
    Ok(damaged.findings("sign-ins of programs"))
}

#[derive(Default)]
struct Damaged {
    named: Vec<String>,
    more: u64,
}

impl Damaged {
    fn note(&mut self, finding: String) {
        if self.named.len() < MAX_LISTED {
            self.named.push(finding);
        } else {
            self.more += 1;
        }
    }

    fn findings(mut self, what: &str) -> Vec<String> {
        if self.more > 0 {
            self.named.push(format!("and {} more {what}", self.more));
        }
        self.named
    }
}
