//! Revokes keys permanently. A revocation is in force before the answer is sent, even if the disk is full.

use super::leaked::with_digest;
use super::{find, log_revoked};
use crate::auth::by::By;
use crate::auth::caller::Asking;
use crate::auth::leaks::notify;
use crate::auth::{Auth, Urgency};
use crate::error::{Error, Kind, Result};
use crate::model::{Actor, Authority, Basis, Digest, KeyId, KeyRecord, Origin, Reach};
use crate::store::Tx;

/// Which keys to revoke.
#[derive(Debug, Clone)]
pub enum WhichKeys {
    /// Keys by id; repeated ids count once.
    Ids(Vec<KeyId>),
    /// Leaked keys, by id; their owners get a notice. For admins.
    Leaked(Vec<KeyId>),
    /// The keys with these digests, and the tokens whose refresh tokens have them. They were found in a leak too.
    Digests(Vec<Digest>),
}

impl WhichKeys {
    fn is_leaked(&self) -> bool {
        !matches!(self, WhichKeys::Ids(_))
    }
}

/// The result of a revocation.
#[derive(Debug, Default)]
pub struct RevokedKeys {
    /// The records before the revocation.
    pub records: Vec<KeyRecord>,
    /// Keys that do not exist, or are out of reach.
    pub missing: Vec<KeyId>,
}

pub(in crate::auth) fn revoke(tx: &Tx<'_>, by: &By, record: &KeyRecord) -> Result<()> {
    // A row with a damaged id can be found only by its digest.
    if record.unreadable.contains(&"id") {
        tx.delete_key_with_digest(&record.digest)?;
    } else {
        tx.delete_key(record.id)?;
    }
    log_revoked(tx, by, record)
}

fn revoke_those(tx: &Tx<'_>, by: &By, which: &WhichKeys, reach: Reach, seen: &Basis) -> Result<RevokedKeys> {
    let (mut records, mut missing) = (Vec::new(), Vec::new());
    let mut take = |record: KeyRecord| -> Result<()> {
        seen.must_hold(|| record.version(), "key")?;
        revoke(tx, by, &record)?;
        if which.is_leaked() {
            notify(tx, by, &record, None)?;
        }
        records.push(record);
        Ok(())
    };
    match which {
        WhichKeys::Ids(ids) | WhichKeys::Leaked(ids) => {
            let mut ids = ids.clone();
            ids.sort_unstable();
            ids.dedup();
            for id in ids {
                match tx.key(id, reach)? {
                    Some(record) => take(record)?,
                    None => missing.push(id),
                }
            }
        }
        WhichKeys::Digests(digests) => {
            for digest in digests {
                with_digest(tx, digest)?.map_or(Ok(()), &mut take)?;
            }
        }
    }
    Ok(RevokedKeys { records, missing })
}

impl Auth {
    /// Revokes the keys that exist, if each is still at the version that the caller saw.
    pub async fn revoke_keys(&self, asking: &Asking, which: WhichKeys, seen: Basis) -> Result<RevokedKeys> {
        if which.is_leaked() {
            asking.caller.must_be_admin()?;
        }
        let reach = asking.caller.reach();
        let revoke = move |tx: &Tx<'_>, by: &By| revoke_those(tx, by, &which, reach, &seen);
        self.act(Urgency::Revocation, self.by(&asking.origin), revoke).await
    }

    /// Revokes one key; it is an error if the key does not exist.
    pub async fn revoke_key(&self, asking: &Asking, id: KeyId, seen: Basis) -> Result<()> {
        let revoked = self.revoke_keys(asking, WhichKeys::Ids(vec![id]), seen).await?;
        if revoked.missing.is_empty() { Ok(()) } else { Err(Error::not_found("key")) }
    }

    /// Revokes the key that makes the request.
    pub async fn revoke_own(&self, id: KeyId, origin: Origin) -> Result<()> {
        let Some(record) = self.own_unless_damaged(id, |_| Ok(()), &origin).await? else { return Ok(()) };
        let by = self.by(&Origin { actor: Actor::Key { id, hint: record.hint }, ..origin });
        let act = move |tx: &Tx<'_>, by: &By| revoke(tx, by, &find(tx, id, Reach::Anyone)?);
        self.act(Urgency::Revocation, by, act).await
    }

    /// The record of a key that was valid a moment ago and acts on itself. If the record turns out to be damaged, the
    /// act cannot check the key again; the key is then revoked, if `judge` allows it, and the result is `None`.
    pub(in crate::auth) async fn own_unless_damaged(
        &self,
        id: KeyId,
        judge: impl Fn(&KeyRecord) -> Result<()> + Send + 'static,
        origin: &Origin,
    ) -> Result<Option<KeyRecord>> {
        let record = self.store.read(move |tx| find(tx, id, Reach::Anyone)).await?;
        if !record.is_beyond_judging() {
            return Ok(Some(record));
        }
        let origin = Origin { authority: Authority::None, ..origin.clone() };
        if self.revoke_damaged(record.digest, judge, origin).await? { Ok(None) } else { Ok(Some(record)) }
    }

    /// Revokes a key that cannot be judged because its record is damaged. Whoever has its text may do this, if `judge`
    /// allows it. Returns whether there is such a key.
    pub async fn revoke_damaged(
        &self,
        digest: Digest,
        judge: impl Fn(&KeyRecord) -> Result<()> + Send + 'static,
        origin: Origin,
    ) -> Result<bool> {
        let act = move |tx: &Tx<'_>, by: &By| {
            let damaged = tx.key_with_digest(&digest)?.filter(KeyRecord::is_beyond_judging);
            let Some(found) = damaged else { return Ok(false) };
            judge(&found)?;
            let actor = Actor::Key { id: found.id, hint: found.hint.clone() };
            let by = By { origin: Origin { actor, ..by.origin.clone() }, at: by.at };
            revoke(tx, &by, &found).map(|()| true)
        };
        self.act(Urgency::Revocation, self.by(&origin), act).await
    }
}

/// Turns "not found" into success, for callers whose key may be gone.
pub(super) fn unless_missing(error: Error) -> Result<()> {
    if error.kind == Kind::NotFound { Ok(()) } else { Err(error) }
}
