//! Making, showing, changing and revoking keys.

use super::Auth;
use super::caller::{Asking, Caller};
use crate::error::{Error, Result};
use crate::model::key::{Expiry, Metadata};
use crate::model::{
    Actor, Cursor, Digest, KeyId, KeyName, KeyPrefix, KeyRecord, Networks, NewKey, Origin, Page, PlainKey, RateLimit,
    ScopeSet, UserId,
};
use crate::store::{Created, KeyFilter, KeyWrite, Reach, Submission};

/// What a person or program asks of a new key; already parsed.
#[derive(Debug, Clone)]
pub struct KeyRequest {
    pub owner: UserId,
    pub name: KeyName,
    /// `None`: the default prefix.
    pub prefix: Option<KeyPrefix>,
    pub scopes: ScopeSet,
    pub expiry: Expiry,
    pub allowed_ips: Networks,
    pub rate_limit: Option<RateLimit>,
    pub metadata: Metadata,
    /// Names this very request, so that repeating it makes no second key.
    pub submission: Option<Submission>,
}

/// What became of the request.
#[derive(Debug)]
pub enum Made {
    /// The only time that the key's text exists outside its owner's hands.
    Now { key: PlainKey, record: Box<KeyRecord> },
    /// It had been made by the same request before, and shown then.
    Before(KeyId),
}

impl Auth {
    /// Makes a key; it is durable and in force before this returns.
    pub async fn create_key(&self, asking: &Asking, request: KeyRequest) -> Result<Made> {
        if let Reach::Own(user) = asking.caller.reach()
            && user != request.owner
        {
            return Err(Error::forbidden("Only an admin can make a key for somebody else."));
        }
        asking.caller.may_grant(&request.scopes)?;
        let prefix = self.prefix_of(request.prefix)?;
        let key = PlainKey::generate(&prefix, &self.entropy.bytes()?);
        let now = self.now();
        let row = KeyWrite {
            id: KeyId::new(now, self.entropy.bytes()?),
            digest: key.digest(),
            hint: key.hint(),
            owner: request.owner,
            settings: NewKey {
                name: request.name,
                prefix,
                scopes: request.scopes,
                expiry: request.expiry,
                allowed_ips: request.allowed_ips,
                rate_limit: request.rate_limit,
                metadata: request.metadata,
            },
            submission: request.submission,
        };
        Ok(match self.store.create_key(row, now, asking.origin.clone()).await? {
            Created::Now(record) => Made::Now { key, record },
            Created::Before(id) => Made::Before(id),
        })
    }

    pub async fn key(&self, caller: &Caller, id: KeyId) -> Result<KeyRecord> {
        Ok(self.usage.complete(self.store.key(id, caller.reach()).await?, self.now()))
    }

    /// The record of a key that has just been verified.
    pub async fn verified_record(&self, id: KeyId) -> Result<KeyRecord> {
        Ok(self.usage.complete(self.store.key(id, Reach::Anyone).await?, self.now()))
    }

    /// Newest first; `owner` narrows what the caller may see, never widens it.
    pub async fn keys(
        &self,
        caller: &Caller,
        owner: Option<UserId>,
        search: Option<String>,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<KeyRecord>> {
        let reach = match (caller.reach(), owner) {
            (Reach::Own(user), _) => Reach::Own(user),
            (Reach::Anyone, Some(user)) => Reach::Own(user),
            (Reach::Anyone, None) => Reach::Anyone,
        };
        let now = self.now();
        let page = self.store.keys(KeyFilter { reach, search, after, limit }).await?;
        Ok(page.map(|record| self.usage.complete(record, now)))
    }

    /// For good, and in force before this returns.
    pub async fn revoke_key(&self, asking: &Asking, id: KeyId) -> Result<()> {
        self.revoke_keys(asking, vec![id]).await.map(drop)
    }

    /// All of them or, if one is not there, none.
    pub async fn revoke_keys(&self, asking: &Asking, ids: Vec<KeyId>) -> Result<Vec<KeyRecord>> {
        self.store.revoke_keys(ids, asking.caller.reach(), self.now(), asking.origin.clone()).await
    }

    /// A key revokes itself.
    pub async fn revoke_own(&self, id: KeyId, origin: Origin) -> Result<()> {
        let hint = self.store.key(id, Reach::Anyone).await?.hint;
        let origin = Origin { actor: Actor::Key { id, hint }, ..origin };
        self.store.revoke_keys(vec![id], Reach::Anyone, self.now(), origin).await.map(drop)
    }

    /// Revokes every live key with one of these digests: for text in which keys leaked.
    pub async fn revoke_leaked(&self, asking: &Asking, digests: Vec<Digest>) -> Result<Vec<KeyRecord>> {
        asking.caller.must_be_admin()?;
        self.store.revoke_digests(digests, self.now(), asking.origin.clone()).await
    }

    pub async fn disable_key(&self, asking: &Asking, id: KeyId) -> Result<KeyRecord> {
        self.store.disable_key(id, asking.caller.reach(), self.now(), asking.origin.clone()).await
    }

    pub async fn enable_key(&self, asking: &Asking, id: KeyId) -> Result<KeyRecord> {
        self.store.enable_key(id, asking.caller.reach(), self.now(), asking.origin.clone()).await
    }

    pub async fn rename_key(&self, asking: &Asking, id: KeyId, name: KeyName) -> Result<KeyRecord> {
        self.store.rename_key(id, asking.caller.reach(), name, self.now(), asking.origin.clone()).await
    }

    fn prefix_of(&self, asked: Option<KeyPrefix>) -> Result<KeyPrefix> {
        match asked {
            None => self.prefixes.first().cloned().ok_or_else(|| Error::internal("no key prefix is configured")),
            Some(prefix) if self.prefixes.contains(&prefix) => Ok(prefix),
            Some(_) => Err(Error::invalid("prefix", "This prefix is not configured on this server (--key-prefix).")),
        }
    }
}
