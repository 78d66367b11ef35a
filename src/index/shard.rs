//! One of 256 hash tables from digest to entry number. Digests are uniformly random, so their own bits are the hash.
//! Readers read a table while the writer fills it. A larger table replaces the old one in one step, and those who still
//! read the old one find the same entries.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::memory::{Blocks, Part, prefetch};
use arc_swap::{ArcSwap, Guard};

use crate::model::Digest;

const EMPTY: u64 = 0;
/// A removed slot: probing continues past it, and an insertion can reuse it.
const GONE: u64 = u32::MAX as u64;
const MIN_SLOTS: usize = 16;

/// The place of a digest: its shard (first byte) and its mark, 32 more bits. The higher bits of the mark determine the
/// first slot; all of them distinguish it from its neighbours.
#[derive(Debug, Clone, Copy)]
pub(super) struct SlotPlace {
    pub shard: usize,
    mark: u32,
}

impl SlotPlace {
    pub fn of(digest: &Digest) -> Self {
        let [shard, a, b, c, d, ..] = *digest.as_bytes();
        SlotPlace { shard: shard as usize, mark: u32::from_le_bytes([a, b, c, d]) }
    }
}

/// Slots of `mark << 32 | (number + 1)`, ordered by mark except for linear probing. Their number is a power of two, and
/// max three quarters are used.
pub(super) struct Table {
    slots: Part,
}

impl Table {
    fn with_slots(count: usize, blocks: &mut Blocks) -> Self {
        Table { slots: blocks.part(count) }
    }

    fn slots(&self) -> &[AtomicU64] {
        self.slots.all()
    }

    /// The entries with this mark; the caller must compare the digest.
    pub fn candidates(&self, place: SlotPlace) -> impl Iterator<Item = u32> + '_ {
        self.probe(place.mark)
            .map(|slot| slot.load(Ordering::Acquire))
            .take_while(|value| *value != EMPTY)
            .filter(move |value| (*value >> 32) as u32 == place.mark && *value as u32 != GONE as u32)
            .map(|value| value as u32 - 1)
    }

    pub fn fetch(&self, place: SlotPlace) {
        let slots = self.slots();
        prefetch(&slots[start(place.mark, slots.len())]);
    }

    fn probe(&self, mark: u32) -> impl Iterator<Item = &AtomicU64> + '_ {
        let (before, from) = self.slots().split_at(start(mark, self.slots().len()));
        from.iter().chain(before)
    }

    /// Returns whether it used an empty slot, not a gone one.
    fn insert(&self, value: u64) -> bool {
        let mut gone = None;
        for slot in self.probe((value >> 32) as u32) {
            match slot.load(Ordering::Relaxed) {
                EMPTY => {
                    gone.unwrap_or(slot).store(value, Ordering::Release);
                    return gone.is_none();
                }
                held if held as u32 == GONE as u32 => {
                    gone.get_or_insert(slot);
                }
                _ => {}
            }
        }
        gone.expect("a table is never more than three quarters used").store(value, Ordering::Release);
        false
    }
}

pub(super) struct Shard {
    table: ArcSwap<Table>,
    /// The writer's count of slots that are not empty; `live` counts those with an entry.
    used: AtomicU32,
    live: AtomicU32,
}

impl Shard {
    pub fn new(blocks: &mut Blocks) -> Self {
        Shard {
            table: ArcSwap::from_pointee(Table::with_slots(MIN_SLOTS, blocks)),
            used: AtomicU32::new(0),
            live: AtomicU32::new(0),
        }
    }

    pub fn table(&self) -> Guard<Arc<Table>> {
        self.table.load()
    }

    pub fn insert(&self, place: SlotPlace, number: u32, blocks: &mut Blocks) {
        let live = self.live.fetch_add(1, Ordering::Relaxed) + 1;
        let slots = self.table.load().slots().len();
        if (self.used.load(Ordering::Relaxed) as usize + 1) * 4 > slots * 3 {
            self.rebuild(live as usize, blocks);
        }
        if self.table.load().insert(slot_value(place, number)) {
            self.used.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub fn remove(&self, place: SlotPlace, number: u32) {
        let value = slot_value(place, number);
        let table = self.table.load();
        if let Some(slot) = table.probe(place.mark).find(|slot| slot.load(Ordering::Relaxed) == value) {
            slot.store(u64::from(place.mark) << 32 | GONE, Ordering::Release);
            self.live.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Empties the shard and returns its entries.
    pub fn drain(&self, blocks: &mut Blocks) -> Vec<u32> {
        let old = self.table.swap(Arc::new(Table::with_slots(MIN_SLOTS, blocks)));
        self.used.store(0, Ordering::Relaxed);
        self.live.store(0, Ordering::Relaxed);
        live(&old).map(|value| value as u32 - 1).collect()
    }

    /// Replaces the table with one that has room for `keys` and no gone slots.
    fn rebuild(&self, keys: usize, blocks: &mut Blocks) {
        let grown = Table::with_slots((keys * 8 / 5).next_power_of_two().max(MIN_SLOTS), blocks);
        let old = self.table.load_full();
        let mut used = 0;
        for value in live(&old) {
            grown.insert(value);
            used += 1;
        }
        self.used.store(used, Ordering::Relaxed);
        self.table.store(Arc::new(grown));
    }
}

/// The first of `count` slots to search for a mark.
fn start(mark: u32, count: usize) -> usize {
    ((u64::from(mark) * count as u64) >> 32) as usize
}

fn slot_value(place: SlotPlace, number: u32) -> u64 {
    u64::from(place.mark) << 32 | u64::from(number + 1)
}

/// The slots with an entry. A table can grow without reading its entries.
fn live(table: &Table) -> impl Iterator<Item = u64> + '_ {
    let values = table.slots().iter().map(|slot| slot.load(Ordering::Relaxed));
    values.filter(|value| *value != EMPTY && *value as u32 != GONE as u32)
}
