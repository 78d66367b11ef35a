//! The state of the database: for readiness and the metrics.

use std::path::Path;

use super::Auth;
use crate::ambient::histogram::Snapshot;
use crate::error::Result;

/// The state at one moment.
#[derive(Debug)]
pub struct DatabaseState {
    pub keys: u64,
    /// The revision that the index has reached.
    pub revision: u64,
    pub index_is_full: bool,
    pub writes_are_failing: bool,
    /// Durations of durable commits, in microseconds.
    pub commits: Snapshot,
    /// Number of writes per commit.
    pub batches: Snapshot,
    pub sessions: u64,
    /// Size of the write-ahead log.
    pub wal_bytes: u64,
}

impl Auth {
    pub async fn database_state(&self) -> Result<DatabaseState> {
        let (index, writer) = (self.store.index(), self.store.writer_state());
        Ok(DatabaseState {
            keys: index.keys(),
            revision: index.revision(),
            index_is_full: index.is_full(),
            writes_are_failing: writer.failing,
            commits: writer.commit_micros,
            batches: writer.batch_sizes,
            sessions: self.store.read(|tx| tx.count_sessions()).await?,
            wal_bytes: self.store.wal_bytes(),
        })
    }

    /// Whether no key can be checked: the database's files are missing or were replaced, or this node has no lease.
    pub fn is_database_gone(&self) -> bool {
        self.store.is_cut_off()
    }

    /// The engine and its version, for display.
    pub fn engine(&self) -> String {
        self.store.engine()
    }

    pub fn writes_are_failing(&self) -> bool {
        self.store.writer_state().failing
    }

    /// The database file; `None` if the database is on a server.
    pub fn database_path(&self) -> Option<&Path> {
        self.store.path()
    }
}
