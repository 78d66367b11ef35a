//! The uses that one thread has recorded since the last collection. Two buffers take turns, so that a collection costs
//! the thread only a swap.

use super::clients::UseOrigins;
use super::counts::UNNUMBERED;
use crate::model::usage::{Use, UseOrigin};
use crate::model::{ClientAddress, KeyId, Time};

/// Maximum uses that a thread records between two collections.
const MAX_USES: usize = 2_000_000;
/// Capacity that is kept from one collection to the next, in uses.
const KEPT_CAPACITY: usize = 32_768;
/// How many of the newest uses a look-up of one key searches; older ones appear after the collection.
const SEARCHED: usize = 512;

#[derive(Default)]
pub struct Buffer {
    pub noted: UseBatch,
    spare: Option<UseBatch>,
    /// Uses dropped because the buffer was full.
    pub lost: u64,
}

#[derive(Default)]
pub struct UseBatch {
    pub uses: Vec<Use>,
    pub clients: UseOrigins,
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

    pub fn take(&mut self) -> UseBatch {
        let spare = self.spare.take().unwrap_or_default();
        std::mem::replace(&mut self.noted, spare)
    }

    /// Returns the buffer for the next turn, with no more capacity than usual.
    pub fn give_back(&mut self, mut noted: UseBatch) {
        noted.uses.clear();
        noted.uses.shrink_to(KEPT_CAPACITY);
        noted.clients.clear();
        self.spare = Some(noted);
    }

    pub fn last_use(&self, key: &KeyId) -> Option<(Time, UseOrigin)> {
        let found = self.noted.uses.iter().rev().take(SEARCHED).find(|used| used.key == *key)?;
        Some((found.at, self.noted.clients.get(found.client).clone()))
    }
}
