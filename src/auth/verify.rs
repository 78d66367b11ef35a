//! Decides whether a key is valid for a request. If the index can decide, this needs only memory: a use locks the
//! thread's own buffer, and a limited key locks a shard of the limiter's map. Otherwise SQLite decides. If neither can,
//! the result is an error, never a verdict.

use std::sync::Arc;
use std::time::Duration;

use super::Auth;
use super::limits::Allowance;
use crate::error::{Error, Result};
use crate::index::{Grant, IndexedKey, IndexedOwner, KeyView, Lookup};
use crate::model::verdict::Demand;
use crate::model::{Digest, JudgedKey, KeyId, PlainKey, RateLimit, Refusal, Role, ScopeSet, Time};

/// A text presented as a key: unverified bytes.
pub type Presented<'a> = &'a [u8];

/// A presented text, with the look-up that it needs.
pub struct Sought<'a> {
    presented: Presented<'a>,
    candidate: Option<LookupKey>,
}

/// `Ok` means the key is valid; it contains what the caller asked for.
pub type Verdict<T> = std::result::Result<Accepted<T>, Refused>;

#[derive(Debug)]
pub struct Accepted<T> {
    pub view: T,
    /// When it was accepted.
    pub at: Time,
    /// The remaining allowance of a key with a rate limit.
    pub allowance: Option<Allowance>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    pub refusal: Refusal,
    pub allowance: Option<Allowance>,
    /// How long this address should wait, because it tried too many different bad keys.
    pub held_back: Option<Duration>,
}

/// A live key that was presented, for requests that act as it.
#[derive(Debug, Clone)]
pub struct LiveKey {
    pub id: KeyId,
    /// The digest of the key as presented.
    pub digest: Digest,
    pub owner: Arc<IndexedOwner>,
    pub grant: Arc<Grant>,
    pub expires_at: Option<Time>,
}

impl LiveKey {
    fn of(key: &KeyView<'_>) -> Self {
        let (owner, grant) = (Arc::clone(key.owner), Arc::clone(key.grant));
        LiveKey { id: key.id, digest: *key.digest, owner, grant, expires_at: key.expires_at }
    }

    /// Whether the key has this scope.
    pub fn covers(&self, need: &str) -> bool {
        self.grant.scopes.covers(need)
    }

    /// The key's authority for acts on itself, which any live key may perform.
    pub fn judged_for_itself(&self) -> JudgedKey {
        let (id, owner) = (self.id, self.owner.id);
        JudgedKey { id, need: None, owner, owner_role: Role::Member, scopes: ScopeSet::default(), bounds: None }
    }
}

impl Auth {
    /// Maximum length in bytes of a text that is looked up.
    pub const MAX_KEY_BYTES: usize = 1024;

