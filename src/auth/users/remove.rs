//! Removing a user permanently, with all keys.

use super::change::deactivate;
use super::{find, keep_an_admin, log, missing};
use crate::auth::by::By;
use crate::auth::caller::Asking;
use crate::auth::{Auth, Urgency, keys};
use crate::error::{Error, Result};
use crate::model::{Action, Basis, Time, User, UserId};
use crate::store::Tx;

/// Keys revoked per transaction.
const KEYS_AT_ONCE: usize = 250;

/// The progress of a user's removal.
struct Removal {
    keys: u64,
    is_done: bool,
}

/// A user with many keys is deactivated first, and the keys are then revoked in batches, so that no other revocation
/// waits for all of them.
fn begin(tx: &Tx<'_>, by: &By, id: UserId, seen: &Basis) -> Result<Removal> {
    let user = find(tx, id)?;
    seen.must_hold(|| user.version(), "user")?;
    keep_an_admin(tx, &user)?;
    let begun = remove_some(tx, by, &user)?;
    if user.active && !begun.is_done {
        deactivate(tx, by, &user)?;
    }
    Ok(begun)
}

fn go_on(tx: &Tx<'_>, by: &By, id: UserId) -> Result<Removal> {
    let user = tx.user_without_count(id)?.ok_or_else(missing)?;
    keep_an_admin(tx, &user)?;
    remove_some(tx, by, &user)
}

/// Revokes some keys of the user; the last batch also removes the user.
fn remove_some(tx: &Tx<'_>, by: &By, user: &User) -> Result<Removal> {
    let digests = tx.digests_of_owner(user.id, KEYS_AT_ONCE)?;
    let mut revoked = 0;
    for digest in &digests {
        // A row of an incomplete import is not a key yet, so there is nothing to report.
        if let Some(record) = tx.key_with_stored_digest(digest)? {
            keys::log_revoked(tx, by, &record)?;
            revoked += u64::from(!record.is_token);
        }
        tx.delete_key_with_stored_digest(digest)?;
    }
    // Only once the keys are gone, because revoking them could add some.
    let is_done = digests.len() < KEYS_AT_ONCE
        && tx.delete_leak_notices_of(user.id, Time::from_millis(i64::MAX), KEYS_AT_ONCE)? < KEYS_AT_ONCE;
    if is_done {
        tx.delete_user(user.id)?;
        log(tx, by, Action::UserRemoved, user)?;
    }
    Ok(Removal { keys: revoked, is_done })
}

impl Auth {
    /// Revokes the user's keys, each with its event, and deletes the user. Returns the number of keys.
    pub async fn remove_user(&self, asking: &Asking, id: UserId, seen: Basis) -> Result<u64> {
        asking.caller.must_be_admin()?;
        if asking.caller.is(id) {
            return Err(Error::conflict("You cannot remove yourself. Ask another admin."));
        }
        let act = move |tx: &Tx<'_>, by: &By| begin(tx, by, id, &seen);
        let Removal { mut keys, mut is_done } = self.act(Urgency::Revocation, self.by(&asking.origin), act).await?;
        while !is_done {
            let act = move |tx: &Tx<'_>, by: &By| go_on(tx, by, id);
            let more = self.act(Urgency::Revocation, self.by(&asking.origin), act).await?;
            (keys, is_done) = (keys + more.keys, more.is_done);
        }
        Ok(keys)
    }
}
