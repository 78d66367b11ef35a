//! Is this key good for this request? In memory, without a query, a lock or a wait, whenever the
//! index can tell; from SQLite when it cannot; an error, never a verdict, when nobody can.

use std::time::Duration;

use super::Auth;
use super::limits::Allowance;
use crate::error::{Error, Result};
use crate::index::{IndexedKey, KeyView, Lookup};
use crate::model::verdict::Demand;
use crate::model::{Digest, JudgedKey, KeyId, Owner, PlainKey, RateLimit, Refusal, Role, ScopeSet, Time};

/// What anybody presented as a key: bytes, not yet believed.
pub type Presented<'a> = &'a [u8];

/// What was presented, with the look-up that it is worth.
pub struct Sought<'a> {
    presented: Presented<'a>,
    candidate: Option<Candidate>,
}

/// `Ok`: the key is good, with what the caller wanted to know of it.
pub type Verdict<T> = std::result::Result<Good<T>, Bad>;

#[derive(Debug)]
pub struct Good<T> {
    pub told: T,
    /// For a key with a rate limit: how it stands now.
    pub allowance: Option<Allowance>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bad {
    pub refusal: Refusal,
    pub allowance: Option<Allowance>,
    /// This address tried too many different bad keys; how long it should wait.
    pub held_back: Option<Duration>,
}

/// A live key's identity, for requests that act as it.
#[derive(Debug, Clone)]
pub struct Identity {
    pub id: KeyId,
    pub owner: Owner,
    pub scopes: ScopeSet,
}

impl Identity {
    pub(super) fn of(key: &KeyView<'_>) -> Self {
        let owner = Owner { id: key.owner.id, email: key.owner.email.clone() };
        Identity { id: key.id, owner, scopes: key.grant.scopes.clone() }
    }

    /// For acts of the key on itself, which any live key may do.
    pub fn judged_for_itself(&self) -> JudgedKey {
        let (id, owner) = (self.id, self.owner.id);
        JudgedKey { id, need: None, owner, owner_role: Role::Member, scopes: ScopeSet::default(), bounds: None }
    }
}

impl Auth {
    /// The longest text that is looked up at all; imported keys are shorter.
    pub const LONGEST_KEY: usize = 1024;

