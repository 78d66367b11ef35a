//! The nodes that share the database.

use super::Auth;
use super::caller::Asking;
use crate::error::{Error, Result};
use crate::model::Nodes;

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
}
