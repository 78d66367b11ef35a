//! The uses that are not in the database yet. The usage thread adds them and takes them out; others look up a key's
//! last use.

use super::clients::{MAX_CLIENTS, NOBODY, UseOrigins};
use super::slots::{Slot, UseSlots};
use super::strays::{Strays, UseRun};
use crate::model::usage::{Hour, Tally, Use, UseOrigin};
use crate::model::{KeyId, Time};

/// Number of a key that was verified by the store and so has no index entry.
pub const UNNUMBERED: u32 = u32::MAX;

#[derive(Default)]
pub struct Counts {
    slots: UseSlots,
    strays: Strays,
    clients: UseOrigins,
    /// Uses that were not counted because there were too many strays.
    pub lost: u64,
}

/// A key's uses in one hour by one client, to be written to the database.
#[derive(Clone)]
pub struct UsageRow {
    /// The number of the slot that they are in; `None` for strays.
    number: Option<u32>,
    pub key: KeyId,
    pub hour: Hour,
    /// The number of the client.
    client: u32,
    pub tally: Tally,
}

impl UsageRow {
    pub fn is_stray(&self) -> bool {
        self.number.is_none()
    }
}

impl Counts {
    /// Number of keys, hours and clients with uses.
    pub fn rows(&self) -> u64 {
        self.slots.count + self.strays.len() as u64
    }

    /// Uses that were counted, but for no client.
    pub fn unnamed(&self) -> u64 {
        self.strays.unnamed
    }

    /// Takes over a thread's clients; returns our number for each of its numbers.
    pub fn translate(&mut self, clients: &UseOrigins) -> Vec<u32> {
        clients.list().iter().map(|client| self.clients.add(client)).collect()
    }

    /// Prefetches the memory that adding a use for this number reads.
    pub fn fetch(&self, number: u32) {
        self.slots.fetch(number);
    }

    /// Adds one use. `holds` returns whether the index has this key at this number.
    pub fn add(&mut self, used: &Use, client: u32, holds: impl Fn(u32, &KeyId) -> bool) {
        if used.number == UNNUMBERED {
            return self.stray(used, client);
        }
        let mut slot = self.slots.get(used.number);
        if !slot.is_of(&used.key) {
            if !holds(used.number, &used.key) {
                return self.stray(used, client);
            }
            // The number's former key was revoked, so its counts are dropped.
            slot = Slot::of(&used.key);
        }
        // If there are too many strays, the count stays exact, and its hour and client become approximate.
        if (slot.client != client || slot.hour() != Hour::of(used.at))
            && (slot.uses == 0 || self.strays.add(used.key, slot.hour(), run_of(&slot)))
        {
            slot = Slot::of(&used.key);
        }
        slot.uses = slot.uses.saturating_add(1);
        slot.is_settled = false;
        let at = u32::try_from(used.at.seconds().max(0)).unwrap_or(u32::MAX);
        if at >= slot.at {
            (slot.at, slot.client) = (at, client);
        }
        self.slots.put(used.number, slot);
    }

    fn stray(&mut self, used: &Use, client: u32) {
        let run = UseRun { client, count: 1, last_at: used.at };
        self.lost += u64::from(!self.strays.add(used.key, Hour::of(used.at), run));
    }

    fn tally(&self, run: &UseRun) -> Tally {
        Tally { count: run.count, last_at: run.last_at, last_client: self.clients.get(run.client).clone() }
    }

    fn row(&self, number: Option<u32>, key: KeyId, hour: Hour, run: &UseRun) -> UsageRow {
        UsageRow { number, key, hour, client: run.client, tally: self.tally(run) }
    }

    /// What this key's uses will add to the database, by hour and client.
    pub fn pending(&self, number: Option<u32>, key: &KeyId, now: Time) -> Vec<(Hour, Tally)> {
        let slot = number.map(|number| self.slots.get(number)).filter(|slot| slot.is_of(key) && slot.uses > 0);
        let counted = slot.map(|slot| (slot.hour(), self.tally(&run_of(&slot))));
        let strays = self.strays.of(key, now).map(|(hour, run)| (hour, self.tally(run)));
        counted.into_iter().chain(strays).collect()
    }

