//! Who used which key, and when: recorded by each thread for itself, collected eight times a second or more into counts
//! in memory, and swept from there into the database. No request waits for a database write.

mod buffer;
mod clients;
mod collector;
mod counts;
mod refusals;
mod slots;
mod strays;
mod sweep;
mod sweep_refusals;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard};

use crate::ambient::PerThread;
use crate::model::key::LastUse;
use crate::model::usage::{Hour, RefusalCount, RefusedUse, Tally, UseOrigin};
use crate::model::{ClientAddress, KeyId, KeyRecord, Refusal, Time};
use crate::store::Store;
use buffer::Buffer;
pub use collector::Collector;
use counts::Counts;
use refusals::Refusals;

#[derive(Clone, Default)]
pub struct Usage(Arc<UsageBuffers>);

/// The usage figures for the metrics.
#[derive(Debug, Clone, Copy)]
pub struct UsageState {
    /// Keys and hours whose uses are not in the database yet.
    pub pending_rows: u64,
    /// Uses that were not counted because too many were waiting in memory.
    pub lost: u64,
    /// The same for refusals of keys that exist.
    pub lost_refusals: u64,
    /// Uses that were counted for no client, because their key had too many of them.
    pub unnamed: u64,
}

/// What will be added to the database for one key.
#[derive(Default)]
pub struct PendingUsage {
    /// Uses in one hour by one client.
    pub uses: Vec<(Hour, Tally)>,
    pub refusals: Vec<RefusalCount>,
    /// Oldest first.
    pub latest_refusals: Vec<RefusedUse>,
}

struct UsageBuffers {
    /// A thread's own buffer is uncontended, except while it is swapped.
    buffers: PerThread<Mutex<Buffer>>,
    counts: Mutex<Counts>,
    refusals: Mutex<Refusals>,
}

impl Default for UsageBuffers {
    fn default() -> Self {
        let buffers = PerThread::new(|| Mutex::new(Buffer::default()));
        UsageBuffers { buffers, counts: Mutex::default(), refusals: Mutex::default() }
    }
}

impl Usage {
    pub fn state(&self) -> UsageState {
        let (mut pending_rows, mut lost, unnamed) = {
            let counts = lock(&self.0.counts);
            (counts.rows(), counts.lost, counts.unnamed())
        };
        let mut lost_refusals = {
            let refusals = lock(&self.0.refusals);
            pending_rows += refusals.rows();
            refusals.lost
        };
        for buffer in self.0.buffers.all() {
            let buffer = lock(buffer);
            (lost, lost_refusals) = (lost + buffer.lost, lost_refusals + buffer.lost_refusals);
        }
        UsageState { pending_rows, lost, lost_refusals, unnamed }
    }

    /// Records one use. `number` is the key's index number, if it was verified there.
    pub fn record(&self, key: KeyId, number: Option<u32>, at: Time, address: Option<ClientAddress>, user_agent: &[u8]) {
        lock(self.0.buffers.own()).note(key, number, at, address, user_agent);
    }

    /// Records that a key that exists was refused.
    pub fn record_refusal(
        &self,
        key: KeyId,
        reason: Refusal,
        at: Time,
        address: Option<ClientAddress>,
        user_agent: &[u8],
    ) {
        lock(self.0.buffers.own()).note_refusal(key, reason, at, address, user_agent);
    }

    /// What was noted or collected of this key's uses, but is not in the database yet.
    pub fn pending(&self, record: &KeyRecord, store: &Store, now: Time) -> PendingUsage {
        let number = store.index().number(&record.digest);
        let mut pending =
            PendingUsage { uses: lock(&self.0.counts).pending(number, &record.id, now), ..Default::default() };
        for of in lock(&self.0.refusals).pending(&record.id) {
            pending.refusals.extend(of.counts);
            pending.latest_refusals.extend(of.latest);
        }
        for buffer in self.0.buffers.all() {
            let buffer = lock(buffer);
            pending.uses.extend(buffer.uses_of(&record.id));
            for one in buffer.refusals_of(&record.id) {
                pending.refusals.push(RefusalCount { hour: Hour::of(one.at), reason: one.reason, count: 1 });
                pending.latest_refusals.push(one);
            }
        }
        pending
    }

    /// The record with its last use as of `now`, not as of the last sweep.
    pub fn complete(&self, mut record: KeyRecord, store: &Store, now: Time) -> KeyRecord {
        let number = store.index().number(&record.digest);
        let counted = lock(&self.0.counts).last_use(number, &record.id, now);
        let noted = self.0.buffers.all().filter_map(|buffer| lock(buffer).last_use(&record.id));
        let newest = noted.chain(counted).max_by_key(|(at, _)| *at);
        if let Some((at, client)) = newest
            && record.last_use.as_ref().is_none_or(|stored| at >= stored.at)
        {
            record.last_use = Some(shown(at, &client));
        }
        record
    }
}

fn shown(at: Time, client: &UseOrigin) -> LastUse {
    LastUse { at, address: client.address_text(), user_agent: client.program() }
}

/// A buffer is valid after every statement, so a panic elsewhere cannot have corrupted it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
