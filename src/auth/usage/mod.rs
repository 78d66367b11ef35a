//! Who used which key, when: counted in memory by each thread for itself, collected twice a second,
//! written beside the database, folded into it in batches. Nothing on the way of a request waits.

mod collector;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::ambient::PerThread;
use crate::model::key::LastUse;
use crate::model::usage::{Hour, Pending, Tally, Use};
use crate::model::{KeyId, KeyRecord, Time};
pub use collector::Collector;

/// What one thread saw since the last collection.
#[derive(Default)]
struct Buffer {
    uses: Pending,
    /// The last one seen: most callers of a thread share few, so most uses share its bytes.
    user_agent: Arc<[u8]>,
}

/// Distinct keys a thread buffers at most between two collections; uses of more only of known ones.
const MOST_BUFFERED: usize = 500_000;

#[derive(Clone)]
pub struct Usage(Arc<Shared>);

/// What the metrics tell of usage.
#[derive(Debug, Clone, Copy)]
pub struct UsageState {
    pub pending_rows: u64,
}

struct Shared {
    /// A thread's own buffer is free but for the moment in which it is collected.
    buffers: PerThread<Mutex<Buffer>>,
    /// Collected, not in the database yet.
    pending: Mutex<Pending>,
    /// On its way into the database.
    folding: Mutex<Arc<Pending>>,
}

impl Default for Usage {
    fn default() -> Self {
        Usage(Arc::new(Shared {
            buffers: PerThread::new(|| Mutex::new(Buffer::default())),
            pending: Mutex::default(),
            folding: Mutex::default(),
        }))
    }
}

impl Usage {
    pub fn state(&self) -> UsageState {
        UsageState { pending_rows: (lock(&self.0.pending).len() + lock(&self.0.folding).len()) as u64 }
    }

    /// Counts one use.
    pub fn record(&self, key: KeyId, at: Time, address: Option<IpAddr>, user_agent: &[u8]) {
        let Ok(mut buffer) = self.0.buffers.own().lock() else { return };
        if *buffer.user_agent != *user_agent {
            buffer.user_agent = user_agent.into();
        }
        let Buffer { uses, user_agent } = &mut *buffer;
        let is_full = uses.len() >= MOST_BUFFERED;
        match uses.get_mut(&(key, Hour::of(at))) {
            Some(tally) => {
                tally.count += 1;
                tally.last.at = at;
                tally.last.address = address;
                if !Arc::ptr_eq(&tally.last.user_agent, user_agent) {
                    tally.last.user_agent = Arc::clone(user_agent);
                }
            }
            None if is_full => {}
            None => {
                let last = Use { at, address, user_agent: Arc::clone(user_agent) };
                uses.insert((key, Hour::of(at)), Tally { count: 1, last });
            }
        }
    }

    /// The record with its last use as of `now`, not as of the last fold.
    pub fn complete(&self, mut record: KeyRecord, now: Time) -> KeyRecord {
        let this = Hour::of(now);
        let keys = [this, Hour(this.0.saturating_sub(1))].map(|hour| (record.id, hour));
        let mut newest: Option<Use> = None;
        let mut consider = |found: Option<&Tally>| {
            if let Some(tally) = found
                && newest.as_ref().is_none_or(|last| tally.last.at >= last.at)
            {
                newest = Some(tally.last.clone());
            }
        };
        let folding = Arc::clone(&lock(&self.0.folding));
        keys.iter().for_each(|key| consider(folding.get(key)));
        let pending = lock(&self.0.pending);
        keys.iter().for_each(|key| consider(pending.get(key)));
        drop(pending);
        for buffer in self.0.buffers.all() {
            let buffer = lock(buffer);
            keys.iter().for_each(|key| consider(buffer.uses.get(key)));
        }
        if let Some(last) = newest
            && record.last_use.as_ref().is_none_or(|stored| last.at >= stored.at)
        {
            record.last_use = Some(shown(&last));
        }
        record
    }
}

fn shown(last: &Use) -> LastUse {
    let user_agent: String = String::from_utf8_lossy(&last.user_agent)
        .chars()
        .filter(|c| !crate::model::name::is_deceptive(*c))
        .take(200)
        .collect();
    LastUse {
        at: last.at,
        address: last.address.map(|address| address.to_string()),
        user_agent: Some(user_agent).filter(|text| !text.is_empty()),
    }
}

/// A buffer is valid after every statement, so a panic elsewhere has not spoilt it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
