//! The key index: every live key in memory, so that a verification reads no disk and takes no lock.
//! One writer (the store's writer thread) changes it; any number of readers look keys up at the
//! same time without waiting for it. Knows no SQL; any engine can feed it.

mod entry;
mod interned;
pub mod memory;
mod shard;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex};

use crate::model::{Bounds, Digest, Email, Facts, KeyId, Networks, RateLimit, Role, ScopeSet, Time, UserId};
use entry::{Content, Entries, Reading};
use interned::Interned;
use memory::Blocks;
use shard::{Place, Shard};

const SHARDS: usize = 256;
/// How many keys earlier the place of one is fetched.
const AHEAD: usize = 8;

/// Who owns a key, shared by all keys of that user.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IndexedOwner {
    pub id: UserId,
    pub email: Email,
    pub role: Role,
    pub active: bool,
}

/// What a key may do, shared by all keys that may do the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Grant {
    pub enabled: bool,
    pub scopes: ScopeSet,
    pub allowed_ips: Networks,
    pub rate_limit: Option<RateLimit>,
    /// What is stored of it breaks a rule, so that nobody can judge the key: the store is asked each time, and fails.
    /// Then the other parts are empty, but for `enabled`.
    pub is_unreadable: bool,
    /// The key whose allowance is used up, where it is another's.
    pub limit_bucket: Option<KeyId>,
    /// A token's lifetime is bounded on both sides.
    pub is_token: bool,
}

/// A key as the writer hands it in.
#[derive(Debug, Clone)]
pub struct IndexedKey {
    pub digest: Digest,
    pub id: KeyId,
    pub owner: Arc<IndexedOwner>,
    pub grant: Arc<Grant>,
    pub expires_at: Option<Time>,
    pub imported: bool,
}

/// A key as a reader sees it, for the time of one look.
pub struct KeyView<'a> {
    /// Of its entry here, as long as the key lives; `None` for a key that the store was asked for.
    pub number: Option<u32>,
    pub id: KeyId,
    pub owner: &'a IndexedOwner,
    pub grant: &'a Grant,
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

/// What the index can say about a digest.
#[derive(Debug, PartialEq, Eq)]
pub enum Lookup<T> {
    Found(T),
    /// No such key: proven, not assumed.
    Absent,
    /// Ask the store: the index is not full yet, or behind an announced change.
    Unsure,
    /// Nobody can tell: the database file is not the one we opened.
    Broken,
}

/// Shared by readers and the writer. Methods that change it belong to the writer thread alone and
/// sit on [`Writing`].
pub struct Index {
    shards: Vec<Shard>,
    entries: Entries,
    owners: Interned<IndexedOwner>,
    grants: Interned<Grant>,
    /// Odd while the index is full; raised when it becomes so and when it is no longer.
    filled: AtomicU64,
    broken: AtomicBool,
    keys: AtomicU64,
    imported: AtomicU64,
    revision: AtomicU64,
    resets: AtomicU64,
    /// Keys whose entry may be used for another one.
    recycled: AtomicU64,
    /// Held by the one writer; its content is what only a writer needs.
    writing: Mutex<Bookkeeping>,
}

