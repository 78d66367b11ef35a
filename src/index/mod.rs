//! The key index holds all keys in memory, including disabled and expired ones, so that looking up a key needs no disk
//! and no lock. One writer (the store's writer thread) changes it; any number of readers look keys up at the same time
//! without waiting for it. It must not depend on SQL.

mod entry;
mod interned;
pub mod memory;
mod shard;
mod writing;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, OnceLock};

use crate::model::{Bounds, Digest, Email, Facts, KeyId, Networks, RateLimit, Role, ScopeSet, Time, UserId};
pub use entry::EntryVersion;
use entry::{Content, Entries, EntryReading};
use interned::Interned;
use memory::Blocks;
use shard::{Shard, SlotPlace};
pub use writing::Writing;

const SHARDS: usize = 256;
/// How many keys in advance a place is prefetched.
const PREFETCH_DISTANCE: usize = 8;

/// The owner of a key, shared by all keys of that user.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IndexedOwner {
    pub id: UserId,
    pub email: Email,
    pub role: Role,
    pub active: bool,
}

/// What a key can do, shared by all keys with the same settings.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Grant {
    pub enabled: bool,
    pub scopes: ScopeSet,
    pub allowed_ips: Networks,
    pub rate_limit: Option<RateLimit>,
    /// The stored row breaks a rule, so the key cannot be accepted, and the store is asked each time. The other fields
    /// are then empty, except for `enabled`.
    pub is_unreadable: bool,
    /// The key whose rate limit this one shares; `None` if it has its own.
    pub limit_bucket: Option<KeyId>,
    /// Whether it is a token, whose creation time is checked too.
    pub is_token: bool,
}

/// A key as the writer adds it.
#[derive(Debug, Clone)]
pub struct IndexedKey {
    pub digest: Digest,
    pub id: KeyId,
    pub owner: Arc<IndexedOwner>,
    pub grant: Arc<Grant>,
    pub expires_at: Option<Time>,
    pub imported: bool,
}

/// A key as a reader sees it during one look-up.
pub struct KeyView<'a> {
    /// `None` for a key that comes from the store.
    pub entry: Option<EntryVersion>,
    pub digest: &'a Digest,
    pub id: KeyId,
    pub owner: &'a Arc<IndexedOwner>,
    pub grant: &'a Arc<Grant>,
    pub expires_at: Option<Time>,
}

impl KeyView<'_> {
    pub fn bounds(&self) -> Bounds {
        let (allowed_ips, rate_limit) = (self.grant.allowed_ips.clone(), self.grant.rate_limit);
        Bounds { expires_at: self.expires_at, allowed_ips, rate_limit }
    }

    pub fn facts(&self) -> Facts<'_> {
        Facts {
            enabled: self.grant.enabled,
            owner_active: self.owner.active,
            made_at: self.grant.is_token.then(|| self.id.made_at()),
            expires_at: self.expires_at,
            scopes: &self.grant.scopes,
            allowed_ips: &self.grant.allowed_ips,
        }
    }
}

/// The result of looking up a digest.
#[derive(Debug, PartialEq, Eq)]
pub enum Lookup<T> {
    Found(T),
    /// There is certainly no such key.
    Absent,
    /// The store must be asked, because the index is not full yet or behind an announced change.
    Unsure,
    /// There is no answer, because the database file is not the one that was opened.
    Broken,
}

/// Runs the reset that it is given. Before that, numbers still refer to the same keys.
pub type AroundReset = Box<dyn Fn(&Index, &mut dyn FnMut()) + Send + Sync>;

/// The index, shared by readers and the writer. Methods that change it are on [`Writing`], for the writer thread only.
pub struct Index {
    shards: Vec<Shard>,
    entries: Entries,
    owners: Interned<IndexedOwner>,
    grants: Interned<Grant>,
    /// Odd while the index is full; incremented whenever that changes.
    filled: AtomicU64,
    broken: AtomicBool,
    keys: AtomicU64,
    imported: AtomicU64,
    revision: AtomicU64,
    around_reset: OnceLock<AroundReset>,
    /// Incremented before entries are freed for reuse.
    recycled: AtomicU64,
    /// Locked by the one writer; it contains what only a writer needs.
    writing: Mutex<Bookkeeping>,
}

/// Memory for new tables, and the numbers of the shared parts.
struct Bookkeeping {
    blocks: Blocks,
    owner_numbers: HashMap<UserId, u32>,
    grant_numbers: HashMap<Arc<Grant>, u32>,
}

