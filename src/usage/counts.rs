//! Uses that are not in the database yet, next to the key index: 16 bytes per key, by the key's number in the index.
//! Only the usage thread changes them; others look up a key's last use.

use std::sync::atomic::{AtomicU64, Ordering};

use super::clients::{NOBODY, UseOrigins};
use crate::index::memory::{LARGE_PAGE, Words, prefetch};
use crate::model::usage::{Hour, Tallies, Tally, Use, UseOrigin, Uses, merge};
use crate::model::{KeyId, Time};

/// Keys per chunk; a chunk is allocated when the first of its keys is used.
const CHUNK: usize = LARGE_PAGE / 16;
/// Keys whose totals are passed on at once, and rows read at a time from a finished journal.
const PIECE: usize = 2048;
/// Maximum uses, by key and hour, of keys without a number (recorded while the index was filling).
const MOST_STRAYS: usize = 500_000;
/// Number of a key that was verified by the store and so has no index entry.
pub const UNNUMBERED: u32 = u32::MAX;

#[derive(Default)]
pub struct Counts {
    chunks: Vec<Option<Words>>,
    clients: UseOrigins,
    /// The hour that the slots count; uses in other hours are strays.
    hour: Option<Hour>,
    strays: Tallies,
    /// Number of slots with uses.
    counted: u64,
}

/// One key's uses since the last fold, and its last use.
#[derive(Clone, Copy, Default)]
struct Slot {
    /// The end of the key's id: a number is reused after its key was revoked.
    tail: u32,
    uses: u32,
    /// Seconds since 1970.
    at: u32,
    client: u32,
}

impl Slot {
    fn read(words: &[AtomicU64; 2]) -> Self {
        let [first, second] = [0, 1].map(|at| words[at].load(Ordering::Relaxed));
        Slot { tail: first as u32, uses: (first >> 32) as u32, at: second as u32, client: (second >> 32) as u32 }
    }

    fn write(self, words: &[AtomicU64; 2]) {
        words[0].store(u64::from(self.uses) << 32 | u64::from(self.tail), Ordering::Relaxed);
        words[1].store(u64::from(self.client) << 32 | u64::from(self.at), Ordering::Relaxed);
    }
}

/// The slots of one chunk, in memory order.
fn slots(chunk: &Words) -> &[[AtomicU64; 2]] {
    chunk.all().as_chunks().0
}

impl Counts {
    /// Number of keys and hours with uses.
    pub fn rows(&self) -> u64 {
        self.counted + self.strays.len() as u64
    }

    /// The hour that is counted, if it has any uses.
    pub fn hour(&self) -> Option<Hour> {
        self.hour.filter(|_| self.rows() > 0)
    }

    pub fn pieces(&self) -> usize {
        self.chunks.len() * (CHUNK / PIECE)
    }

    /// Takes over a thread's clients; returns our number for each of its numbers.
    pub fn translate(&mut self, clients: &UseOrigins) -> Vec<u32> {
        clients.list().iter().map(|client| self.clients.add(client)).collect()
    }

    /// Adds one use. `holds` returns whether the index has this key at this number.
    pub fn add(&mut self, used: &Use, client: u32, holds: impl Fn(u32, &KeyId) -> bool) {
        let hour = Hour::of(used.at);
        if self.rows() == 0 {
            self.hour = Some(hour);
        }
        if used.number == UNNUMBERED || self.hour != Some(hour) {
            return self.stray(used, client);
        }
        let tail = tail(&used.key);
        let place = self.slot(used.number);
        let mut slot = Slot::read(place);
        let had_uses = slot.uses > 0;
        if slot.tail != tail {
            if !holds(used.number, &used.key) {
                return self.stray(used, client);
            }
            // The number's former key was revoked, so its counts are dropped.
            slot = Slot { tail, ..Slot::default() };
        }
        slot.uses = slot.uses.saturating_add(1);
        let at = seconds(used.at);
        if at >= slot.at {
            (slot.at, slot.client) = (at, client);
        }
        slot.write(place);
        self.counted += u64::from(!had_uses);
    }

