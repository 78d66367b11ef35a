//! How keys were used: counts a key and hour, and the last use of each.

use std::collections::HashMap;
use std::net::IpAddr;

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
    pub user_agent: Box<[u8]>,
}

/// Uses of one key in one hour, with the last of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    pub count: u64,
    pub last: Use,
}

/// Uses that are not in the database yet.
pub type Pending = HashMap<(KeyId, Hour), Tally>;

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
