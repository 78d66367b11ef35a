//! Short tokens for people's programs: a key that lives an hour, and a refresh token that gets the
//! next one. All that follow from one log-in are a family.

use std::time::Duration;

use super::{Digest, KeyPrefix, KeyRecord, PlainKey};
use crate::error::{Error, Result};

/// How long a token lives, unless the operator says otherwise.
pub const TOKEN_LIFETIME: Duration = Duration::from_secs(3600);
/// The longest that an operator can choose.
pub const LONGEST_TOKEN_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// After this long the password is needed again, however often it was refreshed (NIST SP 800-63B-4
/// §2.1.3: reauthentication at least every 30 days).
pub const FAMILY_LIFETIME: Duration = Duration::from_secs(30 * 86_400);
/// For so long, a refresh token that comes again gets the same answer, unless the operator says otherwise.
pub const REFRESH_REUSE: Duration = Duration::from_secs(10);
/// The longest that an operator can choose: a copy is not noticed while it lasts.
pub const LONGEST_REFRESH_REUSE: Duration = Duration::from_secs(300);
/// Families of one user; one more ends the oldest.
pub const FAMILIES_PER_USER: i64 = 100;

/// Buys the next token, once. It has the shape of a key, so that scanners find it and a slip of the
/// pen shows, and is never taken for one: keys and refresh tokens are looked up in different tables.
pub struct RefreshToken(PlainKey);

impl RefreshToken {
    /// Around 32 bytes that the caller took from a CSPRNG.
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

/// Only a token is given back; a key is revoked.
pub fn must_be_token(record: &KeyRecord) -> Result<()> {
    if record.is_token {
        return Ok(());
    }
    Err(Error::conflict("This is a key, not a token. A key revokes itself with DELETE /api/v1/keys/current."))
}

/// Random bytes from which, with the text of a refresh token, the next pair follows: so that the same
/// refresh token can get the same pair again, though no text is stored. Either alone tells nothing of it.
#[derive(Clone, Copy)]
pub struct NextSeed([u8; 32]);

impl NextSeed {
    /// From a CSPRNG.
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
