//! The nodes that share the database.

use super::Auth;
use super::caller::Asking;
use crate::error::{Error, Result};
use crate::model::{Nodes, PendingChange};

impl Auth {
    pub async fn nodes(&self, asking: &Asking) -> Result<Nodes> {
        asking.caller.must_be_admin()?;
        let alone = || {
            Error::conflict(
                "This database is a file, which one server uses alone. Several nodes need a database on PostgreSQL.",
            )
        };
        self.store.read(|tx| tx.nodes()).await?.ok_or_else(alone)
    }

    /// What the caller of the newest change on this node waits for, if that is not in force on every node yet.
    pub fn pending_change(&self) -> Option<PendingChange> {
        self.store.node()?.pending
    }
}
