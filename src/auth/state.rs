//! The state of the database: for readiness and the metrics.

use std::path::Path;

use super::Auth;
use crate::ambient::histogram::Snapshot;
use crate::model::NodeFigures;

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
    /// `None` while the database cannot be read.
    pub sessions: Option<u64>,
    /// Size of SQLite's write-ahead log.
    pub wal_bytes: Option<u64>,
    /// `None` with SQLite.
    pub node: Option<NodeFigures>,
}

impl Auth {
    pub async fn database_state(&self) -> DatabaseState {
        let (index, writer) = (self.store.index(), self.store.writer_state());
        DatabaseState {
            keys: index.keys(),
            revision: index.revision(),
            index_is_full: index.is_full(),
            writes_are_failing: writer.failing,
            commits: writer.commit_micros,
            batches: writer.batch_sizes,
            // The other figures are most useful while the database cannot be read.
            sessions: self.store.read(|tx| tx.count_sessions()).await.ok(),
            wal_bytes: self.store.wal_bytes(),
            node: self.store.node(),
        }
    }

    /// Why no key can be checked, if that is so: `database_gone` (its files are missing or were replaced) or
    /// `lease_expired` (the heartbeats of this node do not reach the database).
    pub fn cannot_check(&self) -> Option<&'static str> {
        self.store.cannot_answer()
    }

    /// Whether the database is on PostgreSQL, where other servers can share it.
    pub fn is_one_of_several_nodes(&self) -> bool {
        self.store.node().is_some()
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
