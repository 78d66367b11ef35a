//! The store: the database is the source of truth, and the key index answers look-ups. It owns the engines, the
//! statements, the change feed and, with SQLite, the files beside the database; no SQL, row or connection leaves it.
//! `auth` has the rules.

mod columns;
mod copy;
mod examination;
mod follow;
mod indexed;
mod moved;
mod postgres;
mod reader;
mod row;
mod sqlite;
mod tables;
mod tx;
mod value;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use crate::ambient::Pool;
use crate::error::{Error, Result};
use crate::index::{Index, IndexedKey, KeyView, Lookup};
use crate::model::signing::Keyring;
use crate::model::{Consent, DatabaseAddress, Digest, KeyId, NodeFigures, Purpose};

pub use copy::{CopiedRows, Destination, copy_rows};
pub use examination::Examination;
use reader::AnyReader;
pub use sqlite::{BackupReport, Restore};
pub use tables::{
    Failures, FamilyRow, FoundBy, HourlyUse, KeyRow, KnownBy, PendingImport, RefreshTokenRow, RefreshUse,
    RefusedLoginsOf, SessionRow, StoredRest, StoredSessionId, UserRow,
};
pub use tx::Tx;
use writer::{Counters, Writer};
pub use writer::{Urgency, WriterState};

const READERS: usize = 3;
const WAITING_READS: usize = 512;

pub struct Store {
    writer: Writer,
    readers: Pool<AnyReader>,
    index: Arc<Index>,
    engine: Arc<Engine>,
    installation: [u8; 16],
}

/// What the store knows about its open database.
enum Engine {
    Sqlite(sqlite::Files),
    Postgres(postgres::OwnNode),
}

impl Engine {
    /// The reason why what was just read proves nothing, if there is one.
    fn trouble(&self) -> Option<String> {
        match self {
            Engine::Sqlite(files) => files.trouble(),
            Engine::Postgres(node) => node.trouble(),
        }
    }
}

/// Whether there is a database.
pub fn exists(database: &DatabaseAddress) -> Result<bool> {
    match database {
        DatabaseAddress::File(path) => sqlite::exists(path),
        DatabaseAddress::Server(address) => postgres::exists(address),
    }
}

/// Checks the database without changing it.
pub fn examine(database: &DatabaseAddress, consent: Consent) -> Result<Examination> {
    match database {
        DatabaseAddress::File(path) => sqlite::examine(path, consent),
        DatabaseAddress::Server(address) => postgres::examine(address),
    }
}

/// Makes a backup of an SQLite database, and checks it. `progress` gets the pages that are done, and all of them.
pub fn back_up(
    database: &DatabaseAddress,
    consent: Consent,
    to: &Path,
    progress: &dyn Fn(u64, u64),
) -> Result<BackupReport> {
    sqlite::back_up(file_of(database)?, consent, to, progress)
}

/// Begins to put a backup in the place of an SQLite database.
pub fn begin_restore(
    from: &Path,
    consent: Consent,
    database: &DatabaseAddress,
    progress: &dyn Fn(u64, u64),
) -> Result<Restore> {
    Restore::begin(from, consent, file_of(database)?, progress)
}

fn file_of(database: &DatabaseAddress) -> Result<&Path> {
    match database {
        DatabaseAddress::File(path) => Ok(path),
        DatabaseAddress::Server(_) => Err(Error::conflict(
            "This is a PostgreSQL database. Back it up and restore it with PostgreSQL's own tools, such as pg_dump, \
             pg_basebackup and archived WAL.",
        )),
    }
}

