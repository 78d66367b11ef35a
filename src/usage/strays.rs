//! Uses by key id and hour: of keys without a number (recorded while the index was filling or after it was reset), and
//! of an earlier hour than the key's slot.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::model::usage::{Hour, Tally, UseOrigin};
use crate::model::{KeyId, Time};

const MAX_STRAYS: usize = 500_000;

type Tallies = HashMap<(KeyId, Hour), Tally>;

#[derive(Default)]
pub struct Strays {
    /// What is not in the database yet.
    pending: Tallies,
    /// What came into the database since the last [`Strays::age`], and since the one before. Somebody who read the
    /// database just before that still finds the last use here.
    written: [Tallies; 2],
}

impl Strays {
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// Returns false if it is full.
    pub fn add(&mut self, key: KeyId, hour: Hour, more: Tally) -> bool {
        let is_welcome = self.pending.len() < MAX_STRAYS || self.pending.contains_key(&(key, hour));
        if is_welcome {
            self.add_beyond_limit(key, hour, more);
        }
        is_welcome
    }

    pub fn add_beyond_limit(&mut self, key: KeyId, hour: Hour, more: Tally) {
        match self.pending.entry((key, hour)) {
            Entry::Vacant(place) => drop(place.insert(more)),
            Entry::Occupied(mut place) => place.get_mut().add(more),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (KeyId, Hour, &Tally)> {
        self.pending.iter().map(|((key, hour), tally)| (*key, *hour, tally))
    }

    /// Subtracts uses that are in the database now.
    pub fn subtract(&mut self, key: KeyId, hour: Hour, count: u64) {
        let Entry::Occupied(mut place) = self.pending.entry((key, hour)) else { return };
        place.get_mut().count = place.get().count.saturating_sub(count);
        if place.get().count == 0 {
            let (key, tally) = place.remove_entry();
            self.written[0].insert(key, tally);
        }
    }

    /// Forgets what was written before the last call.
    pub fn age(&mut self) {
        self.written.swap(0, 1);
        self.written[0] = Tallies::new();
        if self.pending.is_empty() {
            self.pending = Tallies::new();
        }
    }

    pub fn last_use(&self, key: &KeyId, now: Time) -> Option<(Time, UseOrigin)> {
        let hour = Hour::of(now);
        let hours = [hour, Hour(hour.0.saturating_sub(1))];
        let maps = [&self.pending, &self.written[0], &self.written[1]];
        let found = hours.iter().flat_map(|hour| maps.iter().filter_map(|map| map.get(&(*key, *hour))));
        found.max_by_key(|tally| tally.last_at).map(|tally| (tally.last_at, tally.last_client.clone()))
    }
}
