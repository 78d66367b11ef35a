//! Changing a person's role, state or password, all of it or nothing: what the caller may do is
//! judged by `judge`, inside the transaction, on the record as it is then.

use rusqlite::Connection;

use super::rows::changed;
use super::throttle::Cleared;
use super::users::{by_id, keep_an_admin, log};
use super::{Store, throttle, tokens};
use crate::error::Result;
use crate::model::{Action, Origin, Time, User, UserChange, UserId};

/// A new password's hash, and the failed log-ins that it forgets.
#[derive(Debug, Clone)]
pub struct NewPassword {
    pub hash: String,
    pub cleared: Cleared,
}

impl Store {
    /// The record after the change, which is in force when this returns.
    pub async fn change_user(
        &self,
        id: UserId,
        change: UserChange,
        password: Option<NewPassword>,
        judge: impl Fn(&User) -> Result<()> + Send + 'static,
        now: Time,
        origin: Origin,
    ) -> Result<User> {
        let is_withdrawal = password.is_none() && change.only_withdraws();
        let verb = move |db: &Connection, origin: &Origin| {
            let before = by_id(db, id)?;
            judge(&before)?;
            if change.withdraws_from(&before) {
                keep_an_admin(db, &before)?;
            }
            if let Some(role) = change.role
                && role != before.role
            {
                changed(db, "UPDATE users SET role = ?2 WHERE id = ?1", (id.as_bytes(), role.as_str()))?;
                log(db, Action::UserChanged, &User { role, ..before.clone() }, now, origin)?;
            }
            if let Some(new) = &password {
                replace_password(db, &before, new, now, origin)?;
            }
            match change.active {
                Some(false) if before.may_be_active() => deactivate(db, &before, now, origin)?,
                Some(true) if !before.active => activate(db, &before, now, origin)?,
                _ => {}
            }
            by_id(db, id)
        };
        if is_withdrawal { self.withdraw(origin, now, verb).await } else { self.write(origin, now, verb).await }
    }
}

/// Ends what was opened with the old password: sessions, tokens and their refreshing.
pub(super) fn replace_password(
    db: &Connection,
    user: &User,
    new: &NewPassword,
    now: Time,
    origin: &Origin,
) -> Result<()> {
    changed(db, "UPDATE users SET password_hash = ?2 WHERE id = ?1", (user.id.as_bytes(), &new.hash))?;
    changed(db, "DELETE FROM sessions WHERE user_id = ?1", [user.id.as_bytes()])?;
    throttle::clear(db, &new.cleared)?;
    log(db, Action::PasswordSet, user, now, origin)?;
    tokens::end_all(db, user.id, now, origin).map(drop)
}

/// From the next request on, none of the user's keys, tokens and sessions is accepted. Keys come back
/// with the user; sessions and tokens do not.
pub(super) fn deactivate(db: &Connection, user: &User, now: Time, origin: &Origin) -> Result<()> {
    changed(db, "UPDATE users SET active = 0 WHERE id = ?1", [user.id.as_bytes()])?;
    changed(db, "DELETE FROM sessions WHERE user_id = ?1", [user.id.as_bytes()])?;
    log(db, Action::UserDeactivated, user, now, origin)?;
    tokens::end_all(db, user.id, now, origin).map(drop)
}

pub(super) fn activate(db: &Connection, user: &User, now: Time, origin: &Origin) -> Result<()> {
    changed(db, "UPDATE users SET active = 1 WHERE id = ?1", [user.id.as_bytes()])?;
    log(db, Action::UserActivated, user, now, origin)
}
