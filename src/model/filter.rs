//! Which rows a list contains: all of them, unless a field narrows it.

use super::{Action, Cursor, KeyRecord, Page, Role, Time, UserId};

#[derive(Debug, Clone)]
pub struct KeyFilter {
    pub owner: Option<UserId>,
    /// Matches any part of a name, a hint or the owner's email among the newest 10,000 keys after the cursor; among
    /// older keys, the beginning of a name or an email, or a whole hint. A whole id is always found. Letters beyond
    /// ASCII are case-sensitive.
    pub search: Option<String>,
    pub enabled: Option<bool>,
    pub after: Option<Cursor>,
    pub limit: usize,
}

impl Default for KeyFilter {
    fn default() -> Self {
        KeyFilter { owner: None, search: None, enabled: None, after: None, limit: Page::<KeyRecord>::MAX }
    }
}

#[derive(Debug, Clone)]
pub struct UserFilter {
    /// Matches part of an email, or a whole id.
    pub search: Option<String>,
    pub role: Option<Role>,
    pub active: Option<bool>,
    pub after: Option<Cursor>,
    pub limit: usize,
}

#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Matches part of the actor, the action, the object or the address.
    pub search: Option<String>,
    pub action: Option<Action>,
    /// Id of the user or key that acted.
    pub actor: Option<[u8; 16]>,
    /// Id of the key, user or session that the event is about.
    pub object: Option<[u8; 16]>,
    pub since: Option<Time>,
    /// The end of the time range, exclusive.
    pub until: Option<Time>,
    /// Only events older than this number.
    pub before: Option<i64>,
    pub limit: usize,
}

impl EventFilter {
    pub fn cursor(seq: i64) -> Cursor {
        Cursor(i128::from(seq).to_be_bytes())
    }

    /// The event number that a cursor stands for; a forged cursor stands for some event too.
    pub fn line(cursor: Cursor) -> i64 {
        i64::try_from(i128::from_be_bytes(cursor.0)).unwrap_or(i64::MAX)
    }
}
