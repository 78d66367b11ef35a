//! Starts, recognises, extends and ends sessions.

use std::time::Duration;

use super::by::By;
use super::caller::Asking;
use super::{Auth, Urgency, audit, short_tokens};
use crate::error::{Error, Result};
use crate::model::session::{ABSOLUTE, IDLE};
use crate::model::time::SKEW;
use crate::model::{Action, Digest, Origin, Session, SessionId, SessionToken, UserId};
use crate::store::{SessionRow, StoredSessionId, Tx};

/// Minimum time between two writes of a session's last-seen time.
const LAST_SEEN_INTERVAL: Duration = Duration::from_secs(60);

/// Starts a session in place of the browser's previous one: a new sign-in never keeps an old session id.
pub(super) fn start(tx: &Tx<'_>, by: &By, new: &SessionRow, replaces: Option<&Digest>) -> Result<()> {
    if let Some(old) = replaces {
        tx.delete_session_with_digest(old)?;
    }
    tx.delete_old_sessions(by.at.minus(ABSOLUTE), by.at.plus(SKEW), by.at.minus(IDLE))?;
    tx.put_session(new)?;
    tx.set_last_login(new.user, by.at)
}

/// Deletes the user's sessions without an event for each; the caller records one event of its own.
pub(super) fn delete_all(tx: &Tx<'_>, user: UserId) -> Result<()> {
    tx.delete_sessions_of(user)
}

/// Ends one session of this user; another user's session counts as not found.
fn end(tx: &Tx<'_>, by: &By, id: SessionId, user: UserId, action: Action) -> Result<()> {
    if !tx.delete_session(id, user)? {
        return Err(Error::not_found("session"));
    }
    log(tx, by, action, id)
}

/// Ends all of the user's sessions except `keep`, and their programs' tokens. Returns how many sessions ended.
fn end_all(tx: &Tx<'_>, by: &By, user: UserId, keep: Option<SessionId>) -> Result<usize> {
    let keep = keep.map(StoredSessionId::from);
    let ending: Vec<_> = tx.session_ids_of(user)?.into_iter().filter(|id| Some(id) != keep.as_ref()).collect();
    for id in &ending {
        tx.delete_stored_session(id)?;
        log(tx, by, Action::SessionEnded, id.id())?;
    }
    short_tokens::end_all(tx, by, user)?;
    Ok(ending.len())
}

pub(super) fn log(tx: &Tx<'_>, by: &By, action: Action, id: SessionId) -> Result<()> {
    audit::append(tx, by, action, Some(*id.as_bytes()), by.origin.actor.label().to_owned())
}

impl Auth {
    /// The live session of this cookie, with its user's current role and state.
    pub async fn session(&self, token: &SessionToken) -> Result<Option<Session>> {
        let (now, digest) = (self.now(), token.digest());
        let Some(session) = self.store.read(move |tx| tx.session(&digest)).await? else { return Ok(None) };
        if session.is_over(now) {
            return Ok(None);
        }
        if now.since(session.last_seen_at) >= LAST_SEEN_INTERVAL {
            let id = session.id;
            // A session whose time could not be written is still valid: it expires a little earlier.
            if let Err(error) = self.store.write(Urgency::Ordinary, move |tx| tx.set_session_seen(id, now)).await {
                tracing::warn!(%error, "a session's last-seen time was not written");
            }
        }
        Ok(Some(session))
    }

    pub async fn sign_out(&self, asking: &Asking, session: &Session) -> Result<()> {
        let (id, user) = (session.id, session.user.id);
        let act = move |tx: &Tx<'_>, by: &By| end(tx, by, id, user, Action::SignedOut);
        self.act(Urgency::Revocation, self.by(&asking.origin.on_oneself()), act).await
    }

    pub async fn sessions_of(&self, asking: &Asking, user: UserId) -> Result<Vec<Session>> {
        must_be_self_or_admin(asking, user)?;
        let now = self.now();
        let sessions = self.store.read(move |tx| tx.sessions_of(user)).await?;
        Ok(sessions.into_iter().filter(|session| !session.is_over(now)).collect())
    }

    pub async fn end_session(&self, asking: &Asking, user: UserId, id: SessionId) -> Result<()> {
        must_be_self_or_admin(asking, user)?;
        let act = move |tx: &Tx<'_>, by: &By| end(tx, by, id, user, Action::SessionEnded);
        self.act(Urgency::Revocation, self.by(&origin_for(asking, user)), act).await
    }

    /// Ends all sessions except `keep`; returns how many.
    pub async fn end_sessions(&self, asking: &Asking, user: UserId, keep: Option<SessionId>) -> Result<usize> {
        must_be_self_or_admin(asking, user)?;
        let act = move |tx: &Tx<'_>, by: &By| end_all(tx, by, user, keep);
        self.act(Urgency::Revocation, self.by(&origin_for(asking, user)), act).await
    }
}

fn must_be_self_or_admin(asking: &Asking, user: UserId) -> Result<()> {
    if asking.caller.is(user) { Ok(()) } else { asking.caller.must_be_admin().map_err(|_| Error::not_found("session")) }
}

fn origin_for(asking: &Asking, user: UserId) -> Origin {
    if asking.caller.is(user) { asking.origin.on_oneself() } else { asking.origin.clone() }
}