    /// The first of two steps towards a look-up, both optional: whoever has other work does it in between,
    /// while memory answers.
    pub fn seek<'a>(&self, presented: Presented<'a>) -> Sought<'a> {
        let candidate = self.candidate(presented);
        if let Some(candidate) = &candidate {
            self.store.index().fetch_place(&candidate.digest);
        }
        Sought { presented, candidate }
    }

    /// The second.
    pub fn approach(&self, sought: &Sought<'_>) {
        if let Some(candidate) = &sought.candidate {
            self.store.index().fetch_entry(&candidate.digest);
        }
    }

    /// The verdict, if memory can tell; `None`: ask [`Auth::verify`]. `tell` runs on a good key and
    /// may run twice.
    pub fn verify_in_memory<T>(
        &self,
        sought: &Sought<'_>,
        demand: &Demand<'_>,
        tell: impl Fn(&KeyView<'_>) -> T,
    ) -> Option<Result<Verdict<T>>> {
        let verdict = self.look(sought, demand, tell)?;
        self.tally.count(&verdict);
        Some(verdict)
    }

    /// The same verdict, from SQLite where memory cannot tell.
    pub async fn verify<T>(
        &self,
        presented: Presented<'_>,
        demand: &Demand<'_>,
        tell: impl Fn(&KeyView<'_>) -> T,
    ) -> Result<Verdict<T>> {
        if let Some(verdict) = self.verify_in_memory(&self.seek(presented), demand, &tell) {
            return verdict;
        }
        let verdict = self.ask_the_store(presented, demand, tell).await;
        self.tally.count(&verdict);
        verdict
    }

    /// The verdict on the key with this id, as on its text: for a token that speaks for the key.
    pub(super) async fn verify_by_id<T>(
        &self,
        id: KeyId,
        demand: &Demand<'_>,
        tell: impl Fn(&KeyView<'_>) -> T,
    ) -> Result<Verdict<T>> {
        if self.store.index().is_broken() {
            return Err(Error::unavailable("the database file is not in its place"));
        }
        let verdict = match self.store.find_by_id(id).await? {
            Some(key) => self.judge_stored(&key, demand, tell),
            None => Ok(Err(Bad { refusal: Refusal::NotFound, allowance: None, held_back: None })),
        };
        self.tally.count(&verdict);
        verdict
    }

    fn look<T>(
        &self,
        sought: &Sought<'_>,
        demand: &Demand<'_>,
        tell: impl Fn(&KeyView<'_>) -> T,
    ) -> Option<Result<Verdict<T>>> {
        let now = self.clock.now();
        let Some(candidate) = &sought.candidate else {
            return Some(Ok(Err(self.refuse(Refusal::Malformed, || Digest::of(sought.presented), demand))));
        };
        match self.store.look(&candidate.digest, |key| judge(key, now, demand, &tell)) {
            Lookup::Found(judged) => Some(Ok(self.settle(judged, candidate.digest, demand, now))),
            Lookup::Absent => Some(Ok(Err(self.refuse(candidate.if_absent, || candidate.digest, demand)))),
            Lookup::Unsure => None,
            Lookup::Broken => Some(Err(Error::unavailable("the database file is not in its place"))),
        }
    }

    async fn ask_the_store<T>(
        &self,
        presented: Presented<'_>,
        demand: &Demand<'_>,
        tell: impl Fn(&KeyView<'_>) -> T,
    ) -> Result<Verdict<T>> {
        let Some(candidate) = self.candidate(presented) else {
            return Ok(Err(self.refuse(Refusal::Malformed, || Digest::of(presented), demand)));
        };
        let Some(key) = self.store.find_by_digest(candidate.digest).await? else {
            return Ok(Err(self.refuse(candidate.if_absent, || candidate.digest, demand)));
        };
        self.judge_stored(&key, demand, tell)
    }

    fn judge_stored<T>(
        &self,
        key: &IndexedKey,
        demand: &Demand<'_>,
        tell: impl Fn(&KeyView<'_>) -> T,
    ) -> Result<Verdict<T>> {
        let now = self.clock.now();
        let view =
            KeyView { number: None, id: key.id, owner: &key.owner, grant: &key.grant, expires_at: key.expires_at };
        if key.grant.is_unreadable {
            // What can be read may refuse it; nothing can accept it.
            let nothing = Demand { scopes: &[], address: None, user_agent: b"" };
            return match view.facts().judge(now, &nothing) {
                Err(refusal) => Ok(Err(self.refuse(refusal, || key.digest, demand))),
                Ok(()) => Err(Error::unavailable(format!("the row of key {} is damaged; keybearer check", key.id))),
            };
        }
        Ok(self.settle(judge(&view, now, demand, &tell), key.digest, demand, now))
    }

    /// The key's facts are good or not; its rate limit is counted, and so is the use.
    fn settle<T>(
        &self,
        judged: std::result::Result<Judged<T>, Refusal>,
        digest: Digest,
        demand: &Demand<'_>,
        now: Time,
    ) -> Verdict<T> {
        let judged = judged.map_err(|refusal| self.refuse(refusal, || digest, demand))?;
        let allowance = judged.limit.map(|limit| self.limits.take(judged.bucket, limit)).transpose();
        let allowance = allowance.map_err(|allowance| Bad {
            refusal: Refusal::RateLimited,
            allowance: Some(allowance),
            held_back: None,
        })?;
        self.usage.record(judged.id, judged.number, now, demand.address, demand.user_agent);
        Ok(Good { told: judged.told, allowance })
    }

    fn refuse(&self, refusal: Refusal, digest: impl FnOnce() -> Digest, demand: &Demand<'_>) -> Bad {
        let is_guess = matches!(refusal, Refusal::Malformed | Refusal::NotFound);
        let held_back =
            if is_guess { self.strangers.note(demand.address, digest, || self.clock.steady()) } else { None };
        Bad { refusal, allowance: None, held_back }
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

/// What a good key's look took along.
struct Judged<T> {
    id: KeyId,
    number: Option<u32>,
    limit: Option<RateLimit>,
    /// The key whose allowance a limited key uses up.
    bucket: KeyId,
    told: T,
}

fn judge<T>(
    key: &KeyView<'_>,
    now: Time,
    demand: &Demand<'_>,
    tell: impl Fn(&KeyView<'_>) -> T,
) -> std::result::Result<Judged<T>, Refusal> {
    key.facts().judge(now, demand)?;
    Ok(Judged {
        id: key.id,
        number: key.number,
        limit: key.grant.rate_limit,
        bucket: key.grant.limit_bucket.unwrap_or(key.id),
        told: tell(key),
    })
}

struct Candidate {
    digest: Digest,
    if_absent: Refusal,
}
