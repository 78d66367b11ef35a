//! Refuses a database that was moved elsewhere: two databases must not answer for the same keys.

use super::Tx;
use crate::error::{Error, Result};
use crate::model::Consent;

/// Returns what was accepted, if the operator accepts a moved database.
pub(super) fn must_not_be_moved(tx: &Tx<'_>, consent: Consent, name: &str) -> Result<Option<String>> {
    let Some(found) = tx.last_move()? else { return Ok(None) };
    let (at, to) = (found.at, found.destination);
    if consent.older_database {
        return Ok(Some(format!("a database that was moved to {to} at {at}")));
    }
    Err(Error::conflict(format!(
        "{name} was moved to {to} at {at}. Keys that were revoked there since are still live here. Use that database. To \
         continue with this one instead, start once with --accept-older-database; the audit log records it."
    )))
}
