//! Who used which key, and when: recorded by each thread for itself, collected eight times a second or more into counts
//! in memory, and swept from there into the database. No request waits for a database write.

mod buffer;
mod clients;
mod collector;
mod counts;
mod slots;
mod strays;
mod sweep;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard};

use crate::ambient::PerThread;
use crate::model::key::LastUse;
use crate::model::usage::UseOrigin;
use crate::model::{ClientAddress, KeyId, KeyRecord, Time, foreign_text};
use crate::store::Store;
use buffer::Buffer;
pub use collector::Collector;
use counts::Counts;

#[derive(Clone, Default)]
pub struct Usage(Arc<UsageBuffers>);

/// The usage figures for the metrics.
#[derive(Debug, Clone, Copy)]
pub struct UsageState {
    /// Keys and hours whose uses are not in the database yet.
    pub pending_rows: u64,
    /// Uses that were not counted because too many were waiting in memory.
    pub lost: u64,
}

struct UsageBuffers {
    /// A thread's own buffer is uncontended, except while it is swapped.
    buffers: PerThread<Mutex<Buffer>>,
    counts: Mutex<Counts>,
}

impl Default for UsageBuffers {
    fn default() -> Self {
        let buffers = PerThread::new(|| Mutex::new(Buffer::default()));
        UsageBuffers { buffers, counts: Mutex::default() }
    }
}

impl Usage {
    pub fn state(&self) -> UsageState {
        let (pending_rows, lost_strays) = {
            let counts = lock(&self.0.counts);
            (counts.rows(), counts.lost)
        };
        let lost = self.0.buffers.all().map(|buffer| lock(buffer).lost).sum::<u64>() + lost_strays;
        UsageState { pending_rows, lost }
    }

    /// Records one use. `number` is the key's index number, if it was verified there.
    pub fn record(&self, key: KeyId, number: Option<u32>, at: Time, address: Option<ClientAddress>, user_agent: &[u8]) {
        lock(self.0.buffers.own()).note(key, number, at, address, user_agent);
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
    let user_agent = foreign_text::user_agent(&client.user_agent);
    LastUse {
        at,
        address: client.address.map(|address| address.to_string()),
        user_agent: Some(user_agent).filter(|text| !text.is_empty()),
    }
}

/// A buffer is valid after every statement, so a panic elsewhere cannot have corrupted it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
