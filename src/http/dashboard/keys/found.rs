//! A key among the answers to a search, and in the list of leaked keys.

use crate::http::dashboard::frame::{When, local_part};
use crate::model::{KeyRecord, KeyState, Time};

pub struct FoundKey {
    pub id: String,
    pub name: String,
    pub hint: String,
    pub owner: String,
    pub owner_local_part: String,
    pub state: &'static str,
    pub is_off: bool,
    /// `None` if it was never used.
    pub last_used: Option<When>,
}

impl FoundKey {
    pub fn of(record: &KeyRecord, now: Time) -> Self {
        let (owner, state) = (record.owner.email.as_str(), record.state(now));
        FoundKey {
            id: record.id.to_string(),
            name: record.settings.name.to_string(),
            hint: record.hint.clone(),
            owner_local_part: local_part(owner).to_owned(),
            owner: owner.to_owned(),
            state: match state {
                KeyState::Active if record.is_token => "Active token",
                KeyState::Active => "Active",
                KeyState::OwnerDeactivated => "Owner deactivated",
                KeyState::Disabled => "Disabled",
                KeyState::Expired => "Expired",
                KeyState::Damaged => "Damaged",
            },
            is_off: !matches!(state, KeyState::Active | KeyState::Damaged),
            last_used: record.last_use.as_ref().map(|last| last.at.into()),
        }
    }
}
