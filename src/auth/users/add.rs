//! Adding a user.

use super::{find, log_detailed};
use crate::auth::by::By;
use crate::auth::caller::Asking;
use crate::auth::{Auth, Urgency};
use crate::error::{Error, Result};
use crate::model::{Action, Email, EventDetail, Password, Role, User, UserId};
use crate::store::{Tx, UserRow};

pub(in crate::auth) type NewUser = UserRow;

pub(in crate::auth) fn add(tx: &Tx<'_>, by: &By, new: &NewUser) -> Result<User> {
    if !tx.put_user(new)? {
        let taken = Error::conflict("A user with this email already exists. Use another email.");
        return Err(Error { field: Some("email"), ..taken });
    }
    let user = find(tx, new.id)?;
    log_detailed(tx, by, Action::UserAdded, &user, EventDetail::default().fact("role", user.role.as_str()))?;
    Ok(user)
}

impl Auth {
    pub async fn add_user(&self, asking: &Asking, email: &str, role: Role, password: Option<&str>) -> Result<User> {
        asking.caller.must_be_admin()?;
        asking.caller.may_open_to_people(Some(role), password.is_some(), false)?;
        let email = Email::parse(email)?;
        let password_hash = match password {
            Some(typed) => Some(self.passwords.hash(Password::parse_new(typed, &email)?, self.entropy.bytes()?).await?),
            None => None,
        };
        let by = self.by(&asking.origin);
        let id = UserId::new(by.at, self.entropy.bytes()?);
        let new = NewUser { id, email, role, password_hash, created_at: by.at };
        self.act(Urgency::Ordinary, by, move |tx, by| add(tx, by, &new)).await
    }
}
