//! The columns of `keys` and `users` that decide what a management key can do.

use crate::error::Result;
use crate::model::{Bounds, KeyId, KeyPrefix, KeyStatus, Owner, Role, UserId};
use crate::store::Tx;
use crate::store::columns::{Salvage, flag, limit_bucket, networks, rate_limit, scopes, time_or_null};
use crate::store::row::{Read, Row};

impl Tx<'_> {
    pub fn key_status(&self, id: KeyId) -> Result<Option<KeyStatus>> {
        self.row(
            "SELECT k.hint, u.id, u.email, u.role, u.active, k.scopes, k.enabled, k.expires_at, k.allowed_ips, k.is_token, k.id,
             k.rate_limit, k.prefix, k.limit_bucket
             FROM keys k JOIN users u ON u.id = k.owner_id WHERE k.id = ?1",
            [id.as_bytes()],
            status,
        )
    }
}

/// Permissions must be readable; the names of the key and its owner need not be.
fn status(row: &Row<'_>) -> Read<KeyStatus> {
    let mut salvage = Salvage::of(row);
    Ok(KeyStatus {
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
