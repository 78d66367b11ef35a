//! `refresh_tokens`, each with its token family.

use super::keys::{KEY, record};
use crate::error::Result;
use crate::model::token::NextSeed;
use crate::model::{Digest, FamilyId, KeyId, KeyRecord, Time};
use crate::store::Tx;
use crate::store::columns::{Salvage, flag, time, time_or_null};

/// A refresh token. An unreadable value counts against it: as expired, used, or unknown to its client.
#[derive(Debug)]
pub struct RefreshTokenRow {
    pub family: FamilyId,
    /// The family's current token.
    pub token: KeyId,
    pub family_created_at: Time,
    pub family_expires_at: Time,
    pub is_used: bool,
    pub used_at: Option<Time>,
    pub seed: Option<NextSeed>,
    /// Network and user agent of the client that used it.
    pub used_from: Option<String>,
    pub used_with: Option<String>,
}

/// The first use of a refresh token. The fields after `at` are kept only while a repeated use is allowed.
#[derive(Debug)]
pub struct RefreshUse<'a> {
    pub at: Time,
    pub seed: Option<NextSeed>,
    pub from: Option<&'a str>,
    pub with: Option<&'a str>,
}

impl Tx<'_> {
    pub fn refresh_token(&self, digest: &Digest) -> Result<Option<RefreshTokenRow>> {
        let text = "SELECT f.id, f.key_id, f.expires_at, r.is_used, f.created_at, r.used_at, r.seed, r.used_from, r.used_with, f.user_id
             FROM refresh_tokens r JOIN token_families f ON f.id = r.family_id WHERE r.digest = ?1";
        self.row(text, [digest.as_bytes()], |row| {
            let mut salvage = Salvage::of(row);
            let (family, token, _) = (salvage.id("id", 0), salvage.id("key_id", 1), salvage.id("user_id", 9));
            let is_sound = salvage.unreadable.is_empty();
            Ok(RefreshTokenRow {
                family: FamilyId::from_bytes(family),
                token: KeyId::from_bytes(token),
                family_created_at: time(row, 4).unwrap_or(Time::from_millis(i64::MAX)),
                family_expires_at: time(row, 2).ok().filter(|_| is_sound).unwrap_or(Time::from_millis(i64::MIN)),
                is_used: flag(row, 3).unwrap_or(true),
                used_at: time_or_null(row, 5).unwrap_or_default(),
                seed: row.get::<Option<[u8; 32]>>(6).unwrap_or_default().map(NextSeed::new),
                used_from: row.get(7).unwrap_or_default(),
                used_with: row.get(8).unwrap_or_default(),
            })
        })
    }

    /// The token of the family that this refresh token, used or not, belongs to.
    pub fn token_of_refresh_token(&self, digest: &Digest) -> Result<Option<KeyRecord>> {
        let text = format!(
            "{KEY} AND k.id = (SELECT f.key_id FROM refresh_tokens r JOIN token_families f ON f.id = r.family_id WHERE r.digest = ?1)"
        );
        self.row(&text, [digest.as_bytes()], record)
    }

    pub fn put_refresh_token(&self, digest: &Digest, family: FamilyId) -> Result<()> {
        let text = "INSERT INTO refresh_tokens (digest, family_id, is_used) VALUES (?1, ?2, 0)";
        self.execute(text, (digest.as_bytes(), family.as_bytes())).map(drop)
    }

    pub fn set_refresh_token_used(&self, digest: &Digest, used: &RefreshUse<'_>) -> Result<()> {
        let text = "UPDATE refresh_tokens SET is_used = 1, used_at = ?2, seed = ?3, used_from = ?4, used_with = ?5 WHERE digest = ?1";
        let seed = used.seed.as_ref().map(NextSeed::as_bytes);
        self.execute(text, (digest.as_bytes(), used.at.millis(), seed, used.from, used.with)).map(drop)
    }

    /// Forgets the seeds of refresh tokens that were used by `oldest` or after `latest`.
    pub fn forget_seeds(&self, oldest: Time, latest: Time) -> Result<()> {
        let text = "UPDATE refresh_tokens SET seed = NULL, used_from = NULL, used_with = NULL
             WHERE seed IS NOT NULL AND (used_at <= ?1 OR used_at > ?2)";
        self.execute(text, (oldest.millis(), latest.millis())).map(drop)
    }
}
