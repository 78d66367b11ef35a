//! The refusals of keys that exist, which are not in the database yet.

use std::collections::HashMap;

use super::buffer::NotedRefusal;
use super::clients::UseOrigins;
use crate::model::KeyId;
use crate::model::usage::{Hour, KeyRefusals, LATEST_REFUSALS, RefusalCount, RefusedUse};

/// Maximum counts in memory: keys, hours and reasons.
const MAX_COUNTS: usize = 65_536;
/// Maximum single refusals in memory, which are up to 250 bytes each.
const MAX_LATEST: usize = 16_384;

#[derive(Default)]
pub struct Refusals {
    pending: HashMap<KeyId, KeyRefusals>,
    /// What a transaction is writing.
    writing: Vec<KeyRefusals>,
    /// Number of counts in `pending`.
    counts: usize,
    /// Number of single refusals in `pending`.
    latest: usize,
    /// Refusals that were not counted, because too many were waiting.
    pub lost: u64,
}

impl Refusals {
    /// Number of counts that are not in the database yet.
    pub fn rows(&self) -> u64 {
        (self.counts + self.writing.iter().map(|of| of.counts.len()).sum::<usize>()) as u64
    }

    pub fn add(&mut self, noted: &[NotedRefusal], clients: &UseOrigins) {
        for one in noted {
            let count = RefusalCount { hour: Hour::of(one.at), reason: one.reason, count: 1 };
            self.count(one.key, count);
            self.keep(one.key, RefusedUse { at: one.at, reason: one.reason, by: clients.get(one.client).clone() });
        }
    }

    fn count(&mut self, key: KeyId, more: RefusalCount) {
        let has_room = self.counts < MAX_COUNTS;
        if !has_room && !self.pending.contains_key(&key) {
            self.lost += more.count;
            return;
        }
        let of = self.pending.entry(key).or_insert_with(|| nothing(key));
        match of.counts.iter_mut().find(|held| (held.hour, held.reason) == (more.hour, more.reason)) {
            Some(held) => held.count += more.count,
            None if has_room => {
                of.counts.push(more);
                self.counts += 1;
            }
            None => self.lost += more.count,
        }
    }

    /// The newest refusal of a key takes the place of its oldest one.
    fn keep(&mut self, key: KeyId, one: RefusedUse) {
        let Some(of) = self.pending.get_mut(&key) else { return };
        if of.latest.len() >= LATEST_REFUSALS || (self.latest >= MAX_LATEST && !of.latest.is_empty()) {
            of.latest.remove(0);
            self.latest -= 1;
        }
        if self.latest < MAX_LATEST {
            of.latest.push(one);
            self.latest += 1;
        }
    }

    /// Takes out what one transaction should write: about `most` rows, those of one key at least.
    pub fn begin(&mut self, most: usize) -> Vec<KeyRefusals> {
        let mut rows = 0;
        let keys = self.pending.values().take_while(|of| {
            let has_room = rows < most;
            rows += of.counts.len() + of.latest.len();
            has_room
        });
        let keys: Vec<KeyId> = keys.map(|of| of.key).collect();
        for of in keys.iter().filter_map(|key| self.pending.remove(key)) {
            self.counts -= of.counts.len();
            self.latest -= of.latest.len();
            self.writing.push(of);
        }
        self.writing.clone()
    }

    /// The transaction has ended: what was not written waits again.
    pub fn end(&mut self, is_written: bool) {
        let writing = std::mem::take(&mut self.writing);
        for of in writing.into_iter().filter(|_| !is_written) {
            of.counts.iter().for_each(|count| self.count(of.key, *count));
            let newer =
                self.pending.get_mut(&of.key).map(|newer| std::mem::take(&mut newer.latest)).unwrap_or_default();
            self.latest -= newer.len();
            of.latest.into_iter().chain(newer).for_each(|one| self.keep(of.key, one));
        }
        if self.pending.is_empty() {
            self.pending = HashMap::new();
        }
    }

    /// What this key's refusals will add to the database.
    pub fn pending(&self, key: &KeyId) -> Vec<KeyRefusals> {
        self.writing.iter().filter(|of| of.key == *key).chain(self.pending.get(key)).cloned().collect()
    }
}

fn nothing(key: KeyId) -> KeyRefusals {
    KeyRefusals { key, counts: Vec::new(), latest: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Refusal, Time};

    fn noted(key: u32, at: i64) -> NotedRefusal {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&key.to_le_bytes());
        NotedRefusal { key: KeyId::from_bytes(id), at: Time::from_millis(at), client: 0, reason: Refusal::Expired }
    }

    #[test]
    fn what_was_not_written_waits_again_and_a_flood_is_bounded() {
        let (mut refusals, clients) = (Refusals::default(), UseOrigins::default());
        let flood: Vec<_> = (0..30).map(|at| noted(1, at)).collect();
        refusals.add(&flood, &clients);
        let begun = refusals.begin(100);
        assert_eq!((begun.len(), begun[0].latest.len(), begun[0].counts[0].count), (1, LATEST_REFUSALS, 30));
        refusals.add(&[noted(1, 40)], &clients);
        assert_eq!(refusals.pending(&noted(1, 0).key).len(), 2);
        refusals.end(false);
        let again = refusals.begin(100);
        assert_eq!((again[0].latest[19].at.millis(), again[0].counts[0].count), (40, 31));
        refusals.end(true);
        assert_eq!((refusals.rows(), refusals.latest), (0, 0));
        let many: Vec<_> = (0..70_000).map(|key| noted(key, 1)).collect();
        refusals.add(&many, &clients);
        assert_eq!((refusals.rows(), refusals.lost), (MAX_COUNTS as u64, 70_000 - MAX_COUNTS as u64));
        assert_eq!(refusals.latest, MAX_LATEST);
    }
}
