//! What a key is at this moment, from the truth rather than from the index: for acts of management,
//! which are rare and grave.

use rusqlite::{Connection, OptionalExtension, Row};

use super::Store;
use super::rows::{Salvage, flag, limit_bucket, networks, rate_limit, scopes, sql, time_or_null};
use crate::error::Result;
use crate::model::{Bounds, Facts, KeyId, KeyPrefix, Networks, Owner, Role, ScopeSet, UserId};

#[derive(Debug, Clone)]
pub struct Standing {
    id: KeyId,
    is_token: bool,
    pub hint: String,
    pub owner: Owner,
    pub owner_role: Role,
    pub scopes: ScopeSet,
    owner_active: bool,
    enabled: bool,
    pub bounds: Bounds,
    /// None for an imported key, whose text we never knew.
    pub prefix: Option<KeyPrefix>,
}

impl Standing {
    /// For a verdict; `allowed_ips` may have been judged when the request came in.
    pub fn facts<'a>(&'a self, allowed_ips: &'a Networks) -> Facts<'a> {
        Facts {
            enabled: self.enabled,
            owner_active: self.owner_active,
            made_at: self.is_token.then(|| self.id.made_at()),
            expires_at: self.bounds.expires_at,
            scopes: &self.scopes,
            allowed_ips,
        }
    }
}

impl Store {
    pub async fn standing(&self, id: KeyId) -> Result<Option<Standing>> {
        self.read(move |db| standing(db, id)).await
    }
}

pub(super) fn standing(db: &Connection, id: KeyId) -> Result<Option<Standing>> {
    let mut query = db
        .prepare_cached(
            "SELECT k.hint, u.id, u.email, u.role, u.active, k.scopes, k.enabled, k.expires_at, k.allowed_ips, k.is_token, k.id,
             k.rate_limit, k.prefix, k.limit_bucket
             FROM keys k JOIN users u ON u.id = k.owner_id WHERE k.id = ?1",
        )
        .map_err(sql)?;
    query.query_row([id.as_bytes()], standing_of).optional().map_err(sql)
}

/// What a key may do must be read; what it and its owner are called need not.
fn standing_of(row: &Row<'_>) -> rusqlite::Result<Standing> {
    let mut salvage = Salvage::of(row);
    Ok(Standing {
        id: KeyId::from_bytes(row.get(10)?),
        is_token: flag(row, 9)?,
        hint: salvage.text("hint", 0)?,
        owner: Owner { id: UserId::from_bytes(row.get(1)?), email: salvage.email("owner", 2)? },
        owner_role: Role::parse(&salvage.text("role", 3)?).unwrap_or(Role::Member),
        owner_active: salvage.flag("owner", 4, false),
        scopes: scopes(row, 5)?,
        enabled: flag(row, 6)?,
        bounds: Bounds {
            expires_at: time_or_null(row, 7)?,
            allowed_ips: networks(row, 8)?,
            rate_limit: limit_bucket(row, 13).and_then(|_| rate_limit(row, 11))?,
        },
        prefix: salvage.text_or_null("prefix", 12)?.and_then(|text| KeyPrefix::parse(&text).ok()),
    })
}
