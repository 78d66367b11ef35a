//! `devices`: evidence of earlier sign-ins to an account.

use crate::error::Result;
use crate::model::{Digest, Email, Time, UserId};
use crate::store::Tx;

#[derive(Debug, Clone, Copy)]
pub enum KnownBy {
    /// The digest of a browser's cookie.
    Browser(Digest),
    /// The digest of account and address.
    Address(Digest),
}

impl KnownBy {
    fn columns(&self) -> (&'static str, &Digest) {
        match self {
            KnownBy::Browser(digest) => ("browser", digest),
            KnownBy::Address(digest) => ("address", digest),
        }
    }
}

impl Tx<'_> {
    /// Whether this digest was recorded for the account with this email after `oldest`, but not after `newest`.
    pub fn has_device(&self, digest: &Digest, email: &Email, oldest: Time, newest: Time) -> Result<bool> {
        self.one(
            "SELECT EXISTS (SELECT 1 FROM devices d JOIN users u ON u.id = d.user_id
             WHERE d.digest = ?1 AND u.email = ?2 AND d.created_at > ?3 AND d.created_at <= ?4)",
            (digest.as_bytes(), email.as_str(), oldest.millis(), newest.millis()),
            |row| row.get(0),
        )
    }

    pub fn put_device(&self, known_by: KnownBy, user: UserId, now: Time) -> Result<()> {
        let (kind, digest) = known_by.columns();
        self.execute(
            "INSERT INTO devices (digest, user_id, created_at, kind) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (digest) DO UPDATE SET user_id = excluded.user_id, created_at = excluded.created_at",
            (digest.as_bytes(), user.as_bytes(), now.millis(), kind),
        )
        .map(drop)
    }

    /// Keeps the newest 20 of this kind, none of them created after `latest`.
    pub fn prune_devices(&self, known_by: KnownBy, user: UserId, latest: Time) -> Result<()> {
        let (kind, _) = known_by.columns();
        self.execute(
            "DELETE FROM devices WHERE user_id = ?1 AND kind = ?2 AND (created_at > ?3 OR digest NOT IN
             (SELECT digest FROM devices WHERE user_id = ?1 AND kind = ?2 ORDER BY created_at DESC LIMIT 20))",
            (user.as_bytes(), kind, latest.millis()),
        )
        .map(drop)
    }
}
