//! Keys: create, read, change, revoke; lists are in `key_search`. What a caller may reach is part of each statement.

use rusqlite::{Connection, OptionalExtension, Row, ToSql, named_params};

use super::pending::is_key;
use super::rows::{Salvage, changed, is_unique_violation, lifetime, limit_bucket, networks, rate_limit, scopes, sql};
use super::submissions::{self, Submission};
use super::{Store, events, tokens};
use crate::error::{Error, Kind, Result};
use crate::model::key::{LastUse, Metadata};
use crate::model::{
    Action, Digest, KeyId, KeyName, KeyRecord, Networks, NewEvent, NewKey, Origin, Owner, ScopeSet, Time, UserId,
};

/// How many keys a member may hold; an admin is trusted with more.
pub const KEYS_PER_MEMBER: i64 = 1000;

/// Whose keys a caller may touch. A key out of reach answers like one that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    Own(UserId),
    Anyone,
}

impl Reach {
    pub(super) fn owner(&self) -> Option<&[u8; 16]> {
        match self {
            Reach::Own(user) => Some(user.as_bytes()),
            Reach::Anyone => None,
        }
    }
}

/// A new row: the key's digest and hint, never its text.
#[derive(Debug, Clone)]
pub struct KeyWrite {
    pub id: KeyId,
    pub digest: Digest,
    pub hint: String,
    pub owner: UserId,
    pub settings: NewKey,
    pub submission: Option<Submission>,
}

/// What became of a creation.
#[derive(Debug)]
pub enum Created {
    Now(Box<KeyRecord>),
    /// This very submission had made this key before.
    Before(KeyId),
}

/// What a batch of revocations did: what it could.
#[derive(Debug, Default)]
pub struct Batch {
    /// As they were.
    pub records: Vec<KeyRecord>,
    /// There are no such keys, or none within reach.
    pub missing: Vec<KeyId>,
}

/// A key whose owner's row is gone is a key all the same: to be shown, and to be revoked. Ends with a condition;
/// others are added with AND.
pub(super) const KEY: &str = concat!(
    "SELECT k.id, k.name, k.prefix, k.hint, k.owner_id, u.email, u.active, k.scopes, k.enabled, k.created_at, \
     k.expires_at, k.allowed_ips, k.rate_limit, k.metadata, l.at, l.address, l.user_agent, k.digest, k.is_token, k.lifetime, \
     k.limit_bucket \
     FROM keys k LEFT JOIN users u ON u.id = k.owner_id LEFT JOIN key_last_use l ON l.key_id = k.id WHERE ",
    is_key!()
);

impl Store {
    pub async fn create_key(&self, key: KeyWrite, now: Time, origin: Origin) -> Result<Created> {
        self.write(origin, now, move |db, origin| {
            if let Some(submission) = &key.submission
                && let Some(id) = submissions::earlier(db, submission, now)?
            {
                return Ok(Created::Before(id));
            }
            may_own(db, key.owner, 1)?;
            insert(db, &key, now)?;
            if let Some(submission) = &key.submission {
                submissions::remember(db, submission, key.id, now)?;
            }
            let record = record(db, key.id, Reach::Anyone)?;
            log(db, Action::KeyCreated, &record, now, origin)?;
            Ok(Created::Now(Box::new(record)))
        })
        .await
    }

    pub async fn key(&self, id: KeyId, reach: Reach) -> Result<KeyRecord> {
        self.read(move |db| record(db, id, reach)).await
    }

    /// The scopes that this user's keys carry, for suggestions; those of an import that is running, too.
    pub async fn scopes_in_use(&self, owner: UserId) -> Result<Vec<String>> {
        self.read(move |db| {
            let mut query = db
                .prepare_cached("SELECT DISTINCT scopes FROM (SELECT scopes FROM keys WHERE owner_id = ?1 ORDER BY id DESC LIMIT 200)")
                .map_err(sql)?;
            let rows = query.query_map([owner.as_bytes()], |row| row.get::<_, String>(0)).map_err(sql)?;
            let joined: Vec<String> = rows.collect::<rusqlite::Result<_>>().map_err(sql)?;
            let mut scopes: Vec<String> =
                joined.iter().flat_map(|scopes| scopes.split(' ')).filter(|s| !s.is_empty()).map(str::to_owned).collect();
            scopes.sort_unstable();
            scopes.dedup();
            Ok(scopes)
        })
        .await
    }

