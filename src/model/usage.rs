//! How keys were used: counts per key and hour, the last use of each key, and refusals.

use std::sync::Arc;

use super::foreign_text;
use super::{ClientAddress, KeyId, Refusal, Time};

/// Hours since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour(pub u32);

impl Hour {
    pub fn of(time: Time) -> Self {
        Hour(u32::try_from(time.seconds().max(0) / 3600).unwrap_or(u32::MAX))
    }

    pub fn start(self) -> Time {
        Time::from_millis(i64::from(self.0) * 3_600_000)
    }

    pub fn day(self) -> Day {
        Day(self.0 / 24)
    }
}

/// Days since 1970-01-01, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub u32);

impl Day {
    pub fn of(time: Time) -> Self {
        Hour::of(time).day()
    }

    pub fn start(self) -> Time {
        Hour(self.0.saturating_mul(24)).start()
    }
}

/// Who used a key, as far as it is recorded: up to 200 bytes of user agent.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct UseOrigin {
    pub address: Option<ClientAddress>,
    pub user_agent: Arc<[u8]>,
}

impl UseOrigin {
    /// The address as it is stored and shown.
    pub fn address_text(&self) -> Option<String> {
        self.address.map(|address| address.to_string())
    }

    /// The user agent as it is stored and shown; `None` if the client did not send one.
    pub fn program(&self) -> Option<String> {
        Some(foreign_text::user_agent(&self.user_agent)).filter(|text| !text.is_empty())
    }
}

/// Uses of one key in one hour, with the last of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    pub count: u64,
    pub last_at: Time,
    pub last_client: UseOrigin,
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

/// A refusal of a key that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedUse {
    pub at: Time,
    pub reason: Refusal,
    pub by: UseOrigin,
}

/// The same, as it is stored and shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatestRefusal {
    pub at: Time,
    pub reason: Refusal,
    pub address: Option<String>,
    pub user_agent: Option<String>,
}

impl From<&RefusedUse> for LatestRefusal {
    fn from(one: &RefusedUse) -> Self {
        let (address, user_agent) = (one.by.address_text(), one.by.program());
        LatestRefusal { at: one.at, reason: one.reason, address, user_agent }
    }
}

/// Refusals of one key that are counted but not stored yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRefusals {
    pub key: KeyId,
    pub counts: Vec<RefusalCount>,
    /// The latest of them, oldest first.
    pub latest: Vec<RefusedUse>,
}

/// How often a key was refused in one hour, for one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefusalCount {
    pub hour: Hour,
    pub reason: Refusal,
    pub count: u64,
}

/// How many of the latest refusals of each key are kept.
pub const LATEST_REFUSALS: usize = 20;
