//! People: what an admin or the operator does to them, and what they do to themselves.

use super::caller::Asking;
use super::{Auth, throttle};
use crate::error::{Error, Result};
use crate::model::{Basis, Email, Event, Page, Password, Role, SessionToken, User, UserChange, UserId};
use crate::store::{EventFilter, NewPassword, NewUser, UserFilter};

impl Auth {
    pub async fn add_user(&self, asking: &Asking, email: &str, role: Role, password: Option<&str>) -> Result<User> {
        asking.caller.must_be_admin()?;
        asking.caller.may_open_to_people(Some(role), password.is_some(), false)?;
        let email = Email::parse(email)?;
        let password_hash = match password {
            Some(typed) => Some(self.passwords.hash(Password::parse_new(typed, &email)?, self.entropy.bytes()?).await?),
            None => None,
        };
        let now = self.now();
        let new = NewUser { id: UserId::new(now, self.entropy.bytes()?), email, role, password_hash };
        self.store.add_user(new, now, asking.origin.clone()).await
    }

    pub async fn users(&self, asking: &Asking) -> Result<Vec<User>> {
        asking.caller.must_be_admin()?;
        self.store.users().await
    }

    pub async fn user(&self, asking: &Asking, id: UserId) -> Result<User> {
        asking.caller.must_be_admin()?;
        self.store.user(id).await
    }

    pub async fn user_by_email(&self, asking: &Asking, email: &str) -> Result<User> {
        asking.caller.must_be_admin()?;
        self.store.user_by_email(Email::parse(email)?).await
    }

    /// Newest first.
    pub async fn users_page(&self, asking: &Asking, filter: UserFilter) -> Result<Page<User>> {
        asking.caller.must_be_admin()?;
        self.store.users_page(filter).await
    }

    /// Role, state and password by an admin. All of it, or nothing.
    pub async fn change_user(
        &self,
        asking: &Asking,
        id: UserId,
        change: UserChange,
        password: Option<&str>,
        seen: Basis,
    ) -> Result<User> {
        asking.caller.must_be_admin()?;
        asking.caller.may_open_to_people(change.role, password.is_some(), change.active == Some(true))?;
        if asking.caller.is(id) && (change.active == Some(false) || change.role == Some(Role::Member)) {
            return Err(Error::conflict("You cannot deactivate or demote yourself. Ask another admin."));
        }
        let password = match password {
            Some(typed) => Some(self.new_password(&self.store.user(id).await?, typed).await?),
            None => None,
        };
        let judge = move |user: &User| seen.must_hold(|| user.version(), "user");
        self.store.change_user(id, change, password, judge, self.now(), asking.origin.clone()).await
    }

    pub async fn deactivate_user(&self, asking: &Asking, id: UserId) -> Result<User> {
        asking.caller.must_be_admin()?;
        if asking.caller.is(id) {
            return Err(Error::conflict("You cannot deactivate yourself. Ask another admin."));
        }
        self.store.deactivate_user(id, self.now(), asking.origin.clone()).await
    }

    pub async fn activate_user(&self, asking: &Asking, id: UserId) -> Result<User> {
        asking.caller.must_be_admin()?;
        self.store.activate_user(id, self.now(), asking.origin.clone()).await
    }

    /// Revokes the user's keys with the user. Returns how many.
    pub async fn remove_user(&self, asking: &Asking, id: UserId) -> Result<u64> {
        asking.caller.must_be_admin()?;
        self.store.remove_user(id, |_| Ok(()), self.now(), asking.origin.clone()).await
    }

    /// Unless the user was changed since the caller looked.
    pub async fn remove_user_as_seen(&self, asking: &Asking, id: UserId, seen: Basis) -> Result<()> {
        asking.caller.must_be_admin()?;
        if asking.caller.is(id) {
            return Err(Error::conflict("You cannot remove yourself. Ask another admin."));
        }
        let judge = move |user: &User| seen.must_hold(|| user.version(), "user");
        self.store.remove_user(id, judge, self.now(), asking.origin.clone()).await.map(drop)
    }

    /// By an admin or the operator: no current password asked. Ends the user's sessions.
    pub async fn set_password(&self, asking: &Asking, user: &User, typed: &str) -> Result<()> {
        asking.caller.must_be_admin()?;
        let new = self.new_password(user, typed).await?;
        self.store.set_password(user.id, new, self.now(), asking.origin.clone()).await.map(drop)
    }

    /// Hashed; by somebody else than the user, whose failures so far are forgotten.
    async fn new_password(&self, user: &User, typed: &str) -> Result<NewPassword> {
        let hash = self.passwords.hash(Password::parse_new(typed, &user.email)?, self.entropy.bytes()?).await?;
        Ok(NewPassword { hash, cleared: throttle::cleared_for(&user.email) })
    }

    /// By the user: the current password proves it. Ends every session, this one too.
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
            Some(_) => Error::invalid("current_password", "This is not your current password."),
            None => error,
        })?;
        let hash = self.passwords.hash(new, self.entropy.bytes()?).await?;
        let new = NewPassword { hash, cleared: proved.cleared() };
        self.store.set_password(user.id, new, self.now(), asking.origin.on_oneself()).await.map(drop)
    }

    /// The user proves once more who they are; counts like a log-in.
    pub async fn confirm_password(
        &self,
        asking: &Asking,
        user: &User,
        typed: &str,
        device: Option<&SessionToken>,
    ) -> Result<()> {
        let password = Password::parse(typed)?;
        let proved = self.check_password(user.email.as_str(), password, device, &asking.origin).await?;
        self.store.clear_failures(proved.cleared(), self.now(), asking.origin.clone()).await
    }

    /// The audit log, for admins.
    pub async fn events(&self, asking: &Asking, filter: EventFilter) -> Result<Page<Event>> {
        asking.caller.must_be_admin()?;
        self.store.events(filter).await
    }
}
