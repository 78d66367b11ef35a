//! `keys`, with the owner and the last use of each. A key whose owner's row is missing is still a key: it is listed and
//! can be revoked.

use std::time::Duration;

use super::pending_imports::is_key;
use crate::error::Result;
use crate::model::key::LastUse;
use crate::model::key_settings::Description;
use crate::model::{
    Digest, KeyId, KeyName, KeyPrefix, KeyRecord, KeySettings, Metadata, Networks, Owner, Reach, ScopeSet, Time, UserId,
};
use crate::store::Tx;
use crate::store::columns::{Salvage, lifetime, limit_bucket, networks, rate_limit, scopes};
use crate::store::row::{Read, Row, StoredContent};
use crate::store::sqlite::damaged_row;
use crate::store::tx::EngineConnection;
use crate::store::value::{SqlValue, ToValue, named};

/// A new row: the key's digest and hint, never the key itself.
#[derive(Debug, Clone)]
pub struct KeyRow {
    pub id: KeyId,
    pub digest: Digest,
    pub owner: UserId,
    /// `None` for a key of another system.
    pub prefix: Option<KeyPrefix>,
    pub hint: String,
    pub settings: KeySettings,
    pub enabled: bool,
    pub created_at: Time,
    /// `None` means unlimited.
    pub lifetime: Option<Duration>,
    /// The key whose rate limit this one shares; `None` if it has its own.
    pub limit_bucket: Option<KeyId>,
    pub is_token: bool,
}