    /// Prefetches the memory that adding a use for this number reads.
    pub fn fetch(&self, number: u32) {
        if let Some(words) = self.held(number) {
            prefetch(&words[0]);
        }
    }

    /// The slot of this number, if its chunk is allocated.
    fn held(&self, number: u32) -> Option<&[AtomicU64; 2]> {
        let chunk = self.chunks.get(number as usize / CHUNK)?.as_ref()?;
        Some(&slots(chunk)[number as usize % CHUNK])
    }

    fn slot(&mut self, number: u32) -> &[AtomicU64; 2] {
        let (chunk, at) = (number as usize / CHUNK, number as usize % CHUNK);
        if chunk >= self.chunks.len() {
            self.chunks.resize_with(chunk + 1, || None);
        }
        &slots(self.chunks[chunk].get_or_insert_with(|| Words::zeroed(2 * CHUNK)))[at]
    }

    fn stray(&mut self, used: &Use, client: u32) {
        let key = (used.key, Hour::of(used.at));
        if self.strays.len() < MOST_STRAYS || self.strays.contains_key(&key) {
            let last_client = self.clients.get(client).clone();
            merge(&mut self.strays, key, Tally { count: 1, last_at: used.at, last_client });
        }
    }

    /// A key's last use, as far as it is known here.
    pub fn last_use(&self, number: Option<u32>, key: &KeyId, now: Time) -> Option<(Time, UseOrigin)> {
        let counted = number.and_then(|number| {
            let slot = Slot::read(self.held(number)?);
            let is_known = slot.tail == tail(key) && slot.at > 0 && slot.client != NOBODY;
            is_known.then(|| (Time::from_millis(i64::from(slot.at) * 1000), self.clients.get(slot.client).clone()))
        });
        let hour = Hour::of(now);
        let strayed = [hour, Hour(hour.0.saturating_sub(1))]
            .into_iter()
            .find_map(|hour| self.strays.get(&(*key, hour)).map(|tally| (tally.last_at, tally.last_client.clone())));
        counted.into_iter().chain(strayed).max_by_key(|(at, _)| *at)
    }

    /// The totals of one piece, with the clients that they name. `key_at` returns the key at a number.
    pub fn sums(&self, piece: usize, key_at: impl Fn(u32) -> Option<KeyId>) -> (Vec<UseOrigin>, Uses) {
        let (mut clients, mut uses) = (UseOrigins::default(), Uses::default());
        let (chunk, start) = (piece * PIECE / CHUNK, piece * PIECE % CHUNK);
        let slots = self.chunks.get(chunk).and_then(Option::as_ref).map_or(&[][..], slots);
        let piece = slots.iter().enumerate().skip(start).take(PIECE).map(|(at, slot)| (at, Slot::read(slot)));
        for (at, slot) in piece.filter(|(_, slot)| slot.uses > 0) {
            // Another key or none: the counted one was revoked.
            let Some(key) = key_at((chunk * CHUNK + at) as u32).filter(|key| tail(key) == slot.tail) else { continue };
            let client = clients.add(self.clients.get(slot.client));
            let at = Time::from_millis(i64::from(slot.at) * 1000);
            uses.push(Use { key, at, client, number: slot.uses });
        }
        (clients.list().to_vec(), uses)
    }

    /// The totals of the strays.
    pub fn stray_sums(&self) -> (Vec<UseOrigin>, Uses) {
        let (mut clients, mut uses) = (UseOrigins::default(), Uses::default());
        for ((key, _), tally) in &self.strays {
            let client = clients.add(&tally.last_client);
            let number = u32::try_from(tally.count).unwrap_or(u32::MAX);
            uses.push(Use { key: *key, at: tally.last_at, client, number });
        }
        (clients.list().to_vec(), uses)
    }

    /// Starts counting again after all totals were taken. The last client is kept for keys that were used since the
    /// previous call.
    pub fn start_over(&mut self) {
        let mut kept = UseOrigins::default();
        for place in self.chunks.iter().flatten().flat_map(slots) {
            let slot = Slot::read(place);
            if slot.tail == 0 && slot.at == 0 {
                continue;
            }
            let client = if slot.uses > 0 { kept.add(self.clients.get(slot.client)) } else { NOBODY };
            Slot { uses: 0, client, ..slot }.write(place);
        }
        self.clients = kept;
        self.strays.clear();
        self.counted = 0;
    }

