//! Scopes: what a key may do, as grants that are compared with the needs of a request.

use std::collections::BTreeSet;
use std::fmt;

use super::foreign_text;
use crate::error::{Error, Result};

/// `[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}`; a grant may end in `*` (`orders:*` covers `orders:read`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope(String);

impl Scope {
    pub const MAX: usize = 64;
    /// The namespace that only an admin can grant.
    pub const OURS: &'static str = "keybearer:";
    pub const VERIFY: &'static str = "keybearer:verify";
    pub const KEYS: &'static str = "keybearer:keys";
    pub const USERS: &'static str = "keybearer:users";
    pub const EVENTS: &'static str = "keybearer:events";

    /// Parses a grant, with or without a final `*`.
    pub fn parse(text: &str) -> Result<Self> {
        let bare = text.strip_suffix('*').unwrap_or(text);
        let lone_star = text == "*";
        if text.len() <= Self::MAX && (lone_star || is_scope(bare)) {
            let reserved = text.starts_with(Self::OURS);
            if reserved && ![Self::VERIFY, Self::KEYS, Self::USERS, Self::EVENTS].contains(&text) {
                return Err(Error::invalid(
                    "scopes",
                    "Unknown scope. Use keybearer:verify, keybearer:keys, keybearer:users or keybearer:events.",
                ));
            }
            if foreign_text::has_key(text) {
                return Err(Error::invalid(
                    "scopes",
                    "This scope contains a key. Keys are never stored: use another scope.",
                ));
            }
            return Ok(Scope(text.to_owned()));
        }
        Err(Error::invalid(
            "scopes",
            "Not a valid scope: use letters, digits and . _ : / - (up to 64), optionally ending in *.",
        ))
    }

    /// Parses a need: what a request requires, never with a `*`.
    pub fn parse_need(text: &str) -> Result<Self> {
        if text.len() <= Self::MAX && is_scope(text) {
            return Ok(Scope(text.to_owned()));
        }
        Err(Error::invalid("scopes", "A required scope must not contain *. Use a plain scope such as orders:read."))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_reserved(&self) -> bool {
        self.0.starts_with(Self::OURS)
    }

    /// Whether this grant covers `need`, which may itself be a grant with a final `*`. A wildcard never covers
    /// `keybearer:` scopes: those must be granted by their full names.
    pub fn covers(&self, need: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(stem) => need.starts_with(stem) && !need.trim_end_matches('*').starts_with(Self::OURS),
            None => self.0 == need,
        }
    }
}

fn is_scope(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphanumeric())
        && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'/' | b'-'))
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for Scope {
    fn serialize<S: serde::Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

/// A key's grants: sorted, without duplicates, up to [`ScopeSet::MAX`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ScopeSet(Vec<Scope>);

impl ScopeSet {
    pub const MAX: usize = 50;

    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let mut scopes = BTreeSet::new();
        for text in texts {
            scopes.insert(Scope::parse(text)?);
            // The limit is checked inside the loop, because the input may be long.
            if scopes.len() > Self::MAX {
                return Err(Error::invalid("scopes", "Use up to 50 scopes per key."));
            }
        }
        Ok(ScopeSet(scopes.into_iter().collect()))
    }

    /// Reads scopes from the database, however many and however long: limits apply to input only. `None` if a part is
    /// not a scope.
    pub fn stored(joined: &str) -> Option<Self> {
        let scope = |text: &str| {
            let is_grant = text == "*" || is_scope(text.strip_suffix('*').unwrap_or(text));
            is_grant.then(|| Scope(text.to_owned()))
        };
        let mut scopes = joined.split(' ').filter(|part| !part.is_empty()).map(scope).collect::<Option<Vec<_>>>()?;
        scopes.sort_unstable();
        scopes.dedup();
        Some(ScopeSet(scopes))
    }

    pub fn covers(&self, need: &str) -> bool {
        self.0.iter().any(|grant| grant.covers(need))
    }

    /// The scopes that `other` does not cover.
    pub fn beyond(&self, other: &ScopeSet) -> ScopeSet {
        ScopeSet(self.0.iter().filter(|scope| !other.covers(scope.as_str())).cloned().collect())
    }

    /// The scopes for which `keep` returns true.
    pub fn only(&self, keep: impl Fn(&Scope) -> bool) -> ScopeSet {
        ScopeSet(self.0.iter().filter(|scope| keep(scope)).cloned().collect())
    }

    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The form of RFC 6749 §3.3: separated by single spaces.
    pub fn joined(&self) -> String {
        self.0.iter().map(Scope::as_str).collect::<Vec<_>>().join(" ")
    }
}

impl serde::Serialize for ScopeSet {
    fn serialize<S: serde::Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
        s.collect_seq(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_covers_what_its_text_says() {
        let table = [
            ("orders:read", "orders:read", true),
            ("orders:read", "orders:write", false),
            ("orders:*", "orders:read", true),
            ("orders:*", "orders", false),
            ("orders:*", "orders2:read", false),
            ("*", "orders:read", true),
            ("*", "keybearer:verify", false),
            ("keybearer:verify", "keybearer:verify", true),
            ("k*", "keybearer:keys", false),
            // Grants compared with grants: what a key can grant.
            ("orders:*", "orders:*", true),
            ("orders:*", "orders:eu:*", true),
            ("orders:*", "orders:", true),
            ("orders:eu:*", "orders:*", false),
            ("orders:read", "orders:read*", false),
            ("orders:read*", "orders:read", true),
            ("orders:*", "*", false),
            ("*", "*", true),
            ("*", "k*", true),
        ];
        for (grant, need, expected) in table {
            assert_eq!(Scope::parse(grant).unwrap().covers(need), expected, "{grant} / {need}");
        }
    }

    #[test]
    fn malformed_scopes_are_refused() {
        for bad in ["", " ", "a b", "a*b", "**", ":a", "é", "keybearer:*", "keybearer:root", &"a".repeat(65)] {
            assert!(Scope::parse(bad).is_err(), "{bad}");
        }
        assert!(Scope::parse_need("orders:*").is_err());
    }

    #[test]
    fn limits_apply_to_input_and_not_to_stored_values() {
        let many = (0..60).map(|n| format!("s{n:02}")).collect::<Vec<_>>().join(" ");
        let long = "a".repeat(65);
        for stored in ["", "b a a", "orders:* *", "keybearer:root", &many, &long] {
            let read = ScopeSet::stored(stored).unwrap();
            assert_eq!(ScopeSet::stored(&read.joined()), Some(read));
        }
        assert_eq!(ScopeSet::stored("b a a").unwrap(), ScopeSet::parse(["a", "b"]).unwrap());
        for damaged in ["a\nb", "a,b", "é", "**", ":a", "a \0"] {
            assert_eq!(ScopeSet::stored(damaged), None, "{damaged:?}");
        }
    }
}
