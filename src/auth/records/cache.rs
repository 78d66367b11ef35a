//! What the index leaves out of records, in memory. Bounded: what is not asked for makes room for other keys.
//!
//! A record is kept for the state of the index entry from before the record was read: the change feed reports each
//! change of a key's row, and the index gives the entry another version before the change is answered. So nothing is
//! removed from here when a key changes, and no lock is shared with the writer.

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

use crate::index::EntryVersion;
use crate::model::{KeyId, RestOfRecord};

/// `None` if the operator wants nothing in memory.
pub struct RecordCache(Option<Cache<RecordState, RestOfRecord, CachedSize>>);

/// Dropped records that the cache remembers, per record that it has: one that is asked for again soon after is kept
/// longer. With the library's default, a half, fewer records fit, and fewer requests find theirs.
const REMEMBERED: f64 = 0.25;

/// The state of a key that a record belongs to. It contains the random end of the key's id, because an entry's versions
/// repeat after millions of changes, and by then the entry may be another key's.
#[derive(PartialEq, Eq, Hash)]
struct RecordState {
    entry: EntryVersion,
    id_end: [u8; 4],
}

impl RecordState {
    fn new(id: &KeyId, entry: EntryVersion) -> Self {
        let [.., a, b, c, d] = *id.as_bytes();
        RecordState { entry, id_end: [a, b, c, d] }
    }
}

/// Figures for the metrics.
#[derive(Debug, Clone, Copy)]
pub struct RecordCacheState {
    pub records: u64,
    /// Estimated.
    pub bytes: u64,
    /// Records that were read from the database for a verdict, because they were not in memory.
    pub reads: u64,
}

impl RecordCache {
    /// Keeps up to `bytes` in total; 0 keeps nothing.
    pub fn new(bytes: u64) -> Self {
        let records = bytes / CachedSize::USUAL;
        if records == 0 {
            return RecordCache(None);
        }
        let options = OptionsBuilder::new()
            .estimated_items_capacity(records as usize)
            .weight_capacity(bytes)
            .ghost_allocation(REMEMBERED)
            .build()
            .expect("both capacities are set");
        let (hashes, lifecycle) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
        RecordCache(Some(Cache::with_options(options, CachedSize, hashes, lifecycle)))
    }

    pub fn get(&self, id: &KeyId, entry: EntryVersion) -> Option<RestOfRecord> {
        self.0.as_ref()?.get(&RecordState::new(id, entry))
    }

    /// `entry` is what the index had before the record was read.
    pub fn put(&self, id: &KeyId, entry: EntryVersion, rest: &RestOfRecord) {
        if let Some(cache) = &self.0 {
            cache.insert(RecordState::new(id, entry), rest.clone());
        }
    }

    pub fn state(&self, reads: u64) -> RecordCacheState {
        let cache = self.0.as_ref();
        let records = cache.map_or(0, |cache| cache.len() as u64);
        RecordCacheState { records, bytes: cache.map_or(0, Cache::weight), reads }
    }
}

/// Estimates the bytes that one record takes here, with its part of the cache's own tables.
#[derive(Clone)]
struct CachedSize;

impl CachedSize {
    /// What a key with a short name takes.
    const USUAL: u64 = 114;
    /// 40 bytes in a list and up to 13 in a hash table, and a quarter again for what it remembers.
    const TABLES: usize = (40 + 13) * 5 / 4;
}

impl Weighter<RecordState, RestOfRecord> for CachedSize {
    fn weight(&self, _: &RecordState, rest: &RestOfRecord) -> u64 {
        // The allocator adds eight bytes and rounds up.
        (Self::TABLES + (rest.size() + 8).next_multiple_of(16)) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::{Grant, Index, IndexedKey, IndexedOwner, Lookup};
    use crate::model::{Digest, Email, Networks, RestFields, Role, ScopeSet, Time, UserId};
    use std::sync::Arc;

    fn rest(name: &str) -> RestOfRecord {
        let created_at = Time::from_millis(1_790_000_000_000);
        let (description, prefix, hint, metadata) = ("", "kb", "kb_…abcd", "{}");
        RestOfRecord::pack(&RestFields { created_at, name, description, prefix, hint, metadata })
    }

    fn indexed(number: u64) -> IndexedKey {
        let digest = Digest::of(&number.to_le_bytes());
        let (email, _) = Email::stored("a@example.com");
        let owner = IndexedOwner { id: UserId::from_bytes([1; 16]), email, role: Role::Member, active: true };
        let grant = Grant {
            enabled: true,
            scopes: ScopeSet::default(),
            allowed_ips: Networks::default(),
            rate_limit: None,
            is_unreadable: false,
            limit_bucket: None,
            is_token: false,
        };
        IndexedKey {
            digest,
            id: KeyId::from_bytes(digest.as_bytes()[..16].try_into().unwrap()),
            owner: Arc::new(owner),
            grant: Arc::new(grant),
            expires_at: None,
            imported: false,
        }
    }

    fn entry(index: &Index, key: &IndexedKey) -> EntryVersion {
        match index.look(&key.digest, |view| view.entry) {
            Lookup::Found(Some(entry)) => entry,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_record_is_returned_only_for_the_state_from_before_it_was_read() {
        let (index, cache) = (Index::new(), RecordCache::new(1 << 20));
        let (key, other) = (indexed(1), indexed(2));
        index.write().unwrap().put(&key);
        let before = entry(&index, &key);
        cache.put(&key.id, before, &rest("before"));
        assert_eq!(cache.get(&key.id, before), Some(rest("before")));
        // As if the entry's version had returned for another key.
        assert_eq!(cache.get(&other.id, before), None);
        index.write().unwrap().put(&key);
        assert_eq!(cache.get(&key.id, entry(&index, &key)), None);
        cache.put(&key.id, entry(&index, &key), &rest("after"));
        assert_eq!(cache.get(&key.id, entry(&index, &key)), Some(rest("after")));
    }

    #[test]
    fn the_estimate_includes_the_tables_and_the_cache_stays_within_its_bytes() {
        const BYTES: u64 = 1 << 20;
        let (index, cache) = (Index::new(), RecordCache::new(BYTES));
        for number in 0..30_000 {
            let key = indexed(number);
            index.write().unwrap().put(&key);
            cache.put(&key.id, entry(&index, &key), &rest(&format!("key-{number:06}")));
        }
        let state = cache.state(0);
        assert!(state.bytes <= BYTES && state.records > BYTES * 9 / 10 / CachedSize::USUAL, "{state:?}");
        let tables = cache.0.as_ref().unwrap().memory_used();
        let estimate = CachedSize::TABLES * state.records as usize;
        assert!((estimate * 8 / 10..estimate * 12 / 10).contains(&tables.total()), "{tables:?} {state:?}");
        assert_eq!(RecordCache::new(0).state(0).records, 0);
    }
}
