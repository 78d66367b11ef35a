//! The database that a backup replaces: locked, so that nobody writes to it, asked what was revoked, and kept under
//! another name.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::announce::Announcement;
use super::files::{beside, sync_directory_of, trouble};
use super::locks::{Opening, ServerLock};
use super::place::{DatabaseFile, Place};
use super::{companions, connection, filesystem, lineage, schema};
use crate::error::{Error, Result};
use crate::model::Time;
use crate::store::Tx;

pub(super) struct Replaced {
    path: PathBuf,
    folder: PathBuf,
    /// In a write transaction; or why it does not know what was revoked.
    db: std::result::Result<Connection, String>,
    /// `None` if neither a database nor its `-rev` is here.
    announcement: Option<Arc<Announcement>>,
    /// `None` if there is no database, or locks on this file system are not reliable.
    _lock: Option<ServerLock>,
}

impl Replaced {
    /// Refuses a file that is not ours, and a database that a server is using.
    pub fn hold(place: &Place) -> Result<Self> {
        let path = place.path.clone();
        companions::inspect(&path)?;
        let file = DatabaseFile::open(&path)?.map(Arc::new);
        let is_known = file.is_some() || beside(&path, "-rev").exists();
        let announcement = if is_known { Some(Arc::new(Announcement::open(&path)?)) } else { None };
        let is_shared = filesystem::shared(place.folder())?.is_some();
        let (lock, db) = match (&file, &announcement) {
            (Some(file), Some(announcement)) => {
                (Some(ServerLock::take(&path, announcement, (!is_shared).then_some(file))?), open(&path, announcement)?)
            }
            _ => (None, Err(format!("there is no database at {}", path.display()))),
        };
        Ok(Replaced { folder: place.folder().to_owned(), path, db, announcement, _lock: lock })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn db(&self) -> std::result::Result<&Connection, &str> {
        self.db.as_ref().map_err(String::as_str)
    }

    /// Puts `new` in its place. Wherever this is interrupted, either database is complete. Returns what the old one is
    /// called now, if there was one.
    pub fn replace_with(self, new: &Path, now: Time) -> Result<Option<PathBuf>> {
        let opening = Opening::begin(&self.folder)?;
        if !opening.is_alone(&self.path) {
            return Err(Error::conflict(format!(
                "Another process has opened {}. Nothing was changed. Try again when it has ended.",
                self.path.display()
            )));
        }
        let kept = beside(&self.path, &format!("-replaced-{}", now.millis()));
        if self.db.is_err() {
            // Its log could be needed to repair it.
            for suffix in ["-wal", "-shm"] {
                rename(&beside(&self.path, suffix), &beside(&kept, suffix))?;
            }
        }
        let had_one = match fs::hard_link(&self.path, &kept) {
            Ok(()) => true,
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            Err(error) => return Err(trouble(&kept, "cannot be created", error)),
        };
        if let Some(announcement) = &self.announcement {
            lineage::forget(announcement.history());
            announcement.sync()?;
        }
        fs::rename(new, &self.path).map_err(|error| trouble(&self.path, "cannot be replaced", error))?;
        // The log was empty, and the new database has none.
        for suffix in ["-wal", "-shm"] {
            let _ = fs::remove_file(beside(&self.path, suffix)); // an empty log does no harm
        }
        sync_directory_of(&self.path)?;
        // Before anybody can open the new one.
        drop(self.db);
        drop(opening);
        Ok(had_one.then_some(kept))
    }
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(trouble(from, "cannot be renamed", error)),
        _ => Ok(()),
    }
}

/// Opens it with an empty log and takes the write lock; or says why it does not know what was revoked: it is damaged, of
/// another version or not the newest one.
fn open(path: &Path, announcement: &Announcement) -> Result<std::result::Result<Connection, String>> {
    // Only a lock passes by itself.
    let failed = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy) => Err(connection::at(path, error)),
        _ => Ok(Err(unreadable(path))),
    };
    let db = match connection::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE) {
        Ok(db) => db,
        Err(_) => return Ok(Err(unreadable(path))),
    };
    // Whatever happens to this connection, the files stay as they are.
    connection::keep_log(&db);
    match ignorance(&db, path, announcement) {
        Ok(None) => {}
        Ok(Some(why)) => return Ok(Err(why)),
        Err(_) => return Ok(Err(unreadable(path))),
    }
    for _ in 0..5 {
        let emptied = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        if let Err(error) = emptied.and_then(|()| db.execute_batch("BEGIN IMMEDIATE")) {
            return failed(error);
        }
        if fs::metadata(beside(path, "-wal")).map_or(0, |wal| wal.len()) == 0 {
            return Ok(Ok(db));
        }
        // Somebody has written in between.
        if let Err(error) = db.execute_batch("ROLLBACK") {
            return failed(error);
        }
    }
    Err(Error::conflict(format!("{} is being written to. Nothing was changed. Try again.", path.display())))
}

/// Why it does not know what was revoked, if it can be read.
fn ignorance(db: &Connection, path: &Path, announcement: &Announcement) -> Result<Option<String>> {
    let (name, known) = (path.display(), schema::known());
    let found = schema::newest(db).map_err(|error| connection::at(path, error))?;
    if found != known {
        let than = if found > known { "a newer" } else { "an earlier" };
        return Ok(Some(format!("{name} was written by {than} version of keybearer")));
    }
    if let Some(accusation) = lineage::accuse(announcement.history(), db, false)? {
        return Ok(Some(accusation.text(&name.to_string())));
    }
    let moved = Tx::from(db).last_move()?;
    Ok(moved.map(|found| format!("{name} was moved to {} at {}", found.destination, found.at)))
}

fn unreadable(path: &Path) -> String {
    format!("{} cannot be read (keybearer check says why)", path.display())
}
