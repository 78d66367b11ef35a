//! How keys were used: counts a key and hour, and the last use of each.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

use super::{KeyId, Time};

/// Hours since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour(pub u32);

impl Hour {
    pub fn of(time: Time) -> Self {
        Hour(u32::try_from(time.seconds().max(0) / 3600).unwrap_or(u32::MAX))
    }
}

/// One use, as far as it is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    pub at: Time,
    pub address: Option<IpAddr>,
    pub user_agent: Arc<[u8]>,
}

/// Uses of one key in one hour, with the last of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    pub count: u64,
    pub last: Use,
}

/// Uses that are not in the database yet.
pub type Pending = HashMap<(KeyId, Hour), Tally, BuildHasherDefault<IdHasher>>;

/// Adds `more` to `pending`.
pub fn merge(pending: &mut Pending, more: impl IntoIterator<Item = ((KeyId, Hour), Tally)>) {
    for (key, tally) in more {
        match pending.entry(key) {
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(tally);
            }
            std::collections::hash_map::Entry::Occupied(mut place) => {
                let held = place.get_mut();
                held.count += tally.count;
                if tally.last.at >= held.last.at {
                    held.last = tally.last;
                }
            }
        }
    }
}

/// In a fixed order, so that a fold that was broken off can go on where it was.
pub fn sorted(pending: Pending) -> Vec<((KeyId, Hour), Tally)> {
    let mut rows: Vec<_> = pending.into_iter().collect();
    rows.sort_unstable_by_key(|(key, _)| *key);
    rows
}

/// Ids are random in their last eight bytes, and nobody outside chooses them; some of those bits are
/// fixed, so they are mixed once.
#[derive(Default)]
pub struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(tail) = bytes.last_chunk::<8>() {
            self.0 ^= u64::from_le_bytes(*tail);
        }
    }

    fn write_u32(&mut self, hour: u32) {
        self.0 ^= u64::from(hour) << 20;
    }

    /// The length of the id, always the same.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        let wide = u128::from(self.0) * 0x9e37_79b9_7f4a_7c15_u128;
        (wide >> 64) as u64 ^ wide as u64
    }
}
