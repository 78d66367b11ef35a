//! Changing the file of the signing keys.

use crate::auth::audit;
use crate::auth::by::By;
use crate::error::{Error, Result};
use crate::model::Action;
use crate::model::signing::Keyring;
use crate::store::{Store, Tx};

/// In a transaction, so that of two rotations at once the second sees the first. The file is replaced before the
/// commit: at worst a rotation has no event, never an event no rotation.
pub(super) fn change(
    tx: &Tx<'_>,
    by: &By,
    store: &Store,
    change: &impl Fn(Keyring) -> Keyring,
    action: Action,
) -> Result<Keyring> {
    let ring = change(store.signing_keys()?.ok_or_else(|| Error::not_found("signing key"))?);
    audit::append(tx, by, action, None, ring.label())?;
    store.replace_signing_keys(&ring)?;
    Ok(ring)
}
