//! Reading keys.

use super::find;
use crate::auth::{Auth, Caller};
use crate::error::{Error, Kind, Result};
use crate::model::{Email, KeyCounts, KeyFilter, KeyId, KeyRecord, ListPage, Reach, UserId};
use crate::store::Tx;

impl Auth {
    pub async fn key(&self, caller: &Caller, id: KeyId) -> Result<KeyRecord> {
        self.key_within(id, caller.reach()).await
    }

    async fn key_within(&self, id: KeyId, reach: Reach) -> Result<KeyRecord> {
        Ok(self.with_last_use(self.store.read(move |tx| find(tx, id, reach)).await?))
    }

    /// The keys that match the filter, in its order. The filter's owner narrows what the caller may see, and never widens
    /// it. A key that was used a moment ago may be missing from its page, because the database still counts it as unused.
    pub async fn keys(&self, caller: &Caller, filter: KeyFilter) -> Result<ListPage<KeyRecord>> {
        let (reach, now, asked) = (caller.reach(), self.now(), filter.clone());
        let page = self.store.read(move |tx| tx.keys_page(&asked, reach, now)).await?;
        let mut rows: Vec<KeyRecord> = page.rows.iter().map(|record| self.with_last_use(record.clone())).collect();
        rows.retain(|record| filter.still_admits(record, now));
        Ok(page.with_rows(rows))
    }

    /// How many keys of the filter's owner and scope are in each set; its other fields are ignored.
    pub async fn key_counts(&self, caller: &Caller, filter: KeyFilter) -> Result<KeyCounts> {
        let (reach, now) = (caller.reach(), self.now());
        self.store.read(move |tx| tx.key_counts(&filter, reach, now)).await
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

    /// The scopes of the newest keys of all owners, as choices of a filter.
    pub async fn scopes_of_newest(&self, caller: &Caller) -> Result<Vec<String>> {
        caller.must_be_admin()?;
        self.store.read(|tx| tx.scopes_of_newest()).await
    }

    /// Those of these keys that exist and are within reach.
    pub async fn keys_with_ids(&self, caller: &Caller, ids: Vec<KeyId>) -> Result<Vec<KeyRecord>> {
        let reach = caller.reach();
        let read =
            move |tx: &Tx<'_>| ids.iter().filter_map(|id| tx.key(*id, reach).transpose()).collect::<Result<Vec<_>>>();
        let records = self.store.read(read).await?;
        Ok(records.into_iter().map(|record| self.with_last_use(record)).collect())
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