impl KeyRow {
    /// Calls `run` with the values of all columns, in the order of the INSERT.
    pub(super) fn with_columns<T>(&self, run: impl FnOnce(&[SqlValue<'_>]) -> T) -> T {
        let settings = &self.settings;
        let (scopes, networks) = (settings.scopes.joined(), settings.allowed_ips.joined());
        let limit = settings.rate_limit.map(|limit| limit.text());
        run(&[
            self.id.as_bytes().value(),
            self.digest.as_bytes().value(),
            self.owner.as_bytes().value(),
            settings.name.as_str().value(),
            settings.description.as_str().value(),
            self.prefix.as_ref().map_or(SqlValue::Null, |prefix| SqlValue::Text(prefix.as_str().as_bytes())),
            self.hint.value(),
            scopes.value(),
            self.enabled.value(),
            self.created_at.millis().value(),
            settings.expires_at.map(Time::millis).value(),
            networks.value(),
            limit.value(),
            settings.metadata.text().value(),
            self.lifetime.map(|lifetime| lifetime.as_secs() as i64).value(),
            self.limit_bucket.as_ref().map_or(SqlValue::Null, |bucket| SqlValue::Blob(bucket.as_bytes())),
            self.is_token.value(),
        ])
    }
}

/// The raw content of the digest column, so that a damaged row can be found again.
#[derive(Debug, Clone)]
pub struct StoredDigest(StoredContent);

/// Selects keys. It ends with a condition, to which others can be added with AND.
pub(in crate::store) const KEY: &str = concat!(
    "SELECT k.id, k.name, k.prefix, k.hint, k.owner_id, u.email, u.active, k.scopes, k.enabled, k.created_at, \
     k.expires_at, k.allowed_ips, k.rate_limit, k.metadata, l.at, l.address, l.user_agent, k.digest, k.is_token, k.lifetime, \
     k.limit_bucket, k.description, (SELECT r.old_id FROM rotations r WHERE r.new_id = k.id), \
     (SELECT r.new_id FROM rotations r WHERE r.old_id = k.id ORDER BY r.new_id DESC LIMIT 1) \
     FROM keys k LEFT JOIN users u ON u.id = k.owner_id LEFT JOIN key_last_use l ON l.key_id = k.id WHERE ",
    is_key!()
);

impl Tx<'_> {
    pub fn key(&self, id: KeyId, reach: Reach) -> Result<Option<KeyRecord>> {
        let text = format!("{KEY} AND k.id = ?1 AND (k.owner_id = ?2 OR ?2 IS NULL)");
        self.row(&text, (id.as_bytes(), reach.owner()), record)
    }

    pub fn key_with_digest(&self, digest: &Digest) -> Result<Option<KeyRecord>> {
        self.key_with(digest.as_bytes())
    }

    pub fn key_with_stored_digest(&self, digest: &StoredDigest) -> Result<Option<KeyRecord>> {
        self.key_with(&digest.0)
    }

    fn key_with(&self, digest: &impl ToValue) -> Result<Option<KeyRecord>> {
        self.row(&format!("{KEY} AND k.digest = ?1"), [digest], record)
    }

    /// Up to `limit` keys after `after`, oldest first; no tokens.
    pub fn keys_after(&self, after: Option<KeyId>, limit: usize) -> Result<Vec<KeyRecord>> {
        let text = format!("{KEY} AND k.id > ?1 AND k.is_token = 0 AND length(k.id) = 16 ORDER BY k.id LIMIT ?2");
        let after = after.map_or([0; 16], |id| *id.as_bytes());
        self.rows(&text, (after, limit as i64), record)
    }

    /// Up to `limit` digests of this user's keys, tokens included.
    pub fn digests_of_owner(&self, owner: UserId, limit: usize) -> Result<Vec<StoredDigest>> {
        let text = "SELECT digest FROM keys WHERE owner_id = ?1 LIMIT ?2";
        self.rows(text, (owner.as_bytes(), limit as i64), |row| row.get(0).map(StoredDigest))
    }

    /// Up to `limit` ids of this user's keys, as far as they can be read; no tokens.
    pub fn key_ids_of_owner(&self, owner: UserId, limit: usize) -> Result<Vec<KeyId>> {
        let text = concat!(
            "SELECT k.id FROM keys k WHERE k.owner_id = ?1 AND k.is_token = 0 AND length(k.id) = 16 AND ",
            is_key!(),
            " LIMIT ?2"
        );
        let ids = self.rows(text, (owner.as_bytes(), limit as i64), |row| row.get(0))?;
        Ok(ids.into_iter().map(KeyId::from_bytes).collect())
    }

    /// The ids of this user's tokens, as far as they can be read.
    pub fn token_ids_of_owner(&self, owner: UserId) -> Result<Vec<KeyId>> {
        let text = "SELECT id FROM keys WHERE owner_id = ?1 AND is_token <> 0";
        let ids = self.rows(text, [owner.as_bytes()], |row| Ok(row.get(0).ok()))?;
        Ok(ids.into_iter().flatten().map(KeyId::from_bytes).collect())
    }

    /// Whether this user holds at least `number` keys; tokens do not count.
    pub fn holds_keys(&self, owner: UserId, number: i64) -> Result<bool> {
        let text = concat!(
            "SELECT EXISTS (SELECT 1 FROM keys k WHERE k.owner_id = ?1 AND k.is_token = 0 AND ",
            is_key!(),
            " LIMIT 1 OFFSET ?2)"
        );
        self.one(text, (owner.as_bytes(), number - 1), |row| row.get(0))
    }

    /// The scopes of this user's newest 200 keys, each once, sorted.
    pub fn scopes_in_use(&self, owner: UserId) -> Result<Vec<String>> {
        let text = "SELECT DISTINCT scopes FROM (SELECT scopes FROM keys WHERE owner_id = ?1 ORDER BY id DESC LIMIT 200) AS newest";
        Ok(scopes_in(&self.rows(text, [owner.as_bytes()], |row| row.get::<String>(0))?))
    }

    /// The scopes of the newest 1,000 keys, each once, sorted.
    pub fn scopes_of_newest(&self) -> Result<Vec<String>> {
        let text = "SELECT DISTINCT scopes FROM (SELECT scopes FROM keys ORDER BY id DESC LIMIT 1000) AS newest";
        let joined = self.rows(text, (), |row| Ok(row.text(0).unwrap_or_default().to_owned()))?;
        Ok(scopes_in(&joined))
    }

    /// Whether a row of `keys`, complete or not, has this digest.
    pub fn has_key_row(&self, digest: &Digest) -> Result<bool> {
        let text = "SELECT EXISTS (SELECT 1 FROM keys WHERE digest = ?1)";
        self.one(text, [digest.as_bytes()], |row| row.get(0))
    }

    /// The first 8 bytes of the digests of all imported keys, unsorted. Reads every key.
    pub fn imported_heads(&self) -> Result<Vec<u64>> {
        let read = |row: &Row<'_>| Ok(row.get(0).ok().map(|bytes| Digest::from_bytes(bytes).head()));
        Ok(self.rows("SELECT digest FROM keys WHERE prefix IS NULL", (), read)?.into_iter().flatten().collect())
    }

    /// Returns false if a key with this id or digest already exists.
    pub fn put_key(&self, key: &KeyRow) -> Result<bool> {
        let text = "INSERT INTO keys (id, digest, owner_id, name, description, prefix, hint, scopes, enabled, created_at, expires_at,
             allowed_ips, rate_limit, metadata, lifetime, limit_bucket, is_token)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17) ON CONFLICT DO NOTHING";
        key.with_columns(|columns| self.execute(text, columns)).map(|rows| rows == 1)
    }

    /// Writes the settings and the state of this record.
    pub fn update_key(&self, after: &KeyRecord) -> Result<()> {
        let settings = &after.settings;
        // A value that is not an id is removed, because the limit is written too.
        let bucket = self.dialect(
            ", limit_bucket = iif(typeof(limit_bucket) = 'blob' AND length(limit_bucket) = 16, limit_bucket, NULL)",
            "",
        );
        let text = format!(
            "UPDATE keys SET name = :name, description = :description, scopes = :scopes, enabled = :enabled, expires_at = :expires,
             allowed_ips = :ips, rate_limit = :limit, metadata = :metadata{bucket} WHERE id = :id"
        );
        let values = named! {
            ":id": after.id.as_bytes(),
            ":name": settings.name.as_str(),
            ":description": settings.description.as_str(),
            ":scopes": settings.scopes.joined(),
            ":enabled": after.enabled,
            ":expires": settings.expires_at.map(Time::millis),
            ":ips": settings.allowed_ips.joined(),
            ":limit": settings.rate_limit.map(|limit| limit.text()),
            ":metadata": settings.metadata.text(),
        };
        self.execute(&text, values).map(drop)
    }

    pub fn set_key_owner(&self, id: KeyId, owner: UserId) -> Result<()> {
        self.execute("UPDATE keys SET owner_id = ?2 WHERE id = ?1", (id.as_bytes(), owner.as_bytes())).map(drop)
    }

    pub fn set_key_expiry(&self, id: KeyId, end: Time) -> Result<()> {
        self.execute("UPDATE keys SET expires_at = ?2 WHERE id = ?1", (id.as_bytes(), end.millis())).map(drop)
    }

    /// Changes no other column, so that it works on a damaged row.
    pub fn set_key_enabled(&self, id: KeyId, enabled: bool) -> Result<()> {
        match self.connection() {
            EngineConnection::Sqlite(db) => damaged_row::set_key_enabled(db, id, enabled),
            EngineConnection::Postgres(_) => {
                self.execute("UPDATE keys SET enabled = ?2 WHERE id = ?1", (id.as_bytes(), enabled)).map(drop)
            }
        }
    }

    /// Deletes a key. Triggers delete a token's family, and leave a tombstone for a key.
    pub fn delete_key(&self, id: KeyId) -> Result<()> {
        self.execute("DELETE FROM keys WHERE id = ?1", [id.as_bytes()]).map(drop)
    }

    /// Without short tokens.
    pub fn count_lasting_keys(&self) -> Result<u64> {
        self.one("SELECT count(*) FROM keys WHERE is_token = 0", (), |row| row.get::<i64>(0)).map(i64::unsigned_abs)
    }

    /// Also ends the sign-ins of programs.
    pub fn delete_all_tokens(&self) -> Result<()> {
        self.execute("DELETE FROM keys WHERE is_token = 1", ())?;
        self.execute("DELETE FROM token_families", ()).map(drop)
    }

    /// Whether there was one.
    pub fn delete_key_with_digest(&self, digest: &Digest) -> Result<bool> {
        self.execute("DELETE FROM keys WHERE digest = ?1", [digest.as_bytes()]).map(|rows| rows > 0)
    }

    pub fn delete_key_with_stored_digest(&self, digest: &StoredDigest) -> Result<()> {
        self.execute("DELETE FROM keys WHERE digest = ?1", [&digest.0]).map(drop)
    }
}

