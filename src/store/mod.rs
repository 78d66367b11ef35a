//! The store: SQLite is the truth, the key index answers. Every verb is one transaction, its event
//! included; no SQL, row, connection or transaction type crosses this line.

mod announce;
mod authority;
mod check;
mod events;
mod files;
mod follow;
mod import;
mod journal;
mod journal_batch;
mod key_changes;
mod key_search;
mod keys;
mod leaks;
mod open;
mod pending;
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
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::Connection;

use crate::ambient::Pool;
use crate::error::Result;
use crate::index::{Index, IndexedKey, KeyView, Lookup};
use crate::model::{Digest, KeyId, Origin, Time};

use announce::Announcement;
pub use events::{ChainReport, EventFilter};
pub use import::{Input, Revoked, Rows};
pub use journal::{Finished, Journal, Row as UsageRow, Sums as UsageSums};
pub use key_search::KeyFilter;
pub use keys::{Batch, Created, KeyWrite, Reach};
pub use refresh::{Pair, RefreshUse, Refreshed};
pub use rotation::Successor;
pub use sessions::NewSession;
pub use signing::Stamp;
pub use standing::Standing;
pub use submissions::Submission;
pub use throttle::{Cleared, Failures};
pub use tokens::{NewFamily, NewToken};
pub use user_changes::NewPassword;
pub use users::{NewUser, UserFilter};
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
}

pub struct Store {
    writer: Writer,
    readers: Pool<Connection>,
    index: Arc<Index>,
    freshness: Arc<Freshness>,
    path: PathBuf,
    installation: [u8; 16],
}

/// How far the index has followed the changes that other processes announced.
pub(crate) struct Freshness {
    announcement: Announcement,
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
    /// Opens or creates the database. As the server: takes the lock, starts filling the index and
    /// returns at once; until it is full, misses are answered by SQLite.
    pub fn open(path: &Path, purpose: Purpose) -> Result<Self> {
        let path = files::absolute(path)?;
        let lock = (purpose == Purpose::Serve).then(|| files::ServerLock::take(&path)).transpose()?;
        open::prepare(&path)?;
        let index = Arc::new(Index::new());
        let freshness =
            Arc::new(Freshness { announcement: Announcement::open(&path)?, seen: AtomicU64::new(u64::MAX) });
        let writer = Writer::start(&path, purpose, Arc::clone(&index), Arc::clone(&freshness), lock)?;
        let connections = (0..READERS).map(|_| open::reader(&path)).collect::<Result<Vec<_>>>()?;
        let installation = open::installation(&path)?;
        let readers = Pool::start("reader", WAITING_READS, connections)?;
        Ok(Store { writer, readers, index, freshness, path, installation })
    }

    /// Random, and another one in each database; copies of one share it.
    pub fn installation(&self) -> &[u8; 16] {
        &self.installation
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

    /// Finishes what is queued, checkpoints and closes the writer.
    pub fn close(&self) {
        self.writer.stop();
    }

    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.readers.run(move |db| query(db)).await
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
