//! The one-time setup link with which the first admin is created. It exists only in memory and only while there is no
//! user; the transaction that creates the first admin decides which of several requests was first.

use std::sync::Mutex;

use super::by::By;
use super::users::{self, NewUser};
use super::{Auth, Urgency};
use crate::ambient::constant_time;
use crate::error::{Error, Result};
use crate::model::{Email, Origin, Password, Role, SessionToken, User, UserId};
use crate::store::Tx;

/// The digest of the link's token, while the link is valid.
#[derive(Default)]
pub(super) struct SetupLink(Mutex<Option<[u8; 32]>>);

/// Fails if there is a user, so that only one of several concurrent requests succeeds.
fn add_first_admin(tx: &Tx<'_>, by: &By, new: &NewUser) -> Result<User> {
    if tx.has_users()? {
        return Err(Error::conflict("The first admin already exists. Sign in, or ask an admin for an account."));
    }
    users::add(tx, by, new)
}

impl Auth {
    /// A new token for the link, if there is no user yet; it replaces an earlier one.
    pub async fn open_setup(&self) -> Result<Option<SessionToken>> {
        if self.store.read(|tx| tx.has_users()).await? {
            return Ok(None);
        }
        let token = SessionToken::new(self.entropy.bytes()?);
        *self.link()? = Some(*token.digest().as_bytes());
        Ok(Some(token))
    }

    /// Whether this is the link's token and the link has not been used.
    pub async fn is_setup_open(&self, token: &str) -> Result<bool> {
        let matches = match (SessionToken::parse(token), *self.link()?) {
            (Some(given), Some(expected)) => constant_time::is_equal(given.digest().as_bytes(), &expected),
            _ => false,
        };
        Ok(matches && !self.store.read(|tx| tx.has_users()).await?)
    }

    /// Creates the first admin and invalidates the link; only the first of several concurrent requests succeeds.
    pub async fn set_up(&self, token: &str, email: &str, password: &str, origin: Origin) -> Result<User> {
        if !self.is_setup_open(token).await? {
            return Err(Error::forbidden(
                "This setup link is no longer valid. If there is no admin yet, restart the server: it prints a new link.",
            ));
        }
        let email = Email::parse(email)?;
        let password = Password::parse_new(password, &email)?;
        let hash = self.passwords.hash(password, self.entropy.bytes()?).await?;
        let by = self.by(&origin);
        let new = NewUser {
            id: UserId::new(by.at, self.entropy.bytes()?),
            email,
            role: Role::Admin,
            password_hash: Some(hash),
            created_at: by.at,
        };
        let user = self.act(Urgency::Ordinary, by, move |tx, by| add_first_admin(tx, by, &new)).await?;
        *self.link()? = None;
        Ok(user)
    }

    fn link(&self) -> Result<std::sync::MutexGuard<'_, Option<[u8; 32]>>> {
        self.setup.0.lock().map_err(|_| Error::internal("the setup link's lock is poisoned"))
    }
}
