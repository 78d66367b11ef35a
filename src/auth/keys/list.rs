//! Reading keys.

use super::find;
use crate::auth::{Auth, Caller};
use crate::error::{Error, Kind, Result};
use crate::model::{Email, KeyFilter, KeyId, KeyRecord, Page, Reach, UserId};

impl Auth {
    pub async fn key(&self, caller: &Caller, id: KeyId) -> Result<KeyRecord> {
        self.key_within(id, caller.reach()).await
    }

    async fn key_within(&self, id: KeyId, reach: Reach) -> Result<KeyRecord> {
        Ok(self.with_last_use(self.store.read(move |tx| find(tx, id, reach)).await?))
    }

    /// The keys that match the filter, newest first. The filter's owner narrows what the caller may see, and never
    /// widens it.
    pub async fn keys(&self, caller: &Caller, filter: KeyFilter) -> Result<Page<KeyRecord>> {
        let reach = caller.reach();
        let page = self.store.read(move |tx| tx.keys_page(&filter, reach)).await?;
        Ok(page.map(|record| self.with_last_use(record)))
    }

    /// Up to `limit` keys after `after`, oldest first and of all owners, for an export.
    pub async fn keys_after(&self, caller: &Caller, after: Option<KeyId>, limit: usize) -> Result<Vec<KeyRecord>> {
        caller.must_be_admin()?;
        self.store.read(move |tx| tx.keys_after(after, limit)).await
    }

    /// The scopes of the caller's newest keys, as suggestions; includes keys of a running import.
    pub async fn scopes_in_use(&self, caller: &Caller) -> Result<Vec<String>> {
        match caller.owner() {
            Some(owner) => self.store.read(move |tx| tx.scopes_in_use(owner.id)).await,
            None => Ok(Vec::new()),
        }
    }

    /// The record with its last use as of now, including uses that are not in the database yet.
    pub(in crate::auth) fn with_last_use(&self, record: KeyRecord) -> KeyRecord {
        self.usage.complete(record, &self.store, self.now())
    }

    /// The user with this email or id; members can name only themselves.
    pub async fn owner(&self, caller: &Caller, text: &str) -> Result<UserId> {
        if let Some(own) = caller.owner()
            && (UserId::parse(text).is_ok_and(|id| id == own.id)
                || Email::parse(text).is_ok_and(|email| email == own.email))
        {
            return Ok(own.id);
        }
        if let Reach::Own(_) = caller.reach() {
            return Err(Error {
                field: Some("owner"),
                ..Error::forbidden("Only an admin can access someone else's keys.")
            });
        }
        let found = match UserId::parse(text) {
            Ok(id) => self.find_user(id).await,
            Err(_) => self.find_user_by_email(Email::parse(text).map_err(unknown_owner)?).await,
        };
        found.map(|user| user.id).map_err(unknown_owner)
    }
}

fn unknown_owner(error: Error) -> Error {
    match error.kind {
        Kind::Invalid | Kind::NotFound => Error::invalid("owner", "No user has this email or ID. Add the user first."),
        _ => error,
    }
}