    /// Deletes those rows that are there and within reach; a repeated id counts once.
    pub async fn revoke_keys(&self, ids: Vec<KeyId>, reach: Reach, now: Time, origin: Origin) -> Result<Batch> {
        self.withdraw(origin, now, move |db, origin| {
            let mut ids = ids.clone();
            ids.sort_unstable();
            ids.dedup();
            let mut batch = Batch::default();
            for id in ids {
                match record(db, id, reach) {
                    Ok(record) => batch.records.push(revoke(db, record, now, origin)?),
                    Err(error) if error.kind == Kind::NotFound => batch.missing.push(id),
                    Err(error) => return Err(error),
                }
            }
            Ok(batch)
        })
        .await
    }

    /// Revokes every key with one of these digests, and the token of every refresh token; the others are
    /// neither.
    pub async fn revoke_digests(&self, digests: Vec<Digest>, now: Time, origin: Origin) -> Result<Vec<KeyRecord>> {
        self.withdraw(origin, now, move |db, origin| {
            let mut revoked = Vec::new();
            for digest in &digests {
                let found = match record_with(db, digest.as_bytes())? {
                    Some(record) => Some(record),
                    None => tokens::token_of_refresh(db, digest)?,
                };
                if let Some(record) = found {
                    revoked.push(revoke(db, record, now, origin)?);
                }
            }
            Ok(revoked)
        })
        .await
    }

    /// Disabled: refused until it is enabled again. Saying so twice changes nothing.
    pub async fn disable_key(&self, id: KeyId, reach: Reach, now: Time, origin: Origin) -> Result<KeyRecord> {
        self.withdraw(origin, now, move |db, origin| {
            set_enabled(db, record(db, id, reach)?, Action::KeyDisabled, now, origin)
        })
        .await
    }

    pub async fn enable_key(&self, id: KeyId, reach: Reach, now: Time, origin: Origin) -> Result<KeyRecord> {
        self.write(origin, now, move |db, origin| {
            set_enabled(db, record(db, id, reach)?, Action::KeyEnabled, now, origin)
        })
        .await
    }

    pub async fn rename_key(
        &self,
        id: KeyId,
        reach: Reach,
        name: KeyName,
        now: Time,
        origin: Origin,
    ) -> Result<KeyRecord> {
        self.write(origin, now, move |db, origin| {
            let before = record(db, id, reach)?;
            if before.name != name.as_str() {
                changed(db, "UPDATE keys SET name = ?2 WHERE id = ?1", (id.as_bytes(), name.as_str()))?;
                log(db, Action::KeyChanged, &before, now, origin)?;
            }
            record(db, id, reach)
        })
        .await
    }
}

