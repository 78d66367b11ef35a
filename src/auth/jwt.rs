//! Access tokens: JWTs that a key gets for itself (RFC 6749 §4.4, RFC 9068), and token introspection (RFC 7662). Keys
//! are verified as everywhere else; one of our JWTs is valid only as long as its key is.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Auth, LiveKey, Presented};
use crate::error::{Error, Result};
use crate::index::{IndexedOwner, KeyView};
use crate::model::verdict::Demand;
use crate::model::{ClientAddress, Digest, KeyId, Networks, Refusal, Scope, ScopeSet, Time, TokenId};
use crate::signing::{self, MAX_JWT_LIFETIME};

/// The type of an access token (RFC 9068 §2.1).
const ACCESS_TOKEN: &str = "at+jwt";

impl LiveKey {
    /// The scopes of a token for this client: those requested, or all that the key has. `keybearer:` scopes are omitted
    /// or, if requested, refused, because this server accepts keys, never a JWT.
    fn narrowed(&self, asked: Option<ScopeSet>) -> Result<ScopeSet> {
        let is_ours = |scope: &&Scope| scope.is_reserved();
        match asked {
            None => Ok(self.grant.scopes.only(|scope| !is_ours(&scope))),
            Some(asked) if asked.iter().all(|scope| !is_ours(&scope) && self.covers(scope.as_str())) => Ok(asked),
            Some(_) => Err(Error::invalid(
                "scope",
                "A token can have only scopes that its key has, and no keybearer: scopes. Request fewer scopes.",
            )),
        }
    }
}

/// RFC 9068 §2.2. No person is involved, so the client is the subject.
#[derive(Debug, Serialize, Deserialize)]
struct AccessClaims {
    iss: String,
    exp: i64,
    aud: String,
    sub: String,
    client_id: String,
    iat: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    jti: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    scope: String,
}

/// A new access token.
#[derive(Debug)]
pub struct IssuedJwt {
    pub token: String,
    pub expires_in: i64,
    pub scopes: ScopeSet,
}

/// The description of a valid token (RFC 7662 §2.2). Times are in seconds since 1970.
#[derive(Debug)]
pub struct TokenFacts {
    /// The scopes, separated by spaces.
    pub scope: String,
    pub client: KeyId,
    pub owner: Arc<IndexedOwner>,
    pub subject: String,
    pub expires_at: Option<i64>,
    pub issued_at: i64,
    pub id: String,
    pub audience: Option<String>,
}

/// The owner of a token that a client wants to revoke.
#[derive(Debug, PartialEq, Eq)]
pub enum Ownership {
    /// The client's own key.
    Own,
    /// A valid token of another client.
    Foreign,
    /// A JWT of ours: it expires by itself, or with its key.
    Jwt,
    /// A token that is not valid, so there is nothing to revoke.
    Unusable,
}

impl Auth {
    /// A short-lived JWT for the client; it expires no later than the key.
    pub async fn issue_access_token(
        &self,
        client: &LiveKey,
        scopes: Option<ScopeSet>,
        audience: Option<String>,
    ) -> Result<IssuedJwt> {
        let (ring, running) = (self.signing.ring()?, self.signing.running()?);
        let settings = &running.settings;
        let scopes = client.narrowed(scopes)?;
        let now = self.now();
        let lifetime = settings.token_lifetime.min(MAX_JWT_LIFETIME);
        let end = now.whole_second().plus(lifetime);
        let end = client.expires_at.map_or(end, |expiry| expiry.min(end));
        let valid_from = signing::valid_from(now);
        let id = client.id.to_string();
        let claims = AccessClaims {
            iss: running.issuer.clone(),
            exp: end.seconds(),
            aud: audience.or_else(|| settings.token_audience.clone()).unwrap_or_else(|| running.issuer.clone()),
            sub: id.clone(),
            client_id: id,
            iat: valid_from,
            nbf: Some(valid_from),
            jti: TokenId::new(now, self.entropy.bytes()?).to_string(),
            scope: scopes.joined(),
        };
        let algorithm = settings.token_algorithm;
        let token = running.signers.run(move |()| ring.sign(algorithm, ACCESS_TOKEN, &claims)).await?;
        self.must_still_hold(client, &scopes).await?;
        Ok(IssuedJwt { token, expires_in: end.seconds() - now.seconds(), scopes })
    }

