//! User accounts: changes by an admin or the operator, and by the users themselves.

mod add;
mod change;
mod link;
mod password;
mod remove;

use super::by::By;
use super::caller::Asking;
use super::{Auth, audit};
use crate::error::{Error, Result};
use crate::model::{Action, Email, EventDetail, ListPage, User, UserCounts, UserFilter, UserId};
use crate::store::Tx;

pub(super) use add::{NewUser, add};
pub use link::NewLink;

fn find(tx: &Tx<'_>, id: UserId) -> Result<User> {
    tx.user(id)?.ok_or_else(missing)
}

fn missing() -> Error {
    Error::not_found("user")
}

fn log(tx: &Tx<'_>, by: &By, action: Action, user: &User) -> Result<()> {
    log_detailed(tx, by, action, user, EventDetail::default())
}

fn log_detailed(tx: &Tx<'_>, by: &By, action: Action, user: &User, detail: EventDetail) -> Result<()> {
    let label = format!("{} ({})", user.email, user.role.as_str());
    audit::append_detailed(tx, by, action, Some(*user.id.as_bytes()), label, detail)
}

/// Refuses to take away the last active admin; every act that can do so calls this.
fn keep_an_admin(tx: &Tx<'_>, user: &User) -> Result<()> {
    if user.is_admin() && user.active && tx.other_active_admins(user.id)? == 0 {
        return Err(Error::conflict("This is the last active admin. Give another user the admin role first."));
    }
    Ok(())
}

impl Auth {
    pub async fn users(&self, asking: &Asking) -> Result<Vec<User>> {
        asking.caller.must_be_admin()?;
        self.store.read(|tx| tx.users()).await
    }

    pub async fn user(&self, asking: &Asking, id: UserId) -> Result<User> {
        asking.caller.must_be_admin()?;
        self.find_user(id).await
    }

    pub async fn user_by_email(&self, asking: &Asking, email: &str) -> Result<User> {
        asking.caller.must_be_admin()?;
        self.find_user_by_email(Email::parse(email)?).await
    }

    /// The users that match the filter, newest first.
    pub async fn users_page(&self, asking: &Asking, filter: UserFilter) -> Result<ListPage<User>> {
        asking.caller.must_be_admin()?;
        self.store.read(move |tx| tx.users_page(&filter)).await
    }

    /// How many people are in each set.
    pub async fn user_counts(&self, asking: &Asking) -> Result<UserCounts> {
        asking.caller.must_be_admin()?;
        self.store.read(|tx| tx.user_counts()).await
    }

    /// Up to `limit` people by their emails, as choices of a filter.
    pub async fn people(&self, asking: &Asking, limit: usize) -> Result<Vec<(UserId, String)>> {
        asking.caller.must_be_admin()?;
        self.store.read(move |tx| tx.people(limit)).await
    }

    pub(super) async fn find_user(&self, id: UserId) -> Result<User> {
        self.store.read(move |tx| find(tx, id)).await
    }

    pub(super) async fn find_user_by_email(&self, email: Email) -> Result<User> {
        self.store.read(move |tx| tx.user_with_email(&email)?.ok_or_else(missing)).await
    }
}