    /// Forgets everything, because the numbers now mean other keys.
    pub fn forget(&mut self) {
        *self = Counts::default();
    }
}

fn tail(key: &KeyId) -> u32 {
    let last = key.as_bytes().last_chunk::<4>().expect("four of sixteen bytes");
    u32::from_le_bytes(*last)
}

fn seconds(time: Time) -> u32 {
    u32::try_from(time.seconds().max(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ClientAddress;

    const HOUR: i64 = 3_600_000;

    fn key(n: u8) -> KeyId {
        KeyId::from_bytes([n; 16])
    }

    fn used(n: u8, number: u32, at: i64) -> Use {
        Use { key: key(n), at: Time::from_millis(at), client: 0, number }
    }

    /// All totals as (key, hour, uses), in order.
    fn sums(counts: &Counts, key_at: impl Fn(u32) -> Option<KeyId> + Copy) -> Vec<(KeyId, u32, u32)> {
        let pieces = (0..counts.pieces()).map(|piece| counts.sums(piece, key_at).1);
        let all = pieces.chain([counts.stray_sums().1]);
        let mut rows: Vec<_> = all
            .flat_map(|uses| uses.iter().map(|row| (row.key, Hour::of(row.at).0, row.number)).collect::<Vec<_>>())
            .collect();
        rows.sort();
        rows
    }

    #[test]
    fn every_use_is_in_one_sum_whether_it_has_a_number_and_whatever_its_hour() {
        let mut counts = Counts::default();
        let holds = |_: u32, _: &KeyId| true;
        for at in [HOUR, HOUR + 5000, HOUR + 9000] {
            counts.add(&used(1, 70_000, at), NOBODY, holds);
        }
        counts.add(&used(1, 70_000, 2 * HOUR), NOBODY, holds);
        counts.add(&used(2, UNNUMBERED, HOUR), NOBODY, holds);
        assert_eq!(sums(&counts, |_| Some(key(1))), [(key(1), 1, 3), (key(1), 2, 1), (key(2), 1, 1)]);
        assert_eq!(counts.rows(), 3);
        counts.start_over();
        assert!(sums(&counts, |_| Some(key(1))).is_empty() && counts.hour().is_none());
    }

    #[test]
    fn a_number_that_is_used_again_counts_for_its_new_key_alone() {
        let mut counts = Counts::default();
        counts.add(&used(1, 5, HOUR), NOBODY, |_, holder| *holder == key(1));
        // The number is key 2's now; a late use of key 1 must not be counted for it.
        let holds = |_: u32, holder: &KeyId| *holder == key(2);
        counts.add(&used(2, 5, HOUR), NOBODY, holds);
        counts.add(&used(1, 5, HOUR), NOBODY, holds);
        assert_eq!(sums(&counts, |_| Some(key(2))), [(key(1), 1, 1), (key(2), 1, 1)]);
        assert!(sums(&counts, |_| None).iter().all(|(holder, ..)| *holder == key(1)), "a revoked key has no sum");
    }

    #[test]
    fn who_was_last_stays_known_until_a_whole_turn_without_use() {
        let mut counts = Counts::default();
        let mut clients = UseOrigins::default();
        let number = clients.number(Some(ClientAddress::Known([10, 0, 0, 9].into())), b"curl/8");
        let client = counts.translate(&clients)[number as usize];
        counts.add(&used(1, 5, HOUR), client, |_, _| true);
        let last = |counts: &Counts| counts.last_use(Some(5), &key(1), Time::from_millis(HOUR));
        counts.start_over();
        assert_eq!(last(&counts).unwrap().1.address, Some(ClientAddress::Known([10, 0, 0, 9].into())));
        assert!(counts.last_use(Some(5), &key(2), Time::from_millis(HOUR)).is_none());
        counts.start_over();
        assert!(last(&counts).is_none());
    }
}