    /// A key's last use, as far as it is known here.
    pub fn last_use(&self, number: Option<u32>, key: &KeyId, now: Time) -> Option<(Time, UseOrigin)> {
        let slot = number.map(|number| self.slots.get(number));
        let known = slot.filter(|slot| slot.is_of(key) && slot.at > 0 && slot.client != NOBODY);
        let counted = known.map(|slot| (slot.last_at(), self.clients.get(slot.client).clone()));
        let strays = self.strays.of(key, now).max_by_key(|(_, run)| run.last_at);
        let stray = strays.map(|(_, run)| (run.last_at, self.clients.get(run.client).clone()));
        counted.into_iter().chain(stray).chain(self.strays.last_written(key, now)).max_by_key(|(at, _)| *at)
    }

    /// The next rows of a pass, up to `limit`: those of the slots from `next` on, which moves; after the last slot,
    /// strays. `key_at` returns the key at a number.
    pub fn next_rows(&mut self, next: &mut u32, limit: usize, key_at: impl Fn(u32) -> Option<KeyId>) -> Vec<UsageRow> {
        let mut rows = Vec::new();
        while rows.len() < limit
            && let Some(number) = self.slots.next_used(*next)
        {
            *next = number + 1;
            let slot = self.slots.get(number);
            match key_at(number).filter(|key| slot.is_of(key)) {
                Some(key) => {
                    rows.push(self.row(Some(number), key, slot.hour(), &run_of(&slot)));
                }
                // The counted key was revoked.
                None => self.slots.put(number, Slot::default()),
            }
        }
        if rows.is_empty() {
            let strays = self.strays.iter().take(limit);
            rows.extend(strays.map(|(key, hour, run)| self.row(None, key, hour, run)));
        }
        rows
    }

    /// Subtracts rows that are in the database now. What was in a slot may be a stray by now. Clients must have the same
    /// numbers as when the rows were chosen.
    pub fn subtract(&mut self, rows: &[UsageRow]) {
        for row in rows {
            let slot = row.number.map(|number| (number, self.slots.get(number)));
            let mut count = row.tally.count;
            let is_same = |slot: &Slot| slot.is_of(&row.key) && slot.hour() == row.hour && slot.client == row.client;
            if let Some((number, slot)) = slot.filter(|(_, slot)| is_same(slot)) {
                let uses = u64::from(slot.uses).saturating_sub(count) as u32;
                count -= u64::from(slot.uses - uses);
                self.slots.put(number, Slot { uses, ..slot });
            }
            let written = UseRun { client: row.client, count, last_at: row.tally.last_at };
            self.strays.subtract(row.key, row.hour, written, &row.tally.last_client);
        }
    }

    /// Turns all slots into strays, before the index starts over and the numbers mean other keys.
    pub fn forget_numbers(&mut self, key_at: impl Fn(u32) -> Option<KeyId>) {
        let mut next = 0;
        while let Some(number) = self.slots.next_used(next) {
            next = number + 1;
            let slot = self.slots.get(number);
            if let Some(key) = key_at(number).filter(|key| slot.is_of(key)) {
                self.strays.add_beyond_limit(key, slot.hour(), run_of(&slot));
            }
        }
        self.slots = UseSlots::default();
    }

    /// Forgets strays that have been in the database since the last call; and if there are many clients, those that
    /// only such uses name.
    pub fn tidy(&mut self) {
        self.strays.age();
        let old = std::mem::take(&mut self.clients);
        if old.list().len() <= MAX_CLIENTS / 2 {
            self.clients = old;
            return;
        }
        let mut renumbered = vec![NOBODY; old.list().len()];
        let clients = &mut self.clients;
        let mut renumber = |client: u32| {
            let number = &mut renumbered[client as usize];
            if *number == NOBODY {
                *number = clients.add(old.get(client));
            }
            *number
        };
        self.strays.renumber(&mut renumber);
        self.slots.each(|slot| {
            let is_written = slot.uses == 0;
            if is_written && slot.is_settled {
                return Slot { client: NOBODY, ..slot };
            }
            Slot { client: renumber(slot.client), is_settled: is_written, ..slot }
        });
    }
}

fn run_of(slot: &Slot) -> UseRun {
    UseRun { client: slot.client, count: u64::from(slot.uses), last_at: slot.last_at() }
}
