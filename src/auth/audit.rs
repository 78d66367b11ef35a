//! The audit log: one event per act, in the act's own transaction. If the event cannot be written, the act fails.

use super::by::By;
use super::caller::Asking;
use super::{Auth, Urgency};
use crate::error::Result;
use crate::model::{Action, EventDetail, EventFilter, FoundEvents, NewEvent};
use crate::store::Tx;

/// `object` is the id of the act's object; `label` is what people recognise it by, never key material.
pub(super) fn append(tx: &Tx<'_>, by: &By, action: Action, object: Option<[u8; 16]>, label: String) -> Result<()> {
    append_detailed(tx, by, action, object, label, EventDetail::default())
}

/// With what the act changed, and facts about it.
pub(super) fn append_detailed(
    tx: &Tx<'_>,
    by: &By,
    action: Action,
    object: Option<[u8; 16]>,
    label: String,
    detail: EventDetail,
) -> Result<()> {
    let event = NewEvent { at: by.at, origin: by.origin.clone(), action, object, label, detail };
    let (last, chain) = tx.last_event()?.unwrap_or_default();
    let line = event.line(last + 1);
    tx.put_event(&event, &line, &line.chain(&chain))
}

impl Auth {
    /// The events that match the filter, newest first; for admins only.
    pub async fn events(&self, asking: &Asking, filter: EventFilter) -> Result<FoundEvents> {
        asking.caller.must_be_admin()?;
        self.store.read(move |tx| tx.events(&filter)).await
    }

    /// The number of the newest event.
    pub async fn event_count(&self, asking: &Asking) -> Result<i64> {
        asking.caller.must_be_admin()?;
        Ok(self.store.read(|tx| tx.last_event()).await?.unwrap_or_default().0)
    }

    /// Those of these ids that a key or a user has, and that therefore have a page.
    pub async fn ids_in_use(&self, asking: &Asking, ids: Vec<[u8; 16]>) -> Result<Vec<[u8; 16]>> {
        asking.caller.must_be_admin()?;
        self.store.read(move |tx| tx.ids_in_use(&ids)).await
    }

    /// Records in the log that the operator accepted an older database, and forgets the newer one. `None` if there was
    /// nothing to accept. Must be the first write.
    pub async fn note_acceptance(&self) -> Result<Option<String>> {
        let Some(accepted) = self.store.accepted().map(str::to_owned) else { return Ok(None) };
        let label = accepted.clone();
        let note = move |tx: &Tx<'_>, by: &By| {
            tx.forget_move()?;
            append(tx, by, Action::DatabaseReplaced, None, label.clone())
        };
        self.act(Urgency::Ordinary, self.by(&Asking::operator().origin), note).await?;
        Ok(Some(accepted))
    }
}
