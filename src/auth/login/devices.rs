//! Recognises visitors who have signed in before, by a browser's cookie or an address.

use crate::auth::by::By;
use crate::error::Result;
use crate::model::session::DEVICE_LIFETIME;
use crate::model::time::SKEW;
use crate::model::{Digest, Email, Time, UserId};
use crate::store::{KnownBy, Tx};

/// Remembers a browser or an address; the newest 20 of each kind are kept per user.
pub(in crate::auth) fn remember(tx: &Tx<'_>, by: &By, known_by: KnownBy, user: UserId) -> Result<()> {
    tx.put_device(known_by, user, by.at)?;
    tx.prune_devices(known_by, user, by.at.plus(SKEW))
}

/// Whether the browser or address with this digest has signed in to this account before.
pub(super) fn is_known(tx: &Tx<'_>, digest: &Digest, email: &Email, now: Time) -> Result<bool> {
    tx.has_device(digest, email, now.minus(DEVICE_LIFETIME), now.plus(SKEW))
}
