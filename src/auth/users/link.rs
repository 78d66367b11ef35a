//! One-time links with which people choose a password: an invitation for somebody new, a reset for somebody who forgot
//! theirs. Only the newest link of a person works, once, until it expires.

use super::password::{NewPassword, replace};
use super::{NewUser, add, find, log};
use crate::auth::by::By;
use crate::auth::caller::Asking;
use crate::auth::login::throttle;
use crate::auth::{Auth, Urgency};
use crate::error::{Error, Result};
use crate::model::person_link::{LinkPurpose, PersonLink};
use crate::model::{Action, Actor, Digest, Email, Origin, Password, Role, SessionToken, Time, User, UserId};
use crate::store::Tx;

/// A new link, with the only copy of its secret.
#[derive(Debug)]
pub struct NewLink {
    pub token: SessionToken,
    pub purpose: LinkPurpose,
    pub expires_at: Time,
}

impl NewLink {
    /// The link's path and query, below the public URL.
    pub fn path(&self) -> String {
        format!("{}?token={}", self.purpose.path(), self.token.expose())
    }
}

fn put_link(tx: &Tx<'_>, by: &By, user: &User, digest: &Digest, link: PersonLink) -> Result<()> {
    if !user.active {
        return Err(Error::conflict("This person is deactivated. Activate them first."));
    }
    tx.put_person_link(digest, user.id, link)?;
    log(tx, by, Action::LinkCreated, user)
}

/// The transaction decides which of several requests with one link is first.
fn use_link(tx: &Tx<'_>, by: &By, digest: &Digest, new: &NewPassword) -> Result<User> {
    let (id, _) = tx.person_link(digest, by.at)?.ok_or_else(expired)?;
    let user = find(tx, id)?;
    if !user.active {
        return Err(expired());
    }
    let actor = Actor::User { id, email: user.email.to_string() };
    let by = By { origin: Origin { actor, ..by.origin.clone() }, at: by.at };
    replace(tx, &by, &user, new)?;
    Ok(user)
}

fn expired() -> Error {
    Error::forbidden("This link has expired, was used, or was replaced by a newer one. Ask an admin for a new link.")
}

impl Auth {
    /// Adds somebody who chooses a password by the link.
    pub async fn invite_user(&self, asking: &Asking, email: &str, role: Role) -> Result<(User, NewLink)> {
        asking.caller.must_be_admin()?;
        asking.caller.may_open_to_people(Some(role), true, false)?;
        let by = self.by(&asking.origin);
        let new = NewUser {
            id: UserId::new(by.at, self.entropy.bytes()?),
            email: Email::parse(email)?,
            role,
            password_hash: None,
            created_at: by.at,
        };
        let made = self.new_link(LinkPurpose::Invitation, by.at)?;
        let (digest, link) = (made.token.digest(), made.stored());
        let act = move |tx: &Tx<'_>, by: &By| {
            let user = add(tx, by, &new)?;
            put_link(tx, by, &user, &digest, link)?;
            Ok(user)
        };
        Ok((self.act(Urgency::Ordinary, by, act).await?, made))
    }

    /// A link for somebody who has an account. Somebody without a password gets an invitation.
    pub async fn link_for_user(&self, asking: &Asking, id: UserId) -> Result<NewLink> {
        asking.caller.must_be_admin()?;
        asking.caller.may_open_to_people(None, true, false)?;
        let by = self.by(&asking.origin);
        let purpose = match self.find_user(id).await?.last_login_at {
            Some(_) => LinkPurpose::Reset,
            None => LinkPurpose::Invitation,
        };
        let made = self.new_link(purpose, by.at)?;
        let (digest, link) = (made.token.digest(), made.stored());
        let act = move |tx: &Tx<'_>, by: &By| put_link(tx, by, &find(tx, id)?, &digest, link);
        self.act(Urgency::Ordinary, by, act).await?;
        Ok(made)
    }

    fn new_link(&self, purpose: LinkPurpose, now: Time) -> Result<NewLink> {
        let token = SessionToken::new(self.entropy.bytes()?);
        Ok(NewLink { token, purpose, expires_at: now.plus(purpose.lifetime()) })
    }

    /// The link that this user has and has not used, for admins.
    pub async fn open_link_of(&self, asking: &Asking, id: UserId) -> Result<Option<PersonLink>> {
        asking.caller.must_be_admin()?;
        let now = self.now();
        self.store.read(move |tx| tx.person_link_of(id, now)).await
    }

    /// The email of the person whose link this is; an error if the link no longer works.
    pub async fn person_of_link(&self, token: &str) -> Result<Email> {
        let digest = SessionToken::parse(token).map(|given| given.digest()).ok_or_else(expired)?;
        let now = self.now();
        let read = move |tx: &Tx<'_>| match tx.person_link(&digest, now)? {
            Some((id, _)) => tx.user_without_count(id),
            None => Ok(None),
        };
        let user = self.store.read(read).await?.filter(|user| user.active).ok_or_else(expired)?;
        Ok(user.email)
    }

    /// Sets the password of the person whose link this is. The link is used up; sessions and tokens end.
    pub async fn use_link(&self, token: &str, password: &str, origin: Origin) -> Result<User> {
        let email = self.person_of_link(token).await?;
        let digest = SessionToken::parse(token).map(|given| given.digest()).ok_or_else(expired)?;
        let hash = self.passwords.hash(Password::parse_new(password, &email)?, self.entropy.bytes()?).await?;
        let new = NewPassword { hash, cleared: throttle::cleared_for(&email) };
        let act = move |tx: &Tx<'_>, by: &By| use_link(tx, by, &digest, &new);
        self.act(Urgency::Ordinary, self.by(&origin), act).await
    }
}

impl NewLink {
    fn stored(&self) -> PersonLink {
        PersonLink { purpose: self.purpose, expires_at: self.expires_at }
    }
}
