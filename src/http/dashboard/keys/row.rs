//! A key in a list, and what both the lists and the key's own page show.

use crate::http::dashboard::frame::{When, initials, local_part};
use crate::model::key_set::SOON;
use crate::model::rotation::may_rotate;
use crate::model::{KeyRecord, KeyState, Time, UserId};

pub struct KeyListItem {
    pub id: String,
    pub name: String,
    pub hint: String,
    /// Shown only in the list of all keys.
    pub owner: Option<OwnerLink>,
    pub scopes: Vec<String>,
    /// `None` if the key never expires.
    pub expires: Option<When>,
    pub expires_soon: bool,
    /// Whether another key replaces it, so that it ends soon.
    pub is_being_replaced: bool,
    /// `None` if the key was never used.
    pub last_used: Option<When>,
    pub state: KeyState,
    pub is_enabled: bool,
    pub can_rotate: bool,
}

/// The user a key belongs to.
pub struct OwnerLink {
    pub id: String,
    pub email: String,
    pub local_part: String,
    pub initials: String,
}

impl KeyListItem {
    pub fn new(record: &KeyRecord, now: Time) -> Self {
        KeyListItem {
            id: record.id.to_string(),
            name: record.settings.name.to_string(),
            hint: record.hint.clone(),
            owner: None,
            scopes: scopes(record),
            expires: record.settings.expires_at.map(When::from),
            expires_soon: expires_soon(record, now),
            is_being_replaced: record.rotated_to.is_some(),
            last_used: record.last_use.as_ref().map(|last| last.at.into()),
            state: record.state(now),
            is_enabled: record.enabled,
            can_rotate: may_rotate(record).is_ok(),
        }
    }

    /// A row of the list of all keys. Only the owner of a key can rotate it.
    pub fn with_owner(record: &KeyRecord, reader: UserId, now: Time) -> Self {
        let own = Self::new(record, now);
        let can_rotate = own.can_rotate && record.owner.id == reader;
        KeyListItem { owner: Some(OwnerLink::of(record)), can_rotate, ..own }
    }

    /// Whether every request with the key is refused; its row is then grey.
    pub fn is_off(&self) -> bool {
        !matches!(self.state, KeyState::Active | KeyState::Damaged)
    }
}

impl OwnerLink {
    pub fn of(record: &KeyRecord) -> Self {
        let email = record.owner.email.as_str();
        OwnerLink {
            id: record.owner.id.to_string(),
            local_part: local_part(email).to_owned(),
            initials: initials(email),
            email: email.to_owned(),
        }
    }
}

pub fn scopes(record: &KeyRecord) -> Vec<String> {
    record.settings.scopes.iter().map(ToString::to_string).collect()
}

pub fn expires_soon(record: &KeyRecord, now: Time) -> bool {
    record.settings.expires_at.is_some_and(|end| end > now && end.since(now) <= SOON)
}
