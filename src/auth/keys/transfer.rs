//! Handing all keys of one user over to another, for example before the first one leaves. The keys keep working.

use super::change::transfer;
use super::log;
use crate::auth::by::By;
use crate::auth::caller::Asking;
use crate::auth::{Auth, Urgency};
use crate::error::{Error, Result};
use crate::model::{Action, EventDetail, Reach, UserId};
use crate::store::Tx;

/// Keys transferred per transaction, so that no revocation waits long for it.
const KEYS_AT_ONCE: usize = 100;

/// Transfers some keys; returns how many. Tokens and damaged rows stay.
fn hand_over_some(tx: &Tx<'_>, by: &By, from: UserId, to: UserId) -> Result<usize> {
    let ids = tx.key_ids_of_owner(from, KEYS_AT_ONCE)?;
    let mut handed_over = 0;
    for id in ids {
        let Some(mut record) = tx.key(id, Reach::Own(from))? else { continue };
        let before = record.owner.email.to_string();
        transfer(tx, &mut record, to)?;
        let detail = EventDetail::default().change("owner", before, record.owner.email.as_str());
        log(tx, by, Action::KeyChanged, &record, detail)?;
        handed_over += 1;
    }
    Ok(handed_over)
}

impl Auth {
    /// Makes `to` the owner of all keys of `from`, each with its event. Returns their number. If the new owner may not
    /// have so many keys, those transferred so far stay transferred, and the error says what to do.
    pub async fn hand_over_keys(&self, asking: &Asking, from: UserId, to: UserId) -> Result<usize> {
        asking.caller.must_be_admin()?;
        if from == to {
            return Err(Error::invalid("to", "Choose another person: these keys belong to this one already."));
        }
        let mut total = 0;
        loop {
            let act = move |tx: &Tx<'_>, by: &By| hand_over_some(tx, by, from, to);
            let handed_over = self.act(Urgency::Ordinary, self.by(&asking.origin), act).await?;
            total += handed_over;
            if handed_over == 0 {
                return Ok(total);
            }
        }
    }
}
