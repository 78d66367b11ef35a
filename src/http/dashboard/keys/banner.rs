//! The one thing on a key's page that needs attention most.

use super::in_words::time_left;
use super::other_key::OtherKey;
use super::row::expires_soon;
use crate::http::dashboard::frame::unreadable_fields;
use crate::model::key_set::UNUSED;
use crate::model::{KeyRecord, KeyState, Time};

/// In the order of urgency.
#[derive(Debug, PartialEq, Eq)]
pub enum KeyBanner {
    /// The fields that cannot be read, in words.
    Damaged(String),
    OwnerDeactivated,
    Disabled,
    Expired,
    /// A newer key replaces it.
    BeingReplaced,
    /// The key that it replaces still works and was used after the rotation.
    OldStillUsed,
    /// The time left, in words.
    ExpiresSoon(String),
    Unused,
}

impl KeyBanner {
    pub fn of(record: &KeyRecord, has_successor: bool, old: Option<&OtherKey>, now: Time) -> Option<Self> {
        if let Some(fields) = unreadable_fields(&record.unreadable) {
            return Some(KeyBanner::Damaged(fields));
        }
        match record.state(now) {
            KeyState::OwnerDeactivated => Some(KeyBanner::OwnerDeactivated),
            KeyState::Disabled => Some(KeyBanner::Disabled),
            KeyState::Expired => Some(KeyBanner::Expired),
            // Every damaged record has an unreadable field.
            KeyState::Damaged => None,
            KeyState::Active if has_successor => Some(KeyBanner::BeingReplaced),
            KeyState::Active if old.is_some_and(|old| old.was_used_since(record.created_at)) => {
                Some(KeyBanner::OldStillUsed)
            }
            KeyState::Active => {
                let end = record.settings.expires_at.filter(|_| expires_soon(record, now));
                let soon = end.map(|end| KeyBanner::ExpiresSoon(time_left(end.since(now))));
                let last_sign = record.last_use.as_ref().map_or(record.created_at, |last| last.at);
                soon.or_else(|| (now.since(last_sign) >= UNUSED).then_some(KeyBanner::Unused))
            }
        }
    }
}
