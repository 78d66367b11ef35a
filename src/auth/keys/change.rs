//! Changing a key in place.

use super::{find, log, may_own};
use crate::auth::by::By;
use crate::auth::caller::Asking;
use crate::auth::{Auth, Caller, Urgency};
use crate::error::{Error, Result};
use crate::model::{Action, Basis, EventDetail, KeyChange, KeyId, KeyRecord, Owner, UserId};
use crate::store::Tx;

/// Checks the key both as it is now and as it will be.
pub(super) fn change(
    tx: &Tx<'_>,
    by: &By,
    caller: &Caller,
    id: KeyId,
    change: &KeyChange,
    seen: &Basis,
) -> Result<KeyRecord> {
    let before = find(tx, id, caller.reach())?;
    seen.must_hold(|| before.version(), "key")?;
    if before.is_token && !change.only_disables() {
        return Err(Error::conflict("A short-lived token cannot be changed. Disable or revoke it instead."));
    }
    let mut after = before.clone().after(change.clone());
    if change.scopes.is_some() {
        caller.may_grant(&after.settings.scopes.beyond(&before.settings.scopes))?;
    }
    caller.may_change(&before, &after)?;
    if let Some(enabled) = change.only_enabled() {
        return set_enabled(tx, by, before, enabled);
    }
    may_be_written(&before, change)?;
    if let Some(owner) = change.owner.filter(|owner| *owner != before.owner.id) {
        caller.must_be_admin()?;
        transfer(tx, &mut after, owner)?;
    }
    if after.version() == before.version() {
        return Ok(before);
    }
    tx.update_key(&after)?;
    if after.enabled != before.enabled {
        log_enabled(tx, by, &before, after.enabled, &after)?;
    }
    if (KeyRecord { enabled: before.enabled, ..after.clone() }).version() != before.version() {
        let detail = EventDetail::between(&before.settings, &after.settings);
        let detail = detail.change("owner", before.owner.email.as_str(), after.owner.email.as_str());
        log(tx, by, Action::KeyChanged, &after, detail)?;
    }
    Ok(after)
}

/// Gives the key another owner.
pub(super) fn transfer(tx: &Tx<'_>, key: &mut KeyRecord, owner: UserId) -> Result<()> {
    may_own(tx, owner, 1).map_err(|error| Error { field: Some("owner"), ..error })?;
    let user = tx.user_without_count(owner)?.ok_or_else(|| Error::not_found("user"))?;
    (key.owner, key.owner_active) = (Owner { id: user.id, email: user.email }, user.active);
    tx.set_key_owner(key.id, owner)
}

/// Works on a damaged record too. Disabling a disabled key changes nothing.
fn set_enabled(tx: &Tx<'_>, by: &By, before: KeyRecord, enabled: bool) -> Result<KeyRecord> {
    if before.enabled != enabled || before.unreadable.contains(&"enabled") {
        tx.set_key_enabled(before.id, enabled)?;
        log_enabled(tx, by, &before, enabled, &before)?;
    }
    let unreadable = before.unreadable.into_iter().filter(|field| *field != "enabled").collect();
    Ok(KeyRecord { enabled, unreadable, ..before })
}

fn log_enabled(tx: &Tx<'_>, by: &By, before: &KeyRecord, enabled: bool, named: &KeyRecord) -> Result<()> {
    let action = if enabled { Action::KeyEnabled } else { Action::KeyDisabled };
    log(tx, by, action, named, EventDetail::default().change("enabled", before.enabled, enabled))
}

/// Refuses to overwrite unreadable values with weaker ones: for example, no address ranges means any address.
fn may_be_written(before: &KeyRecord, change: &KeyChange) -> Result<()> {
    let fields = change.fields();
    // The owner is a column that only a transfer writes.
    let is_kept = |field: &str| field != "owner" && fields.iter().any(|(name, is_set)| *name == field && !is_set);
    let lost: Vec<&str> = before.unreadable.iter().copied().filter(|field| is_kept(field)).collect();
    if lost.is_empty() {
        return Ok(());
    }
    Err(Error::conflict(format!(
        "The record of this key is damaged ({}). Send these fields too, with new values, or revoke the key.",
        lost.join(", ")
    )))
}

impl Auth {
    /// The caller must be able to grant whatever the change adds. Returns the record after the change, which is in
    /// force before this returns.
    pub async fn change_key(&self, asking: &Asking, id: KeyId, wanted: KeyChange, seen: Basis) -> Result<KeyRecord> {
        asking.caller.may_move_bounds(id, &wanted)?;
        let urgency = if wanted.only_disables() { Urgency::Revocation } else { Urgency::Ordinary };
        let caller = asking.caller.clone();
        let changed = move |tx: &Tx<'_>, by: &By| change(tx, by, &caller, id, &wanted, &seen);
        Ok(self.with_last_use(self.act(urgency, self.by(&asking.origin), changed).await?))
    }
}