impl Index {
    pub fn new() -> Self {
        let mut blocks = Blocks::default();
        Index {
            shards: (0..SHARDS).map(|_| Shard::new(&mut blocks)).collect(),
            entries: Entries::new(),
            owners: Interned::new(),
            grants: Interned::new(),
            filled: AtomicU64::new(0),
            broken: AtomicBool::new(false),
            keys: AtomicU64::new(0),
            imported: AtomicU64::new(0),
            revision: AtomicU64::new(0),
            around_reset: OnceLock::new(),
            recycled: AtomicU64::new(0),
            writing: Mutex::new(Bookkeeping { blocks, owner_numbers: HashMap::new(), grant_numbers: HashMap::new() }),
        }
    }

    /// Prefetches what a look-up of this digest reads first. It changes nothing else.
    pub fn fetch_place(&self, digest: &Digest) {
        let place = SlotPlace::of(digest);
        self.shards[place.shard].table().fetch(place);
    }

    /// Prefetches what the look-up reads next.
    pub fn fetch_entry(&self, digest: &Digest) {
        let place = SlotPlace::of(digest);
        if let Some(number) = self.shards[place.shard].table().candidates(place).next() {
            self.entries.fetch(number);
        }
    }

    /// Runs `look` on the key with this digest, without waiting. `look` sees one consistent state of the key; it can
    /// run twice and must only read.
    pub fn look<T>(&self, digest: &Digest, look: impl Fn(&KeyView<'_>) -> T) -> Lookup<T> {
        if self.broken.load(Ordering::Acquire) {
            return Lookup::Broken;
        }
        // A miss is certain only if the index was full before the look-up and has not been reset since.
        let filled = self.filled.load(Ordering::Acquire);
        let place = SlotPlace::of(digest);
        let table = self.shards[place.shard].table();
        for number in table.candidates(place) {
            let reading = self.entries.read(number, digest, |content, entry| {
                let owner = self.owners.get(content.owner)?;
                let grant = self.grants.get(content.grant)?;
                let (owner, grant) = (owner.as_ref()?, grant.as_ref().filter(|grant| !grant.is_unreadable)?);
                let Content { id, expires_at, .. } = content;
                Some(look(&KeyView { entry: Some(entry), digest, id, owner, grant, expires_at }))
            });
            match reading {
                EntryReading::Same(Some(seen)) => return Lookup::Found(seen),
                // The key is being changed at this moment, or is damaged, so the store must be asked.
                EntryReading::Same(None) | EntryReading::Moving => return Lookup::Unsure,
                EntryReading::Other => {}
            }
        }
        if !filled.is_multiple_of(2) && self.has_stayed(filled) { Lookup::Absent } else { Lookup::Unsure }
    }

    pub fn is_full(&self) -> bool {
        !self.filled.load(Ordering::Acquire).is_multiple_of(2)
    }

    fn has_stayed(&self, filled: u64) -> bool {
        fence(Ordering::Acquire);
        self.filled.load(Ordering::Relaxed) == filled
    }

    pub fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    pub fn keys(&self) -> u64 {
        self.keys.load(Ordering::Relaxed)
    }

    /// Whether there are, or may be, imported keys: only then can text in another form than ours be a key.
    pub fn may_hold_imported(&self) -> bool {
        let filled = self.filled.load(Ordering::Acquire);
        self.imported.load(Ordering::Acquire) > 0 || filled.is_multiple_of(2) || !self.has_stayed(filled)
    }

    /// Sets what runs each reset, for somebody who knows keys by their numbers. Only the first call has an effect.
    pub fn set_around_reset(&self, around: AroundReset) {
        let _ = self.around_reset.set(around); // the first one stays
    }

    /// A number that changes whenever entries are freed. While it stays the same, each entry number still refers to the
    /// same key.
    pub fn recycled(&self) -> u64 {
        self.recycled.load(Ordering::Acquire)
    }

    /// The entry number of the key with this digest, if the index holds it.
    pub fn number(&self, digest: &Digest) -> Option<u32> {
        let place = SlotPlace::of(digest);
        let table = self.shards[place.shard].table();
        table.candidates(place).find(|number| self.entries.digest(*number) == *digest)
    }

    /// The key in this entry, if there is one.
    pub fn key_at(&self, number: u32) -> Option<KeyId> {
        self.entries.key_at(number)
    }

    pub fn revision(&self) -> u64 {
        self.revision.load(Ordering::Acquire)
    }

    /// The right to write; `None` if the lock is poisoned, because the writer panicked midway and nothing is certain.
    pub fn write(&self) -> Option<Writing<'_>> {
        self.writing.lock().ok().map(|books| Writing::new(self, books))
    }
}

impl Default for Index {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
