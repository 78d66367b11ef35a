//! Dashboard log-ins, kept on the server, so that ending one ends it.

use rusqlite::types::{FromSql, Value, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row};

use super::rows::{Salvage, USER, changed, sql, time, user};
use super::throttle::{self, Cleared};
use super::{Store, events, tokens};
use crate::error::{Error, Result};
use crate::model::session::{ABSOLUTE, DEVICE_LIFETIME, IDLE};
use crate::model::time::SKEW;
use crate::model::{Action, ClientAddress, Digest, Email, NewEvent, Origin, Session, SessionId, Time, UserId};

#[derive(Debug, Clone)]
pub struct NewSession {
    pub id: SessionId,
    pub digest: Digest,
    pub user: UserId,
    pub user_agent: String,
    /// Of the cookie by which this browser is known from now on.
    pub device: Digest,
    /// By which the address is known for this account from now on; `None` for one that could not be read.
    pub address_mark: Option<Digest>,
}

const SESSION: &str = "s.id, s.created_at, s.last_seen_at, s.address, s.user_agent";

impl Store {
    /// A log-in that succeeded: the session, its event, and an end to the failures counted so far.
    /// `replaces` is the browser's former session: a new log-in never keeps an old id alive.
    pub async fn start_session(
        &self,
        new: NewSession,
        cleared: Cleared,
        replaces: Option<Digest>,
        now: Time,
        origin: Origin,
    ) -> Result<()> {
        self.write(origin, now, move |db, origin| {
            let user_id = new.user.as_bytes();
            if let Some(old) = &replaces {
                changed(db, "DELETE FROM sessions WHERE digest = ?1", [old.as_bytes()])?;
            }
            changed(
                db,
                "DELETE FROM sessions WHERE created_at < ?1 OR last_seen_at < ?2 OR created_at > ?3",
                (now.minus(ABSOLUTE).millis(), now.minus(IDLE).millis(), now.plus(SKEW).millis()),
            )?;
            changed(
                db,
                "INSERT INTO sessions (id, digest, user_id, created_at, last_seen_at, address, user_agent)
                 VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6)",
                (
                    new.id.as_bytes(),
                    new.digest.as_bytes(),
                    user_id,
                    now.millis(),
                    origin.address.map(|address| address.to_string()),
                    &new.user_agent,
                ),
            )?;
            changed(db, "UPDATE users SET last_login_at = ?2 WHERE id = ?1", (user_id, now.millis()))?;
            remember(db, Mark::Browser(new.device), new.user, now)?;
            if let Some(address) = new.address_mark {
                remember(db, Mark::Address(address), new.user, now)?;
            }
            throttle::clear(db, &cleared)?;
            log(db, Action::LoggedIn, new.id, now, origin)
        })
        .await
    }

    /// The session with this cookie digest, with its user as of now; `None` if there is none or its
    /// user was deactivated. Whether it is over by time is for the caller to judge.
    pub async fn session(&self, digest: Digest) -> Result<Option<Session>> {
        self.read(move |db| {
            let mut query = db
                .prepare_cached(&format!(
                    "SELECT {SESSION}, {USER} FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.digest = ?1 AND u.active = 1"
                ))
                .map_err(sql)?;
            query.query_row([digest.as_bytes()], session).optional().map_err(sql)
        })
        .await
    }

    /// Whether this account has logged in before with this mark: of a browser's cookie or of an address.
    pub async fn has_logged_in(&self, mark: Digest, email: Email, now: Time) -> Result<bool> {
        self.read(move |db| {
            let mut query = db
                .prepare_cached(
                    "SELECT EXISTS (SELECT 1 FROM devices d JOIN users u ON u.id = d.user_id
                     WHERE d.digest = ?1 AND u.email = ?2 AND d.created_at > ?3 AND d.created_at <= ?4)",
                )
                .map_err(sql)?;
            let (oldest, newest) = (now.minus(DEVICE_LIFETIME).millis(), now.plus(SKEW).millis());
            query.query_row((mark.as_bytes(), email.as_str(), oldest, newest), |row| row.get(0)).map_err(sql)
        })
        .await
    }

    pub async fn sessions_of(&self, user: UserId) -> Result<Vec<Session>> {
        self.read(move |db| {
            let mut query = db
                .prepare_cached(&format!(
                    "SELECT {SESSION}, {USER} FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.user_id = ?1 ORDER BY s.last_seen_at DESC LIMIT 100"
                ))
                .map_err(sql)?;
            let rows = query.query_map([user.as_bytes()], session).map_err(sql)?;
            rows.collect::<rusqlite::Result<_>>().map_err(sql)
        })
        .await
    }

    pub async fn count_sessions(&self) -> Result<u64> {
        self.read(|db| {
            let count: i64 = db.query_row("SELECT count(*) FROM sessions", [], |row| row.get(0)).map_err(sql)?;
            Ok(count.unsigned_abs())
        })
        .await
    }

    pub async fn touch_session(&self, id: SessionId, now: Time) -> Result<()> {
        self.maintain(move |db| {
            let sql_text = "UPDATE sessions SET last_seen_at = ?2 WHERE id = ?1 AND last_seen_at < ?2";
            changed(db, sql_text, (id.as_bytes(), now.millis())).map(drop)
        })
        .await
    }

    /// One session of this user; another's answers like none.
    pub async fn end_session(
        &self,
        id: SessionId,
        of: UserId,
        action: Action,
        now: Time,
        origin: Origin,
    ) -> Result<()> {
        self.withdraw(origin, now, move |db, origin| {
            let ended =
                changed(db, "DELETE FROM sessions WHERE id = ?1 AND user_id = ?2", (id.as_bytes(), of.as_bytes()))?;
            if ended == 0 {
                return Err(Error::not_found("session"));
            }
            log(db, action, id, now, origin)
        })
        .await
    }

    /// All of the user's sessions but `keep`, and their programs' tokens. Returns how many sessions ended.
    pub async fn end_sessions(&self, of: UserId, keep: Option<SessionId>, now: Time, origin: Origin) -> Result<usize> {
        self.withdraw(origin, now, move |db, origin| {
            let mut query = db.prepare_cached("SELECT id FROM sessions WHERE user_id = ?1").map_err(sql)?;
            let ids = query.query_map([of.as_bytes()], |row| row.get::<_, Value>(0)).map_err(sql)?;
            let ids: Vec<Value> = ids.collect::<rusqlite::Result<_>>().map_err(sql)?;
            let keep = keep.map(|id| Value::Blob(id.as_bytes().to_vec()));
            let ending: Vec<Value> = ids.into_iter().filter(|id| Some(id) != keep.as_ref()).collect();
            for id in &ending {
                changed(db, "DELETE FROM sessions WHERE id = ?1", [id])?;
                // That of a damaged row is none: zeros.
                let id = FromSql::column_result(ValueRef::from(id)).unwrap_or_default();
                log(db, Action::SessionEnded, SessionId::from_bytes(id), now, origin)?;
            }
            tokens::end_all(db, of, now, origin)?;
            Ok(ending.len())
        })
        .await
    }
}

