//! Changes a user's role, state and password in one transaction. What a change takes away is also taken from the user's
//! sessions and tokens.

use super::password::NewPassword;
use super::{find, keep_an_admin, log_detailed};
use crate::auth::by::By;
use crate::auth::caller::Asking;
use crate::auth::{Auth, Urgency, sessions, short_tokens};
use crate::error::{Error, Result};
use crate::model::{Action, Basis, EventDetail, Role, User, UserChange, UserId};
use crate::store::Tx;

fn change(
    tx: &Tx<'_>,
    by: &By,
    id: UserId,
    change: &UserChange,
    password: Option<&NewPassword>,
    seen: &Basis,
) -> Result<User> {
    let before = find(tx, id)?;
    seen.must_hold(|| before.version(), "user")?;
    if change.withdraws_from(&before) {
        keep_an_admin(tx, &before)?;
    }
    if let Some(role) = change.role
        && role != before.role
    {
        tx.set_role(id, role)?;
        let detail = EventDetail::default().change("role", before.role.as_str(), role.as_str());
        log_detailed(tx, by, Action::UserChanged, &User { role, ..before.clone() }, detail)?;
    }
    if let Some(new) = password {
        super::password::replace(tx, by, &before, new)?;
    }
    match change.active {
        Some(false) if before.may_be_active() => deactivate(tx, by, &before)?,
        Some(true) if !before.active => {
            tx.set_active(id, true)?;
            log_detailed(tx, by, Action::UserActivated, &before, activity(&before, true))?;
        }
        _ => {}
    }
    find(tx, id)
}

/// From the next request on, none of the user's keys, tokens and sessions is accepted. Reactivating the user restores
/// keys, but not sessions and tokens.
pub(super) fn deactivate(tx: &Tx<'_>, by: &By, user: &User) -> Result<()> {
    tx.set_active(user.id, false)?;
    tx.delete_person_link(user.id)?;
    sessions::delete_all(tx, user.id)?;
    log_detailed(tx, by, Action::UserDeactivated, user, activity(user, false))?;
    short_tokens::end_all(tx, by, user.id)
}

fn activity(before: &User, active: bool) -> EventDetail {
    EventDetail::default().change("active", before.active, active).fact("keys", before.keys)
}

impl Auth {
    /// Changes role, state and password; for admins and the operator. Returns the record after the change, which is in
    /// force before this returns.
    pub async fn change_user(
        &self,
        asking: &Asking,
        id: UserId,
        wanted: UserChange,
        password: Option<&str>,
        seen: Basis,
    ) -> Result<User> {
        asking.caller.must_be_admin()?;
        asking.caller.may_open_to_people(wanted.role, password.is_some(), wanted.active == Some(true))?;
        if asking.caller.is(id) && (wanted.active == Some(false) || wanted.role == Some(Role::Member)) {
            return Err(Error::conflict("You cannot deactivate or demote yourself. Ask another admin."));
        }
        let password = match password {
            Some(typed) => Some(self.new_password(&self.find_user(id).await?, typed).await?),
            None => None,
        };
        let only_takes_away = password.is_none() && wanted.only_withdraws();
        let urgency = if only_takes_away { Urgency::Revocation } else { Urgency::Ordinary };
        let act = move |tx: &Tx<'_>, by: &By| change(tx, by, id, &wanted, password.as_ref(), &seen);
        self.act(urgency, self.by(&asking.origin), act).await
    }
}
