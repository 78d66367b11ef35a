//! The keys at one moment, ready to sign and to check.

use std::collections::HashMap;

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::make;
use crate::error::{Error, Result};
use crate::model::signing::Keyring;
use crate::model::{SigningAlgorithm, Time};

pub struct Ring {
    signers: HashMap<SigningAlgorithm, Signer>,
    checkers: HashMap<String, JwtChecker>,
    jwks: String,
}

struct Signer {
    kid: String,
    key: EncodingKey,
}

struct JwtChecker {
    algorithm: SigningAlgorithm,
    key: DecodingKey,
    ends_at: Option<Time>,
}

impl Ring {
    pub fn of(keyring: &Keyring, now: Time) -> Result<Self> {
        let mut ring = Ring { signers: HashMap::new(), checkers: HashMap::new(), jwks: String::new() };
        let mut public = JwkSet { keys: Vec::new() };
        for stored in keyring.published(now) {
            let key = make::signer(stored.algorithm, &stored.private)?;
            let jwk = make::public(stored.algorithm, &key)?;
            let kid = jwk.common.key_id.clone().unwrap_or_default();
            let checker = JwtChecker {
                algorithm: stored.algorithm,
                key: DecodingKey::from_jwk(&jwk).map_err(Error::internal)?,
                ends_at: stored.ends_at,
            };
            if keyring.signing(stored.algorithm) == Some(stored) {
                ring.signers.insert(stored.algorithm, Signer { kid: kid.clone(), key });
            }
            ring.checkers.insert(kid, checker);
            public.keys.push(jwk);
        }
        ring.jwks = serde_json::to_string(&public).map_err(Error::internal)?;
        Ok(ring)
    }

    /// The JWK Set (RFC 7517 §5) of every key whose signatures may still be seen.
    pub fn jwks(&self) -> &str {
        &self.jwks
    }

    /// The id of the signing key for this algorithm; if it changes, earlier signatures are out of date.
    pub fn kid(&self, algorithm: SigningAlgorithm) -> Option<&str> {
        self.signers.get(&algorithm).map(|signer| signer.kid.as_str())
    }

    /// Signs a JWT of this type (RFC 8725 §3.11: one type is never accepted as another).
    pub fn sign(&self, algorithm: SigningAlgorithm, kind: &str, claims: &impl Serialize) -> Result<String> {
        let signer = self.signers.get(&algorithm).ok_or_else(|| {
            Error::unavailable(format!(
                "there is no signing key for {}; add one or change the algorithm",
                algorithm.as_str()
            ))
        })?;
        let mut header = Header::new(make::jwt_algorithm(algorithm));
        header.typ = Some(kind.to_owned());
        header.kid = Some(signer.kid.clone());
        jsonwebtoken::encode(&header, claims, &signer.key).map_err(Error::internal)
    }

    /// The claims of a JWT that we signed, with this type and issuer and a key that is still published. The caller
    /// checks the expiry against our clock. The algorithm is the key's, whatever the token says, so `none` is
    /// impossible.
    pub fn check<T: DeserializeOwned>(&self, token: &str, kind: &str, issuer: &str, now: Time) -> Option<T> {
        let header = jsonwebtoken::decode_header(token).ok()?;
        let checker = self.checkers.get(header.kid.as_deref()?)?;
        let is_of_kind = header.typ.is_some_and(|typ| typ.eq_ignore_ascii_case(kind));
        if !is_of_kind || header.crit.is_some() || checker.ends_at.is_some_and(|end| now >= end) {
            return None;
        }
        let mut validation = Validation::new(make::jwt_algorithm(checker.algorithm));
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.set_required_spec_claims(&["exp", "iss"]);
        validation.set_issuer(&[issuer]);
        jsonwebtoken::decode(token, &checker.key, &validation).ok().map(|token| token.claims)
    }
}
