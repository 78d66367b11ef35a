//! Verdicts that come with the key's record, for checks over the API. What the index leaves out of a record is kept in
//! memory, so that most of them need no query.

mod cache;
mod reading;

use std::sync::Arc;

use super::verify::{Accepted, Refused};
use super::{Auth, Presented, Verdict};
use crate::error::Result;
use crate::index::{EntryVersion, Grant, IndexedOwner, KeyView};
use crate::model::verdict::Demand;
use crate::model::{KeyId, Refusal, RestOfRecord, Time};
use crate::store::StoredRest;
use cache::RecordCache;
pub use cache::RecordCacheState;
use reading::RecordReading;

/// A valid key: what the index says about it now, and the rest of its record.
#[derive(Debug)]
pub struct VerifiedKey {
    pub id: KeyId,
    pub owner: Arc<IndexedOwner>,
    pub grant: Arc<Grant>,
    pub expires_at: Option<Time>,
    pub rest: RestOfRecord,
    /// The fields that cannot be read, of a damaged record.
    pub unreadable: Vec<&'static str>,
    /// This check, which is a use.
    pub last_used_at: Time,
}

pub(super) struct Records {
    cache: RecordCache,
    reading: Arc<RecordReading>,
}

impl Records {
    /// Keeps up to `bytes` in memory.
    pub fn new(bytes: u64) -> Self {
        Records { cache: RecordCache::new(bytes), reading: Arc::default() }
    }
}

/// What the index says about a valid key, and the rest if it is in memory.
struct Seen {
    id: KeyId,
    entry: Option<EntryVersion>,
    owner: Arc<IndexedOwner>,
    grant: Arc<Grant>,
    expires_at: Option<Time>,
    rest: Option<RestOfRecord>,
}

impl Auth {
    pub fn record_cache_state(&self) -> RecordCacheState {
        self.records.cache.state(self.records.reading.count())
    }

    /// The verdict on a key, with its record if it is valid. Reads the database only if the record is not in memory.
    pub async fn verify_with_record(
        &self,
        presented: Presented<'_>,
        demand: &Demand<'_>,
    ) -> Result<Verdict<VerifiedKey>> {
        let view_of = |key: &KeyView<'_>| Seen {
            id: key.id,
            entry: key.entry,
            owner: Arc::clone(key.owner),
            grant: Arc::clone(key.grant),
            expires_at: key.expires_at,
            rest: key.entry.and_then(|entry| self.records.cache.get(&key.id, entry)),
        };
        let Accepted { view: seen, at, allowance } = match self.verify(presented, demand, view_of).await? {
            Ok(good) => good,
            Err(bad) => return Ok(Err(bad)),
        };
        let Seen { id, entry, owner, grant, expires_at, rest } = seen;
        let (rest, unreadable) = match rest {
            Some(rest) => (rest, Vec::new()),
            // Boxed, so that this future and the handler's are small in the usual case.
            None => match Box::pin(self.rest_of_record(id, entry)).await? {
                Some(StoredRest { rest, unreadable }) => (rest, unreadable),
                // It was revoked between the verdict and the read.
                None => return Ok(Err(Refused { refusal: Refusal::NotFound, allowance: None, held_back: None })),
            },
        };
        let view = VerifiedKey { id, owner, grant, expires_at, rest, unreadable, last_used_at: at };
        Ok(Ok(Accepted { view, at, allowance }))
    }

    /// Reads it from the database. `entry` is the index entry from before that.
    async fn rest_of_record(&self, id: KeyId, entry: Option<EntryVersion>) -> Result<Option<StoredRest>> {
        let found = self.records.reading.read(&self.store, id).await?;
        // A damaged row can be repaired by hand, which no feed reports.
        if let (Some(entry), Some(found)) = (entry, found.as_ref().filter(|found| found.unreadable.is_empty())) {
            self.records.cache.put(&id, entry, &found.rest);
        }
        Ok(found)
    }
}