    /// Checks the key again, because the signers may have been busy: a key that was revoked or narrowed meanwhile gets
    /// no token.
    async fn must_still_hold(&self, client: &LiveKey, scopes: &ScopeSet) -> Result<()> {
        let (now, anywhere) = (self.now(), Networks::default());
        let demand = Demand { scopes: &[], address: None, user_agent: b"" };
        match self
            .store
            .read({
                let id = client.id;
                move |tx| tx.key_status(id)
            })
            .await?
        {
            Some(key) if key.facts(&anywhere).judge(now, &demand).is_ok() && scopes.beyond(&key.scopes).is_empty() => {
                Ok(())
            }
            _ => Err(Error::no_longer_known()),
        }
    }

    /// Describes a valid token, and reveals nothing about any other. Without `keybearer:verify`, a client learns only
    /// about its own tokens; this is checked before any look-up.
    pub async fn introspect(
        &self,
        client: &LiveKey,
        token: Presented<'_>,
        address: Option<ClientAddress>,
    ) -> Result<std::result::Result<Option<TokenFacts>, Refusal>> {
        let claims = self.own_jwt(token);
        let is_own = || match &claims {
            Some(claims) => claims.client_id == client.id.to_string(),
            None => Digest::of(token) == client.digest,
        };
        if !client.covers(Scope::VERIFY) && !is_own() {
            return Ok(Err(Refusal::InsufficientScope));
        }
        match claims {
            // Boxed, so that this future is small for a key.
            Some(claims) => Box::pin(self.introspect_jwt(claims, address)).await.map(Ok),
            None => self.introspect_key(token, address).await.map(Ok),
        }
    }

    async fn introspect_key(&self, token: Presented<'_>, address: Option<ClientAddress>) -> Result<Option<TokenFacts>> {
        let demand = Demand { scopes: &[], address, user_agent: b"" };
        let view_of = |key: &KeyView<'_>| TokenFacts {
            scope: key.grant.scopes.joined(),
            client: key.id,
            owner: Arc::clone(key.owner),
            subject: key.owner.id.to_string(),
            expires_at: key.expires_at.map(Time::seconds),
            issued_at: key.id.made_at().seconds(),
            id: key.id.to_string(),
            audience: None,
        };
        Ok(self.verify(token, &demand, view_of).await?.ok().map(|good| good.view))
    }

    /// Describes a JWT by the current verdict on its key, which counts as a use of the key: whatever refuses the key
    /// (revoked, disabled, wrong address, over its limit) refuses its tokens too.
    async fn introspect_jwt(&self, claims: AccessClaims, address: Option<ClientAddress>) -> Result<Option<TokenFacts>> {
        let Ok(client) = KeyId::parse(&claims.client_id) else { return Ok(None) };
        let (now, issued) = (self.now(), Time::from_millis(claims.iat.saturating_mul(1000)));
        if now.seconds() >= claims.exp || issued.is_ahead_of(now) {
            return Ok(None);
        }
        let wrong = || Error::internal("a token that we signed contains an invalid scope");
        let said = ScopeSet::stored(&claims.scope).ok_or_else(wrong)?;
        let demand = Demand { scopes: &[], address, user_agent: b"" };
        let view_of = |key: &KeyView<'_>| TokenFacts {
            scope: said.only(|scope| key.grant.scopes.covers(scope.as_str())).joined(),
            client: key.id,
            owner: Arc::clone(key.owner),
            subject: claims.sub.clone(),
            expires_at: Some(claims.exp),
            issued_at: claims.iat,
            id: claims.jti.clone(),
            audience: Some(claims.aud.clone()),
        };
        Ok(self.verify_by_id(client, &demand, view_of).await?.ok().map(|good| good.view))
    }

    /// The owner of this token, for a client that wants to revoke it.
    pub async fn ownership(&self, client: &LiveKey, token: Presented<'_>) -> Result<Ownership> {
        if Digest::of(token) == client.digest {
            return Ok(Ownership::Own);
        }
        if self.own_jwt(token).is_some() {
            return Ok(Ownership::Jwt);
        }
        let demand = Demand { scopes: &[], address: None, user_agent: b"" };
        Ok(match self.verify(token, &demand, |_| ()).await? {
            Ok(_) => Ownership::Foreign,
            // The key is live, but refused from this address or at this moment.
            Err(bad) if matches!(bad.refusal, Refusal::IpNotAllowed | Refusal::RateLimited) => Ownership::Foreign,
            Err(_) => Ownership::Unusable,
        })
    }

    /// The claims of an access token that we signed, whether or not it is still valid.
    fn own_jwt(&self, token: Presented<'_>) -> Option<AccessClaims> {
        let token = std::str::from_utf8(token).ok().filter(|text| text.matches('.').count() == 2)?;
        let (ring, running) = (self.signing.ring().ok()?, self.signing.running().ok()?);
        ring.check(token, ACCESS_TOKEN, &running.issuer, self.now())
    }
}
