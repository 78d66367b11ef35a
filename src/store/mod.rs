//! The store: SQLite is the truth, the key index answers. Every verb is one transaction, its event
//! included; no SQL, row, connection or transaction type crosses this line.

mod announce;
mod authority;
mod check;
mod companions;
mod create;
mod events;
mod files;
mod filesystem;
mod follow;
mod import;
mod journal;
mod journal_batch;
mod key_changes;
mod key_search;
mod keys;
mod leaks;
mod lineage;
mod locks;
mod log;
mod mark;
mod open;
mod pending;
mod place;
mod refresh;
mod refused_logins;
mod reserve;
mod rotation;
mod rows;
mod sessions;
mod signing;
mod standing;
mod submissions;
mod throttle;
mod tokens;
mod tombstones;
mod usage;
mod user_changes;
mod users;
mod watch;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::Connection;

use crate::ambient::Pool;
use crate::error::{Error, Kind, Result};
use crate::index::{Index, IndexedKey, KeyView, Lookup};
use crate::model::{Action, Digest, KeyId, NewEvent, Origin, Time};

use announce::Announcement;
pub use check::{Examination, examine};
pub use events::{ChainReport, EventFilter};
pub use import::{Input, Revoked, Rows};
pub use journal::{Finished, Journal, Row as UsageRow, Sums as UsageSums};
pub use key_search::KeyFilter;
pub use keys::{Batch, Created, KeyWrite, Reach};
pub use refresh::{Pair, RefreshUse, Refreshed};
use reserve::Reserve;
pub use rotation::Successor;
pub use sessions::NewSession;
pub use signing::Stamp;
pub use standing::Standing;
pub use submissions::Submission;
pub use throttle::{Cleared, Failures};
pub use tokens::{NewFamily, NewToken};
pub use user_changes::NewPassword;
pub use users::{NewUser, UserFilter};
use watch::Watch;
pub use writer::WriterState;
use writer::{Urgency, Writer};

/// The engine and its version, for people.
pub fn engine() -> String {
    format!("SQLite {}", rusqlite::version())
}

const READERS: usize = 3;
const WAITING_READS: usize = 512;

/// Why the database is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The one server: holds the lock, keeps the index.
    Serve,
    /// A command beside it, or alone: announces what it changes.
    Command,
    /// A command that takes something away: it may use the reserve to open the database, too.
    Withdrawal,
}

/// What the operator agrees to, that is refused otherwise.
#[derive(Debug, Clone, Copy, Default)]
pub struct Consent {
    /// The database may be on a network file system, or on one that cannot be told from it.
    pub network_file_system: bool,
    /// The database may be an older copy of the one that was there before, or another one.
    pub older_database: bool,
}

pub struct Store {
    writer: Writer,
    readers: Pool<Connection>,
    index: Arc<Index>,
    freshness: Arc<Freshness>,
    watch: Arc<Watch>,
    path: PathBuf,
    installation: [u8; 16],
    /// Why the database is not the newest one, where the operator agreed to that.
    accepted: Option<String>,
}

/// How far the index has followed the changes that other processes announced.
pub(crate) struct Freshness {
    announcement: Arc<Announcement>,
    /// The announcement up to which the index holds every change.
    seen: AtomicU64,
}

impl Freshness {
    /// One load of shared memory and one of ours: no system call.
    fn is_current(&self) -> bool {
        self.announcement.read() == self.seen.load(Ordering::Acquire)
    }
}

impl Store {
    /// Opens or creates the database, with [`Consent`] to nothing.
    pub fn open(path: &Path, purpose: Purpose) -> Result<Self> {
        Self::open_with(path, purpose, Consent::default())
    }

