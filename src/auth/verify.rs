//! Is this key good for this request? In memory, without a query, a lock or a wait, whenever the
//! index can tell; from SQLite when it cannot; an error, never a verdict, when nobody can.

use super::Auth;
use crate::error::{Error, Result};
use crate::index::{IndexedKey, KeyView, Lookup};
use crate::model::verdict::Demand;
use crate::model::{Digest, KeyId, Owner, PlainKey, Refusal, ScopeSet};

/// What anybody presented as a key: bytes, not yet believed.
pub type Presented<'a> = &'a [u8];

/// `Ok`: the key is good, with what the caller wanted to know of it.
pub type Verdict<T> = std::result::Result<T, Refusal>;

/// A live key's identity, for requests that act as it.
#[derive(Debug, Clone)]
pub struct Identity {
    pub id: KeyId,
    pub owner: Owner,
    pub scopes: ScopeSet,
}

impl Identity {
    fn of(key: &KeyView<'_>) -> Self {
        let owner = Owner { id: key.owner.id, email: key.owner.email.clone() };
        Identity { id: key.id, owner, scopes: key.grant.scopes.clone() }
    }
}

impl Auth {
    /// The longest text that is looked up at all; imported keys are shorter.
    pub const LONGEST_KEY: usize = 1024;

    /// The verdict, if memory can tell; `None`: ask [`Auth::verify`]. `tell` runs on a good key and
    /// may run twice.
    pub fn verify_in_memory<T>(
        &self,
        presented: Presented<'_>,
        demand: &Demand<'_>,
        tell: impl Fn(&KeyView<'_>) -> T,
    ) -> Option<Result<Verdict<T>>> {
        let Some(candidate) = self.candidate(presented) else { return Some(Ok(Err(Refusal::Malformed))) };
        let now = self.clock.now();
        let look = |key: &KeyView<'_>| key.facts().judge(now, demand).map(|()| tell(key));
        match self.store.look(&candidate.digest, look) {
            Lookup::Found(verdict) => Some(Ok(verdict)),
            Lookup::Absent => Some(Ok(Err(candidate.if_absent))),
            Lookup::Unsure => None,
            Lookup::Broken => Some(Err(Error::unavailable("the database file is not in its place"))),
        }
    }

    /// The same verdict, from SQLite where memory cannot tell.
    pub async fn verify<T>(
        &self,
        presented: Presented<'_>,
        demand: &Demand<'_>,
        tell: impl Fn(&KeyView<'_>) -> T,
    ) -> Result<Verdict<T>> {
        if let Some(verdict) = self.verify_in_memory(presented, demand, &tell) {
            return verdict;
        }
        let Some(candidate) = self.candidate(presented) else { return Ok(Err(Refusal::Malformed)) };
        Ok(match self.store.find_by_digest(candidate.digest).await? {
            Some(key) => {
                let key: &IndexedKey = &key;
                let view = KeyView { id: key.id, owner: &key.owner, grant: &key.grant, expires_at: key.expires_at };
                view.facts().judge(self.clock.now(), demand).map(|()| tell(&view))
            }
            None => Err(candidate.if_absent),
        })
    }

    /// Who bears this key.
    pub async fn identify(&self, presented: Presented<'_>, demand: &Demand<'_>) -> Result<Verdict<Identity>> {
        self.verify(presented, demand, Identity::of).await
    }

    /// A text worth a look-up. Ours must have its shape and checksum; any other text only when
    /// imported keys, which may have any text, are (or may be) held.
    fn candidate(&self, presented: Presented<'_>) -> Option<Candidate> {
        if PlainKey::is_well_formed(presented) {
            return Some(Candidate { digest: Digest::of(presented), if_absent: Refusal::NotFound });
        }
        let plausible = (1..=Self::LONGEST_KEY).contains(&presented.len()) && !self.begins_like_ours(presented);
        let may_be_imported = plausible && self.store.may_hold_imported();
        may_be_imported.then(|| Candidate { digest: Digest::of(presented), if_absent: Refusal::Malformed })
    }

    /// With one of our prefixes and our length it claims to be ours, and its checksum belies it.
    fn begins_like_ours(&self, presented: Presented<'_>) -> bool {
        self.prefixes.iter().any(|prefix| {
            let prefix = prefix.as_str().as_bytes();
            presented.len() == prefix.len() + 50 && presented.starts_with(prefix) && presented[prefix.len()] == b'_'
        })
    }
}

struct Candidate {
    digest: Digest,
    if_absent: Refusal,
}
