//! The settings of a key, and a change to them. A new setting is added here; the compiler then names the other places
//! that must handle it.

use std::time::Duration;

use super::characters::is_deceptive;
use super::foreign_text::has_key;
use super::{Expiry, KeyName, Metadata, Networks, RateLimit, ScopeSet, Time, UserId};
use crate::error::{Error, Result};

/// The settings of a key, which its owner can change later. A request for a key, its record, a line of an import and a
/// rotation all contain these by value, so that a new setting reaches each of them.
#[derive(Debug, Clone)]
pub struct KeySettings {
    pub name: KeyName,
    pub description: Description,
    pub scopes: ScopeSet,
    /// `None` means it never expires.
    pub expires_at: Option<Time>,
    /// Empty means any address.
    pub allowed_ips: Networks,
    /// `None` means no limit.
    pub rate_limit: Option<RateLimit>,
    pub metadata: Metadata,
}

impl KeySettings {
    /// The settings of a key with only a name: no scopes, no expiry, any address, no limit.
    pub fn named(name: KeyName) -> Self {
        KeySettings {
            name,
            description: Description::default(),
            scopes: ScopeSet::default(),
            expires_at: None,
            allowed_ips: Networks::default(),
            rate_limit: None,
            metadata: Metadata::default(),
        }
    }

    /// Each setting as a text, for the record's version. The struct is destructured, so that a forgotten setting does
    /// not compile.
    pub fn parts(&self) -> impl Iterator<Item = String> {
        let KeySettings { name, description, scopes, expires_at, allowed_ips, rate_limit, metadata } = self;
        let parts = [
            name.to_string(),
            description.as_str().to_owned(),
            scopes.joined(),
            expires_at.map_or_else(String::new, |end| end.to_string()),
            allowed_ips.joined(),
            rate_limit.map_or_else(String::new, |limit| limit.text()),
            metadata.text().to_owned(),
        ];
        parts.into_iter()
    }

    /// Each setting by its API name, as the audit log records it. An empty text or `null` means that there is none. The
    /// struct is destructured, so that a forgotten setting does not compile.
    pub fn values(&self) -> [(&'static str, serde_json::Value); 7] {
        let KeySettings { name, description, scopes, expires_at, allowed_ips, rate_limit, metadata } = self;
        [
            ("name", name.to_string().into()),
            ("description", description.as_str().into()),
            ("scopes", scopes.joined().into()),
            ("expires_at", expires_at.map(|end| end.to_string()).into()),
            ("allowed_ips", allowed_ips.joined().into()),
            ("rate_limit", rate_limit.map(|limit| limit.text()).into()),
            ("metadata", metadata.text().into()),
        ]
    }

    /// Time from `now` to the expiry, in whole seconds; `None` means unlimited.
    pub fn lifetime(&self, now: Time) -> Option<Duration> {
        self.expires_at.map(|end| end.since(now.whole_second()))
    }
}

/// What a key is for, in its owner's words: plain text, possibly on several lines. Empty if there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Description(String);

impl Description {
    /// Maximum length in characters (Unicode scalar values).
    pub const MAX: usize = 500;

    /// The line breaks of all systems become `\n`.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |message: &'static str| Error::invalid("description", message);
        let text = text.trim().replace("\r\n", "\n").replace('\r', "\n");
        if text.chars().count() > Self::MAX {
            return Err(wrong("Use a description of up to 500 characters."));
        }
        if text.chars().any(|c| is_deceptive(c) && c != '\n') {
            return Err(wrong(
                "A description must not contain control characters or marks that change the writing direction.",
            ));
        }
        if has_key(&text) {
            return Err(wrong("The description contains a key. Keys are never stored: write something else."));
        }
        Ok(Description(text))
    }

    /// The description as stored, where it may be damaged.
    pub fn stored(text: String) -> Self {
        Description(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, if there is any.
    pub fn filled(&self) -> Option<&str> {
        Some(self.as_str()).filter(|text| !text.is_empty())
    }
}

/// A change to a key. `None` leaves a field unchanged.
#[derive(Debug, Clone, Default)]
pub struct KeyChange {
    /// Transfers the key.
    pub owner: Option<UserId>,
    pub name: Option<KeyName>,
    pub description: Option<Description>,
    pub scopes: Option<ScopeSet>,
    pub expiry: Option<Expiry>,
    pub enabled: Option<bool>,
    pub allowed_ips: Option<Networks>,
    /// `Some(None)` removes the limit.
    pub rate_limit: Option<Option<RateLimit>>,
    pub metadata: Option<Metadata>,
}

impl KeyChange {
    pub fn disable() -> Self {
        KeyChange { enabled: Some(false), ..KeyChange::default() }
    }

    pub fn enable() -> Self {
        KeyChange { enabled: Some(true), ..KeyChange::default() }
    }

    /// Whether it changes if, when, from where or how often the key can be used.
    pub fn moves_bounds(&self) -> bool {
        let KeyChange {
            expiry,
            enabled,
            allowed_ips,
            rate_limit,
            owner: _,
            name: _,
            description: _,
            scopes: _,
            metadata: _,
        } = self;
        expiry.is_some() || enabled.is_some() || allowed_ips.is_some() || rate_limit.is_some()
    }

    /// Whether it only disables the key, which must succeed even on a full disk.
    pub fn only_disables(&self) -> bool {
        self.only_enabled() == Some(false)
    }

    /// The new state, if nothing else changes.
    pub fn only_enabled(&self) -> Option<bool> {
        let others_stay = self.fields().iter().all(|(field, is_set)| *field == "enabled" || !is_set);
        self.enabled.filter(|_| others_stay)
    }

    /// Whether it gives this field of a record a new value.
    pub fn sets(&self, field: &str) -> bool {
        self.fields().iter().any(|(name, is_set)| *name == field && *is_set)
    }

    /// Every field by its API name, and whether it gets a new value. The struct is destructured, so that a forgotten
    /// field does not compile.
    pub fn fields(&self) -> [(&'static str, bool); 9] {
        let KeyChange { owner, name, description, scopes, expiry, enabled, allowed_ips, rate_limit, metadata } = self;
        [
            ("owner", owner.is_some()),
            ("name", name.is_some()),
            ("description", description.is_some()),
            ("scopes", scopes.is_some()),
            ("expires_at", expiry.is_some()),
            ("enabled", enabled.is_some()),
            ("allowed_ips", allowed_ips.is_some()),
            ("rate_limit", rate_limit.is_some()),
            ("metadata", metadata.is_some()),
        ]
    }

    /// The settings after the change.
    pub fn apply(self, old: KeySettings) -> KeySettings {
        let KeyChange { owner: _, name, description, scopes, expiry, enabled: _, allowed_ips, rate_limit, metadata } =
            self;
        KeySettings {
            name: name.unwrap_or(old.name),
            description: description.unwrap_or(old.description),
            scopes: scopes.unwrap_or(old.scopes),
            expires_at: expiry.map_or(old.expires_at, Expiry::time),
            allowed_ips: allowed_ips.unwrap_or(old.allowed_ips),
            rate_limit: rate_limit.unwrap_or(old.rate_limit),
            metadata: metadata.unwrap_or(old.metadata),
        }
    }
}