/// The scopes in these lists, each once, sorted.
fn scopes_in(joined: &[String]) -> Vec<String> {
    let scopes = joined.iter().flat_map(|scopes| scopes.split(' ')).filter(|scope| !scope.is_empty());
    let mut scopes: Vec<String> = scopes.map(str::to_owned).collect();
    scopes.sort_unstable();
    scopes.dedup();
    scopes
}

/// Returns a record whatever the columns contain.
pub(in crate::store) fn record(row: &Row<'_>) -> Read<KeyRecord> {
    let mut salvage = Salvage::of(row);
    let last_use = match salvage.time_or_null("last_use", 14) {
        Some(at) => {
            let (address, user_agent) = (salvage.text_or_null("last_use", 15)?, salvage.text_or_null("last_use", 16)?);
            Some(LastUse { at, address, user_agent })
        }
        None => None,
    };
    let metadata = Metadata::stored(&salvage.text("metadata", 13)?);
    let bucket = limit_bucket(row, 20);
    let limit = rate_limit(row, 12).ok().filter(|_| bucket.is_ok());
    // This order is the order in which unreadable fields are reported.
    let id = KeyId::from_bytes(salvage.id("id", 0));
    let digest = Digest::from_bytes(salvage.or("digest", row.get(17).ok(), [0; 32]));
    let name = KeyName::stored(salvage.text("name", 1)?);
    let description = Description::stored(salvage.text("description", 21)?);
    let (prefix, hint) = (salvage.text_or_null("prefix", 2)?, salvage.text("hint", 3)?);
    let owner = Owner { id: UserId::from_bytes(salvage.id("owner", 4)), email: salvage.email("owner", 5)? };
    let owner_active = salvage.flag("owner", 6, false);
    let scopes = salvage.or("scopes", scopes(row, 7).ok(), ScopeSet::default());
    // An unreadable state counts as enabled, so that disabling the key is a change and is written.
    let enabled = salvage.flag("enabled", 8, true);
    let (created_at, expires_at) = (salvage.time("created_at", 9), salvage.time_or_null("expires_at", 10));
    let allowed_ips = salvage.or("allowed_ips", networks(row, 11).ok(), Networks::default());
    let rate_limit = salvage.or("rate_limit", limit, None);
    let metadata = salvage.or("metadata", metadata, Metadata::default());
    let is_token = salvage.flag("is_token", 18, false);
    let lifetime = salvage.or("lifetime", lifetime(row, 19).ok(), None);
    Ok(KeyRecord {
        id,
        digest,
        prefix,
        hint,
        owner,
        owner_active,
        settings: KeySettings { name, description, scopes, expires_at, allowed_ips, rate_limit, metadata },
        enabled,
        created_at,
        lifetime,
        limit_bucket: bucket.unwrap_or_default(),
        last_use,
        rotated_from: row.get(22).ok().flatten().map(KeyId::from_bytes),
        rotated_to: row.get(23).ok().flatten().map(KeyId::from_bytes),
        is_token,
        unreadable: salvage.unreadable,
    })
}
