//! Rotating a key: a new one with the same settings, in place of the old one or beside it for a while.

use super::caller::Asking;
use super::{Auth, Made};
use crate::error::{Kind, Result};
use crate::model::rotation::{Handover, SuccessorLife};
use crate::model::{Basis, Expiry, KeyId, KeyPrefix, KeyRecord, Overlap, PlainKey};
use crate::store::{Created, Submission, Successor};

/// What is asked; already parsed.
#[derive(Debug, Clone)]
pub struct Rotation {
    pub key: KeyId,
    pub overlap: Overlap,
    pub handover: Handover,
    /// When the new key ends; `None`: after the lifetime that the old one was created with.
    pub expiry: Option<Expiry>,
    /// The state of the key that the caller looked at.
    pub seen: Basis,
    /// Names this very request, so that repeating it rotates once.
    pub submission: Option<Submission>,
}

impl Auth {
    /// The caller gets a key that can do what the old one can, so it must be the caller's to grant.
    pub async fn rotate_key(&self, asking: &Asking, rotation: Rotation) -> Result<Made> {
        let Rotation { key: old, overlap, handover, expiry, seen, submission } = rotation;
        let reach = asking.caller.reach();
        let prefix = match self.store.key(old, reach).await {
            Ok(record) => self.prefix_of_successor(&record)?,
            // Gone: revoked by this very request, sent before, or not there at all. The verb can tell.
            Err(error) if error.kind == Kind::NotFound => self.prefix_of(None)?,
            Err(error) => return Err(error),
        };
        let key = PlainKey::generate(&prefix, &self.entropy.bytes()?);
        let now = self.now();
        let new = Successor {
            id: KeyId::new(now, self.entropy.bytes()?),
            digest: key.digest(),
            prefix: prefix.as_str().to_owned(),
            hint: key.hint(),
            overlap,
            handover,
            submission,
        };
        let caller = asking.caller.clone();
        let judge = move |key: &KeyRecord| {
            seen.must_hold(|| key.version(), "key")?;
            caller.may_grant(&key.scopes)?;
            let life = match expiry {
                Some(expiry) => SuccessorLife::until(expiry, now),
                None => caller.within_own_end(SuccessorLife::like(key, now)),
            };
            caller.may_copy(key, life.expiry, &prefix)?;
            Ok(life)
        };
        let rotated = self.store.rotate_key(old, reach, new, judge, now, asking.origin.clone());
        Ok(match rotated.await? {
            Created::Now(record) => Made::Now { key, record },
            Created::Before(id) => Made::Before(id),
        })
    }

    /// The second half of a rotation with [`Handover::Later`]. An old key that is gone needs no end.
    pub async fn end_rotated(&self, asking: &Asking, old: KeyId, overlap: Overlap) -> Result<()> {
        let ended =
            self.store.end_rotated(old, asking.caller.reach(), overlap, self.now(), asking.origin.clone()).await;
        ended.or_else(|error| if error.kind == Kind::NotFound { Ok(()) } else { Err(error) })
    }

    /// The old one's, unless it is another system's or the operator has given it up.
    fn prefix_of_successor(&self, old: &KeyRecord) -> Result<KeyPrefix> {
        let own = old.prefix.as_deref().and_then(|text| KeyPrefix::parse(text).ok());
        self.prefix_of(own.filter(|prefix| self.prefixes.contains(prefix)))
    }
}