/// By what somebody is known who has logged in before.
#[derive(Debug, Clone, Copy)]
pub(super) enum Mark {
    /// The digest of a cookie.
    Browser(Digest),
    /// The digest of account and address.
    Address(Digest),
}

/// The newest 20 browsers and the newest 20 addresses of a user are known.
pub(super) fn remember(db: &Connection, mark: Mark, user: UserId, now: Time) -> Result<()> {
    let (kind, digest) = match mark {
        Mark::Browser(digest) => ("browser", digest),
        Mark::Address(digest) => ("address", digest),
    };
    changed(
        db,
        "INSERT INTO devices (digest, user_id, created_at, kind) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (digest) DO UPDATE SET user_id = excluded.user_id, created_at = excluded.created_at",
        (digest.as_bytes(), user.as_bytes(), now.millis(), kind),
    )?;
    changed(
        db,
        "DELETE FROM devices WHERE user_id = ?1 AND kind = ?2 AND (created_at > ?3 OR digest NOT IN
         (SELECT digest FROM devices WHERE user_id = ?1 AND kind = ?2 ORDER BY created_at DESC LIMIT 20))",
        (user.as_bytes(), kind, now.plus(SKEW).millis()),
    )
    .map(drop)
}

fn session(row: &Row<'_>) -> rusqlite::Result<Session> {
    let mut salvage = Salvage::of(row);
    Ok(Session {
        id: SessionId::from_bytes(salvage.id("id", 0)),
        created_at: salvage.time("created_at", 1),
        // One whose times cannot be read is over.
        last_seen_at: time(row, 2).unwrap_or(Time::from_millis(i64::MIN)),
        address: salvage.text_or_null("address", 3)?.map(|text| ClientAddress::read(text.as_bytes())),
        user_agent: salvage.text("user_agent", 4)?,
        user: user(row, 5)?,
    })
}

fn log(db: &Connection, action: Action, id: SessionId, now: Time, origin: &Origin) -> Result<()> {
    let label = origin.actor.label().to_owned();
    events::append(db, &NewEvent { at: now, origin: origin.clone(), action, object: Some(*id.as_bytes()), label })
}
