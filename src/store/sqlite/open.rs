//! Opens the database: finds, locks, checks and migrates it, in this order. `create` creates a new one.

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, OpenFlags};

use super::announce::Announcement;
use super::connection::{at, connect, keep_log, prepare_writer};
use super::files::{beside, trouble};
use super::lineage::{self, Accusation};
use super::locks::{self, Opening, ServerLock};
use super::log::Log;
use super::place::{DatabaseFile, Place};
use super::schema::{judge, migrate};
use super::{companions, create, filesystem};
use crate::error::{Error, Result};
use crate::model::{Consent, Purpose};

/// Older versions can corrupt a database if two connections checkpoint at once.
const MIN_SQLITE_VERSION: i32 = 3_051_003;
/// An open, valid database with this program's schema.
pub(super) struct Opened {
    pub place: Place,
    pub file: Arc<DatabaseFile>,
    pub announcement: Arc<Announcement>,
    pub lock: Option<ServerLock>,
    /// The writer's connection.
    pub db: Connection,
    /// The id of the database; its copies have the same id.
    pub installation: [u8; 16],
    /// Why it does not seem to be the newest database, if the operator has accepted that.
    pub accepted: Option<Accusation>,
}

/// Opens or creates the database. A file that is not ours is refused before anything is changed or created.
pub(super) fn open(given: &Path, purpose: Purpose, consent: Consent) -> Result<Opened> {
    let place = find(given, consent)?;
    let is_shared = filesystem::shared(place.folder())?.is_some();
    let path = &place.path;
    companions::inspect(path)?;
    let found = match DatabaseFile::open(path)? {
        Some(file) => file,
        None => {
            create::create(path)?;
            let vanished = || Error::unavailable("the database file disappeared while it was created");
            DatabaseFile::open(path)?.ok_or_else(vanished)?
        }
    };
    companions::narrow_modes(path)?;
    let (file, announcement) = (Arc::new(found), Arc::new(Announcement::open(path)?));
    let lockable = (!is_shared).then_some(&file);
    let opening = if is_shared { Opening::without() } else { Opening::begin(place.folder())? };
    let lock = match (purpose, lockable) {
        (Purpose::Serve | Purpose::Exclusive, _) => Some(ServerLock::take(path, &announcement, lockable)?),
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
    // From here on, SQLite's own lock shows others that the database is open.
    drop(opening);
    let accepted = match accepted {
        Ok(accepted) => accepted,
        Err(error) => {
            if had_log {
                // Keeps the log, because closing the last connection would write it into the file.
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

/// Finds the database, and refuses an unsuitable file system.
pub(super) fn find(given: &Path, consent: Consent) -> Result<Place> {
    if rusqlite::version_number() < MIN_SQLITE_VERSION {
        return Err(Error::internal(format!(
            "SQLite {} is older than 3.51.3, which is not safe here",
            rusqlite::version()
        )));
    }
    let place = Place::find(given)?;
    for at in [place.folder(), place.path.as_path()].into_iter().filter(|at| at.exists()) {
        match filesystem::shared(at)? {
            Some(name) if consent.network_file_system => {
                tracing::warn!(
                    database = %place.path.display(),
                    file_system = name,
                    "--allow-network-filesystem: make sure that only this machine uses the database"
                );
            }
            Some(name) => return Err(filesystem::refusal(&place.path, name)),
            None => {}
        }
    }
    Ok(place)
}

/// Refuses a log that does not belong to the file, and reverts an unacknowledged write. Returns true if the file was
/// copied while it was in use and has no log. Must be called while nobody has the database open.
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
        tracing::warn!("reverted a change that was possibly not saved when the server last stopped");
    }
    Ok(header.mark.continues_in_log() && log.transactions == 0)
}

pub(super) fn foreign_log(path: &Path) -> String {
    let path = path.display();
    format!(
        "{path} and its log {path}-wal do not belong together: the database was replaced by another copy. Together \
         they would be damaged. Restore the database that was here. To continue with this one, move {path}-wal and \
         {path}-shm away, and start once with --accept-older-database"
    )
}

pub(super) fn refusal(path: &Path, accusation: &Accusation) -> Error {
    Error::conflict(format!(
        "{}. Keys that were revoked since would be valid again. Restore the newest database, with its -wal if there \
         is one. To continue with this one, start once with --accept-older-database; the audit log records it.",
        accusation.text(&path.display().to_string())
    ))
}
