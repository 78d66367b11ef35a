//! Uses by key id, hour and client: of keys without a number (recorded while the index was filling or after it was
//! reset), and of an earlier hour or another client than those in the key's slot.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::clients::NOBODY;
use crate::model::key_clients::MAX_CLIENTS_PER_KEY;
use crate::model::usage::{Hour, UseOrigin};
use crate::model::{KeyId, Time};

/// Maximum runs in memory.
const MAX_STRAYS: usize = 500_000;

/// Uses of a key in one hour by one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UseRun {
    pub client: u32,
    pub count: u64,
    pub last_at: Time,
}

type LastUses = HashMap<(KeyId, Hour), (Time, UseOrigin)>;

#[derive(Default)]
pub struct Strays {
    /// What is not in the database yet: for each key and hour, up to [`MAX_CLIENTS_PER_KEY`] clients and the rest.
    pending: HashMap<(KeyId, Hour), Vec<UseRun>>,
    /// Number of runs in `pending`.
    len: usize,
    /// What came into the database since the last [`Strays::age`], and since the one before. Somebody who read the
    /// database just before that still finds the last use here.
    written: [LastUses; 2],
    /// Uses that were counted for nobody, because their key had too many clients in one hour.
    pub unnamed: u64,
}

impl Strays {
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns false if it is full.
    pub fn add(&mut self, key: KeyId, hour: Hour, more: UseRun) -> bool {
        let is_welcome = self.len < MAX_STRAYS || self.pending.contains_key(&(key, hour));
        if is_welcome {
            self.add_beyond_limit(key, hour, more);
        }
        is_welcome
    }

    pub fn add_beyond_limit(&mut self, key: KeyId, hour: Hour, more: UseRun) {
        let runs = self.pending.entry((key, hour)).or_default();
        if let Some(run) = runs.iter_mut().find(|run| run.client == more.client) {
            run.count += more.count;
            run.last_at = run.last_at.max(more.last_at);
            return;
        }
        if runs.len() <= MAX_CLIENTS_PER_KEY && (self.len < MAX_STRAYS || runs.is_empty()) {
            runs.push(more);
            self.len += 1;
            return;
        }
        // The client that was not seen for longest gives way to this one, and its uses are counted for nobody.
        let oldest = runs.iter_mut().filter(|run| run.client != NOBODY).min_by_key(|run| run.last_at);
        let given_way = oldest.map_or(more, |oldest| std::mem::replace(oldest, more));
        self.unnamed += given_way.count;
        self.add_to_nobody(key, hour, UseRun { client: NOBODY, ..given_way });
    }

    fn add_to_nobody(&mut self, key: KeyId, hour: Hour, more: UseRun) {
        let runs = self.pending.entry((key, hour)).or_default();
        match runs.iter_mut().find(|run| run.client == NOBODY) {
            Some(nobody) => {
                nobody.count += more.count;
                nobody.last_at = nobody.last_at.max(more.last_at);
            }
            None => {
                runs.push(more);
                self.len += 1;
            }
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (KeyId, Hour, &UseRun)> {
        self.pending.iter().flat_map(|((key, hour), runs)| runs.iter().map(|run| (*key, *hour, run)))
    }

    /// The runs of one key in the last two hours.
    pub fn of(&self, key: &KeyId, now: Time) -> impl Iterator<Item = (Hour, &UseRun)> {
        let found = last_two_hours(now).map(|hour| (hour, self.pending.get(&(*key, hour))));
        found.into_iter().flat_map(|(hour, runs)| runs.into_iter().flatten().map(move |run| (hour, run)))
    }

    /// Gives the clients other numbers.
    pub fn renumber(&mut self, mut change: impl FnMut(u32) -> u32) {
        for run in self.pending.values_mut().flatten() {
            run.client = change(run.client);
        }
    }

    /// Subtracts uses that are in the database now; `by` is their client.
    pub fn subtract(&mut self, key: KeyId, hour: Hour, written: UseRun, by: &UseOrigin) {
        let Entry::Occupied(mut place) = self.pending.entry((key, hour)) else { return };
        let Some(at) = place.get().iter().position(|run| run.client == written.client) else { return };
        let run = &mut place.get_mut()[at];
        run.count = run.count.saturating_sub(written.count);
        if run.count > 0 {
            return;
        }
        let UseRun { last_at, .. } = place.get_mut().swap_remove(at);
        self.len -= 1;
        if place.get().is_empty() {
            place.remove();
        }
        let last = self.written[0].entry((key, hour)).or_insert_with(|| (last_at, by.clone()));
        if last_at > last.0 {
            *last = (last_at, by.clone());
        }
    }

    /// Forgets what was written before the last call.
    pub fn age(&mut self) {
        self.written.swap(0, 1);
        self.written[0] = LastUses::new();
        if self.pending.is_empty() {
            self.pending = HashMap::new();
        }
    }

    /// The last use that was written lately.
    pub fn last_written(&self, key: &KeyId, now: Time) -> Option<(Time, UseOrigin)> {
        let hours = last_two_hours(now);
        let found = hours.iter().flat_map(|hour| self.written.iter().filter_map(|map| map.get(&(*key, *hour))));
        found.max_by_key(|(at, _)| *at).cloned()
    }
}

fn last_two_hours(now: Time) -> [Hour; 2] {
    let hour = Hour::of(now);
    [hour, Hour(hour.0.saturating_sub(1))]
}
