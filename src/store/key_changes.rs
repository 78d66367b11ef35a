//! Changing a key's settings in place, and revoking one on a condition: what the caller may do is
//! judged by `judge`, inside the transaction, on the record as it is then and as it will be.

use rusqlite::{Connection, named_params};

use super::Store;
use super::keys::{Reach, log, record, record_with, revoke, set_enabled};
use super::rows::sql;
use crate::error::{Error, Result};
use crate::model::{Action, Actor, Digest, KeyChange, KeyId, KeyRecord, Origin, Time};

impl Store {
    /// The record after the change, which is in force when this returns.
    pub async fn change_key(
        &self,
        id: KeyId,
        reach: Reach,
        change: KeyChange,
        judge: impl Fn(&KeyRecord, &KeyRecord) -> Result<()> + Send + 'static,
        now: Time,
        origin: Origin,
    ) -> Result<KeyRecord> {
        let is_withdrawal = change.only_disables();
        let verb = move |db: &Connection, origin: &Origin| {
            let before = record(db, id, reach)?;
            let after = with(before.clone(), change.clone());
            judge(&before, &after)?;
            if change.only_disables() {
                return set_enabled(db, before, Action::KeyDisabled, now, origin);
            }
            may_be_written(&before, &change)?;
            if after.version() == before.version() {
                return Ok(before);
            }
            write(db, &after)?;
            if after.enabled != before.enabled {
                let action = if after.enabled { Action::KeyEnabled } else { Action::KeyDisabled };
                log(db, action, &after, now, origin)?;
            }
            if (KeyRecord { enabled: before.enabled, ..after.clone() }).version() != before.version() {
                log(db, Action::KeyChanged, &after, now, origin)?;
            }
            Ok(after)
        };
        if is_withdrawal { self.withdraw(origin, now, verb).await } else { self.write(origin, now, verb).await }
    }

    /// For good, if `judge` allows it.
    pub async fn revoke_key(
        &self,
        id: KeyId,
        reach: Reach,
        judge: impl Fn(&KeyRecord) -> Result<()> + Send + 'static,
        now: Time,
        origin: Origin,
    ) -> Result<()> {
        self.withdraw(origin, now, move |db, origin| {
            let found = record(db, id, reach)?;
            judge(&found)?;
            revoke(db, found, now, origin).map(drop)
        })
        .await
    }

    /// The key with this digest, if what a verdict needs of it cannot be read: its own text revokes it then. Returns
    /// whether there is such a key.
    pub async fn revoke_damaged(
        &self,
        digest: Digest,
        judge: impl Fn(&KeyRecord) -> Result<()> + Send + 'static,
        now: Time,
        origin: Origin,
    ) -> Result<bool> {
        self.withdraw(origin, now, move |db, origin| {
            let damaged = record_with(db, digest.as_bytes())?.filter(KeyRecord::is_beyond_judging);
            let Some(found) = damaged else { return Ok(false) };
            judge(&found)?;
            let origin = Origin { actor: Actor::Key { id: found.id, hint: found.hint.clone() }, ..origin.clone() };
            revoke(db, found, now, &origin).map(|_| true)
        })
        .await
    }
}

/// What could not be read would be overwritten with less: no address ranges, for one, mean any address.
fn may_be_written(before: &KeyRecord, change: &KeyChange) -> Result<()> {
    let kept = ["name", "scopes", "enabled", "expires_at", "allowed_ips", "rate_limit", "metadata"];
    let lost: Vec<&str> = before.unreadable.iter().copied().filter(|f| kept.contains(f) && !change.sets(f)).collect();
    if lost.is_empty() {
        return Ok(());
    }
    Err(Error::conflict(format!(
        "The record of this key is damaged ({}). Send these fields too, with new values, or revoke the key.",
        lost.join(", ")
    )))
}

fn with(before: KeyRecord, change: KeyChange) -> KeyRecord {
    KeyRecord {
        unreadable: before.unreadable.into_iter().filter(|field| !change.sets(field)).collect(),
        name: change.name.map_or(before.name, |name| name.to_string()),
        scopes: change.scopes.unwrap_or(before.scopes),
        expires_at: change.expiry.map_or(before.expires_at, |expiry| expiry.time()),
        enabled: change.enabled.unwrap_or(before.enabled),
        allowed_ips: change.allowed_ips.unwrap_or(before.allowed_ips),
        rate_limit: change.rate_limit.unwrap_or(before.rate_limit),
        metadata: change.metadata.unwrap_or(before.metadata),
        ..before
    }
}

fn write(db: &Connection, after: &KeyRecord) -> Result<()> {
    let mut statement = db
        .prepare_cached(
            "UPDATE keys SET name = :name, scopes = :scopes, enabled = :enabled, expires_at = :expires,
             allowed_ips = :ips, rate_limit = :limit, metadata = :metadata,
             -- One that is no id is mended with the limit.
             limit_bucket = iif(typeof(limit_bucket) = 'blob' AND length(limit_bucket) = 16, limit_bucket, NULL)
             WHERE id = :id",
        )
        .map_err(sql)?;
    let written = statement.execute(named_params! {
        ":id": after.id.as_bytes(),
        ":name": after.name,
        ":scopes": after.scopes.joined(),
        ":enabled": after.enabled,
        ":expires": after.expires_at.map(Time::millis),
        ":ips": after.allowed_ips.joined(),
        ":limit": after.rate_limit.map(|limit| limit.text()),
        ":metadata": after.metadata.text(),
    });
    written.map(drop).map_err(sql)
}
