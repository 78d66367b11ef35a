//! Checks an act's caller again inside the act's transaction, so that the act fails if the caller lost the right to it
//! after the request arrived.

use super::by::By;
use crate::error::{Error, Kind, Result};
use crate::model::verdict::Demand;
use crate::model::{Authority, JudgedKey, Refusal, Role, SessionId, UserId, session};
use crate::store::Tx;

/// Refuses with the error that the route would return if the request arrived now.
pub(super) fn must_hold(tx: &Tx<'_>, by: &By) -> Result<()> {
    match &by.origin.authority {
        Authority::None => Ok(()),
        Authority::Session { id, role } => session_holds(tx, by, *id, *role),
        Authority::Password { user, hash } => password_holds(tx, *user, hash),
        Authority::Key(judged) => key_holds(tx, by, judged),
    }
}

fn session_holds(tx: &Tx<'_>, by: &By, id: SessionId, judged: Role) -> Result<()> {
    match tx.session_times(id)? {
        Some((created, seen, role)) if !session::is_over(created, seen, by.at) => role_holds(judged, role),
        _ => Err(Error::no_longer_known()),
    }
}

fn password_holds(tx: &Tx<'_>, user: UserId, checked: &str) -> Result<()> {
    if tx.has_password(user, checked)? { Ok(()) } else { Err(Error::no_longer_known()) }
}

fn key_holds(tx: &Tx<'_>, by: &By, judged: &JudgedKey) -> Result<()> {
    let found = tx.key_status(judged.id)?.ok_or_else(Error::no_longer_known)?;
    let need = judged.need.as_slice();
    let demand = Demand { scopes: need, address: by.origin.address, user_agent: b"" };
    found.facts(&found.bounds.allowed_ips).judge(by.at, &demand).map_err(|refusal| match (refusal, judged.need) {
        (Refusal::InsufficientScope, Some(need)) => Error::new(Kind::ScopeLost(need), "This key lost a scope."),
        (Refusal::IpNotAllowed, _) => Error::new(Kind::AddressLost, "This key may not be used from this address."),
        _ => Error::no_longer_known(),
    })?;
    role_holds(judged.owner_role, found.owner_role)?;
    let reaches_further = judged.bounds.as_ref().is_some_and(|bounds| bounds.beyond(&found.bounds).is_some());
    if judged.owner != found.owner.id || !judged.scopes.beyond(&found.scopes).is_empty() || reaches_further {
        return Err(Error::forbidden(
            "This key was changed while the request was being processed. Send the request again.",
        ));
    }
    Ok(())
}

fn role_holds(judged: Role, present: Role) -> Result<()> {
    match (judged, present) {
        (Role::Admin, Role::Member) => Err(Error::forbidden(
            "You lost the admin role while this request was being processed. Ask an admin to do this.",
        )),
        _ => Ok(()),
    }
}
