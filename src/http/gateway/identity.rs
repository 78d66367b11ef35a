//! `X-Auth-Identity`, a signed copy of the other identity headers, if it is asked for. It is signed once per key and
//! reused for half its lifetime or until its content changes.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use actix_web::http::header::HeaderValue;

use super::allow::Allowed;
use crate::auth::KeyView;
use crate::auth::identity::{LIFETIME, Says};
use crate::error::{Error, Result};
use crate::http::Site;
use crate::model::{KeyId, Time};

const SHARDS: usize = 64;
/// Maximum number of identities per shard; further ones are signed for each request.
const MAX_PER_SHARD: usize = 1024;
const FRESH: Duration = LIFETIME.checked_div(2).expect("two is not zero");

type IdentityShard = Mutex<HashMap<KeyId, Signed>>;

/// Recently signed identities.
pub struct Identities(Box<[IdentityShard]>);

struct Signed {
    says: Allowed,
    expires_at: Option<Time>,
    /// Id of the signing key.
    kid: String,
    at: Time,
    value: HeaderValue,
}

impl Default for Identities {
    fn default() -> Self {
        Identities((0..SHARDS).map(|_| Mutex::default()).collect())
    }
}

/// A key that passes, with the data that its signed identity needs besides its headers.
pub struct SignedIdentityInput {
    allowed: Allowed,
    id: KeyId,
    expires_at: Option<Time>,
}

impl SignedIdentityInput {
    pub fn of(key: &KeyView<'_>) -> Self {
        SignedIdentityInput { allowed: Allowed::of(key), id: key.id, expires_at: key.expires_at }
    }

    /// The lock is held while signing, so that each key is signed for only once. EdDSA takes about twenty microseconds,
    /// RS256 more than a millisecond.
    pub fn signed(self, site: &Site) -> Result<Allowed> {
        let ring = site.auth.signing().ring()?;
        let (kid, now) = (site.auth.identity_kid(&ring)?, site.auth.now());
        let shard = &site.identities.0[usize::from(self.id.as_bytes()[15]) % SHARDS];
        let mut shard = shard.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(held) = shard.get(&self.id).filter(|held| held.holds(&self, kid, now)) {
            let value = held.value.clone();
            return Ok(self.allowed.with_identity(value));
        }
        let [key_id, owner, owner_id, scopes] = self.allowed.facts();
        let says = Says { key_id, owner, owner_id, scopes, expires_at: self.expires_at };
        let value = HeaderValue::try_from(site.auth.sign_identity(&ring, &says, now)?).map_err(Error::internal)?;
        if shard.len() >= MAX_PER_SHARD {
            shard.retain(|_, held| held.is_fresh(now));
        }
        if shard.len() < MAX_PER_SHARD {
            let signed = Signed {
                says: self.allowed.clone(),
                expires_at: self.expires_at,
                kid: kid.to_owned(),
                at: now,
                value: value.clone(),
            };
            shard.insert(self.id, signed);
        }
        Ok(self.allowed.with_identity(value))
    }
}

impl Signed {
    fn holds(&self, bearing: &SignedIdentityInput, kid: &str, now: Time) -> bool {
        self.is_fresh(now)
            && self.kid == kid
            && self.expires_at == bearing.expires_at
            && self.says.says_what(&bearing.allowed)
    }

    /// Whether it can still be reused. If the clock was set back, it cannot.
    fn is_fresh(&self, now: Time) -> bool {
        now >= self.at && now.since(self.at) < FRESH
    }
}
