//! Short tokens: issued after a log-in, refreshed in turn (`refresh`), ended with all that followed from the same
//! log-in. A token's row is among the keys, so that it opens whatever a key opens; a family holds one
//! token at a time, and goes with it.

use rusqlite::{Connection, OptionalExtension, named_params};

use super::keys::{KEY, Reach, record, record_of};
use super::rows::{changed, sql};
use super::sessions::{self, Mark};
use super::throttle::{self, Cleared};
use super::{Store, events, refresh};
use crate::error::{Kind, Result};
use crate::model::time::SKEW;
use crate::model::token::{FAMILIES_PER_USER, FAMILY_LIFETIME, LONGEST_REFRESH_REUSE, must_be_token};
use crate::model::{Action, Digest, FamilyId, KeyId, KeyPrefix, KeyRecord, NewEvent, Origin, ScopeSet, Time, UserId};

/// How many families whose time is over go with each new token.
const PRUNED_AT_ONCE: i64 = 1000;

/// Damaged: nothing says which token is theirs.
const FAMILIES_WITHOUT_KEY: &str = "DELETE FROM token_families WHERE user_id = ?1 \
    AND (typeof(key_id) <> 'blob' OR length(key_id) <> 16)";

/// A fresh token and the refresh token that belongs to it; digests, never texts.
#[derive(Debug, Clone)]
pub struct NewToken {
    pub id: KeyId,
    pub digest: Digest,
    pub prefix: KeyPrefix,
    pub hint: String,
    pub expires_at: Time,
    pub refresh: Digest,
}

/// A log-in from which tokens follow.
#[derive(Debug, Clone)]
pub struct NewFamily {
    pub id: FamilyId,
    pub user: UserId,
    /// What each token may do.
    pub scopes: ScopeSet,
    /// What the log-in makes of failed ones before it.
    pub cleared: Cleared,
    /// By which the address is known for this account from now on; `None` for one that could not be read.
    pub address_mark: Option<Digest>,
}

impl Store {
    /// A log-in that succeeded. Returns until when the token can be refreshed.
    pub async fn issue_token(&self, family: NewFamily, new: NewToken, now: Time, origin: Origin) -> Result<Time> {
        self.write(origin, now, move |db, origin| {
            let user = family.user;
            prune(db, now)?;
            refresh::forget_seeds(db, LONGEST_REFRESH_REUSE, now)?;
            let ends = now.whole_second().plus(FAMILY_LIFETIME);
            changed(
                db,
                "INSERT INTO token_families (id, user_id, key_id, created_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)",
                (family.id.as_bytes(), user.as_bytes(), new.id.as_bytes(), now.millis(), ends.millis()),
            )?;
            insert(db, family.id, user, &family.scopes, &new, now)?;
            changed(db, "UPDATE users SET last_login_at = ?2 WHERE id = ?1", (user.as_bytes(), now.millis()))?;
            if let Some(address) = family.address_mark {
                sessions::remember(db, Mark::Address(address), user, now)?;
            }
            throttle::clear(db, &family.cleared)?;
            end_oldest(db, user, now, origin)?;
            log(db, Action::TokenIssued, &record(db, new.id, Reach::Anyone)?, now, origin)?;
            Ok(ends)
        })
        .await
    }

    /// Revokes this token and its family; a key that is no token is a conflict.
    pub async fn end_token(&self, id: KeyId, now: Time, origin: Origin) -> Result<()> {
        self.withdraw(origin, now, move |db, origin| {
            let token = record(db, id, Reach::Anyone)?;
            must_be_token(&token)?;
            log(db, Action::TokenRevoked, &token, now, origin)?;
            delete(db, token.id)
        })
        .await
    }
}

/// Every token of this user. Returns how many families ended.
pub(super) fn end_all(db: &Connection, user: UserId, now: Time, origin: &Origin) -> Result<usize> {
    let mut tokens = tokens_of(db, user, 0)?;
    if changed(db, FAMILIES_WITHOUT_KEY, [user.as_bytes()])? > 0 {
        // Theirs are among the keys.
        let mut query = db.prepare_cached("SELECT id FROM keys WHERE owner_id = ?1 AND is_token <> 0").map_err(sql)?;
        let ids = query.query_map([user.as_bytes()], |row| Ok(row.get(0).ok())).map_err(sql)?;
        let ids: Vec<Option<[u8; 16]>> = ids.collect::<rusqlite::Result<_>>().map_err(sql)?;
        tokens.extend(ids.into_iter().flatten().map(KeyId::from_bytes));
        tokens.sort_unstable();
        tokens.dedup();
    }
    tokens.iter().try_for_each(|id| end(db, *id, now, origin))?;
    Ok(tokens.len())
}

