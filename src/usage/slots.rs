//! The uses of keys in the index, by the key's number there: 16 bytes per key, and one bit that finds those with uses.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::index::memory::{LARGE_PAGE, Words, prefetch};
use crate::model::usage::Hour;
use crate::model::{KeyId, Time};

/// Slots per chunk; a chunk is allocated when the first of its keys is used.
const CHUNK: usize = LARGE_PAGE / 16;
/// The bit beside the client that says [`Slot::is_settled`].
const SETTLED: u32 = 1 << 31;

#[derive(Default)]
pub struct UseSlots {
    chunks: Vec<Option<Words>>,
    /// One bit per slot: whether it has uses.
    used: Vec<u64>,
    /// Number of slots with uses.
    pub count: u64,
}

/// One key's uses that are not in the database yet, all in the hour of the last one; and its last use.
#[derive(Clone, Copy, Default)]
pub struct Slot {
    /// The end of the key's id: a number is reused after its key was revoked.
    pub tail: u32,
    pub uses: u32,
    /// Seconds since 1970.
    pub at: u32,
    pub client: u32,
    /// Whether the last use has been in the database for so long that its client can be forgotten.
    pub is_settled: bool,
}

impl Slot {
    pub fn of(key: &KeyId) -> Self {
        Slot { tail: tail(key), ..Slot::default() }
    }

    pub fn is_of(&self, key: &KeyId) -> bool {
        self.tail == tail(key)
    }

    pub fn last_at(&self) -> Time {
        Time::from_millis(i64::from(self.at) * 1000)
    }

    pub fn hour(&self) -> Hour {
        Hour::of(self.last_at())
    }

    fn read(words: &[AtomicU64; 2]) -> Self {
        let [first, second] = [0, 1].map(|at| words[at].load(Ordering::Relaxed));
        let (tail, uses, at, client) = (first as u32, (first >> 32) as u32, second as u32, (second >> 32) as u32);
        Slot { tail, uses, at, client: client & !SETTLED, is_settled: client & SETTLED != 0 }
    }

    fn write(self, words: &[AtomicU64; 2]) {
        let client = self.client | if self.is_settled { SETTLED } else { 0 };
        words[0].store(u64::from(self.uses) << 32 | u64::from(self.tail), Ordering::Relaxed);
        words[1].store(u64::from(client) << 32 | u64::from(self.at), Ordering::Relaxed);
    }
}

fn tail(key: &KeyId) -> u32 {
    let last = key.as_bytes().last_chunk::<4>().expect("four of sixteen bytes");
    u32::from_le_bytes(*last)
}

/// The slots of one chunk, in memory order.
fn slots(chunk: &Words) -> &[[AtomicU64; 2]] {
    chunk.all().as_chunks().0
}

impl UseSlots {
    /// The slot of this number, if its chunk is allocated.
    fn held(&self, number: u32) -> Option<&[AtomicU64; 2]> {
        let chunk = self.chunks.get(number as usize / CHUNK)?.as_ref()?;
        Some(&slots(chunk)[number as usize % CHUNK])
    }

    /// Prefetches the memory of this number's slot.
    pub fn fetch(&self, number: u32) {
        if let Some(words) = self.held(number) {
            prefetch(&words[0]);
        }
    }

    pub fn get(&self, number: u32) -> Slot {
        self.held(number).map(Slot::read).unwrap_or_default()
    }

    pub fn put(&mut self, number: u32, slot: Slot) {
        let (chunk, at) = (number as usize / CHUNK, number as usize % CHUNK);
        if chunk >= self.chunks.len() {
            self.chunks.resize_with(chunk + 1, || None);
            self.used.resize((chunk + 1) * CHUNK / 64, 0);
        }
        let words = &slots(self.chunks[chunk].get_or_insert_with(|| Words::zeroed(2 * CHUNK)))[at];
        let (had_uses, has_uses) = (Slot::read(words).uses > 0, slot.uses > 0);
        slot.write(words);
        if had_uses != has_uses {
            self.used[number as usize / 64] ^= 1 << (number % 64);
            self.count = self.count + u64::from(has_uses) - u64::from(had_uses);
        }
    }

    /// The first number from `from` on whose slot has uses.
    pub fn next_used(&self, from: u32) -> Option<u32> {
        let first = from as usize / 64;
        let mut word = self.used.get(first)? & (u64::MAX << (from % 64));
        let mut at = first;
        while word == 0 {
            at += 1;
            word = *self.used.get(at)?;
        }
        Some((at * 64) as u32 + word.trailing_zeros())
    }

    /// Changes each slot's client and whether it is settled.
    pub fn each(&mut self, mut change: impl FnMut(Slot) -> Slot) {
        for words in self.chunks.iter().flatten().flat_map(slots) {
            let slot = Slot::read(words);
            if slot.at > 0 {
                change(slot).write(words);
            }
        }
    }
}