    /// Opens or creates the database. As the server: takes the lock, starts filling the index and
    /// returns at once; until it is full, misses are answered by SQLite.
    pub fn open_with(path: &Path, purpose: Purpose, consent: Consent) -> Result<Self> {
        let opened = match open::open(path, purpose, consent) {
            // On a full disk even the files that every connection needs cannot be made.
            Err(error) if error.kind == Kind::Unavailable && purpose == Purpose::Withdrawal => {
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
        let connections = (0..READERS).map(|_| open::reader(&path)).collect::<Result<Vec<_>>>()?;
        let readers = Pool::start("reader", WAITING_READS, connections)?;
        Ok(Store { writer, readers, index, freshness, watch, path, installation, accepted })
    }

    /// Random, and another one in each database; copies of one share it.
    pub fn installation(&self) -> &[u8; 16] {
        &self.installation
    }

    /// Where the operator accepted a database that is not the newest one, this says so in its audit log; from then on
    /// it is the newest one. The store's first write.
    pub async fn note_acceptance(&self, now: Time) -> Result<Option<String>> {
        let Some(label) = self.accepted.clone() else { return Ok(None) };
        let note = move |db: &Connection| {
            let (origin, label) = (Origin::operator(), label.clone());
            events::append(db, &NewEvent { at: now, origin, action: Action::DatabaseReplaced, object: None, label })
        };
        self.writer.run(Urgency::Ordinary, note).await?;
        Ok(self.accepted.clone())
    }

    /// Runs `look` on the key with this digest, in memory: no query, no lock, no system call.
    pub fn look<T>(&self, digest: &Digest, look: impl Fn(&KeyView<'_>) -> T) -> Lookup<T> {
        if !self.freshness.is_current() {
            self.writer.wake();
            return if self.index.is_broken() { Lookup::Broken } else { Lookup::Unsure };
        }
        self.index.look(digest, look)
    }

    /// The key with this digest, from SQLite: for when the index is unsure.
    pub async fn find_by_digest(&self, digest: Digest) -> Result<Option<IndexedKey>> {
        self.read(move |db| follow::find(db, &digest)).await
    }

    /// The key with this id, from SQLite: for what names a key without its text.
    pub async fn find_by_id(&self, id: KeyId) -> Result<Option<IndexedKey>> {
        self.read(move |db| follow::find_by_id(db, id)).await
    }

    /// Whether text that is not a key of ours may still be one, imported from elsewhere.
    pub fn may_hold_imported(&self) -> bool {
        self.index.may_hold_imported() || !self.freshness.is_current()
    }

    pub fn index(&self) -> &Index {
        &self.index
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Size of the write-ahead log; it is cut back to 64 MiB at most when readers let it be.
    pub fn wal_bytes(&self) -> u64 {
        std::fs::metadata(files::beside(&self.path, "-wal")).map_or(0, |metadata| metadata.len())
    }

    pub fn writer_state(&self) -> WriterState {
        self.writer.state()
    }

    /// Finishes what is queued, checkpoints and closes the database. The writer goes last: closing the last connection
    /// removes the log.
    pub fn close(&self) {
        self.readers.stop();
        self.writer.stop();
    }

    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let watch = Arc::clone(&self.watch);
        let read = move |db: &mut Connection| {
            let found = query(db)?;
            // Afterwards: had another process changed anything by other files, they would be here by now.
            watch.trouble().map_or(Ok(found), |why| Err(Error::unavailable(why)))
        };
        self.readers.run(read).await
    }

    /// An act of somebody: one transaction on the writer thread, in which whoever acts is judged again
    /// first; answered after it is durable and the index knows.
    async fn write<T: Send + 'static>(
        &self,
        origin: Origin,
        now: Time,
        verb: impl Fn(&Connection, &Origin) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.act(Urgency::Ordinary, origin, now, verb).await
    }

    /// An act that takes something away: also when the disk is full.
    async fn withdraw<T: Send + 'static>(
        &self,
        origin: Origin,
        now: Time,
        verb: impl Fn(&Connection, &Origin) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.act(Urgency::Withdrawal, origin, now, verb).await
    }

    async fn act<T: Send + 'static>(
        &self,
        urgency: Urgency,
        origin: Origin,
        now: Time,
        verb: impl Fn(&Connection, &Origin) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let verb = move |db: &Connection| {
            authority::must_hold(db, &origin, now)?;
            verb(db, &origin)
        };
        self.writer.run(urgency, verb).await
    }

    /// A transaction that nobody asked for: bookkeeping of the store's own.
    async fn maintain<T: Send + 'static>(&self, verb: impl Fn(&Connection) -> Result<T> + Send + 'static) -> Result<T> {
        self.writer.run(Urgency::Ordinary, verb).await
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.close();
    }
}
