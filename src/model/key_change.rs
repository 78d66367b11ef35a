//! A change to a key.

use super::{Expiry, KeyName, KeyRecord, KeySettings, Metadata, Networks, RateLimit, ScopeSet};

/// `None` leaves a field unchanged.
#[derive(Debug, Clone, Default)]
pub struct KeyChange {
    pub name: Option<KeyName>,
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

    pub fn rename(name: KeyName) -> Self {
        KeyChange { name: Some(name), ..KeyChange::default() }
    }

    /// Whether it changes if, when, from where or how often the key can be used.
    pub fn moves_bounds(&self) -> bool {
        let KeyChange { expiry, enabled, allowed_ips, rate_limit, name: _, scopes: _, metadata: _ } = self;
        expiry.is_some() || enabled.is_some() || allowed_ips.is_some() || rate_limit.is_some()
    }

    /// Whether it only disables the key, which must succeed on a full disk too.
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

    /// Every field by its API name, and whether it gets a new value. Destructured, so that a forgotten field does not
    /// compile.
    pub fn fields(&self) -> [(&'static str, bool); 7] {
        let KeyChange { name, scopes, expiry, enabled, allowed_ips, rate_limit, metadata } = self;
        [
            ("name", name.is_some()),
            ("scopes", scopes.is_some()),
            ("expires_at", expiry.is_some()),
            ("enabled", enabled.is_some()),
            ("allowed_ips", allowed_ips.is_some()),
            ("rate_limit", rate_limit.is_some()),
            ("metadata", metadata.is_some()),
        ]
    }

    /// The record after the change.
    pub fn apply(self, before: KeyRecord) -> KeyRecord {
        let unreadable = before.unreadable.iter().copied().filter(|field| !self.sets(field)).collect();
        let KeyChange { name, scopes, expiry, enabled, allowed_ips, rate_limit, metadata } = self;
        let old = before.settings;
        KeyRecord {
            settings: KeySettings {
                name: name.unwrap_or(old.name),
                scopes: scopes.unwrap_or(old.scopes),
                expires_at: expiry.map_or(old.expires_at, Expiry::time),
                allowed_ips: allowed_ips.unwrap_or(old.allowed_ips),
                rate_limit: rate_limit.unwrap_or(old.rate_limit),
                metadata: metadata.unwrap_or(old.metadata),
            },
            enabled: enabled.unwrap_or(before.enabled),
            unreadable,
            ..before
        }
    }
}
