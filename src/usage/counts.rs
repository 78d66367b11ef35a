//! The uses that are not in the database yet. The usage thread adds them and takes them out; others look up a key's
//! last use.

use super::clients::{MAX_CLIENTS, NOBODY, UseOrigins};
use super::slots::{Slot, UseSlots};
use super::strays::Strays;
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

/// A key's uses in one hour, to be written to the database.
#[derive(Clone)]
pub struct UsageRow {
    /// The number of the slot that they are in; `None` for strays.
    number: Option<u32>,
    pub key: KeyId,
    pub hour: Hour,
    pub tally: Tally,
}

impl UsageRow {
    pub fn is_stray(&self) -> bool {
        self.number.is_none()
    }
}

impl Counts {
    /// Number of keys and hours with uses.
    pub fn rows(&self) -> u64 {
        self.slots.count + self.strays.len() as u64
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
        // If there are too many strays, the count stays exact and its hour becomes approximate.
        if slot.hour() != Hour::of(used.at)
            && (slot.uses == 0 || self.strays.add(used.key, slot.hour(), self.tally(&slot)))
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
        let tally = Tally { count: 1, last_at: used.at, last_client: self.clients.get(client).clone() };
        self.lost += u64::from(!self.strays.add(used.key, Hour::of(used.at), tally));
    }

    fn tally(&self, slot: &Slot) -> Tally {
        let last_client = self.clients.get(slot.client).clone();
        Tally { count: u64::from(slot.uses), last_at: slot.last_at(), last_client }
    }

    /// A key's last use, as far as it is known here.
    pub fn last_use(&self, number: Option<u32>, key: &KeyId, now: Time) -> Option<(Time, UseOrigin)> {
        let slot = number.map(|number| self.slots.get(number));
        let known = slot.filter(|slot| slot.is_of(key) && slot.at > 0 && slot.client != NOBODY);
        let counted = known.map(|slot| (slot.last_at(), self.clients.get(slot.client).clone()));
        counted.into_iter().chain(self.strays.last_use(key, now)).max_by_key(|(at, _)| *at)
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
                    rows.push(UsageRow { number: Some(number), key, hour: slot.hour(), tally: self.tally(&slot) });
                }
                // The counted key was revoked.
                None => self.slots.put(number, Slot::default()),
            }
        }
        if rows.is_empty() {
            let strays = self.strays.iter().take(limit);
            rows.extend(strays.map(|(key, hour, tally)| UsageRow { number: None, key, hour, tally: tally.clone() }));
        }
        rows
    }

    /// Subtracts rows that are in the database now. What was in a slot may be a stray by now.
    pub fn subtract(&mut self, rows: &[UsageRow]) {
        for row in rows {
            let slot = row.number.map(|number| (number, self.slots.get(number)));
            let mut count = row.tally.count;
            if let Some((number, slot)) = slot.filter(|(_, slot)| slot.is_of(&row.key) && slot.hour() == row.hour) {
                let uses = u64::from(slot.uses).saturating_sub(count) as u32;
                count -= u64::from(slot.uses - uses);
                self.slots.put(number, Slot { uses, ..slot });
            }
            self.strays.subtract(row.key, row.hour, count);
        }
    }

    /// Turns all slots into strays, before the index starts over and the numbers mean other keys.
    pub fn forget_numbers(&mut self, key_at: impl Fn(u32) -> Option<KeyId>) {
        let mut next = 0;
        while let Some(number) = self.slots.next_used(next) {
            next = number + 1;
            let slot = self.slots.get(number);
            if let Some(key) = key_at(number).filter(|key| slot.is_of(key)) {
                self.strays.add_beyond_limit(key, slot.hour(), self.tally(&slot));
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
        self.slots.each(|slot| {
            let is_written = slot.uses == 0;
            if is_written && slot.is_settled {
                return Slot { client: NOBODY, ..slot };
            }
            let number = &mut renumbered[slot.client as usize];
            if *number == NOBODY {
                *number = clients.add(old.get(slot.client));
            }
            Slot { client: *number, is_settled: is_written, ..slot }
        });
    }
}
