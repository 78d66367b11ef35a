//! Reads keys and owners as the index holds them.

use std::sync::Arc;

use super::Tx;
use super::columns::{Salvage, flag, limit_bucket, networks, rate_limit, scopes, time_or_null};
use super::row::{Read, Row};
use super::tables::pending_imports::is_key;
use super::value::ToValue;
use crate::error::Result;
use crate::index::{Grant, IndexedKey, IndexedOwner};
use crate::model::{Digest, KeyId, Networks, Role, ScopeSet, UserId};

const IS_KEY: &str = is_key!();
const IS_KEY_COLUMN: usize = 14;

macro_rules! key_columns {
    () => {
        concat!(
            "k.id, k.digest, k.scopes, k.enabled, k.expires_at, k.allowed_ips, k.rate_limit, \
             CASE WHEN k.prefix IS NULL THEN 1 ELSE 0 END, u.id, u.email, u.role, u.active, k.is_token, k.limit_bucket, \
             CASE WHEN ",
            is_key!(),
            " THEN 1 ELSE 0 END"
        )
    };
}

/// The columns that [`Latest::key`] reads.
pub(super) const KEY_COLUMNS: &str = key_columns!();

const KEY: &str = concat!("SELECT ", key_columns!(), " FROM keys k JOIN users u ON u.id = k.owner_id");

pub(super) fn find(tx: &Tx<'_>, digest: &Digest) -> Result<Option<IndexedKey>> {
    tx.row(&format!("{KEY} WHERE k.digest = ?1 AND {IS_KEY}"), [digest.as_bytes()], |row| Latest::default().key(row))
}

pub(super) fn find_by_id(tx: &Tx<'_>, id: KeyId) -> Result<Option<IndexedKey>> {
    tx.row(&format!("{KEY} WHERE k.id = ?1 AND {IS_KEY}"), [id.as_bytes()], |row| Latest::default().key(row))
}

/// The keys of a page and where the next one begins; `None` after the last page.
pub(super) fn page(tx: &Tx<'_>, after: &[u8], size: usize) -> Result<(Vec<IndexedKey>, Option<Vec<u8>>)> {
    let mut latest = Latest::default();
    let (mut keys, mut met, mut last) = (Vec::with_capacity(size), 0, Vec::new());
    tx.each(&format!("{KEY} WHERE k.id > ?1 ORDER BY k.id LIMIT ?2"), (after, size as i64), |row| {
        met += 1;
        if met == size {
            last = row.get(0)?;
        }
        if row.get(IS_KEY_COLUMN)? {
            // A key without a valid digest cannot be presented, so it is left out.
            keys.extend(latest.key(row).ok());
        }
        Ok(true)
    })?;
    Ok((keys, Some(last).filter(|_| met == size)))
}

pub(super) fn owner(tx: &Tx<'_>, id: [u8; 16]) -> Result<Option<IndexedOwner>> {
    tx.row("SELECT id, email, role, active FROM users WHERE id = ?1", [id], |row| owner_at(row, 0))
}

/// An unreadable role counts as member, and an unreadable active flag as deactivated.
pub(super) fn owner_at(row: &Row<'_>, first: usize) -> Read<IndexedOwner> {
    let mut salvage = Salvage::of(row);
    Ok(IndexedOwner {
        id: UserId::from_bytes(salvage.id("id", first)),
        email: salvage.email("email", first + 1)?,
        role: Role::parse(&salvage.text("role", first + 2)?).unwrap_or(Role::Member),
        active: salvage.flag("active", first + 3, false),
    })
}

/// The owner and the grant of the previous row, which most rows share.
#[derive(Default)]
pub(super) struct Latest {
    owner: Option<Arc<IndexedOwner>>,
    grant: Option<(GrantText, Arc<Grant>)>,
}

/// The columns of a grant.
struct GrantText {
    scopes: String,
    enabled: bool,
    allowed_ips: String,
    rate_limit: Option<String>,
    is_token: bool,
    limit_bucket: Option<KeyId>,
}

impl Latest {
    /// Fails only if the digest is invalid. Any other broken rule makes the key unreadable.
    pub fn key(&mut self, row: &Row<'_>) -> Read<IndexedKey> {
        let (id, end) = (row.get(0), time_or_null(row, 4));
        let is_sound = id.is_ok() && end.is_ok();
        Ok(IndexedKey {
            id: KeyId::from_bytes(id.unwrap_or_default()),
            digest: Digest::from_bytes(row.get(1)?),
            grant: match self.grant(row) {
                Ok(grant) if is_sound => grant,
                _ => Arc::new(Grant {
                    // A key that is known to be disabled is refused in any case.
                    enabled: flag(row, 3).unwrap_or(true),
                    scopes: ScopeSet::default(),
                    allowed_ips: Networks::default(),
                    rate_limit: None,
                    limit_bucket: None,
                    is_unreadable: true,
                    is_token: false,
                }),
            },
            expires_at: end.unwrap_or_default(),
            imported: row.get(7)?,
            owner: self.owner(row)?,
        })
    }

    fn owner(&mut self, row: &Row<'_>) -> Read<Arc<IndexedOwner>> {
        let (id, active) = (UserId::from_bytes(row.get(8).unwrap_or_default()), flag(row, 11).unwrap_or(false));
        // A value of another type is `None`, which equals no owner in memory.
        let (email, role) = (row.value(9), row.value(10));
        let is_same = |held: &&Arc<IndexedOwner>| {
            let (held_email, held_role) = (held.email.as_str().value(), held.role.as_str().value());
            held.id == id && held.active == active && held_email == email && held_role == role
        };
        if let Some(held) = self.owner.as_ref().filter(is_same) {
            return Ok(Arc::clone(held));
        }
        let owner = Arc::new(owner_at(row, 8)?);
        self.owner = Some(Arc::clone(&owner));
        Ok(owner)
    }

    fn grant(&mut self, row: &Row<'_>) -> Read<Arc<Grant>> {
        let (enabled, is_token) = (flag(row, 3)?, flag(row, 12)?);
        // Only keys with a limit get a bucket; the others share a grant, whichever key they were rotated from.
        let bucket = limit_bucket(row, 13)?;
        let (joined, ips) = (row.text(2)?, row.text(5)?);
        let limit = row.text_or_null(6)?;
        let limit_bucket = bucket.filter(|_| limit.is_some());
        if let Some((text, grant)) = &self.grant
            && (text.enabled, text.is_token, text.limit_bucket) == (enabled, is_token, limit_bucket)
            && (&*text.scopes, &*text.allowed_ips, text.rate_limit.as_deref()) == (joined, ips, limit)
        {
            return Ok(Arc::clone(grant));
        }
        let grant = Arc::new(Grant {
            scopes: scopes(row, 2)?,
            enabled,
            allowed_ips: networks(row, 5)?,
            rate_limit: rate_limit(row, 6)?,
            is_unreadable: false,
            limit_bucket,
            is_token,
        });
        let text = GrantText {
            scopes: joined.to_owned(),
            enabled,
            allowed_ips: ips.to_owned(),
            rate_limit: limit.map(str::to_owned),
            is_token,
            limit_bucket,
        };
        self.grant = Some((text, Arc::clone(&grant)));
        Ok(grant)
    }
}
