//! A key's settings and record: what may be stored of a key. Its text is `PlainKey`, and is stored nowhere.

use std::time::Duration;

pub use super::metadata::Metadata;
use super::verdict::KeyState;
use super::{Digest, Email, Facts, KeyId, KeyName, KeyPrefix, Networks, RateLimit, ScopeSet, Time, UserId, Version};
use crate::model::expiry::USUAL_LIFETIME;

/// What its owner decides about a key, and can change later. A request for a key, its record, a line of an import and
/// a rotation all hold these by value, so that a new setting reaches each of them.
#[derive(Debug, Clone)]
pub struct KeySettings {
    pub name: KeyName,
    pub scopes: ScopeSet,
    /// `None`: never.
    pub expires_at: Option<Time>,
    /// Empty: any address.
    pub allowed_ips: Networks,
    /// `None`: no limit.
    pub rate_limit: Option<RateLimit>,
    pub metadata: Metadata,
}

impl KeySettings {
    /// From `now` to the expiry, in whole seconds; `None`: unlimited.
    pub fn lifetime(&self, now: Time) -> Option<Duration> {
        self.expires_at.map(|end| end.since(now.whole_second()))
    }
}

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
    /// For the index only; no response shows it.
    pub digest: Digest,
    /// `None` for an imported key, whose text we never knew.
    pub prefix: Option<String>,
    pub hint: String,
    pub owner: Owner,
    pub owner_active: bool,
    pub settings: KeySettings,
    pub enabled: bool,
    pub created_at: Time,
    /// Its lifetime when it was created; `None`: unlimited.
    pub lifetime: Option<Duration>,
    /// The key whose rate limit this one shares, since it was rotated from it. `None`: its own.
    pub limit_bucket: Option<KeyId>,
    pub last_use: Option<LastUse>,
    /// A short-lived token, which a program got by signing in.
    pub is_token: bool,
    /// The fields whose stored value breaks a rule, by their names in the API; what can be read of them is in
    /// its place. Empty, unless somebody changed the database by hand or its file is damaged.
    pub unreadable: Vec<&'static str>,
}

impl KeyRecord {
    /// The key's state, as a verifier would find it. No other code derives it.
    pub fn state(&self, now: Time) -> KeyState {
        match self.facts().state(now) {
            KeyState::Active if self.is_beyond_judging() => KeyState::Damaged,
            state => state,
        }
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

    /// Whether an unreadable field decides what the key may do, so that nobody can judge it.
    pub fn is_beyond_judging(&self) -> bool {
        let judged = ["id", "scopes", "enabled", "expires_at", "allowed_ips", "rate_limit", "is_token"];
        self.unreadable.iter().any(|field| judged.contains(field))
    }

    /// Covers everything that can be changed; a use is not a change. Destructured, so that a new field does not
    /// compile before somebody has decided whether it belongs here.
    pub fn version(&self) -> Version {
        let KeyRecord {
            id,
            settings,
            enabled,
            unreadable,
            digest: _,
            prefix: _,
            hint: _,
            owner: _,
            owner_active: _,
            created_at: _,
            lifetime: _,
            limit_bucket: _,
            last_use: _,
            is_token: _,
        } = self;
        let KeySettings { name, scopes, expires_at, allowed_ips, rate_limit, metadata } = settings;
        let unreadable = unreadable.join(" ");
        let parts = [
            &id.to_string(),
            name.as_str(),
            &scopes.joined(),
            &expires_at.map_or_else(String::new, |end| end.to_string()),
            &enabled.to_string(),
            &allowed_ips.joined(),
            &rate_limit.map_or_else(String::new, |limit| limit.text()),
            metadata.text(),
            &unreadable,
        ];
        // A sound record keeps the version that it had before versions covered damage.
        Version::of(if unreadable.is_empty() { &parts[..8] } else { &parts })
    }
}

/// A key of another system, or of an export: known by its digest only.
#[derive(Debug, Clone)]
pub struct ImportedKey {
    pub digest: Digest,
    pub owner: Email,
    /// `None`: another system's.
    pub prefix: Option<KeyPrefix>,
    pub hint: String,
    pub enabled: bool,
    pub settings: KeySettings,
}

impl ImportedKey {
    /// Counted from now, since nobody says when the key was created. An expiry in the past says nothing about it.
    pub fn lifetime(&self, now: Time) -> Option<Duration> {
        self.settings.lifetime(now).map(|left| if left.is_zero() { USUAL_LIFETIME } else { left })
    }
}
