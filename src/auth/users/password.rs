//! Passwords: replaced by an admin or by their owner, or entered to confirm an act.

use super::{find, log};
use crate::auth::by::By;
use crate::auth::caller::Asking;
use crate::auth::login::throttle::{self, Cleared};
use crate::auth::{Auth, Urgency, sessions, short_tokens};
use crate::error::{Error, Result};
use crate::model::{Action, Password, SessionToken, User};
use crate::store::Tx;

/// A new password's hash, and the failed sign-ins that it clears.
pub(super) struct NewPassword {
    pub hash: String,
    pub cleared: Cleared,
}

/// Ends everything that was opened with the old password: sessions and tokens.
pub(super) fn replace(tx: &Tx<'_>, by: &By, user: &User, new: &NewPassword) -> Result<()> {
    tx.set_password_hash(user.id, &new.hash)?;
    sessions::delete_all(tx, user.id)?;
    // A link made before would set yet another password.
    tx.delete_person_link(user.id)?;
    throttle::clear(tx, &new.cleared)?;
    log(tx, by, Action::PasswordSet, user)?;
    short_tokens::end_all(tx, by, user.id)
}

impl Auth {
    /// A password set by someone other than the user; the user's failures so far are cleared.
    pub(super) async fn new_password(&self, user: &User, typed: &str) -> Result<NewPassword> {
        let hash = self.passwords.hash(Password::parse_new(typed, &user.email)?, self.entropy.bytes()?).await?;
        Ok(NewPassword { hash, cleared: throttle::cleared_for(&user.email) })
    }

    /// A change by the user, proved by the current password. Ends every session, including this one.
    pub async fn change_password(
        &self,
        asking: &Asking,
        user: &User,
        current: &str,
        new: &str,
        device: Option<&SessionToken>,
    ) -> Result<()> {
        let at = |field| move |error: Error| Error { field: error.field.and(Some(field)), ..error };
        let current = Password::parse(current).map_err(at("current_password"))?;
        let new = Password::parse_new(new, &user.email).map_err(at("new_password"))?;
        let checked = self.check_password(user.email.as_str(), current, device, &asking.origin).await;
        let proved = checked.map_err(|error| match error.field {
            Some(_) => Error::invalid("current_password", "Incorrect current password."),
            None => error,
        })?;
        let hash = self.passwords.hash(new, self.entropy.bytes()?).await?;
        let (id, new) = (user.id, NewPassword { hash, cleared: proved.cleared() });
        let act = move |tx: &Tx<'_>, by: &By| replace(tx, by, &find(tx, id)?, &new);
        self.act(Urgency::Ordinary, self.by(&asking.origin.on_oneself()), act).await
    }

    /// Lets the user prove their identity again; an attempt counts like a sign-in.
    pub async fn confirm_password(
        &self,
        asking: &Asking,
        user: &User,
        typed: &str,
        device: Option<&SessionToken>,
    ) -> Result<()> {
        let password = Password::parse(typed)?;
        let cleared = self.check_password(user.email.as_str(), password, device, &asking.origin).await?.cleared();
        self.act(Urgency::Ordinary, self.by(&asking.origin), move |tx, _| throttle::clear(tx, &cleared)).await
    }
}
