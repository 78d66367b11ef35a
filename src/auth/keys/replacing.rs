//! The time between a rotation and the end of the old key: both keys are valid, and whoever rotated can move the end,
//! give the rotation up, or let the server end the old key once nobody uses it.

use std::time::Duration;

use super::change::change;
use super::find;
use super::revoke::revoke;
use crate::auth::by::By;
use crate::auth::caller::Asking;
use crate::auth::{Auth, Caller, Urgency};
use crate::error::{Error, Result};
use crate::model::{Basis, Digest, Expiry, KeyChange, KeyId, KeyRecord, Overlap, Reach, Replacement, Silence, Time};
use crate::store::{Store, Tx};

/// Rotations checked per transaction.
const CHECKED_AT_ONCE: usize = 100;

/// How long a use may take to reach the database: half an hour with millions of keys in use (`usage/sweep.rs`), and a
/// margin. The old key must have been silent for this much longer.
const REPORTING_DELAY: Duration = Duration::from_secs(2_400);

fn replacement(tx: &Tx<'_>, old: KeyId) -> Result<Replacement> {
    tx.replacement_of(old)?.ok_or_else(|| Error::conflict("No key replaces this one. Rotate it first."))
}

/// Moves the end of the old key to `overlap` from now, but never beyond its own expiry.
fn extend(
    tx: &Tx<'_>,
    by: &By,
    caller: &Caller,
    old: KeyId,
    overlap: Overlap,
    silence: Option<Silence>,
) -> Result<KeyRecord> {
    let before = find(tx, old, caller.reach())?;
    let made = replacement(tx, old)?;
    tx.set_silence(made.new, silence)?;
    let end = Expiry::At(overlap.end_within(made.old_expires_at, by.at));
    change(tx, by, caller, before.id, &KeyChange { expiry: Some(end), ..KeyChange::default() }, &Basis::Anything)
}

/// Revokes the new key and gives the old one its former expiry.
fn cancel(tx: &Tx<'_>, by: &By, caller: &Caller, old: KeyId) -> Result<KeyRecord> {
    let before = find(tx, old, caller.reach())?;
    let made = replacement(tx, old)?;
    if made.old_expires_at.is_some_and(|end| end <= by.at) {
        return Err(Error::conflict("The old key has expired in the meantime, so only the new one still works."));
    }
    revoke(tx, by, &find(tx, made.new, caller.reach())?)?;
    let expiry = Some(made.old_expires_at.map_or(Expiry::Never, Expiry::At));
    change(tx, by, caller, before.id, &KeyChange { expiry, ..KeyChange::default() }, &Basis::Anything)
}

/// Revokes the old keys of these rotations that have been silent for long enough.
fn end_silent(tx: &Tx<'_>, by: &By, after: Option<KeyId>) -> Result<Option<KeyId>> {
    let waiting = tx.waiting_for_silence(after, CHECKED_AT_ONCE)?;
    for made in &waiting {
        match tx.key(made.old, Reach::Anyone)? {
            Some(old) if is_silent(&old, made, by.at) => revoke(tx, by, &old)?,
            Some(_) => continue,
            None => {}
        }
        tx.set_silence(made.new, None)?;
    }
    Ok(waiting.last().filter(|_| waiting.len() == CHECKED_AT_ONCE).map(|made| made.new))
}

/// Does that for all rotations, in steps.
pub(in crate::auth) async fn end_silent_keys(store: &Store, now: Time) -> Result<()> {
    let mut after = None;
    loop {
        let step = move |tx: &Tx<'_>| end_silent(tx, &By::server(now), after);
        after = store.write(Urgency::Ordinary, step).await?;
        if after.is_none() {
            return Ok(());
        }
    }
}

/// Without any use, the time counts from the rotation.
fn is_silent(old: &KeyRecord, made: &Replacement, now: Time) -> bool {
    let Some(silence) = made.silence else { return false };
    let last = old.last_use.as_ref().map(|last| last.at).max(Some(made.new.made_at()));
    last.is_some_and(|last| now.since(last) >= silence.span() + REPORTING_DELAY)
}

impl Auth {
    /// Gives the old key of a rotation another end, and another silence or none. Returns its record.
    pub async fn extend_rotated(
        &self,
        asking: &Asking,
        old: KeyId,
        overlap: Overlap,
        silence: Option<Silence>,
    ) -> Result<KeyRecord> {
        let caller = asking.caller.clone();
        let act = move |tx: &Tx<'_>, by: &By| extend(tx, by, &caller, old, overlap, silence);
        Ok(self.with_last_use(self.act(Urgency::Ordinary, self.by(&asking.origin), act).await?))
    }

    /// Undoes a rotation whose old key still exists: revokes the new key. Returns the old key's record.
    pub async fn cancel_rotation(&self, asking: &Asking, old: KeyId) -> Result<KeyRecord> {
        let caller = asking.caller.clone();
        let act = move |tx: &Tx<'_>, by: &By| cancel(tx, by, &caller, old);
        Ok(self.with_last_use(self.act(Urgency::Ordinary, self.by(&asking.origin), act).await?))
    }

    /// Whether a key that was just refused as expired ended because another one replaces it. This only explains the
    /// refusal, so a database that cannot answer means no.
    pub async fn is_replaced(&self, presented: &str) -> bool {
        let digest = Digest::of(presented.as_bytes());
        let found = self.store.read(move |tx| {
            let Some(key) = tx.key_with_digest(&digest)? else { return Ok(false) };
            let made = tx.replacement_of(key.id)?;
            Ok(made.is_some_and(|made| key.settings.expires_at != made.old_expires_at))
        });
        found.await.unwrap_or(false)
    }

    /// The rotation that this key's replacement came from, if the caller may see the key.
    pub async fn replacement_of(&self, caller: &Caller, old: KeyId) -> Result<Option<Replacement>> {
        let reach = caller.reach();
        self.store.read(move |tx| find(tx, old, reach).and_then(|_| tx.replacement_of(old))).await
    }
}