/// Only one import at a time runs; the lock is released when this is dropped.
pub enum ImportLock {
    File(#[expect(dead_code, reason = "holding the file holds the lock")] sqlite::FileLock),
    Session(#[expect(dead_code, reason = "holding the session holds the lock")] Box<postgres::SessionLock>),
}

impl Store {
    /// Opens or creates the database. For a server it starts to fill the index and returns immediately; until the index
    /// is full, the database answers for missing keys.
    pub fn open(database: &DatabaseAddress, purpose: Purpose, consent: Consent) -> Result<Self> {
        let (index, counters) = (Arc::new(Index::new()), Arc::new(Counters::new()));
        let (engine, installation, writer, readers) = match database {
            DatabaseAddress::File(path) => {
                let parts = sqlite::open(path, purpose, consent, &index, &counters, READERS)?;
                let readers = parts.readers.into_iter().map(AnyReader::Sqlite).collect();
                (Engine::Sqlite(parts.files), parts.installation, parts.writer, readers)
            }
            DatabaseAddress::Server(address) => {
                let parts = postgres::open(address, purpose, consent, &index, &counters, READERS)?;
                let readers = parts.readers.into_iter().map(|reader| AnyReader::Postgres(Box::new(reader))).collect();
                (Engine::Postgres(parts.node), parts.installation, parts.writer, readers)
            }
        };
        let writer = Writer::start(writer, counters)?;
        let readers = Pool::start("reader", WAITING_READS, readers)?;
        Ok(Store { writer, readers, index, engine: Arc::new(engine), installation })
    }

    /// The random id of the database; its copies have the same id.
    pub fn installation(&self) -> &[u8; 16] {
        &self.installation
    }

    /// The engine and its version, for display.
    pub fn engine(&self) -> String {
        match &*self.engine {
            Engine::Sqlite(_) => format!("SQLite {}", rusqlite::version()),
            Engine::Postgres(node) => format!("PostgreSQL {}", node.version),
        }
    }

    /// Why the database is not the newest one, if the operator has accepted that. The first write makes it the newest.
    pub fn accepted(&self) -> Option<&str> {
        match &*self.engine {
            Engine::Sqlite(files) => files.accepted.as_deref(),
            Engine::Postgres(node) => node.accepted.as_deref(),
        }
    }

    /// Runs `look` on the key with this digest, in memory, without a query, lock or system call.
    pub fn look<T>(&self, digest: &Digest, look: impl Fn(&KeyView<'_>) -> T) -> Lookup<T> {
        match &*self.engine {
            Engine::Sqlite(files) if !files.is_current() => {
                self.writer.wake();
                if self.index.is_broken() { Lookup::Broken } else { Lookup::Unsure }
            }
            Engine::Postgres(node) if !node.is_current() => Lookup::Broken,
            _ => self.index.look(digest, look),
        }
    }

    /// Reads the key with this digest from the database, if the index is unsure.
    pub async fn find_by_digest(&self, digest: Digest) -> Result<Option<IndexedKey>> {
        self.read(move |tx| indexed::find(tx, &digest)).await
    }

    /// Reads the key with this id from the database, for callers that have only the id.
    pub async fn find_by_id(&self, id: KeyId) -> Result<Option<IndexedKey>> {
        self.read(move |tx| indexed::find_by_id(tx, id)).await
    }

    /// Whether text in another form than ours may be a key, imported from another system.
    pub fn may_hold_imported(&self) -> bool {
        self.index.may_hold_imported() || !self.is_current()
    }

    /// Whether the index has all changes that it must have.
    fn is_current(&self) -> bool {
        match &*self.engine {
            Engine::Sqlite(files) => files.is_current(),
            Engine::Postgres(node) => node.is_current(),
        }
    }

    /// Why no key can be looked up now, if that is so: the files are not those that were opened, or the node has no
    /// lease.
    pub fn cannot_answer(&self) -> Option<&'static str> {
        match &*self.engine {
            Engine::Sqlite(_) => self.index.is_broken().then_some("database_gone"),
            Engine::Postgres(node) => (!node.is_current()).then_some("lease_expired"),
        }
    }

    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The database file; `None` if the database is on a server.
    pub fn path(&self) -> Option<&Path> {
        match &*self.engine {
            Engine::Sqlite(files) => Some(&files.path),
            Engine::Postgres(_) => None,
        }
    }

    /// Size of SQLite's write-ahead log.
    pub fn wal_bytes(&self) -> Option<u64> {
        match &*self.engine {
            Engine::Sqlite(files) => Some(files.wal_bytes()),
            Engine::Postgres(_) => None,
        }
    }

    /// How many nodes there are, kept up to date.
    pub fn node_count(&self) -> Arc<AtomicU32> {
        match &*self.engine {
            Engine::Sqlite(_) => Arc::new(AtomicU32::new(1)),
            Engine::Postgres(node) => node.count(),
        }
    }

    /// `None` with SQLite.
    pub fn node(&self) -> Option<NodeFigures> {
        match &*self.engine {
            Engine::Sqlite(_) => None,
            Engine::Postgres(node) => node.figures(),
        }
    }

    pub fn writer_state(&self) -> WriterState {
        self.writer.state()
    }

    /// `None` while another process is importing.
    pub fn try_lock_import(&self) -> Result<Option<ImportLock>> {
        match &*self.engine {
            Engine::Sqlite(files) => Ok(files.try_lock_import()?.map(ImportLock::File)),
            Engine::Postgres(node) => Ok(node.try_lock_import()?.map(|lock| ImportLock::Session(Box::new(lock)))),
        }
    }

    /// Whether another process waits for the write lock, as far as that can be known.
    pub fn is_write_lock_wanted(&self) -> bool {
        match &*self.engine {
            Engine::Sqlite(files) => files.is_write_lock_wanted(),
            Engine::Postgres(_) => false,
        }
    }

    /// The file with the server's own signing keys.
    pub fn signing_file(&self) -> Result<PathBuf> {
        self.files().map(sqlite::Files::signing_file)
    }

    /// The keyring in the file; `None` if there is no file.
    pub fn signing_keys(&self) -> Result<Option<Keyring>> {
        self.files()?.signing_keys()
    }

    /// Creates the file with the first keyring, unless another process was first, and returns what it contains.
    pub fn begin_signing_keys(&self, ring: &Keyring) -> Result<Keyring> {
        self.files()?.begin_signing_keys(ring)
    }

    /// Replaces the file atomically and durably.
    pub fn replace_signing_keys(&self, ring: &Keyring) -> Result<()> {
        self.files()?.replace_signing_keys(ring)
    }

    fn files(&self) -> Result<&sqlite::Files> {
        match &*self.engine {
            Engine::Sqlite(files) => Ok(files),
            Engine::Postgres(_) => Err(Error::internal("a database on a server has no files beside it")),
        }
    }

    /// Finishes queued work and closes the database. The writer is closed last, because closing SQLite's last
    /// connection removes the log.
    pub fn close(&self) {
        self.readers.stop();
        self.writer.stop();
        if let Engine::Postgres(node) = &*self.engine {
            node.leave();
        }
    }

    pub async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.must_be_reachable()?;
        let engine = Arc::clone(&self.engine);
        self.readers.run(move |reader| read_and_check(reader, &engine, query)).await
    }

    /// One read for several callers, without waiting for it. On a reader's thread, `take` returns what they ask, `query`
    /// answers, and `reply` gets both.
    pub fn read_together<B, T>(
        &self,
        take: impl FnOnce() -> B + Send + 'static,
        query: impl FnOnce(&Tx<'_>, &B) -> Result<T> + Send + 'static,
        reply: impl FnOnce(B, Result<T>) + Send + 'static,
    ) -> Result<()> {
        self.must_be_reachable()?;
        let engine = Arc::clone(&self.engine);
        self.readers.submit(Box::new(move |reader| {
            let asked = take();
            let found = read_and_check(reader, &engine, |tx| query(tx, &asked));
            reply(asked, found);
        }))
    }

    /// Runs one transaction on the writer thread, and returns when it is durable and in the index. `act` can run twice.
    pub async fn write<T: Send + 'static>(
        &self,
        urgency: Urgency,
        act: impl Fn(&Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.must_be_reachable()?;
        self.writer.run(urgency, act).await
    }

    /// A node without a lease refuses at once what would only wait for the server.
    fn must_be_reachable(&self) -> Result<()> {
        match &*self.engine {
            Engine::Postgres(node) => node.trouble().map_or(Ok(()), |why| Err(Error::unavailable(why))),
            Engine::Sqlite(_) => Ok(()),
        }
    }
}

/// Checks after the read whether it proves anything. With SQLite: if another process has committed to other files, those
/// are at this path by now. With PostgreSQL: a server that was replaced by another one must not answer after the lease.
fn read_and_check<T>(reader: &mut AnyReader, engine: &Engine, query: impl FnOnce(&Tx<'_>) -> Result<T>) -> Result<T> {
    let found = reader.run(query)?;
    engine.trouble().map_or(Ok(found), |why| Err(Error::unavailable(why)))
}

impl Drop for Store {
    fn drop(&mut self) {
        self.close();
    }
}
