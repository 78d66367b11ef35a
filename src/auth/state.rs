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

    /// Whether the database's files are missing or were replaced, so that no key can be checked.
    pub fn is_database_gone(&self) -> bool {
        self.store.index().is_broken()
    }

    pub fn writes_are_failing(&self) -> bool {
        self.store.writer_state().failing
    }

    pub fn database_path(&self) -> &Path {
        self.store.path()
    }
}
