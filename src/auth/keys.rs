//! Making, showing, changing and revoking keys.

use super::caller::{Asking, Caller};
use super::{Auth, LeftOpen};
use crate::error::{Error, Kind, Result};
use crate::model::key::{Expiry, Metadata};
use crate::model::{
    Actor, Authority, Basis, Cursor, Digest, Email, KeyChange, KeyId, KeyName, KeyPrefix, KeyRecord, Networks, NewKey,
    Origin, Page, PlainKey, RateLimit, ScopeSet, UserId,
};
use crate::store::{Batch, Created, KeyFilter, KeyWrite, Reach, Submission};

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
    pub left_open: LeftOpen,
    /// Names this very request, so that repeating it makes no second key.
    pub submission: Option<Submission>,
}

/// Which keys to list; all that the caller may see unless a part says less.
#[derive(Debug, Clone)]
pub struct KeyList {
    pub owner: Option<UserId>,
    /// Any part of a name, a hint or the owner's e-mail among the newest keys; see [`crate::store::Store::keys`].
    pub search: Option<String>,
    pub enabled: Option<bool>,
    pub after: Option<Cursor>,
    pub limit: usize,
}

impl Default for KeyList {
    fn default() -> Self {
        KeyList { owner: None, search: None, enabled: None, after: None, limit: Page::<KeyRecord>::MAX }
    }
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
        let request = asking.caller.bound(request)?;
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
        Ok(self.with_last_use(self.store.key(id, caller.reach()).await?))
    }

    /// The record of a key that has just been verified.
    pub async fn verified_record(&self, id: KeyId) -> Result<KeyRecord> {
        Ok(self.with_last_use(self.store.key(id, Reach::Anyone).await?))
    }

    /// Newest first; `owner` narrows what the caller may see, never widens it.
    pub async fn keys(&self, caller: &Caller, list: KeyList) -> Result<Page<KeyRecord>> {
        let reach = match (caller.reach(), list.owner) {
            (Reach::Own(user), _) => Reach::Own(user),
            (Reach::Anyone, Some(user)) => Reach::Own(user),
            (Reach::Anyone, None) => Reach::Anyone,
        };
        let KeyList { search, enabled, after, limit, .. } = list;
        let page = self.store.keys(KeyFilter { reach, search, enabled, after, limit }).await?;
        Ok(page.map(|record| self.with_last_use(record)))
    }

    /// Not as of the last fold: as of now.
    fn with_last_use(&self, record: KeyRecord) -> KeyRecord {
        self.usage.complete(record, &self.store, self.now())
    }

    /// For good, and in force before this returns.
    pub async fn revoke_key(&self, asking: &Asking, id: KeyId) -> Result<()> {
        self.revoke_keys(asking, vec![id]).await.and_then(one)
    }

    /// For good, unless it was changed since the caller looked.
    pub async fn revoke_key_as_seen(&self, asking: &Asking, id: KeyId, seen: Basis) -> Result<()> {
        let judge = move |key: &KeyRecord| seen.must_hold(|| key.version(), "key");
        self.store.revoke_key(id, asking.caller.reach(), judge, self.now(), asking.origin.clone()).await
    }

    /// What is new in it must be the caller's to grant; in force before this returns.
    pub async fn change_key(&self, asking: &Asking, id: KeyId, change: KeyChange, seen: Basis) -> Result<KeyRecord> {
        asking.caller.may_move_bounds(id, &change)?;
        let (caller, scopes) = (asking.caller.clone(), change.scopes.clone());
        let only_disables = change.only_disables();
        let judge = move |key: &KeyRecord, after: &KeyRecord| {
            seen.must_hold(|| key.version(), "key")?;
            if key.is_token && !only_disables {
                return Err(Error::conflict(
                    "This is a short-lived token: it can be disabled or revoked, not changed.",
                ));
            }
            scopes.as_ref().map_or(Ok(()), |scopes| caller.may_grant(&scopes.beyond(&key.scopes)))?;
            caller.may_change(key, after)
        };
        let changed =
            self.store.change_key(id, asking.caller.reach(), change, judge, self.now(), asking.origin.clone());
        Ok(self.with_last_use(changed.await?))
    }

    /// The user that a caller means by an e-mail or an id; a member can only mean themselves.
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
                ..Error::forbidden("Only an admin can reach somebody else's keys.")
            });
        }
        let found = match UserId::parse(text) {
            Ok(id) => self.store.user(id).await,
            Err(_) => self.store.user_by_email(Email::parse(text).map_err(unknown_owner)?).await,
        };
        found.map(|user| user.id).map_err(unknown_owner)
    }

    /// Those that are there; the others are named.
    pub async fn revoke_keys(&self, asking: &Asking, ids: Vec<KeyId>) -> Result<Batch> {
        self.store.revoke_keys(ids, asking.caller.reach(), self.now(), asking.origin.clone()).await
    }

    /// A key revokes itself.
    pub async fn revoke_own(&self, id: KeyId, origin: Origin) -> Result<()> {
        let KeyRecord { hint, .. } = match self.own_unless_damaged(id, |_| Ok(()), &origin).await? {
            Some(record) => record,
            None => return Ok(()),
        };
        let origin = Origin { actor: Actor::Key { id, hint }, ..origin };
        self.store.revoke_keys(vec![id], Reach::Anyone, self.now(), origin).await.and_then(one)
    }

    /// The record of a key that was good a moment ago and acts on itself. If it has turned out since to be damaged,
    /// nobody could judge it again inside the act: then it is revoked, if `judge` allows it, and there is none.
    pub(super) async fn own_unless_damaged(
        &self,
        id: KeyId,
        judge: impl Fn(&KeyRecord) -> Result<()> + Send + 'static,
        origin: &Origin,
    ) -> Result<Option<KeyRecord>> {
        let record = self.store.key(id, Reach::Anyone).await?;
        if !record.is_beyond_judging() {
            return Ok(Some(record));
        }
        let origin = Origin { authority: Authority::None, ..origin.clone() };
        if self.revoke_damaged(record.digest, judge, origin).await? { Ok(None) } else { Ok(Some(record)) }
    }

    /// A key that nobody can judge, because its record is damaged, is revoked by whoever has its text. Returns
    /// whether there is such a key.
    pub async fn revoke_damaged(
        &self,
        digest: Digest,
        judge: impl Fn(&KeyRecord) -> Result<()> + Send + 'static,
        origin: Origin,
    ) -> Result<bool> {
        self.store.revoke_damaged(digest, judge, self.now(), origin).await
    }

    /// Revokes every live key with one of these digests: for text in which keys leaked.
    pub async fn revoke_leaked(&self, asking: &Asking, digests: Vec<Digest>) -> Result<Vec<KeyRecord>> {
        asking.caller.must_be_admin()?;
        self.store.revoke_digests(digests, self.now(), asking.origin.clone()).await
    }

    /// Those of these digests that are worth [`Auth::revoke_leaked`].
    pub async fn known_digests(&self, asking: &Asking, digests: Vec<Digest>) -> Result<Vec<Digest>> {
        asking.caller.must_be_admin()?;
        self.store.known_digests(digests).await
    }

    /// The heads of all imported keys' digests, sorted: a word whose digest has a different head is not an imported key.
    pub async fn imported_heads(&self, asking: &Asking) -> Result<Vec<u64>> {
        asking.caller.must_be_admin()?;
        self.store.imported_heads().await
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

    pub(super) fn prefix_of(&self, asked: Option<KeyPrefix>) -> Result<KeyPrefix> {
        match asked {
            None => self.prefixes.first().cloned().ok_or_else(|| Error::internal("no key prefix is configured")),
            Some(prefix) if self.prefixes.contains(&prefix) => Ok(prefix),
            Some(_) => Err(Error::invalid("prefix", "This prefix is not configured on this server (--key-prefix).")),
        }
    }
}

fn one(revoked: Batch) -> Result<()> {
    if revoked.missing.is_empty() { Ok(()) } else { Err(Error::not_found("key")) }
}

fn unknown_owner(error: Error) -> Error {
    match error.kind {
        Kind::Invalid | Kind::NotFound => {
            Error::invalid("owner", "There is no user with this e-mail or id. Add the user first.")
        }
        _ => error,
    }
}
