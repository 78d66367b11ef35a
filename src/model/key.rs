//! A key's record: everything that may be stored about a key. Its text is `PlainKey`, which is never stored.

use std::time::Duration;

use super::verdict::KeyState;
use super::{Digest, Email, Facts, KeyChange, KeyId, KeyPrefix, KeySettings, Time, UserId, Version};
use crate::model::expiry::DEFAULT_LIFETIME;

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Owner {
    pub id: UserId,
    pub email: Email,
}

/// The last use of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastUse {
    pub at: Time,
    pub address: Option<String>,
    pub user_agent: Option<String>,
}

/// Everything stored about a key.
#[derive(Debug, Clone)]
pub struct KeyRecord {
    pub id: KeyId,
    /// No response contains it, but an export does.
    pub digest: Digest,
    /// `None` for a key of another system, whose text we never had.
    pub prefix: Option<String>,
    pub hint: String,
    pub owner: Owner,
    pub owner_active: bool,
    pub settings: KeySettings,
    pub enabled: bool,
    pub created_at: Time,
    /// Its lifetime when it was created; `None` means unlimited.
    pub lifetime: Option<Duration>,
    /// The key whose rate limit this one shares, because it was rotated from it. `None` means it has its own.
    pub limit_bucket: Option<KeyId>,
    pub last_use: Option<LastUse>,
    /// The key that this one was rotated from, even if that one has been revoked.
    pub rotated_from: Option<KeyId>,
    /// The key that replaces this one.
    pub rotated_to: Option<KeyId>,
    /// Whether this is a short-lived token, which a program got by signing in.
    pub is_token: bool,
    /// The fields whose stored value breaks a rule, by their API names; each contains what could be read of it. Empty
    /// unless someone edited the database by hand or its file is damaged.
    pub unreadable: Vec<&'static str>,
}

impl KeyRecord {
    /// The key's state, as a verifier finds it. No other code derives it.
    pub fn state(&self, now: Time) -> KeyState {
        match self.facts().state(now) {
            KeyState::Active if self.is_beyond_judging() => KeyState::Damaged,
            state => state,
        }
    }

    /// The record after the change.
    pub fn after(self, change: KeyChange) -> Self {
        let unreadable = self.unreadable.iter().copied().filter(|field| !change.sets(field)).collect();
        let enabled = change.enabled.unwrap_or(self.enabled);
        KeyRecord { settings: change.apply(self.settings), enabled, unreadable, ..self }
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            enabled: self.enabled,
            owner_active: self.owner_active,
            made_at: self.is_token.then(|| self.id.made_at()),
            expires_at: self.settings.expires_at,
            scopes: &self.settings.scopes,
            allowed_ips: &self.settings.allowed_ips,
        }
    }

    pub fn is_expired(&self, now: Time) -> bool {
        self.settings.expires_at.is_some_and(|end| now >= end)
    }

    /// Whether an unreadable field decides what the key may do, so that the key cannot be judged.
    pub fn is_beyond_judging(&self) -> bool {
        let judged = ["id", "scopes", "enabled", "expires_at", "allowed_ips", "rate_limit", "is_token"];
        self.unreadable.iter().any(|field| judged.contains(field))
    }

    /// The version of everything that can be changed; a use is not a change. The record is destructured, so that a new
    /// field does not compile until somebody decides whether it belongs here.
    pub fn version(&self) -> Version {
        let KeyRecord {
            id,
            settings,
            enabled,
            unreadable,
            digest: _,
            prefix: _,
            hint: _,
            owner,
            owner_active: _,
            created_at: _,
            lifetime: _,
            limit_bucket: _,
            last_use: _,
            rotated_from: _,
            rotated_to: _,
            is_token: _,
        } = self;
        let own = [id.to_string(), owner.id.to_string(), enabled.to_string(), unreadable.join(" ")];
        let parts: Vec<String> = own.into_iter().chain(settings.parts()).collect();
        Version::of(&parts.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

/// A key from another system or an export, of which only the digest is known.
#[derive(Debug, Clone)]
pub struct ImportedKey {
    pub digest: Digest,
    pub owner: Email,
    /// `None` for a key of another system.
    pub prefix: Option<KeyPrefix>,
    pub hint: String,
    pub enabled: bool,
    pub settings: KeySettings,
}

impl ImportedKey {
    /// The lifetime counts from now, because the time of creation is unknown. A key that has expired gets the default
    /// lifetime.
    pub fn lifetime(&self, now: Time) -> Option<Duration> {
        self.settings.lifetime(now).map(|left| if left.is_zero() { DEFAULT_LIFETIME } else { left })
    }
}
