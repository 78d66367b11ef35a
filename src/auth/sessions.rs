//! Sessions after log-in: recognised, kept alive, ended.

use std::time::Duration;

use super::Auth;
use super::caller::Asking;
use crate::error::{Error, Result};
use crate::model::{Action, Origin, Session, SessionId, SessionToken, UserId};

/// A session's last-seen time is written at most this often.
const TOUCH: Duration = Duration::from_secs(60);

impl Auth {
    /// The live session behind a cookie. Its user's role and state are those of this moment.
    pub async fn session(&self, token: &SessionToken) -> Result<Option<Session>> {
        let now = self.now();
        let Some(session) = self.store.session(token.digest()).await? else { return Ok(None) };
        if session.is_over(now) {
            return Ok(None);
        }
        if now.since(session.last_seen_at) >= TOUCH {
            // A session that could not be touched is still a session: it ends a little earlier.
            if let Err(error) = self.store.touch_session(session.id, now).await {
                tracing::warn!(%error, "a session's last-seen time was not written");
            }
        }
        Ok(Some(session))
    }

    pub async fn log_out(&self, asking: &Asking, session: &Session) -> Result<()> {
        let origin = asking.origin.on_oneself();
        self.store.end_session(session.id, session.user.id, Action::LoggedOut, self.now(), origin).await
    }

    pub async fn sessions_of(&self, asking: &Asking, user: UserId) -> Result<Vec<Session>> {
        self.must_be_self_or_admin(asking, user)?;
        let now = self.now();
        let sessions = self.store.sessions_of(user).await?;
        Ok(sessions.into_iter().filter(|session| !session.is_over(now)).collect())
    }

    pub async fn end_session(&self, asking: &Asking, user: UserId, id: SessionId) -> Result<()> {
        self.must_be_self_or_admin(asking, user)?;
        self.store.end_session(id, user, Action::SessionEnded, self.now(), origin_for(asking, user)).await
    }

    /// All but `keep`; returns how many.
    pub async fn end_sessions(&self, asking: &Asking, user: UserId, keep: Option<SessionId>) -> Result<usize> {
        self.must_be_self_or_admin(asking, user)?;
        self.store.end_sessions(user, keep, self.now(), origin_for(asking, user)).await
    }

    fn must_be_self_or_admin(&self, asking: &Asking, user: UserId) -> Result<()> {
        if asking.caller.is(user) {
            Ok(())
        } else {
            asking.caller.must_be_admin().map_err(|_| Error::not_found("session"))
        }
    }
}

fn origin_for(asking: &Asking, user: UserId) -> Origin {
    if asking.caller.is(user) { asking.origin.on_oneself() } else { asking.origin.clone() }
}
