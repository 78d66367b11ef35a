//! Signing in at the dashboard: a password, then a session.

pub(super) mod attempt;
pub(super) mod devices;
pub(super) mod refused;
pub mod throttle;

use super::{Auth, Urgency, sessions};
use crate::auth::by::By;
use crate::error::{Kind, Result};
use crate::model::{Action, Digest, Origin, Password, SessionId, SessionToken, User, foreign_text};
use crate::store::{KnownBy, SessionRow, Tx};
use throttle::Cleared;

/// One attempt, as the browser sent it.
#[derive(Debug)]
pub struct LoginAttempt<'a> {
    pub email: &'a str,
    pub password: &'a str,
    /// The cookie of a browser that has signed in before.
    pub device: Option<SessionToken>,
    /// The browser's previous session; the new one replaces it.
    pub replaces: Option<SessionToken>,
    pub user_agent: &'a str,
    /// Not attributed to a user yet.
    pub origin: Origin,
}

#[derive(Debug)]
pub struct StartedSession {
    pub token: SessionToken,
    /// The browser keeps this cookie as proof that it has signed in before.
    pub device: SessionToken,
    pub user: User,
}

/// What a successful sign-in writes.
struct SignIn {
    session: SessionRow,
    replaces: Option<Digest>,
    known_by: Vec<KnownBy>,
    cleared: Cleared,
}

fn sign_in(tx: &Tx<'_>, by: &By, new: &SignIn) -> Result<()> {
    sessions::start(tx, by, &new.session, new.replaces.as_ref())?;
    for known_by in &new.known_by {
        devices::remember(tx, by, *known_by, new.session.user)?;
    }
    throttle::clear(tx, &new.cleared)?;
    sessions::log(tx, by, Action::SignedIn, new.session.id)
}

impl Auth {
    pub async fn sign_in(&self, attempt: LoginAttempt<'_>) -> Result<StartedSession> {
        let password = Password::parse(attempt.password)?;
        let proved = self.check_password(attempt.email, password, attempt.device.as_ref(), &attempt.origin).await?;
        let token = SessionToken::new(self.entropy.bytes()?);
        let device = SessionToken::new(self.entropy.bytes()?);
        let by = self.by(&proved.origin(&attempt.origin));
        let session = SessionRow {
            id: SessionId::new(by.at, self.entropy.bytes()?),
            digest: token.digest(),
            user: proved.user.id,
            created_at: by.at,
            address: by.origin.address,
            user_agent: foreign_text::user_agent(attempt.user_agent.as_bytes()),
        };
        let browser = KnownBy::Browser(device.digest());
        let known_by = [browser].into_iter().chain(proved.address_mark().map(KnownBy::Address)).collect();
        let replaces = attempt.replaces.map(|token| token.digest());
        let new = SignIn { session, replaces, known_by, cleared: proved.cleared() };
        match self.act(Urgency::Ordinary, by, move |tx, by| sign_in(tx, by, &new)).await {
            Err(error) if error.kind == Kind::NoLongerKnown => Err(self.outrun(&proved.user, &attempt.origin).await?),
            other => other.map(|()| StartedSession { token, device, user: proved.user }),
        }
    }
}
