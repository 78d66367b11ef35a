//! By what somebody is known who has signed in before: a browser's cookie or an address.

use crate::auth::by::By;
use crate::error::Result;
use crate::model::session::DEVICE_LIFETIME;
use crate::model::time::SKEW;
use crate::model::{Digest, Email, Time, UserId};
use crate::store::{KnownBy, Tx};

/// The newest 20 browsers and the newest 20 addresses of a user are known.
pub(in crate::auth) fn remember(tx: &Tx<'_>, by: &By, known_by: KnownBy, user: UserId) -> Result<()> {
    tx.put_device(known_by, user, by.at)?;
    tx.prune_devices(known_by, user, by.at.plus(SKEW))
}

/// Whether this account was signed in to before by the browser or the address with this digest.
pub(super) fn is_known(tx: &Tx<'_>, digest: &Digest, email: &Email, now: Time) -> Result<bool> {
    tx.has_device(digest, email, now.minus(DEVICE_LIFETIME), now.plus(SKEW))
}
