//! The store: SQLite is the source of truth, and the key index answers look-ups. It owns the engine, the statements,
//! the files beside the database and the change feed; no SQL, row or connection leaves it. `auth` has the rules.

mod announce;
mod check;
mod companions;
mod connection;
mod create;
mod files;
mod filesystem;
mod follow;
mod import_lock;
mod lineage;
mod locks;
mod log;
mod mark;
mod open;
mod place;
mod reserve;
mod rows;
mod schema;
mod signing;
mod tables;
mod tx;
mod watch;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::Connection;

use crate::ambient::Pool;
use crate::error::{Error, Kind, Result};
use crate::index::{Index, IndexedKey, KeyView, Lookup};
use crate::model::{Consent, Digest, KeyId, Purpose};

use announce::Announcement;
pub use check::{Examination, examine};
pub use import_lock::ImportLock;
use reserve::Reserve;
pub use tables::{
    Failures, FamilyRow, KeyRow, KnownBy, PendingImport, RefreshTokenRow, RefreshUse, RefusedLoginsOf, SessionRow,
    StoredSessionId, UserRow,
};
pub use tx::Tx;
use watch::Watch;
use writer::Writer;
pub use writer::{Urgency, WriterState};

/// The engine and its version, for display.
pub fn engine() -> String {
    format!("SQLite {}", rusqlite::version())
}

const READERS: usize = 3;
const WAITING_READS: usize = 512;

pub struct Store {
    writer: Writer,
    readers: Pool<Connection>,
    index: Arc<Index>,
    freshness: Arc<Freshness>,
    watch: Arc<Watch>,
    path: PathBuf,
    installation: [u8; 16],
    /// Why the database is not the newest one, if the operator has accepted that.
    accepted: Option<String>,
}

/// Whether the index has all changes that other processes announced.
pub(crate) struct Freshness {
    announcement: Arc<Announcement>,
    /// The announcement up to which the index has all changes.
    seen: AtomicU64,
}

impl Freshness {
    /// Costs one load from shared memory and one from our own, and no system call.
    fn is_current(&self) -> bool {
        self.announcement.read() == self.seen.load(Ordering::Acquire)
    }
}

impl Store {
    /// Opens or creates the database. For a server it takes the lock, starts to fill the index and returns immediately;
    /// until the index is full, SQLite answers for missing keys.
    pub fn open(path: &Path, purpose: Purpose, consent: Consent) -> Result<Self> {
        let opened = match open::open(path, purpose, consent) {
            // On a full disk not even the files that every connection needs can be created.
            Err(error) if error.kind == Kind::Unavailable && purpose == Purpose::Revocation => {
                let place = open::find(path, consent)?;
                if !Reserve::beside(&place.path).give_back() {
                    return Err(error);
                }
                open::open(path, purpose, consent)?
            }
            opened => opened?,
        };
        let (path, installation) = (opened.place.path.clone(), opened.installation);
        let accepted = opened.accepted.map(|accusation| accusation.label());
        let vanished = || Error::unavailable("the database's files were moved or removed while they were opened");
        let watch = Arc::new(Watch::begin(&opened.place, &opened.file).ok_or_else(vanished)?);
        let index = Arc::new(Index::new());
        let announcement = Arc::clone(&opened.announcement);
        let freshness = Arc::new(Freshness { announcement, seen: AtomicU64::new(u64::MAX) });
        let writer = Writer::start(opened, Arc::clone(&index), Arc::clone(&freshness), Arc::clone(&watch))?;
        let connections = (0..READERS).map(|_| connection::reader(&path)).collect::<Result<Vec<_>>>()?;
        let readers = Pool::start("reader", WAITING_READS, connections)?;
        Ok(Store { writer, readers, index, freshness, watch, path, installation, accepted })
    }

    /// The random id of the database; its copies have the same id.
    pub fn installation(&self) -> &[u8; 16] {
        &self.installation
    }

    /// Why the database is not the newest one, if the operator has accepted that. The first write makes it the newest.
    pub fn accepted(&self) -> Option<&str> {
        self.accepted.as_deref()
    }

    /// Runs `look` on the key with this digest, in memory, without a query, lock or system call.
    pub fn look<T>(&self, digest: &Digest, look: impl Fn(&KeyView<'_>) -> T) -> Lookup<T> {
        if !self.freshness.is_current() {
            self.writer.wake();
            return if self.index.is_broken() { Lookup::Broken } else { Lookup::Unsure };
        }
        self.index.look(digest, look)
    }

    /// Reads the key with this digest from SQLite, if the index is unsure.
    pub async fn find_by_digest(&self, digest: Digest) -> Result<Option<IndexedKey>> {
        self.read(move |tx| follow::find(tx.db, &digest)).await
    }

    /// Reads the key with this id from SQLite, for callers that have only the id.
    pub async fn find_by_id(&self, id: KeyId) -> Result<Option<IndexedKey>> {
        self.read(move |tx| follow::find_by_id(tx.db, id)).await
    }

    /// Whether text in another form than ours may be a key, imported from another system.
    pub fn may_hold_imported(&self) -> bool {
        self.index.may_hold_imported() || !self.freshness.is_current()
    }

    pub fn index(&self) -> &Index {
        &self.index
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Size of the write-ahead log. It is truncated to max 64 MiB when no reader prevents that.
    pub fn wal_bytes(&self) -> u64 {
        std::fs::metadata(files::beside(&self.path, "-wal")).map_or(0, |metadata| metadata.len())
    }

    pub fn writer_state(&self) -> WriterState {
        self.writer.state()
    }

    /// Finishes queued work, checkpoints and closes the database. The writer is closed last, because closing the last
    /// connection removes the log.
    pub fn close(&self) {
        self.readers.stop();
        self.writer.stop();
    }

    pub async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let watch = Arc::clone(&self.watch);
        let read = move |db: &mut Connection| {
            let found = query(&Tx::new(db))?;
            // This is checked after the read: if another process has committed to other files, those are at this path
            // by now.
            watch.trouble().map_or(Ok(found), |why| Err(Error::unavailable(why)))
        };
        self.readers.run(read).await
    }

    /// Runs one transaction on the writer thread, and returns when it is durable and in the index. `act` can run twice.
    pub async fn write<T: Send + 'static>(
        &self,
        urgency: Urgency,
        act: impl Fn(&Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.writer.run(urgency, act).await
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.close();
    }
}
