//! What happened to one key or one person, for their pages.

use super::caller::{Asking, Caller};
use super::{Auth, keys};
use crate::error::Result;
use crate::model::{Event, KeyId, UserId};
use crate::store::Tx;

/// How many events a page shows.
const HISTORY: usize = 20;

impl Auth {
    /// The newest events about this key, for whoever can see the key.
    pub async fn key_history(&self, caller: &Caller, id: KeyId) -> Result<Vec<Event>> {
        let reach = caller.reach();
        let history = move |tx: &Tx<'_>| {
            keys::find(tx, id, reach)?;
            tx.events_concerning(*id.as_bytes(), HISTORY)
        };
        self.store.read(history).await
    }

    /// The newest events by or about this user.
    pub async fn user_history(&self, asking: &Asking, id: UserId) -> Result<Vec<Event>> {
        asking.caller.must_be_admin()?;
        self.store.read(move |tx| tx.events_concerning(*id.as_bytes(), HISTORY)).await
    }
}
