//! The one-time setup link with which the first admin is created. It is valid only while there is no user, on every node;
//! the transaction that creates the first admin decides which of several requests was first.

use super::by::By;
use super::users::{self, NewUser};
use super::{Auth, Urgency};
use crate::error::{Error, Result};
use crate::model::{Email, Origin, Password, Role, SessionToken, User, UserId};
use crate::store::Tx;

/// Each node prints a link of its own when it starts.
const LINKS: i64 = 20;

/// Fails if there is a user, so that only one of several concurrent requests succeeds.
fn add_first_admin(tx: &Tx<'_>, by: &By, new: &NewUser) -> Result<User> {
    if tx.has_users()? {
        return Err(Error::conflict("The first admin already exists. Sign in, or ask an admin for an account."));
    }
    tx.delete_old_setup_links(0)?;
    users::add(tx, by, new)
}

impl Auth {
    /// A new token for the link, if there is no user yet. It replaces the one of an earlier start, unless that may be
    /// another node's.
    pub async fn open_setup(&self) -> Result<Option<SessionToken>> {
        if self.store.read(|tx| tx.has_users()).await? {
            return Ok(None);
        }
        let token = SessionToken::new(self.entropy.bytes()?);
        let (digest, now, is_alone) = (token.digest(), self.now(), self.store.path().is_some());
        let put = move |tx: &Tx<'_>| {
            tx.delete_old_setup_links(if is_alone { 0 } else { LINKS - 1 })?;
            tx.put_setup_link(&digest, now)
        };
        self.store.write(Urgency::Ordinary, put).await?;
        Ok(Some(token))
    }

    /// Whether anybody can sign in: there is a user.
    pub async fn is_set_up(&self) -> Result<bool> {
        self.store.read(|tx| tx.has_users()).await
    }

    /// Whether this is the link's token and the link has not been used.
    pub async fn is_setup_open(&self, token: &str) -> Result<bool> {
        let Some(digest) = SessionToken::parse(token).map(|given| given.digest()) else { return Ok(false) };
        self.store.read(move |tx| Ok(tx.has_setup_link(&digest)? && !tx.has_users()?)).await
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
        self.act(Urgency::Ordinary, by, move |tx, by| add_first_admin(tx, by, &new)).await
    }
}
