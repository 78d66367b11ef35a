//! Tokens for people's programs: a short token in exchange for e-mail and password. A token may do what its user
//! could grant to any key of their own, but nothing in `keybearer:`, so that a password in a program's hands is not a
//! way to manage the server.

use std::time::Duration;

use super::Auth;
use super::attempt::wrong;
use crate::error::{Error, Kind, Result};
use crate::model::token::{RefreshToken, must_be_token};
use crate::model::{FamilyId, KeyId, KeyPrefix, Origin, Password, PlainKey, ScopeSet, Time};
use crate::store::{NewFamily, NewToken};

/// One try of a program, as it was sent.
#[derive(Debug)]
pub struct TokenRequest<'a> {
    pub email: &'a str,
    pub password: &'a str,
    /// What the token shall be able to do; `None`: all that it may.
    pub scopes: Option<ScopeSet>,
    /// Of nobody yet.
    pub origin: Origin,
}

/// The only time that these texts exist outside their program's hands.
#[derive(Debug)]
pub struct Issued {
    pub token: PlainKey,
    pub expires_in: Duration,
    pub refresh: RefreshToken,
    pub refresh_expires_in: Duration,
}

impl Auth {
    /// Throttled, timed and answered like a log-in at the dashboard, of which it is the other door.
    pub async fn issue_token(&self, request: TokenRequest<'_>) -> Result<Issued> {
        let scopes = may_have(request.scopes)?;
        if request.password.is_empty() {
            return Err(wrong());
        }
        let password = Password::parse(request.password)?;
        let proved = self.check_password(request.email, password, None, &request.origin).await?;
        let (now, fresh) = (self.now(), self.fresh_token()?);
        let new = fresh.row(now);
        let token_ends = new.expires_at;
        let family = NewFamily {
            id: FamilyId::new(now, self.entropy.bytes()?),
            user: proved.user.id,
            scopes,
            cleared: proved.cleared(),
            address_mark: proved.address_mark(),
        };
        match self.store.issue_token(family, new, now, proved.origin(&request.origin)).await {
            Ok(family_ends) => Ok(fresh.issued(now, token_ends, family_ends)),
            Err(error) if error.kind == Kind::NoLongerKnown => Err(self.outrun(&proved.user, &request.origin).await?),
            Err(error) => Err(error),
        }
    }

    /// The presented token and all that could follow from it.
    pub async fn end_token(&self, token: KeyId, origin: Origin) -> Result<()> {
        match self.own_unless_damaged(token, must_be_token, &origin).await? {
            Some(_) => self.store.end_token(token, self.now(), origin).await,
            None => Ok(()),
        }
    }

    fn fresh_token(&self) -> Result<Fresh> {
        let prefix = self.prefix_of(None)?;
        Ok(Fresh {
            id: KeyId::new(self.now(), self.entropy.bytes()?),
            token: PlainKey::generate(&prefix, &self.entropy.bytes()?),
            refresh: RefreshToken::generate(&self.entropy.bytes()?)?,
            lifetime: self.token_lifetime,
            prefix,
        })
    }
}

/// A wildcard never reaches into `keybearer:`.
fn may_have(asked: Option<ScopeSet>) -> Result<ScopeSet> {
    let scopes = asked.map_or_else(|| ScopeSet::parse(["*"]), Ok)?;
    if scopes.iter().any(|scope| scope.is_reserved()) {
        let refused = Error::forbidden(
            "A token has no scope that begins with keybearer:. An admin can make a key with it in the dashboard.",
        );
        return Err(Error { field: Some("scopes"), ..refused });
    }
    Ok(scopes)
}

/// A pair, not yet stored.
pub(super) struct Fresh {
    pub id: KeyId,
    pub token: PlainKey,
    pub refresh: RefreshToken,
    pub lifetime: Duration,
    pub prefix: KeyPrefix,
}

impl Fresh {
    pub fn row(&self, now: Time) -> NewToken {
        NewToken {
            id: self.id,
            digest: self.token.digest(),
            prefix: self.prefix.clone(),
            hint: self.token.hint(),
            expires_at: now.whole_second().plus(self.lifetime),
            refresh: self.refresh.digest(),
        }
    }

    pub fn issued(self, now: Time, token_ends: Time, family_ends: Time) -> Issued {
        Issued {
            token: self.token,
            expires_in: token_ends.since(now.whole_second()),
            refresh: self.refresh,
            refresh_expires_in: family_ends.since(now.whole_second()),
        }
    }
}
