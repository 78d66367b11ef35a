//! Judges an act's caller again inside the act's transaction, so that what was taken away from the
//! caller since the request came in is taken away from the act too.

use rusqlite::{Connection, OptionalExtension};

use super::rows::{Salvage, sql, time};
use super::standing::standing;
use crate::error::{Error, Kind, Result};
use crate::model::verdict::Demand;
use crate::model::{Authority, JudgedKey, Origin, Refusal, Role, SessionId, Time, UserId, session};

/// Refuses as the route itself would have refused, had the request come now.
pub(super) fn must_hold(db: &Connection, origin: &Origin, now: Time) -> Result<()> {
    match &origin.authority {
        Authority::None => Ok(()),
        Authority::Session { id, role } => session_holds(db, *id, *role, now),
        Authority::Password { user, hash } => password_holds(db, *user, hash),
        Authority::Key(judged) => key_holds(db, judged, origin, now),
    }
}

fn session_holds(db: &Connection, id: SessionId, judged: Role, now: Time) -> Result<()> {
    let mut query = db
        .prepare_cached(
            "SELECT s.created_at, s.last_seen_at, u.role FROM sessions s JOIN users u ON u.id = s.user_id
             WHERE s.id = ?1 AND u.active = 1",
        )
        .map_err(sql)?;
    let found = query.query_row([id.as_bytes()], |row| {
        let role = Role::parse(&Salvage::of(row).text("role", 2)?).unwrap_or(Role::Member);
        Ok((time(row, 0), time(row, 1), role))
    });
    match found.optional().map_err(sql)? {
        // One whose times cannot be read is over.
        Some((Ok(created), Ok(seen), role)) if !session::is_over(created, seen, now) => role_holds(judged, role),
        _ => Err(Error::no_longer_known()),
    }
}

fn password_holds(db: &Connection, user: UserId, checked: &str) -> Result<()> {
    let mut query = db
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM users WHERE id = ?1 AND active = 1 AND password_hash = ?2)")
        .map_err(sql)?;
    let holds: bool = query.query_row((user.as_bytes(), checked), |row| row.get(0)).map_err(sql)?;
    if holds { Ok(()) } else { Err(Error::no_longer_known()) }
}

fn key_holds(db: &Connection, judged: &JudgedKey, origin: &Origin, now: Time) -> Result<()> {
    let found = standing(db, judged.id)?.ok_or_else(Error::no_longer_known)?;
    let need = judged.need.as_slice();
    let demand = Demand { scopes: need, address: origin.address, user_agent: b"" };
    found.facts(&found.bounds.allowed_ips).judge(now, &demand).map_err(|refusal| match (refusal, judged.need) {
        (Refusal::InsufficientScope, Some(need)) => Error::new(Kind::ScopeLost(need), "This key lost a scope."),
        (Refusal::IpNotAllowed, _) => Error::new(Kind::AddressLost, "This key may not be used from this address."),
        _ => Error::no_longer_known(),
    })?;
    role_holds(judged.owner_role, found.owner_role)?;
    let reaches_further = judged.bounds.as_ref().is_some_and(|bounds| bounds.beyond(&found.bounds).is_some());
    if judged.owner != found.owner.id || !judged.scopes.beyond(&found.scopes).is_empty() || reaches_further {
        return Err(Error::forbidden("This key was changed while the request was on its way. Send the request again."));
    }
    Ok(())
}

fn role_holds(judged: Role, present: Role) -> Result<()> {
    match (judged, present) {
        (Role::Admin, Role::Member) => Err(Error::forbidden(
            "The role of admin was taken away while this request was on its way. Ask an admin to do this.",
        )),
        _ => Ok(()),
    }
}
