//! How keys were used: counts per key and hour, and the last use of each key.

use std::sync::Arc;

use super::{ClientAddress, KeyId, Time};

/// Hours since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour(pub u32);

impl Hour {
    pub fn of(time: Time) -> Self {
        Hour(u32::try_from(time.seconds().max(0) / 3600).unwrap_or(u32::MAX))
    }
}

/// Who used a key, as far as it is recorded: up to 200 bytes of user agent.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct UseOrigin {
    pub address: Option<ClientAddress>,
    pub user_agent: Arc<[u8]>,
}

/// Uses of one key in one hour, with the last of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    pub count: u64,
    pub last_at: Time,
    pub last_client: UseOrigin,
}

impl Tally {
    pub fn add(&mut self, more: Tally) {
        self.count += more.count;
        if more.last_at >= self.last_at {
            (self.last_at, self.last_client) = (more.last_at, more.last_client);
        }
    }
}

/// One use, 32 bytes in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Use {
    pub key: KeyId,
    pub at: Time,
    /// Index into the list of clients that accompanies the uses.
    pub client: u32,
    /// The key's number in the index.
    pub number: u32,
}
