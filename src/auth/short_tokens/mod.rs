//! Tokens for people's programs: a short-lived token in exchange for email and password. A token may do whatever its
//! user could grant to a key of their own, except anything in `keybearer:`, so that a program with a password cannot
//! manage the server. All tokens that follow from one sign-in form a family, which has one token at a time.

mod family;
mod refresh;

use std::time::Duration;

use super::keys;
use super::login::attempt::wrong;
use super::{Auth, Urgency};
use crate::auth::by::By;
use crate::error::{Error, Kind, Result};
use crate::model::token::{RefreshToken, must_be_token};
use crate::model::{FamilyId, KeyId, KeyPrefix, Origin, Password, PlainKey, Reach, ScopeSet, Time};
use crate::store::Tx;
use family::{NewFamily, NewToken};

pub(super) use family::end_all;

/// A program's request for a token, as it was sent.
#[derive(Debug)]
pub struct TokenRequest<'a> {
    pub email: &'a str,
    pub password: &'a str,
    /// The scopes of the token; `None` means all that it may have.
    pub scopes: Option<ScopeSet>,
    /// Not attributed to a user yet.
    pub origin: Origin,
}

/// A new token and its refresh token: the server's only copy of their texts.
#[derive(Debug)]
pub struct Issued {
    pub token: PlainKey,
    pub expires_in: Duration,
    pub refresh: RefreshToken,
    pub refresh_expires_in: Duration,
}

impl Auth {
    /// Issues a token. An attempt is throttled, timed and answered like a sign-in at the dashboard, because it checks
    /// the same passwords.
    pub async fn issue_token(&self, request: TokenRequest<'_>) -> Result<Issued> {
        let scopes = may_have(request.scopes)?;
        if request.password.is_empty() {
            return Err(wrong());
        }
        let password = Password::parse(request.password)?;
        let proved = self.check_password(request.email, password, None, &request.origin).await?;
        let fresh = self.fresh_token()?;
        let by = self.by(&proved.origin(&request.origin));
        let (now, token) = (by.at, fresh.row(by.at));
        let token_ends = token.expires_at;
        let family = NewFamily {
            id: FamilyId::new(now, self.entropy.bytes()?),
            user: proved.user.id,
            scopes,
            token,
            address_mark: proved.address_mark(),
            cleared: proved.cleared(),
        };
        match self.act(Urgency::Ordinary, by, move |tx, by| family::begin(tx, by, &family)).await {
            Ok(family_ends) => Ok(fresh.issued(now, token_ends, family_ends)),
            Err(error) if error.kind == Kind::NoLongerKnown => Err(self.outrun(&proved.user, &request.origin).await?),
            Err(error) => Err(error),
        }
    }

    /// Revokes the presented token and its family.
    pub async fn end_token(&self, token: KeyId, origin: Origin) -> Result<()> {
        let Some(_) = self.own_unless_damaged(token, must_be_token, &origin).await? else { return Ok(()) };
        let act = move |tx: &Tx<'_>, by: &By| {
            let token = keys::find(tx, token, Reach::Anyone)?;
            must_be_token(&token)?;
            family::end(tx, by, token)
        };
        self.act(Urgency::Revocation, self.by(&origin), act).await
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

/// The default is `*`, which never covers `keybearer:` scopes.
fn may_have(asked: Option<ScopeSet>) -> Result<ScopeSet> {
    let scopes = asked.map_or_else(|| ScopeSet::parse(["*"]), Ok)?;
    if scopes.iter().any(|scope| scope.is_reserved()) {
        let refused = Error::forbidden(
            "A token cannot have keybearer: scopes. An admin can create a key with them in the dashboard.",
        );
        return Err(Error { field: Some("scopes"), ..refused });
    }
    Ok(scopes)
}

/// A token and its refresh token that are not stored yet.
struct Fresh {
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