/// Whether the owner may have `more` keys than now; tokens are not counted.
pub(super) fn may_own(db: &Connection, owner: UserId, more: i64) -> Result<()> {
    let mut query = db
        .prepare_cached(concat!(
            "SELECT active, role <> 'admin' AND EXISTS
                 (SELECT 1 FROM keys k WHERE k.owner_id = ?1 AND k.is_token = 0 AND ",
            is_key!(),
            " LIMIT 1 OFFSET ?2) FROM users WHERE id = ?1"
        ))
        .map_err(sql)?;
    let found: Option<(bool, bool)> = query
        .query_row((owner.as_bytes(), KEYS_PER_MEMBER - more), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
        .map_err(sql)?;
    match found {
        None => Err(Error::not_found("user")),
        Some((false, _)) => Err(Error::conflict("This user is deactivated. Activate the user first.")),
        Some((_, true)) => {
            Err(Error::conflict("This user holds 1,000 keys already, the most there may be. Revoke some first."))
        }
        Some((true, false)) => Ok(()),
    }
}

fn insert(db: &Connection, key: &KeyWrite, now: Time) -> Result<()> {
    let settings = &key.settings;
    let mut statement = db
        .prepare_cached(
            "INSERT INTO keys (id, digest, owner_id, name, prefix, hint, scopes, enabled, created_at, expires_at, lifetime, allowed_ips, rate_limit, metadata)
             VALUES (:id, :digest, :owner, :name, :prefix, :hint, :scopes, 1, :created, :expires, :lifetime, :ips, :limit, :metadata)",
        )
        .map_err(sql)?;
    let inserted = statement.execute(named_params! {
        ":id": key.id.as_bytes(),
        ":digest": key.digest.as_bytes(),
        ":owner": key.owner.as_bytes(),
        ":name": settings.name.as_str(),
        ":prefix": settings.prefix.as_str(),
        ":hint": key.hint,
        ":scopes": settings.scopes.joined(),
        ":created": now.millis(),
        ":expires": settings.expiry.time().map(Time::millis),
        ":lifetime": settings.expiry.lifetime(now).map(|lifetime| lifetime.as_secs() as i64),
        ":ips": settings.allowed_ips.joined(),
        ":limit": settings.rate_limit.map(|limit| limit.text()),
        ":metadata": settings.metadata.text(),
    });
    match inserted {
        Err(error) if is_unique_violation(&error) => Err(Error::internal("a fresh key collides with a stored one")),
        other => other.map(drop).map_err(sql),
    }
}

pub(super) fn revoke(db: &Connection, record: KeyRecord, now: Time, origin: &Origin) -> Result<KeyRecord> {
    if record.unreadable.contains(&"id") {
        changed(db, "DELETE FROM keys WHERE digest = ?1", [record.digest.as_bytes()])?;
    } else {
        changed(db, "DELETE FROM keys WHERE id = ?1", [record.id.as_bytes()])?;
    }
    log(db, Action::KeyRevoked, &record, now, origin)?;
    Ok(record)
}

/// Touches nothing else, so that it works on a damaged row.
pub(super) fn set_enabled(
    db: &Connection,
    before: KeyRecord,
    action: Action,
    now: Time,
    origin: &Origin,
) -> Result<KeyRecord> {
    let enabled = action == Action::KeyEnabled;
    let is_unreadable = before.unreadable.contains(&"enabled");
    if before.enabled != enabled || is_unreadable {
        write_enabled(db, before.id, enabled).map_err(sql)?;
        log(db, action, &before, now, origin)?;
    }
    let unreadable = before.unreadable.into_iter().filter(|field| *field != "enabled").collect();
    Ok(KeyRecord { enabled, unreadable, ..before })
}

/// SQLite writes no row that holds a value of another type than its column's, whichever column is written: then such
/// values give way to others that nobody can read either, so that the row grants no more than before.
fn write_enabled(db: &Connection, id: KeyId, enabled: bool) -> rusqlite::Result<()> {
    let write = |sql_text| db.prepare_cached(sql_text)?.execute((id.as_bytes(), enabled)).map(drop);
    match write("UPDATE keys SET enabled = ?2 WHERE id = ?1") {
        Err(rusqlite::Error::SqliteFailure(failure, _))
            if failure.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_DATATYPE =>
        {
            write(
                "UPDATE keys SET enabled = ?2,
                 name = iif(typeof(name) = 'text', name, '?'),
                 prefix = iif(typeof(prefix) IN ('text', 'null'), prefix, '?'),
                 hint = iif(typeof(hint) = 'text', hint, '?'),
                 scopes = iif(typeof(scopes) = 'text', scopes, '?'),
                 allowed_ips = iif(typeof(allowed_ips) = 'text', allowed_ips, '?'),
                 rate_limit = iif(typeof(rate_limit) IN ('text', 'null'), rate_limit, '?'),
                 metadata = iif(typeof(metadata) = 'text', metadata, '?'),
                 created_at = iif(typeof(created_at) = 'integer', created_at, -9223372036854775808),
                 expires_at = iif(typeof(expires_at) IN ('integer', 'null'), expires_at, -9223372036854775808),
                 lifetime = iif(typeof(lifetime) IN ('integer', 'null'), lifetime, -1),
                 limit_bucket = iif(typeof(limit_bucket) IN ('blob', 'null'), limit_bucket, x''),
                 is_token = iif(typeof(is_token) = 'integer' AND is_token IN (0, 1), is_token, 0)
                 WHERE id = ?1",
            )
        }
        other => other,
    }
}

pub(super) fn log(db: &Connection, action: Action, key: &KeyRecord, now: Time, origin: &Origin) -> Result<()> {
    let label = format!("{} ({}) of {}", key.name, key.hint, key.owner.email);
    let object = (!key.unreadable.contains(&"id")).then(|| *key.id.as_bytes());
    events::append(db, &NewEvent { at: now, origin: origin.clone(), action, object, label })
}

pub(super) fn record(db: &Connection, id: KeyId, reach: Reach) -> Result<KeyRecord> {
    found(db, id, reach)?.ok_or_else(|| Error::not_found("key"))
}

pub(super) fn found(db: &Connection, id: KeyId, reach: Reach) -> Result<Option<KeyRecord>> {
    let mut query =
        db.prepare_cached(&format!("{KEY} AND k.id = ?1 AND (?2 IS NULL OR k.owner_id = ?2)")).map_err(sql)?;
    query.query_row((id.as_bytes(), reach.owner()), record_of).optional().map_err(sql)
}

/// The key with this digest.
pub(super) fn record_with(db: &Connection, digest: &impl ToSql) -> Result<Option<KeyRecord>> {
    let mut query = db.prepare_cached(&format!("{KEY} AND k.digest = ?1")).map_err(sql)?;
    query.query_row([digest], record_of).optional().map_err(sql)
}

/// Whatever a column holds, there is a record.
pub(super) fn record_of(row: &Row<'_>) -> rusqlite::Result<KeyRecord> {
    let mut salvage = Salvage::of(row);
    let last_use = match salvage.time_or_null("last_use", 14) {
        Some(at) => {
            let (address, user_agent) = (salvage.text_or_null("last_use", 15)?, salvage.text_or_null("last_use", 16)?);
            Some(LastUse { at, address, user_agent })
        }
        None => None,
    };
    let metadata = Metadata::stored(&salvage.text("metadata", 13)?);
    Ok(KeyRecord {
        id: KeyId::from_bytes(salvage.id("id", 0)),
        digest: Digest::from_bytes(salvage.or("digest", row.get(17).ok(), [0; 32])),
        name: salvage.text("name", 1)?,
        prefix: salvage.text_or_null("prefix", 2)?,
        hint: salvage.text("hint", 3)?,
        owner: Owner { id: UserId::from_bytes(salvage.id("owner", 4)), email: salvage.email("owner", 5)? },
        owner_active: salvage.flag("owner", 6, false),
        scopes: salvage.or("scopes", scopes(row, 7).ok(), ScopeSet::default()),
        // So that disabling it is a change, and is written.
        enabled: salvage.flag("enabled", 8, true),
        created_at: salvage.time("created_at", 9),
        expires_at: salvage.time_or_null("expires_at", 10),
        allowed_ips: salvage.or("allowed_ips", networks(row, 11).ok(), Networks::default()),
        rate_limit: {
            let limit = rate_limit(row, 12).and_then(|limit| limit_bucket(row, 20).map(|_| limit));
            salvage.or("rate_limit", limit.ok(), None)
        },
        metadata: salvage.or("metadata", metadata, Metadata::default()),
        last_use,
        is_token: salvage.flag("is_token", 18, false),
        lifetime: salvage.or("lifetime", lifetime(row, 19).ok(), None),
        unreadable: salvage.unreadable,
    })
}