/// Where new tables go, and where the shared parts are.
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
            resets: AtomicU64::new(0),
            recycled: AtomicU64::new(0),
            writing: Mutex::new(Bookkeeping { blocks, owner_numbers: HashMap::new(), grant_numbers: HashMap::new() }),
        }
    }

    /// Has the processor fetch what a look-up of this digest will read first. Changes nothing else.
    pub fn fetch_place(&self, digest: &Digest) {
        let place = Place::of(digest);
        self.shards[place.shard].table().fetch(place);
    }

    /// Has it fetch what the look-up will read next.
    pub fn fetch_entry(&self, digest: &Digest) {
        let place = Place::of(digest);
        if let Some(number) = self.shards[place.shard].table().candidates(place).next() {
            self.entries.fetch(number);
        }
    }

    /// Runs `look` on the key with this digest. `look` sees one consistent state of the key; it may
    /// run twice and must only read. Waits for nobody.
    pub fn look<T>(&self, digest: &Digest, look: impl Fn(&KeyView<'_>) -> T) -> Lookup<T> {
        if self.broken.load(Ordering::Acquire) {
            return Lookup::Broken;
        }
        // A miss is proof only if the index was full before we looked and has not started over since.
        let filled = self.filled.load(Ordering::Acquire);
        let place = Place::of(digest);
        let table = self.shards[place.shard].table();
        for number in table.candidates(place) {
            let reading = self.entries.read(number, digest, |content| {
                let owner = self.owners.get(content.owner)?;
                let grant = self.grants.get(content.grant)?;
                let (owner, grant) = (owner.as_ref()?, grant.as_ref().filter(|grant| !grant.is_unreadable)?);
                let view =
                    KeyView { number: Some(number), id: content.id, owner, grant, expires_at: content.expires_at };
                Some(look(&view))
            });
            match reading {
                Reading::Same(Some(seen)) => return Lookup::Found(seen),
                // Being changed at this instant, or damaged: the store knows.
                Reading::Same(None) | Reading::Moving => return Lookup::Unsure,
                Reading::Other => {}
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

    /// Whether any imported key is, or may be, held: only then can text that is not a key of ours be one.
    pub fn may_hold_imported(&self) -> bool {
        let filled = self.filled.load(Ordering::Acquire);
        self.imported.load(Ordering::Acquire) > 0 || filled.is_multiple_of(2) || !self.has_stayed(filled)
    }

    /// How often everything was forgotten. After that the numbers of entries mean other keys.
    pub fn resets(&self) -> u64 {
        self.resets.load(Ordering::Acquire)
    }

    /// How many entries were given up so far; while it stands still, a number goes on meaning its key.
    pub fn recycled(&self) -> u64 {
        self.recycled.load(Ordering::Acquire)
    }

    /// The entry of the key with this digest, if it is held.
    pub fn number(&self, digest: &Digest) -> Option<u32> {
        let place = Place::of(digest);
        let table = self.shards[place.shard].table();
        table.candidates(place).find(|number| self.entries.digest(*number) == *digest)
    }

    /// The key at this entry; `None` where there is none, or it is being changed.
    pub fn key_at(&self, number: u32) -> Option<KeyId> {
        self.entries.key_at(number)
    }

    pub fn revision(&self) -> u64 {
        self.revision.load(Ordering::Acquire)
    }

    /// The writer's side. A poisoned lock means that the writer died half-way; nothing is certain then.
    pub fn write(&self) -> Option<Writing<'_>> {
        self.writing.lock().ok().map(|books| Writing { index: self, books })
    }
}

impl Default for Index {
    fn default() -> Self {
        Self::new()
    }
}

/// The right to change the index; one at a time.
pub struct Writing<'a> {
    index: &'a Index,
    books: std::sync::MutexGuard<'a, Bookkeeping>,
}

impl Writing<'_> {
    /// Many keys: the places of those that come next are fetched meanwhile.
    pub fn put_all(&mut self, keys: &[IndexedKey]) {
        for (at, key) in keys.iter().enumerate() {
            if let Some(later) = keys.get(at + AHEAD) {
                self.index.fetch_place(&later.digest);
            }
            self.put(key);
        }
    }

    /// Puts the key in, or makes the one that is there equal to it.
    pub fn put(&mut self, key: &IndexedKey) {
        let owner = self.owner_number(&key.owner);
        let grant = self.grant_number(&key.grant);
        let content = Content { id: key.id, owner, grant, expires_at: key.expires_at, imported: key.imported };
        let place = Place::of(&key.digest);
        match self.index.number(&key.digest) {
            Some(number) => {
                if key.imported {
                    self.index.imported.fetch_add(1, Ordering::Release);
                }
                let old = self.index.entries.change(number, &key.digest, content);
                self.release(&old);
                if old.imported {
                    self.index.imported.fetch_sub(1, Ordering::Release);
                }
            }
            None => {
                let number = self.index.entries.add(&key.digest, content);
                self.index.shards[place.shard].insert(place, number, &mut self.books.blocks);
                self.index.keys.fetch_add(1, Ordering::Relaxed);
                if key.imported {
                    self.index.imported.fetch_add(1, Ordering::Release);
                }
            }
        }
    }

    pub fn remove(&mut self, digest: &Digest) {
        let place = Place::of(digest);
        let Some(number) = self.index.number(digest) else { return };
        self.index.recycled.fetch_add(1, Ordering::AcqRel);
        let old = self.index.entries.clear(number);
        self.index.shards[place.shard].remove(place, number);
        self.index.entries.recycle(number);
        self.release(&old);
        self.index.keys.fetch_sub(1, Ordering::Relaxed);
        if old.imported {
            self.index.imported.fetch_sub(1, Ordering::Release);
        }
    }

    /// Renews what all keys of this owner share; an owner without keys here is not kept.
    pub fn put_owner(&mut self, owner: &IndexedOwner) {
        if let Some(number) = self.books.owner_numbers.get(&owner.id) {
            self.index.owners.replace(*number, Arc::new(owner.clone()));
        }
    }

    /// Forgets everything; until [`Writing::set_full`] every look-up is unsure.
    pub fn reset(&mut self) {
        self.index.resets.fetch_add(1, Ordering::AcqRel);
        self.index.recycled.fetch_add(1, Ordering::AcqRel);
        self.set_incomplete();
        for shard in &self.index.shards {
            for number in shard.drain(&mut self.books.blocks) {
                let old = self.index.entries.clear(number);
                self.index.entries.recycle(number);
                self.release(&old);
            }
        }
        self.index.keys.store(0, Ordering::Relaxed);
        self.index.imported.store(0, Ordering::Release);
    }

    /// Keeps what it holds; until [`Writing::set_full`] every miss is unsure.
    pub fn set_incomplete(&mut self) {
        if self.index.is_full() {
            self.index.filled.fetch_add(1, Ordering::AcqRel);
        }
    }

    pub fn set_full(&mut self) {
        if !self.index.is_full() {
            self.index.filled.fetch_add(1, Ordering::AcqRel);
        }
    }

    pub fn set_broken(&mut self, broken: bool) {
        self.index.broken.store(broken, Ordering::Release);
    }

    pub fn set_revision(&mut self, revision: u64) {
        self.index.revision.store(revision, Ordering::Release);
    }

    fn owner_number(&mut self, owner: &Arc<IndexedOwner>) -> u32 {
        if let Some(&number) = self.books.owner_numbers.get(&owner.id) {
            if self.index.owners.get(number).is_none_or(|held| held.as_ref() != Some(owner)) {
                self.index.owners.replace(number, Arc::clone(owner));
            }
            self.index.owners.retain(number);
            return number;
        }
        let number = self.index.owners.add(Arc::clone(owner));
        self.books.owner_numbers.insert(owner.id, number);
        number
    }

    fn grant_number(&mut self, grant: &Arc<Grant>) -> u32 {
        if let Some(&number) = self.books.grant_numbers.get(grant) {
            self.index.grants.retain(number);
            return number;
        }
        let number = self.index.grants.add(Arc::clone(grant));
        self.books.grant_numbers.insert(Arc::clone(grant), number);
        number
    }

    fn release(&mut self, old: &Content) {
        if let Some(owner) = self.index.owners.release(old.owner) {
            self.books.owner_numbers.remove(&owner.id);
        }
        if let Some(grant) = self.index.grants.release(old.grant) {
            self.books.grant_numbers.remove(&grant);
        }
    }
}

#[cfg(test)]
mod tests;
