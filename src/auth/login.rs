//! Logging in: throttle, password, session. An unknown e-mail, a wrong password and a deactivated
//! user take the same steps, write as often, last as long and get the same answer.

use super::passwords::Match;
use super::{Auth, throttle};
use crate::error::{Error, Kind, Result};
use crate::model::{Actor, Authority, Digest, Email, Origin, Password, SessionId, SessionToken, User};
use crate::store::NewSession;

/// One try, as the browser sent it.
#[derive(Debug)]
pub struct LoginAttempt<'a> {
    pub email: &'a str,
    pub password: &'a str,
    /// The cookie of a browser that has logged in before.
    pub device: Option<SessionToken>,
    /// The browser's session so far; it ends with the new one.
    pub replaces: Option<SessionToken>,
    pub user_agent: &'a str,
    /// Of nobody yet.
    pub origin: Origin,
}

#[derive(Debug)]
pub struct LoggedIn {
    pub token: SessionToken,
    /// For the browser to keep: proves next time that it has been here.
    pub device: SessionToken,
    pub user: User,
}

pub const WRONG: &str = "E-mail or password is wrong.";

impl Auth {
    pub async fn log_in(&self, attempt: LoginAttempt<'_>) -> Result<LoggedIn> {
        let password = Password::parse(attempt.password)?;
        let proved = self.check_password(attempt.email, password, attempt.device.as_ref(), &attempt.origin).await?;
        let now = self.now();
        let token = SessionToken::new(self.entropy.bytes()?);
        let device = SessionToken::new(self.entropy.bytes()?);
        let new = NewSession {
            id: SessionId::new(now, self.entropy.bytes()?),
            digest: token.digest(),
            user: proved.user.id,
            user_agent: printable(attempt.user_agent, 200),
            device: device.digest(),
        };
        let replaces = attempt.replaces.map(|token| token.digest());
        let started = self.store.start_session(new, proved.clears(), replaces, now, proved.origin(&attempt.origin));
        match started.await {
            Err(error) if error.kind == Kind::NoLongerKnown => Err(self.outrun(&proved.user, &attempt.origin).await?),
            other => other.map(|()| LoggedIn { token, device, user: proved.user }),
        }
    }

    /// The password was changed, or its user deactivated, while it was being checked: as wrong as any other.
    pub(super) async fn outrun(&self, user: &User, origin: &Origin) -> Result<Error> {
        self.store.refuse_login(user.email.to_string(), self.now(), origin.clone()).await?;
        Ok(wrong())
    }

    /// The user behind e-mail and password, and the buckets that the success clears. Every way in with a
    /// password leads through here, so what a second factor demands is demanded here, once, for all.
    pub(super) async fn check_password(
        &self,
        typed: &str,
        password: Password,
        device: Option<&SessionToken>,
        origin: &Origin,
    ) -> Result<Proved> {
        let email = Email::parse(typed).ok();
        let account = email.as_ref().map_or_else(|| typed.trim().to_lowercase(), Email::to_string);
        let device = match (device, &email) {
            (Some(device), Some(email)) => {
                self.store.is_device_of(device.digest(), email.clone(), self.now()).await?.then(|| device.digest())
            }
            _ => None,
        };
        let buckets = throttle::buckets(&account, origin.address, device.as_ref());
        self.begin(&buckets).await?;
        let found = match email {
            Some(email) => self.store.credentials(email).await?,
            None => None,
        };
        let (user, stored) = match found {
            Some((user, stored)) if user.active => (Some(user), stored),
            _ => (None, None),
        };
        let outcome = self.passwords.check(password.clone(), stored.clone()).await?;
        let (Some(user), Some(hash), true) = (user, stored, outcome != Match::No) else {
            self.store.refuse_login(printable(&account, Email::MAX), self.now(), origin.clone()).await?;
            return Err(wrong());
        };
        let hash = if outcome == Match::YesOutdated { self.strengthen(&user, password, hash).await? } else { hash };
        Ok(Proved { user, hash, buckets })
    }

    /// The hash of this password that is stored from now on.
    async fn strengthen(&self, user: &User, password: Password, old: String) -> Result<String> {
        let new = self.passwords.hash(password.clone(), self.entropy.bytes()?).await?;
        if self.store.replace_hash(user.id, old, new.clone()).await? {
            return Ok(new);
        }
        // Replaced meanwhile: by another log-in with the same password, or by another password.
        let stored = self.store.credentials(user.email.clone()).await?.and_then(|(_, stored)| stored);
        match (self.passwords.check(password, stored.clone()).await?, stored) {
            (Match::Yes | Match::YesOutdated, Some(stored)) => Ok(stored),
            _ => Err(wrong()),
        }
    }

    async fn begin(&self, buckets: &[throttle::Counted]) -> Result<()> {
        let now = self.now();
        let (kinds, digests): (Vec<_>, Vec<_>) = buckets.iter().copied().unzip();
        let judge = move |failures: &[crate::store::Failures]| {
            kinds.iter().zip(failures).filter_map(|(kind, failures)| throttle::wait(*kind, *failures, now)).max()
        };
        match self.store.begin_login(digests, now, judge).await? {
            Some(wait) => Err(Error::throttled(wait)),
            None => Ok(()),
        }
    }
}

/// Somebody whose password was right when it was checked.
pub(super) struct Proved {
    pub user: User,
    /// What it was compared with, or what has replaced that for the same password.
    hash: String,
    buckets: Vec<throttle::Counted>,
}

impl Proved {
    /// The failures that are forgotten now.
    pub fn clears(&self) -> Vec<Digest> {
        self.buckets.iter().map(|(_, digest)| *digest).collect()
    }

    /// For acts by this password, which is compared once more inside their transaction.
    pub fn origin(&self, of: &Origin) -> Origin {
        Origin {
            actor: Actor::User { id: self.user.id, email: self.user.email.to_string() },
            authority: Authority::Password { user: self.user.id, hash: self.hash.clone() },
            ..of.clone()
        }
    }
}

pub(super) fn wrong() -> Error {
    Error::invalid("password", WRONG)
}

/// Strangers' text for a stored line: bounded, without characters that could pose as others.
pub fn printable(text: &str, most: usize) -> String {
    text.chars().filter(|c| !crate::model::name::is_deceptive(*c)).take(most).collect()
}
