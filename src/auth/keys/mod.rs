//! Keys: the rules that all acts on keys share.

mod change;
mod create;
mod disable;
mod import;
mod leaked;
mod list;
mod replacing;
pub(super) mod request;
mod revoke;
mod rotate;
mod submission;
mod transfer;

use super::by::By;
use super::{Auth, audit};
use crate::error::{Error, Result};
use crate::model::event_detail::time_or_null;
use crate::model::{Action, EventDetail, KeyId, KeyPrefix, KeyRecord, PlainKey, Reach, UserId};
use crate::store::Tx;

pub use import::{BATCH_ROWS, ImportInput, ImportRows, RevokedLines};
pub use request::{KeyRequest, LeftOpen};
pub use revoke::WhichKeys;
pub use rotate::Rotation;

pub(super) use create::put;
pub(super) use import::remove_abandoned;
pub(super) use leaked::with_digest;
pub(super) use replacing::end_silent_keys;
pub(super) use revoke::revoke;

/// Maximum number of keys per member; admins may have any number.
const KEYS_PER_MEMBER: i64 = 1000;

/// The result of a request for a key.
#[derive(Debug)]
pub enum Made {
    /// A new key, with the server's only copy of its text.
    Now { key: PlainKey, record: Box<KeyRecord> },
    /// The same request created this key before, and its text was shown then.
    Before(KeyId),
}

/// The same result inside the transaction, which never sees the text.
enum Created {
    Now(Box<KeyRecord>),
    Before(KeyId),
}

impl Created {
    fn with_text(self, key: PlainKey) -> Made {
        match self {
            Created::Now(record) => Made::Now { key, record },
            Created::Before(id) => Made::Before(id),
        }
    }
}

/// A key out of reach gets the same answer as one that does not exist.
pub(super) fn find(tx: &Tx<'_>, id: KeyId, reach: Reach) -> Result<KeyRecord> {
    tx.key(id, reach)?.ok_or_else(|| Error::not_found("key"))
}

pub(super) fn log(tx: &Tx<'_>, by: &By, action: Action, key: &KeyRecord, detail: EventDetail) -> Result<()> {
    let label = format!("{} ({}) of {}", key.settings.name, key.hint, key.owner.email);
    let object = (!key.unreadable.contains(&"id")).then(|| *key.id.as_bytes());
    audit::append_detailed(tx, by, action, object, label, detail)
}

/// The event of a revocation, with the last use that has been written.
pub(super) fn log_revoked(tx: &Tx<'_>, by: &By, key: &KeyRecord) -> Result<()> {
    let last = key.last_use.as_ref();
    let mut detail = EventDetail::default().fact("last_used_at", time_or_null(last.map(|last| last.at)));
    if let Some(address) = last.and_then(|last| last.address.clone()) {
        detail = detail.fact("last_used_from", address);
    }
    log(tx, by, Action::KeyRevoked, key, detail)
}

/// Refuses if the owner may not have `more` additional keys; tokens do not count.
fn may_own(tx: &Tx<'_>, owner: UserId, more: i64) -> Result<()> {
    let user = tx.user_without_count(owner)?.ok_or_else(|| Error::not_found("user"))?;
    if !user.active {
        return Err(Error::conflict("This user is deactivated. Activate the user first."));
    }
    if !user.is_admin() && tx.holds_keys(owner, KEYS_PER_MEMBER - more + 1)? {
        return Err(Error::conflict("This user already has 1,000 keys, the maximum. Revoke some first."));
    }
    Ok(())
}

impl Auth {
    pub(super) fn prefix_of(&self, asked: Option<KeyPrefix>) -> Result<KeyPrefix> {
        match asked {
            None => self.prefixes.first().cloned().ok_or_else(|| Error::internal("no key prefix is configured")),
            Some(prefix) if self.prefixes.contains(&prefix) => Ok(prefix),
            Some(_) => Err(Error::invalid(
                "prefix",
                "This server does not use this prefix. Choose a configured one (--key-prefix).",
            )),
        }
    }
}
