//! Changing the index, which one thread at a time may do.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};

use super::entry::Content;
use super::shard::SlotPlace;
use super::{Bookkeeping, Grant, Index, IndexedKey, IndexedOwner, PREFETCH_DISTANCE};
use crate::model::Digest;

/// The right to change the index, held by one thread at a time.
pub struct Writing<'a> {
    index: &'a Index,
    books: MutexGuard<'a, Bookkeeping>,
}

impl<'a> Writing<'a> {
    pub(super) fn new(index: &'a Index, books: MutexGuard<'a, Bookkeeping>) -> Self {
        Writing { index, books }
    }

    /// Puts many keys, and prefetches the places of those that come next.
    pub fn put_all(&mut self, keys: &[IndexedKey]) {
        for (at, key) in keys.iter().enumerate() {
            if let Some(later) = keys.get(at + PREFETCH_DISTANCE) {
                self.index.fetch_place(&later.digest);
            }
            self.put(key);
        }
    }

    /// Adds the key, or updates the existing one to match.
    pub fn put(&mut self, key: &IndexedKey) {
        let owner = self.owner_number(&key.owner);
        let grant = self.grant_number(&key.grant);
        let content = Content { id: key.id, owner, grant, expires_at: key.expires_at, imported: key.imported };
        let place = SlotPlace::of(&key.digest);
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
        let place = SlotPlace::of(digest);
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

    /// Updates an owner for all their keys; an owner without keys is not stored.
    pub fn put_owner(&mut self, owner: &IndexedOwner) {
        if let Some(number) = self.books.owner_numbers.get(&owner.id) {
            self.index.owners.replace(*number, Arc::new(owner.clone()));
        }
    }

    /// Removes everything; until [`Writing::set_full`] all look-ups are unsure.
    pub fn reset(&mut self) {
        let index = self.index;
        match index.around_reset.get() {
            Some(around) => around(index, &mut || self.clear()),
            None => self.clear(),
        }
    }

    fn clear(&mut self) {
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

    /// Keeps the keys; until [`Writing::set_full`] all misses are unsure.
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
