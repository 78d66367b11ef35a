//! Signed identity: who is behind a request, as a JWT that an API can check without trusting the network between the
//! gateway and itself. It is valid for a minute, but never longer than the key.

use std::time::Duration;

use serde::Serialize;

use super::Auth;
use crate::error::Result;
use crate::model::Time;
use crate::signing::{self, Ring};

/// A separate JWT type, so that an identity is never accepted as an access token, nor the other way round.
const IDENTITY: &str = "identity+jwt";
pub const LIFETIME: Duration = Duration::from_secs(60);

/// The content of a signed identity, named as in the identity headers.
#[derive(Debug, Clone, Copy)]
pub struct Says<'a> {
    pub key_id: &'a str,
    pub owner: &'a str,
    pub owner_id: &'a str,
    pub scopes: &'a str,
    /// When the key expires.
    pub expires_at: Option<Time>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    client_id: &'a str,
    username: &'a str,
    scope: &'a str,
    iat: i64,
    nbf: i64,
    exp: i64,
}

impl Auth {
    pub fn sign_identity(&self, ring: &Ring, says: &Says<'_>, now: Time) -> Result<String> {
        let running = self.signing.running()?;
        let end = now.whole_second().plus(LIFETIME);
        let valid_from = signing::valid_from(now);
        let claims = Claims {
            iss: &running.issuer,
            sub: says.owner_id,
            client_id: says.key_id,
            username: says.owner,
            scope: says.scopes,
            iat: valid_from,
            nbf: valid_from,
            exp: says.expires_at.map_or(end, |expiry| expiry.min(end)).seconds(),
        };
        ring.sign(running.settings.identity_algorithm, IDENTITY, &claims)
    }

    /// The id of the key that signs identities in this ring.
    pub fn identity_kid<'a>(&self, ring: &'a Ring) -> Result<&'a str> {
        Ok(ring.kid(self.signing.running()?.settings.identity_algorithm).unwrap_or_default())
    }
}
