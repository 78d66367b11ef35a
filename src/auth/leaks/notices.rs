//! Tells the owner of a revoked key that it had leaked.

use crate::auth::Auth;
use crate::auth::by::By;
use crate::error::Result;
use crate::model::{KeyRecord, LeakNotice, LeakPlace, Time, UserId};
use crate::store::{Tx, Urgency};

/// Notices that are shown together.
const SHOWN: usize = 10;
/// Notices that one transaction deletes.
const AT_ONCE: usize = 250;

/// What a user still has to be told.
#[derive(Debug, Default)]
pub struct LeakNotices {
    /// The newest ones.
    pub newest: Vec<LeakNotice>,
    /// How many there are.
    pub count: u64,
}

/// Stores a notice for the owner of a key that was just revoked, unless the record is too damaged to name both.
pub fn notify(tx: &Tx<'_>, by: &By, record: &KeyRecord, place: Option<&LeakPlace>) -> Result<()> {
    let is_damaged = ["id", "owner"].iter().any(|field| record.unreadable.contains(field));
    if is_damaged || tx.user_without_count(record.owner.id)?.is_none() {
        return Ok(());
    }
    tx.put_leak_notice(&LeakNotice {
        key: record.id,
        owner: record.owner.id,
        name: record.settings.name.to_string(),
        hint: record.hint.clone(),
        revoked_at: by.at,
        place: place.cloned(),
    })
}

impl Auth {
    pub async fn leak_notices(&self, user: UserId) -> Result<LeakNotices> {
        let read = move |tx: &Tx<'_>| {
            let newest = tx.leak_notices_of(user, SHOWN)?;
            let count = if newest.len() < SHOWN { newest.len() as u64 } else { tx.count_leak_notices_of(user)? };
            Ok(LeakNotices { newest, count })
        };
        self.store.read(read).await
    }

    /// Forgets the user's notices up to this time: those that the user has seen.
    pub async fn dismiss_leak_notices(&self, user: UserId, until: Time) -> Result<()> {
        loop {
            let delete = move |tx: &Tx<'_>| tx.delete_leak_notices_of(user, until, AT_ONCE);
            if self.store.write(Urgency::Ordinary, delete).await? < AT_ONCE {
                return Ok(());
            }
        }
    }
}
