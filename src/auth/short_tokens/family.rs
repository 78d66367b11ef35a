//! A family of tokens: a sign-in starts it, and all its tokens are revoked together.

use crate::auth::by::By;
use crate::auth::login::devices;
use crate::auth::login::throttle::{self, Cleared};
use crate::auth::{audit, keys};
use crate::error::Result;
use crate::model::time::SKEW;
use crate::model::token::{FAMILIES_PER_USER, FAMILY_LIFETIME, MAX_REFRESH_REUSE};
use crate::model::{
    Action, Digest, EventDetail, FamilyId, KeyId, KeyName, KeyPrefix, KeyRecord, KeySettings, Reach, ScopeSet, Time,
    UserId,
};
use crate::store::{FamilyRow, KeyRow, KnownBy, Tx};

/// Maximum number of expired families that are deleted with each new token.
const PRUNED_AT_ONCE: i64 = 1000;

/// A new token and its refresh token; digests, never texts.
#[derive(Clone)]
pub(super) struct NewToken {
    pub id: KeyId,
    pub digest: Digest,
    pub prefix: KeyPrefix,
    pub hint: String,
    pub expires_at: Time,
    pub refresh: Digest,
}

/// A sign-in that starts a family, with its first token.
pub(super) struct NewFamily {
    pub id: FamilyId,
    pub user: UserId,
    /// The scopes of each token.
    pub scopes: ScopeSet,
    pub token: NewToken,
    /// What the sign-in does to earlier failures.
    pub cleared: Cleared,
    /// The mark by which the address is known for this account from now on; `None` if the address could not be read.
    pub address_mark: Option<Digest>,
}

/// Records a successful sign-in. Returns the time until which the token can be refreshed.
pub(super) fn begin(tx: &Tx<'_>, by: &By, new: &NewFamily) -> Result<Time> {
    let user = new.user;
    prune(tx, by.at)?;
    tx.forget_seeds(by.at.minus(MAX_REFRESH_REUSE), by.at.plus(SKEW))?;
    let expires_at = by.at.whole_second().plus(FAMILY_LIFETIME);
    tx.put_family(&FamilyRow { id: new.id, user, key: new.token.id, created_at: by.at, expires_at })?;
    put_token(tx, by, new.id, user, &new.scopes, &new.token)?;
    tx.set_last_login(user, by.at)?;
    if let Some(address) = new.address_mark {
        devices::remember(tx, by, KnownBy::Address(address), user)?;
    }
    throttle::clear(tx, &new.cleared)?;
    end_those(tx, by, tx.tokens_of_families(user, FAMILIES_PER_USER)?)?;
    let token = keys::find(tx, new.token.id, Reach::Anyone)?;
    log_detailed(tx, by, Action::TokenIssued, &token, EventDetail::granted(&token.settings))?;
    Ok(expires_at)
}

/// Deletes the token; a trigger deletes its family.
pub(super) fn end(tx: &Tx<'_>, by: &By, token: KeyRecord) -> Result<()> {
    log(tx, by, Action::TokenRevoked, &token)?;
    tx.delete_key(token.id)
}

/// Revokes every token of this user.
pub(in crate::auth) fn end_all(tx: &Tx<'_>, by: &By, user: UserId) -> Result<()> {
    let mut tokens = tx.tokens_of_families(user, 0)?;
    if tx.delete_families_without_token(user)? {
        // The deleted families did not name their tokens, which are therefore looked up among the keys.
        tokens.extend(tx.token_ids_of_owner(user)?);
        tokens.sort_unstable();
        tokens.dedup();
    }
    end_those(tx, by, tokens)
}

fn end_those(tx: &Tx<'_>, by: &By, tokens: Vec<KeyId>) -> Result<()> {
    for id in tokens {
        // A family whose token was deleted by hand can be refreshed until it expires.
        if let Some(token) = tx.key(id, Reach::Anyone)? {
            log(tx, by, Action::TokenRevoked, &token)?;
        }
        tx.delete_key(id)?;
        tx.delete_family_of_token(id)?;
    }
    Ok(())
}

/// Deletes expired families: they cannot be refreshed, and their last token has expired. Includes families that were
/// created while the clock was far ahead.
pub(super) fn prune(tx: &Tx<'_>, now: Time) -> Result<()> {
    tx.delete_tokens_of_expired_families(now, now.plus(FAMILY_LIFETIME).plus(SKEW), PRUNED_AT_ONCE)
}

/// A token is stored as a row of `keys`, so that it works wherever a key works.
pub(super) fn put_token(
    tx: &Tx<'_>,
    by: &By,
    family: FamilyId,
    owner: UserId,
    scopes: &ScopeSet,
    new: &NewToken,
) -> Result<()> {
    let settings = KeySettings {
        scopes: scopes.clone(),
        expires_at: Some(new.expires_at),
        ..KeySettings::named(KeyName::stored("token".to_owned()))
    };
    let row = KeyRow {
        id: new.id,
        digest: new.digest,
        owner,
        prefix: Some(new.prefix.clone()),
        hint: new.hint.clone(),
        settings,
        enabled: true,
        created_at: by.at,
        lifetime: None,
        limit_bucket: None,
        is_token: true,
    };
    keys::put(tx, &row)?;
    tx.put_refresh_token(&new.refresh, family)
}

pub(super) fn log(tx: &Tx<'_>, by: &By, action: Action, token: &KeyRecord) -> Result<()> {
    log_detailed(tx, by, action, token, EventDetail::default())
}

fn log_detailed(tx: &Tx<'_>, by: &By, action: Action, token: &KeyRecord, detail: EventDetail) -> Result<()> {
    let label = format!("token ({}) of {}", token.hint, token.owner.email);
    audit::append_detailed(tx, by, action, Some(*token.id.as_bytes()), label, detail)
}
