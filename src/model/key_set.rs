//! The sets of keys that people look at, and how many keys they contain.

use std::time::Duration;

use super::verdict::KeyState;
use crate::error::{Error, Result};

/// Before its expiry, a key counts as expiring for this long.
pub const SOON: Duration = Duration::from_secs(7 * 86_400);
/// After this time without use, a key is likely to be forgotten.
pub const UNUSED: Duration = Duration::from_secs(90 * 86_400);

/// All keys, or those that need the same attention. All but the last two contain active keys only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeySet {
    All,
    Active,
    /// Expires within [`SOON`].
    Expiring,
    /// Neither created nor used within [`UNUSED`].
    Unused,
    NeverExpiring,
    Expired,
    Disabled,
}

impl KeySet {
    pub const ALL: [KeySet; 7] = [
        KeySet::All,
        KeySet::Active,
        KeySet::Expiring,
        KeySet::Unused,
        KeySet::NeverExpiring,
        KeySet::Expired,
        KeySet::Disabled,
    ];
}

/// The states that a list can be narrowed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListedState {
    Active,
    Disabled,
    Expired,
}

impl ListedState {
    pub const WORDS: [&'static str; 3] = ["active", "disabled", "expired"];

    pub fn parse(text: &str) -> Result<Self> {
        match text {
            "active" => Ok(ListedState::Active),
            "disabled" => Ok(ListedState::Disabled),
            "expired" => Ok(ListedState::Expired),
            _ => Err(Error::invalid("state", "Use the state active, disabled or expired.")),
        }
    }

    pub fn as_str(self) -> &'static str {
        let [active, disabled, expired] = Self::WORDS;
        match self {
            ListedState::Active => active,
            ListedState::Disabled => disabled,
            ListedState::Expired => expired,
        }
    }

    pub fn is(self, state: KeyState) -> bool {
        matches!(
            (self, state),
            (ListedState::Active, KeyState::Active)
                | (ListedState::Disabled, KeyState::Disabled)
                | (ListedState::Expired, KeyState::Expired)
        )
    }
}

/// A number of rows that is counted only so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowCount {
    pub number: u64,
    /// Whether there are no more than that.
    pub is_exact: bool,
}

impl RowCount {
    /// Nothing is counted further.
    pub const MAX: u64 = 10_000;

    pub fn new(number: u64, is_exact: bool) -> Self {
        RowCount { number: number.min(Self::MAX), is_exact: is_exact && number <= Self::MAX }
    }
}

/// How many keys are in each of [`KeySet::ALL`].
pub type KeyCounts = [RowCount; 7];
