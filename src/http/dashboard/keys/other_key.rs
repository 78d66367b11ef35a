//! The other key of a rotation, as the page of each shows it.

use crate::error::{Kind, Result};
use crate::http::dashboard::frame::{SignedIn, When};
use crate::model::{KeyId, KeyRecord, Time};

pub struct OtherKey {
    pub id: String,
    pub hint: String,
    /// `None` if it never expires.
    pub expires: Option<When>,
    pub last_used: Option<When>,
    last_used_at: Option<Time>,
    /// The address and the program of the last use.
    pub last_from: Option<String>,
    pub last_with: Option<String>,
}

impl OtherKey {
    /// `None` if it was revoked, or belongs to somebody else.
    pub async fn find(who: &SignedIn, id: Option<KeyId>) -> Result<Option<Self>> {
        let Some(id) = id else { return Ok(None) };
        match who.site.auth.key(&who.asking().caller, id).await {
            Ok(record) if record.is_expired(who.site.auth.now()) => Ok(None),
            Ok(record) => Ok(Some(OtherKey::of(&record))),
            Err(error) if error.kind == Kind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub fn was_used_since(&self, time: Time) -> bool {
        self.last_used_at.is_some_and(|at| at > time)
    }

    fn of(record: &KeyRecord) -> Self {
        let last = record.last_use.as_ref();
        OtherKey {
            id: record.id.to_string(),
            hint: record.hint.clone(),
            expires: record.settings.expires_at.map(When::from),
            last_used: last.map(|last| last.at.into()),
            last_used_at: last.map(|last| last.at),
            last_from: last.and_then(|last| last.address.clone()),
            last_with: last.and_then(|last| last.user_agent.clone()),
        }
    }
}
