//! Short-lived tokens for people's programs: a key that is valid for an hour, and a refresh token to get the next one.
//! All tokens that follow from one sign-in form a family.

use std::time::Duration;

use super::{Digest, KeyPrefix, KeyRecord, PlainKey};
use crate::error::{Error, Result};

/// Default lifetime of a token.
pub const TOKEN_LIFETIME: Duration = Duration::from_secs(3600);
/// Maximum lifetime that an operator can choose.
pub const MAX_TOKEN_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// After this long the password is required again, however often the token was refreshed (NIST SP 800-63B-4 §2.1.3:
/// reauthentication at least every 30 days).
pub const FAMILY_LIFETIME: Duration = Duration::from_secs(30 * 86_400);
/// How long a reused refresh token gets the same answer, by default.
pub const REFRESH_REUSE: Duration = Duration::from_secs(10);
/// Maximum that an operator can choose: during this time a stolen copy goes unnoticed.
pub const MAX_REFRESH_REUSE: Duration = Duration::from_secs(300);
/// Maximum number of families per user; one more revokes the oldest.
pub const FAMILIES_PER_USER: i64 = 100;

/// A secret that gets the next token once. It has the shape of a key, so that scanners find it and typos are detected.
/// It is never accepted as a key: the two are looked up in different tables.
pub struct RefreshToken(PlainKey);

impl RefreshToken {
    /// A new refresh token from 32 bytes that the caller took from a CSPRNG.
    pub fn generate(secret: &[u8; 32]) -> Result<Self> {
        Ok(RefreshToken(PlainKey::generate(&KeyPrefix::parse("kb_refresh")?, secret)))
    }

    pub fn digest(&self) -> Digest {
        self.0.digest()
    }

    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// Only a token can be revoked this way; a key has its own route.
pub fn must_be_token(record: &KeyRecord) -> Result<()> {
    if record.is_token {
        return Ok(());
    }
    Err(Error::conflict("This is a key, not a token. To revoke it, call DELETE /api/v1/keys/current with it."))
}

/// Random bytes from which, together with the text of a refresh token, the next pair is derived. The same refresh token
/// can thus get the same pair again although no text is stored. Neither part alone reveals the pair.
#[derive(Clone, Copy)]
pub struct NextSeed([u8; 32]);

impl NextSeed {
    /// A seed from CSPRNG bytes.
    pub fn new(random: [u8; 32]) -> Self {
        NextSeed(random)
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub fn token_secret(&self, presented: &str) -> [u8; 32] {
        self.secret("next token", presented)
    }

    pub fn refresh_secret(&self, presented: &str) -> [u8; 32] {
        self.secret("next refresh token", presented)
    }

    fn secret(&self, purpose: &str, presented: &str) -> [u8; 32] {
        *Digest::of(&[purpose.as_bytes(), b"\0", &self.0, presented.as_bytes()].concat()).as_bytes()
    }
}

impl std::fmt::Debug for NextSeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NextSeed")
    }
}

impl std::fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RefreshToken")
    }
}
