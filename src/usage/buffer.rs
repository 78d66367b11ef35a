//! The uses that one thread has recorded since the last collection. Two buffers take turns, so that a collection costs
//! the thread only a swap.

use super::clients::UseOrigins;
use super::counts::UNNUMBERED;
use crate::model::usage::{Hour, RefusedUse, Tally, Use, UseOrigin};
use crate::model::{ClientAddress, KeyId, Refusal, Time};

/// Maximum uses that a thread records between two collections.
const MAX_USES: usize = 2_000_000;
/// Maximum refusals that a thread records between two collections.
const MAX_REFUSALS: usize = 32_768;
/// Capacity that is kept from one collection to the next, in uses.
const KEPT_CAPACITY: usize = 32_768;
const KEPT_REFUSALS: usize = 1024;
/// How many of the newest uses a look-up of one key searches; older ones appear after the collection.
const SEARCHED: usize = 512;
/// The same for a key's usage.
const SEARCHED_FOR_USAGE: usize = 8192;

#[derive(Default)]
pub struct Buffer {
    pub noted: UseBatch,
    spare: Option<UseBatch>,
    /// Uses dropped because the buffer was full.
    pub lost: u64,
    /// Refusals dropped because there were too many.
    pub lost_refusals: u64,
}

#[derive(Default)]
pub struct UseBatch {
    pub uses: Vec<Use>,
    pub clients: UseOrigins,
    pub refusals: Vec<NotedRefusal>,
    /// Apart from `clients`, so that refused clients cannot take the room of others.
    pub refused_clients: UseOrigins,
}

/// A refusal of a key that exists.
#[derive(Debug, Clone, Copy)]
pub struct NotedRefusal {
    pub key: KeyId,
    pub at: Time,
    /// Index into `refused_clients`.
    pub client: u32,
    pub reason: Refusal,
}

impl Buffer {
    pub fn note(
        &mut self,
        key: KeyId,
        number: Option<u32>,
        at: Time,
        address: Option<ClientAddress>,
        user_agent: &[u8],
    ) {
        if self.noted.uses.len() >= MAX_USES {
            self.lost += 1;
            return;
        }
        let client = self.noted.clients.number(address, user_agent);
        self.noted.uses.push(Use { key, at, client, number: number.unwrap_or(UNNUMBERED) });
    }

    pub fn note_refusal(
        &mut self,
        key: KeyId,
        reason: Refusal,
        at: Time,
        address: Option<ClientAddress>,
        user_agent: &[u8],
    ) {
        if self.noted.refusals.len() >= MAX_REFUSALS {
            self.lost_refusals += 1;
            return;
        }
        let client = self.noted.refused_clients.number(address, user_agent);
        self.noted.refusals.push(NotedRefusal { key, at, client, reason });
    }

    pub fn take(&mut self) -> UseBatch {
        let spare = self.spare.take().unwrap_or_default();
        std::mem::replace(&mut self.noted, spare)
    }

    /// Returns the buffer for the next turn, with no more capacity than usual.
    pub fn give_back(&mut self, mut noted: UseBatch) {
        noted.uses.clear();
        noted.uses.shrink_to(KEPT_CAPACITY);
        noted.clients.clear();
        noted.refusals.clear();
        noted.refusals.shrink_to(KEPT_REFUSALS);
        noted.refused_clients.clear();
        self.spare = Some(noted);
    }

    pub fn last_use(&self, key: &KeyId) -> Option<(Time, UseOrigin)> {
        let found = self.noted.uses.iter().rev().take(SEARCHED).find(|used| used.key == *key)?;
        Some((found.at, self.noted.clients.get(found.client).clone()))
    }

    /// What was noted of this key's uses, by hour and client.
    pub fn uses_of(&self, key: &KeyId) -> Vec<(Hour, Tally)> {
        let mut found: Vec<(u32, Hour, Tally)> = Vec::new();
        let uses = self.noted.uses.iter().rev().take(SEARCHED_FOR_USAGE).filter(|used| used.key == *key);
        for used in uses {
            let hour = Hour::of(used.at);
            match found.iter_mut().find(|(client, at, _)| (*client, *at) == (used.client, hour)) {
                Some((_, _, tally)) => tally.count += 1,
                None => {
                    let last_client = self.noted.clients.get(used.client).clone();
                    found.push((used.client, hour, Tally { count: 1, last_at: used.at, last_client }));
                }
            }
        }
        found.into_iter().map(|(_, hour, tally)| (hour, tally)).collect()
    }

    /// The refusals of this key, oldest first.
    pub fn refusals_of(&self, key: &KeyId) -> Vec<RefusedUse> {
        let noted = self.noted.refusals.iter().rev().take(SEARCHED_FOR_USAGE).filter(|one| one.key == *key);
        let refusals = noted.map(|one| RefusedUse {
            at: one.at,
            reason: one.reason,
            by: self.noted.refused_clients.get(one.client).clone(),
        });
        let mut refusals: Vec<_> = refusals.collect();
        refusals.reverse();
        refusals
    }
}
