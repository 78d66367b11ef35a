//! Logging in at the dashboard: a password, then a session.

use super::Auth;
use crate::error::{Kind, Result};
use crate::model::{Origin, Password, SessionId, SessionToken, User, foreign_text};
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
            user_agent: foreign_text::user_agent(attempt.user_agent.as_bytes()),
            device: device.digest(),
            address_mark: proved.address_mark(),
        };
        let replaces = attempt.replaces.map(|token| token.digest());
        let started = self.store.start_session(new, proved.cleared(), replaces, now, proved.origin(&attempt.origin));
        match started.await {
            Err(error) if error.kind == Kind::NoLongerKnown => Err(self.outrun(&proved.user, &attempt.origin).await?),
            other => other.map(|()| LoggedIn { token, device, user: proved.user }),
        }
    }
}
