//! SQLite, the built-in engine: the database's files, the writer's transactions on them, and what several processes on
//! one machine tell each other about them.

mod announce;
mod backup;
mod check;
mod companions;
mod connection;
mod create;
pub(super) mod damaged_row;
mod data_sync;
mod draft;
mod feed;
mod files;
mod filesystem;
mod freshness;
mod import_lock;
mod lineage;
mod locks;
mod log;
mod mark;
mod new_copy;
mod open;
mod place;
mod reading;
mod replaced;
mod reserve;
mod restore;
mod schema;
mod signing;
pub(super) mod statement;
pub(super) mod types;
mod watch;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;

use super::Tx;
use super::moved::must_not_be_moved;
use super::writer::{Counters, WriterEngine};
use crate::error::{Error, Kind, Result};
use crate::index::Index;
use crate::model::{Consent, Purpose};
pub use backup::{BackupReport, back_up};
pub use check::examine;
pub use draft::Draft;
pub(super) use files::exists;
use freshness::Freshness;
pub use import_lock::FileLock;
pub(super) use new_copy::create_copy;
use open::Opened;
use reserve::Reserve;
pub use restore::Restore;
use watch::Watch;
use writer::SqliteWriter;

/// The database file, as the store sees it while it is open.
pub(super) struct Files {
    freshness: Arc<Freshness>,
    watch: Arc<Watch>,
    pub path: PathBuf,
    /// Why the database is not the newest one, if the operator has accepted that.
    pub accepted: Option<String>,
}

/// An open database, and what works on it.
pub(super) struct OpenSqlite {
    pub files: Files,
    pub installation: [u8; 16],
    pub writer: Box<dyn WriterEngine>,
    pub readers: Vec<Connection>,
}

/// Opens or creates the database. For a server it takes the lock.
pub(super) fn open(
    path: &Path,
    purpose: Purpose,
    consent: Consent,
    index: &Arc<Index>,
    counters: &Arc<Counters>,
    readers: usize,
) -> Result<OpenSqlite> {
    let opened = open_or_use_reserve(path, purpose, consent)?;
    let (path, installation) = (opened.place.path.clone(), opened.installation);
    let moved = must_not_be_moved(&Tx::from(&opened.db), consent, &path.display().to_string())?;
    let accepted = opened.accepted.map(|accusation| accusation.label()).or(moved);
    let vanished = || Error::unavailable("the database's files were moved or removed while they were opened");
    let watch = Arc::new(Watch::begin(&opened.place, &opened.file).ok_or_else(vanished)?);
    let freshness = Arc::new(Freshness::new(Arc::clone(&opened.announcement)));
    let writer = SqliteWriter::new(
        opened,
        purpose,
        consent,
        Arc::clone(index),
        Arc::clone(&freshness),
        Arc::clone(&watch),
        Arc::clone(counters),
    )?;
    let readers = (0..readers).map(|_| connection::reader(&path)).collect::<Result<Vec<_>>>()?;
    let files = Files { freshness, watch, path, accepted };
    Ok(OpenSqlite { files, installation, writer: Box::new(writer), readers })
}

fn open_or_use_reserve(path: &Path, purpose: Purpose, consent: Consent) -> Result<Opened> {
    match open::open(path, purpose, consent) {
        // On a full disk not even the files that every connection needs can be created.
        Err(error) if error.kind == Kind::Unavailable && purpose == Purpose::Revocation => {
            let place = open::find(path, consent)?;
            if !Reserve::beside(&place.path).give_back() {
                return Err(error);
            }
            open::open(path, purpose, consent)
        }
        opened => opened,
    }
}

impl Files {
    /// Whether the index has all changes that other processes announced.
    pub fn is_current(&self) -> bool {
        self.freshness.is_current()
    }

    /// The reason why what was read from the files proves nothing, if there is one.
    pub fn trouble(&self) -> Option<String> {
        self.watch.trouble()
    }

    /// Size of the write-ahead log. It is truncated to max 64 MiB when no reader prevents that.
    pub fn wal_bytes(&self) -> u64 {
        std::fs::metadata(files::beside(&self.path, "-wal")).map_or(0, |metadata| metadata.len())
    }

    /// Whether another process waits for the write lock.
    pub fn is_write_lock_wanted(&self) -> bool {
        self.freshness.announcement.asked_by().is_some()
    }
}

#[cfg(test)]
/// A connection to a new database.
pub(super) fn fresh(path: &Path) -> Connection {
    create::create(path).expect("the folder can be written");
    connection::writer(path).expect("the database is new")
}
