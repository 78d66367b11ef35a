//! `sessions`, each with its user.

use super::users::{USER, user};
use crate::error::Result;
use crate::model::{ClientAddress, Digest, Role, Session, SessionId, Time, UserId};
use crate::store::Tx;
use crate::store::columns::{Salvage, time};
use crate::store::row::{FromValue, Read, Row, StoredContent};
use crate::store::value::ToValue;

/// A new row: the digest of the cookie, never the cookie.
#[derive(Debug, Clone)]
pub struct SessionRow {
    pub id: SessionId,
    pub digest: Digest,
    pub user: UserId,
    pub created_at: Time,
    pub address: Option<ClientAddress>,
    pub user_agent: String,
}

/// The raw content of the id column, so that a damaged row can be found again.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredSessionId(StoredContent);

impl StoredSessionId {
    /// The id; all zero, which no session has, if the row is damaged.
    pub fn id(&self) -> SessionId {
        SessionId::from_bytes(FromValue::read(self.0.value()).unwrap_or_default())
    }
}

impl From<SessionId> for StoredSessionId {
    fn from(id: SessionId) -> Self {
        StoredSessionId(StoredContent::Blob(id.as_bytes().to_vec()))
    }
}

const SESSION: &str = "s.id, s.created_at, s.last_seen_at, s.address, s.user_agent";

impl Tx<'_> {
    /// The session with this cookie digest, with its user's current record; `None` if there is none or its user is
    /// deactivated. The caller must check whether it has expired.
    pub fn session(&self, digest: &Digest) -> Result<Option<Session>> {
        let text = format!(
            "SELECT {SESSION}, {USER} FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.digest = ?1 AND u.active = 1"
        );
        self.row(&text, [digest.as_bytes()], session)
    }

    /// When this session was created and last seen, and its user's role; `None` if there is none, its user is
    /// deactivated, or its times cannot be read.
    pub fn session_times(&self, id: SessionId) -> Result<Option<(Time, Time, Role)>> {
        let text = "SELECT s.created_at, s.last_seen_at, u.role FROM sessions s JOIN users u ON u.id = s.user_id
             WHERE s.id = ?1 AND u.active = 1";
        let found = self.row(text, [id.as_bytes()], |row| {
            let role = Role::parse(&Salvage::of(row).text("role", 2)?).unwrap_or(Role::Member);
            Ok(time(row, 0).ok().zip(time(row, 1).ok()).map(|(created, seen)| (created, seen, role)))
        })?;
        Ok(found.flatten())
    }

    /// Up to 100 sessions of this user, most recently seen first.
    pub fn sessions_of(&self, user: UserId) -> Result<Vec<Session>> {
        let text = format!(
            "SELECT {SESSION}, {USER} FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.user_id = ?1 ORDER BY s.last_seen_at DESC LIMIT 100"
        );
        self.rows(&text, [user.as_bytes()], session)
    }

    pub fn session_ids_of(&self, user: UserId) -> Result<Vec<StoredSessionId>> {
        let text = "SELECT id FROM sessions WHERE user_id = ?1";
        self.rows(text, [user.as_bytes()], |row| row.get(0).map(StoredSessionId))
    }

    pub fn count_sessions(&self) -> Result<u64> {
        self.one("SELECT count(*) FROM sessions", (), |row| row.get::<i64>(0)).map(i64::unsigned_abs)
    }

    pub fn put_session(&self, new: &SessionRow) -> Result<()> {
        self.execute(
            "INSERT INTO sessions (id, digest, user_id, created_at, last_seen_at, address, user_agent)
             VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6)",
            (
                new.id.as_bytes(),
                new.digest.as_bytes(),
                new.user.as_bytes(),
                new.created_at.millis(),
                new.address.map(|address| address.to_string()),
                &new.user_agent,
            ),
        )
        .map(drop)
    }

    /// Sets when the session was last seen, but never to an earlier time.
    pub fn set_session_seen(&self, id: SessionId, at: Time) -> Result<()> {
        let text = "UPDATE sessions SET last_seen_at = ?2 WHERE id = ?1 AND last_seen_at < ?2";
        self.execute(text, (id.as_bytes(), at.millis())).map(drop)
    }

    /// Returns false if this user has no such session.
    pub fn delete_session(&self, id: SessionId, user: UserId) -> Result<bool> {
        let text = "DELETE FROM sessions WHERE id = ?1 AND user_id = ?2";
        self.execute(text, (id.as_bytes(), user.as_bytes())).map(|rows| rows > 0)
    }

    pub fn delete_stored_session(&self, id: &StoredSessionId) -> Result<()> {
        self.execute("DELETE FROM sessions WHERE id = ?1", [&id.0]).map(drop)
    }

    pub fn delete_session_with_digest(&self, digest: &Digest) -> Result<()> {
        self.execute("DELETE FROM sessions WHERE digest = ?1", [digest.as_bytes()]).map(drop)
    }

    pub fn delete_all_sessions(&self) -> Result<()> {
        self.execute("DELETE FROM sessions", ()).map(drop)
    }

    pub fn delete_sessions_of(&self, user: UserId) -> Result<()> {
        self.execute("DELETE FROM sessions WHERE user_id = ?1", [user.as_bytes()]).map(drop)
    }

    /// Deletes sessions that were created before `earliest` or after `latest`, or last seen before `seen`.
    pub fn delete_old_sessions(&self, earliest: Time, latest: Time, seen: Time) -> Result<()> {
        let text = "DELETE FROM sessions WHERE created_at < ?1 OR last_seen_at < ?2 OR created_at > ?3";
        self.execute(text, (earliest.millis(), seen.millis(), latest.millis())).map(drop)
    }
}

fn session(row: &Row<'_>) -> Read<Session> {
    let mut salvage = Salvage::of(row);
    Ok(Session {
        id: SessionId::from_bytes(salvage.id("id", 0)),
        created_at: salvage.time("created_at", 1),
        // A session with unreadable times has expired.
        last_seen_at: time(row, 2).unwrap_or(Time::from_millis(i64::MIN)),
        address: salvage.text_or_null("address", 3)?.map(|text| ClientAddress::stored(&text)),
        user_agent: salvage.text("user_agent", 4)?,
        user: user(row, 5)?,
    })
}
