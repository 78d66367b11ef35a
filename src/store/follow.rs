//! Applies the change feed to the index, whoever made the changes, and fills the index at startup, page by page,
//! between the writer's commits. Nothing else changes the index.

use std::sync::Arc;

use super::{Tx, indexed};
use crate::error::Result;
use crate::index::{Index, IndexedKey, IndexedOwner, Writing};
use crate::model::Digest;

/// The number of changes read at once while catching up, and of keys while filling.
pub(super) const PAGE: usize = 4096;

pub(super) struct Follower {
    index: Arc<Index>,
    /// The revision up to which the index is current (as far as it is filled).
    revision: i64,
    /// The last key id that was filled in; `None` when the index is full. Bytes, because a damaged id must not stop it.
    filling: Option<Vec<u8>>,
}

/// Changes that the index does not have yet.
#[derive(Default)]
pub(super) struct Delta {
    pub lines: usize,
    pub revision: Option<i64>,
    pub keys: Vec<(Digest, Option<IndexedKey>)>,
    pub owners: Vec<IndexedOwner>,
    /// An import was completed, so the keys from this id on must be read.
    pub from: Option<[u8; 16]>,
}

impl Delta {
    /// A line without a digest reports that all keys from this id on must be read.
    pub fn note_import(&mut self, first: [u8; 16]) {
        self.from = Some(self.from.map_or(first, |from| from.min(first)));
    }
}

impl Follower {
    /// Starts with an empty index.
    pub fn new(index: Arc<Index>, revision: i64) -> Self {
        Follower { index, revision, filling: Some(Vec::new()) }
    }

    pub fn is_filling(&self) -> bool {
        self.filling.is_some()
    }

    pub fn is_broken(&self) -> bool {
        self.index.is_broken()
    }

    pub fn set_broken(&mut self, broken: bool) {
        self.write(|writing| writing.set_broken(broken));
    }

    /// The revision up to which the index is current.
    pub fn revision(&self) -> i64 {
        self.revision
    }

    /// Empties the index and fills it again. What the database has at `revision` is in the rows that are read from now
    /// on.
    pub fn start_again(&mut self, revision: i64) {
        self.revision = revision;
        self.filling = Some(Vec::new());
        self.write(|writing| {
            writing.reset();
            writing.set_revision(revision as u64);
        });
    }

    pub fn apply(&mut self, delta: Delta) {
        let Some(revision) = delta.revision else { return };
        self.write(|writing| {
            if delta.from.is_some() {
                // What the index holds remains right; SQLite answers for missing keys until all are read.
                writing.set_incomplete();
            }
            for (digest, key) in delta.keys {
                match key {
                    Some(key) => writing.put(&key),
                    None => writing.remove(&digest),
                }
            }
            for owner in &delta.owners {
                writing.put_owner(owner);
            }
            writing.set_revision(revision as u64);
        });
        self.revision = revision;
        if let Some(from) = delta.from {
            let before = u128::from_be_bytes(from).saturating_sub(1).to_be_bytes().to_vec();
            self.filling = Some(self.filling.take().map_or(before.clone(), |filling| filling.min(before)));
        }
    }

    /// Reads one page of up to `size` keys as they are now. The feed reports later changes; earlier ones are in the rows. Returns
    /// whether this was the last page.
    pub fn fill_a_page(&mut self, tx: &Tx<'_>, size: usize) -> Result<bool> {
        let Some(after) = &self.filling else { return Ok(false) };
        let (keys, next) = indexed::page(tx, after, size)?;
        self.filling = next;
        let is_full = self.filling.is_none();
        self.write(|writing| {
            writing.put_all(&keys);
            if is_full {
                writing.set_full();
            }
        });
        if is_full {
            tracing::info!(keys = self.index.keys(), revision = self.revision, "the key index is full");
        }
        Ok(is_full)
    }

    fn write(&self, act: impl FnOnce(&mut Writing<'_>)) {
        act(&mut self.index.write().expect("the writer is the only one to take it, and its panic ends the process"));
    }
}