    /// The first of two optional steps that prepare a look-up. A caller can do other work after each step, while memory
    /// is being fetched.
    pub fn seek<'a>(&self, presented: Presented<'a>) -> Sought<'a> {
        let candidate = self.candidate(presented);
        if let Some(candidate) = &candidate {
            self.store.index().fetch_place(&candidate.digest);
        }
        Sought { presented, candidate }
    }

    /// The second step.
    pub fn approach(&self, sought: &Sought<'_>) {
        if let Some(candidate) = &sought.candidate {
            self.store.index().fetch_entry(&candidate.digest);
        }
    }

    /// The verdict, if memory can decide; `None` means call [`Auth::verify`]. `view_of` runs on a valid key and may run
    /// twice.
    pub fn verify_in_memory<T>(
        &self,
        sought: &Sought<'_>,
        demand: &Demand<'_>,
        view_of: impl Fn(&KeyView<'_>) -> T,
    ) -> Option<Result<Verdict<T>>> {
        let verdict = self.look(sought, demand, view_of)?;
        self.tally.count(&verdict);
        Some(verdict)
    }

    /// The same verdict, from SQLite if memory cannot decide.
    pub async fn verify<T>(
        &self,
        presented: Presented<'_>,
        demand: &Demand<'_>,
        view_of: impl Fn(&KeyView<'_>) -> T,
    ) -> Result<Verdict<T>> {
        if let Some(verdict) = self.verify_in_memory(&self.seek(presented), demand, &view_of) {
            return verdict;
        }
        // Boxed, so that this future and those around it are small in the usual case.
        let verdict = Box::pin(self.ask_the_store(presented, demand, view_of)).await;
        self.tally.count(&verdict);
        verdict
    }

    /// The verdict on the key with this id, the same as on its text; for a token that stands for the key.
    pub(super) async fn verify_by_id<T>(
        &self,
        id: KeyId,
        demand: &Demand<'_>,
        view_of: impl Fn(&KeyView<'_>) -> T,
    ) -> Result<Verdict<T>> {
        if self.store.index().is_broken() {
            return Err(Error::unavailable("the database is out of reach or was replaced"));
        }
        let verdict = match self.store.find_by_id(id).await? {
            Some(key) => self.judge_stored(&key, demand, view_of),
            None => Ok(Err(Refused { refusal: Refusal::NotFound, allowance: None, held_back: None })),
        };
        self.tally.count(&verdict);
        verdict
    }

    fn look<T>(
        &self,
        sought: &Sought<'_>,
        demand: &Demand<'_>,
        view_of: impl Fn(&KeyView<'_>) -> T,
    ) -> Option<Result<Verdict<T>>> {
        let now = self.clock.now();
        let Some(candidate) = &sought.candidate else {
            return Some(Ok(Err(self.refuse(Refusal::Malformed, || Digest::of(sought.presented), demand))));
        };
        match self.store.look(&candidate.digest, |key| judge(key, now, demand, &view_of)) {
            Lookup::Found(judged) => Some(Ok(self.settle(judged, candidate.digest, demand, now))),
            Lookup::Absent => Some(Ok(Err(self.refuse(candidate.if_absent, || candidate.digest, demand)))),
            Lookup::Unsure => None,
            Lookup::Broken => Some(Err(Error::unavailable("the database is out of reach or was replaced"))),
        }
    }

    async fn ask_the_store<T>(
        &self,
        presented: Presented<'_>,
        demand: &Demand<'_>,
        view_of: impl Fn(&KeyView<'_>) -> T,
    ) -> Result<Verdict<T>> {
        let Some(candidate) = self.candidate(presented) else {
            return Ok(Err(self.refuse(Refusal::Malformed, || Digest::of(presented), demand)));
        };
        let Some(key) = self.store.find_by_digest(candidate.digest).await? else {
            return Ok(Err(self.refuse(candidate.if_absent, || candidate.digest, demand)));
        };
        self.judge_stored(&key, demand, view_of)
    }

    fn judge_stored<T>(
        &self,
        key: &IndexedKey,
        demand: &Demand<'_>,
        view_of: impl Fn(&KeyView<'_>) -> T,
    ) -> Result<Verdict<T>> {
        let now = self.clock.now();
        let IndexedKey { digest, id, owner, grant, expires_at, .. } = key;
        let view = KeyView { entry: None, digest, id: *id, owner, grant, expires_at: *expires_at };
        if key.grant.is_unreadable {
            // The readable fields may still refuse it; nothing can accept it.
            let nothing = Demand { scopes: &[], address: None, user_agent: b"" };
            return match view.facts().judge(now, &nothing) {
                Err(refusal) => {
                    self.usage.record_refusal(key.id, refusal, now, demand.address, demand.user_agent);
                    Ok(Err(self.refuse(refusal, || key.digest, demand)))
                }
                Ok(()) => Err(Error::unavailable(format!("the row of key {} is damaged; run keybearer check", key.id))),
            };
        }
        Ok(self.settle(judge(&view, now, demand, &view_of), key.digest, demand, now))
    }

    /// Turns a judgement into the verdict: applies the rate limit, and records the use, the refusal or the bad key.
    fn settle<T>(
        &self,
        judged: std::result::Result<Judged<T>, RefusedKey>,
        digest: Digest,
        demand: &Demand<'_>,
        now: Time,
    ) -> Verdict<T> {
        let judged = judged.map_err(|RefusedKey { id, refusal }| {
            self.usage.record_refusal(id, refusal, now, demand.address, demand.user_agent);
            self.refuse(refusal, || digest, demand)
        })?;
        let allowance = judged.limit.map(|limit| self.limits.take(judged.bucket, limit)).transpose();
        let allowance = allowance.map_err(|allowance| {
            self.usage.record_refusal(judged.id, Refusal::RateLimited, now, demand.address, demand.user_agent);
            Refused { refusal: Refusal::RateLimited, allowance: Some(allowance), held_back: None }
        })?;
        self.usage.record(judged.id, judged.number, now, demand.address, demand.user_agent);
        Ok(Accepted { view: judged.view, at: now, allowance })
    }

    fn refuse(&self, refusal: Refusal, digest: impl FnOnce() -> Digest, demand: &Demand<'_>) -> Refused {
        let is_guess = matches!(refusal, Refusal::Malformed | Refusal::NotFound);
        let held_back =
            if is_guess { self.bad_keys.note(demand.address, digest, || self.clock.steady()) } else { None };
        Refused { refusal, allowance: None, held_back }
    }

    pub async fn identify(&self, presented: Presented<'_>, demand: &Demand<'_>) -> Result<Verdict<LiveKey>> {
        self.verify(presented, demand, LiveKey::of).await
    }

    /// A text that is worth a look-up. Our keys must have the right shape and checksum; any other text is worth one
    /// only if there are, or may be, imported keys, which can have any text.
    fn candidate(&self, presented: Presented<'_>) -> Option<LookupKey> {
        if PlainKey::is_well_formed(presented) {
            return Some(LookupKey { digest: Digest::of(presented), if_absent: Refusal::NotFound });
        }
        let plausible = (1..=Self::MAX_KEY_BYTES).contains(&presented.len()) && !self.begins_like_ours(presented);
        let may_be_imported = plausible && self.store.may_hold_imported();
        may_be_imported.then(|| LookupKey { digest: Digest::of(presented), if_absent: Refusal::Malformed })
    }

    /// Whether a text can be a key at all.
    pub(super) fn is_worth_a_look_up(&self, presented: Presented<'_>) -> bool {
        self.candidate(presented).is_some()
    }

    /// The verdict on a text that is no key.
    pub(super) fn if_absent(&self, presented: Presented<'_>) -> Refusal {
        self.candidate(presented).map_or(Refusal::Malformed, |candidate| candidate.if_absent)
    }

    /// Whether the text has one of our prefixes and our length, and so claims to be ours although its checksum is
    /// wrong.
    fn begins_like_ours(&self, presented: Presented<'_>) -> bool {
        self.prefixes.iter().any(|prefix| {
            let prefix = prefix.as_str().as_bytes();
            presented.len() == prefix.len() + 50 && presented.starts_with(prefix) && presented[prefix.len()] == b'_'
        })
    }
}

/// A valid key, with what its look-up returned.
struct Judged<T> {
    id: KeyId,
    number: Option<u32>,
    limit: Option<RateLimit>,
    /// The key whose allowance a limited key uses up.
    bucket: KeyId,
    view: T,
}

/// A key that exists and is refused.
struct RefusedKey {
    id: KeyId,
    refusal: Refusal,
}

fn judge<T>(
    key: &KeyView<'_>,
    now: Time,
    demand: &Demand<'_>,
    view_of: impl Fn(&KeyView<'_>) -> T,
) -> std::result::Result<Judged<T>, RefusedKey> {
    key.facts().judge(now, demand).map_err(|refusal| RefusedKey { id: key.id, refusal })?;
    Ok(Judged {
        id: key.id,
        number: key.entry.map(|entry| entry.number),
        limit: key.grant.rate_limit,
        bucket: key.grant.limit_bucket.unwrap_or(key.id),
        view: view_of(key),
    })
}

struct LookupKey {
    digest: Digest,
    if_absent: Refusal,
}
