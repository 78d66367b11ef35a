//! What the index leaves out of records, in memory. Bounded: what is not asked for makes room for other keys.
//!
//! It is right as long as the index entry has the version that it had before the record was read: the change feed reports
//! each change of a key's row, and the index gives the entry another version before the change is answered. So nothing
//! is removed from here when a key changes, and no lock is shared with the writer.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::index::EntryVersion;
use crate::model::{KeyId, RestOfRecord};

/// `None` if the operator wants nothing in memory.
pub struct RecordCache(Option<Cache<KeyId, CachedRecord, CachedSize>>);

#[derive(Clone)]
struct CachedRecord {
    entry: EntryVersion,
    rest: Arc<RestOfRecord>,
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
        RecordCache((records > 0).then(|| Cache::with_weighter(records as usize, bytes, CachedSize)))
    }

    pub fn get(&self, id: &KeyId, entry: EntryVersion) -> Option<Arc<RestOfRecord>> {
        let cached = self.0.as_ref()?.get(id)?;
        (cached.entry == entry).then_some(cached.rest)
    }

    /// `entry` is what the index had before the record was read.
    pub fn put(&self, id: KeyId, entry: EntryVersion, rest: &Arc<RestOfRecord>) {
        // A damaged row can be repaired by hand, which no feed reports.
        if let Some(cache) = self.0.as_ref().filter(|_| rest.unreadable.is_empty()) {
            cache.insert(id, CachedRecord { entry, rest: Arc::clone(rest) });
        }
    }

    pub fn state(&self, reads: u64) -> RecordCacheState {
        let cache = self.0.as_ref();
        let records = cache.map_or(0, |cache| cache.len() as u64);
        RecordCacheState { records, bytes: cache.map_or(0, Cache::weight), reads }
    }
}

/// Estimates the bytes that one key takes here.
#[derive(Clone)]
struct CachedSize;

impl CachedSize {
    /// What a key with a short name takes.
    const USUAL: u64 = 280;
    /// The cache's own tables, and what the allocator adds.
    const OVERHEAD: usize = size_of::<(KeyId, CachedRecord)>() + 96;
}

impl Weighter<KeyId, CachedRecord> for CachedSize {
    fn weight(&self, _: &KeyId, cached: &CachedRecord) -> u64 {
        (Self::OVERHEAD + cached.rest.size()) as u64
    }
}
