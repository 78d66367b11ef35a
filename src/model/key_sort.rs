//! The orders of a list of keys.

use crate::error::{Error, Result};

/// What a list of keys is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortedBy {
    CreatedAt,
    ExpiresAt,
    LastUsedAt,
    Name,
}

impl SortedBy {
    pub const ALL: [SortedBy; 4] = [SortedBy::CreatedAt, SortedBy::ExpiresAt, SortedBy::LastUsedAt, SortedBy::Name];

    pub fn as_str(self) -> &'static str {
        match self {
            SortedBy::CreatedAt => "created_at",
            SortedBy::ExpiresAt => "expires_at",
            SortedBy::LastUsedAt => "last_used_at",
            SortedBy::Name => "name",
        }
    }
}

/// The order of a list. Keys without the value (never used, no expiry) come last in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeySort {
    pub by: SortedBy,
    pub is_descending: bool,
}

impl KeySort {
    pub const NEWEST: KeySort = KeySort { by: SortedBy::CreatedAt, is_descending: true };

    /// Parses `name` or, for the opposite order, `-name`.
    pub fn parse(text: &str) -> Result<Self> {
        let (is_descending, name) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let by = SortedBy::ALL.into_iter().find(|by| by.as_str() == name);
        by.map(|by| KeySort { by, is_descending }).ok_or_else(|| {
            Error::invalid(
                "sort",
                "Sort by created_at, expires_at, last_used_at or name; with a leading - in descending order.",
            )
        })
    }

    pub fn text(self) -> String {
        format!("{}{}", if self.is_descending { "-" } else { "" }, self.by.as_str())
    }
}