/// The token behind a refresh token, used or not: for one that has leaked.
pub(super) fn token_of_refresh(db: &Connection, presented: &Digest) -> Result<Option<KeyRecord>> {
    let mut query = db
        .prepare_cached(&format!(
            "{KEY} AND k.id = (SELECT f.key_id FROM refresh_tokens r JOIN token_families f ON f.id = r.family_id WHERE r.digest = ?1)"
        ))
        .map_err(sql)?;
    query.query_row([presented.as_bytes()], record_of).optional().map_err(sql)
}

fn end_oldest(db: &Connection, user: UserId, now: Time, origin: &Origin) -> Result<()> {
    tokens_of(db, user, FAMILIES_PER_USER)?.iter().try_for_each(|id| end(db, *id, now, origin))
}

fn end(db: &Connection, token: KeyId, now: Time, origin: &Origin) -> Result<()> {
    match record(db, token, Reach::Anyone) {
        Ok(token) => log(db, Action::TokenRevoked, &token, now, origin)?,
        // A family whose token was deleted by hand: it can be refreshed all the same, until it goes.
        Err(error) if error.kind == Kind::NotFound => {}
        Err(error) => return Err(error),
    }
    delete(db, token)?;
    changed(db, "DELETE FROM token_families WHERE key_id = ?1", [token.as_bytes()]).map(drop)
}

/// The family goes with it, by a trigger.
fn delete(db: &Connection, token: KeyId) -> Result<()> {
    changed(db, "DELETE FROM keys WHERE id = ?1", [token.as_bytes()]).map(drop)
}

/// The user's tokens but for the newest `spared` families.
fn tokens_of(db: &Connection, user: UserId, spared: i64) -> Result<Vec<KeyId>> {
    let mut query = db
        .prepare_cached(
            "SELECT key_id FROM token_families WHERE user_id = ?1 ORDER BY created_at DESC, id DESC LIMIT -1 OFFSET ?2",
        )
        .map_err(sql)?;
    let ids = query.query_map((user.as_bytes(), spared), |row| Ok(row.get(0).ok())).map_err(sql)?;
    let ids: Vec<Option<[u8; 16]>> = ids.collect::<rusqlite::Result<_>>().map_err(sql)?;
    Ok(ids.into_iter().flatten().map(KeyId::from_bytes).collect())
}

/// A family's time is over: it cannot be refreshed, and its last token has ended before it. Or it was
/// made by a clock far ahead.
pub(super) fn prune(db: &Connection, now: Time) -> Result<()> {
    changed(
        db,
        "DELETE FROM keys WHERE id IN (SELECT key_id FROM token_families WHERE expires_at <= ?1 OR expires_at > ?3 LIMIT ?2)",
        (now.millis(), PRUNED_AT_ONCE, now.plus(FAMILY_LIFETIME).plus(SKEW).millis()),
    )
    .map(drop)
}

pub(super) fn insert(
    db: &Connection,
    family: FamilyId,
    user: UserId,
    scopes: &ScopeSet,
    new: &NewToken,
    now: Time,
) -> Result<()> {
    let mut statement = db
        .prepare_cached(
            "INSERT INTO keys (id, digest, owner_id, name, prefix, hint, scopes, enabled, created_at, expires_at, allowed_ips, rate_limit, metadata, is_token)
             VALUES (:id, :digest, :owner, 'token', :prefix, :hint, :scopes, 1, :created, :expires, '', NULL, '{}', 1)",
        )
        .map_err(sql)?;
    let inserted = statement.execute(named_params! {
        ":id": new.id.as_bytes(),
        ":digest": new.digest.as_bytes(),
        ":owner": user.as_bytes(),
        ":prefix": new.prefix.as_str(),
        ":hint": new.hint,
        ":scopes": scopes.joined(),
        ":created": now.millis(),
        ":expires": new.expires_at.millis(),
    });
    inserted.map_err(sql)?;
    let sql_text = "INSERT INTO refresh_tokens (digest, family_id, is_used) VALUES (?1, ?2, 0)";
    changed(db, sql_text, (new.refresh.as_bytes(), family.as_bytes())).map(drop)
}

pub(super) fn owner_of(token: &KeyRecord) -> crate::model::Actor {
    crate::model::Actor::User { id: token.owner.id, email: token.owner.email.to_string() }
}

pub(super) fn log(db: &Connection, action: Action, token: &KeyRecord, now: Time, origin: &Origin) -> Result<()> {
    let label = format!("token ({}) of {}", token.hint, token.owner.email);
    events::append(db, &NewEvent { at: now, origin: origin.clone(), action, object: Some(*token.id.as_bytes()), label })
}
