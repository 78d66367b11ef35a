//! A record's content as one short value: two versions are equal if nothing that can be changed differs. The strong
//! validator of RFC 9110 §8.8.3, and the basis of a change (§13.1.1).

use std::fmt;

use super::Digest;
use crate::error::{Error, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version([u8; 16]);

impl Version {
    /// The version of these parts in order, each prefixed with its length, so that different lists never produce the
    /// same input.
    pub fn of(parts: &[&str]) -> Self {
        let text: String = parts.iter().map(|part| format!("{}:{part}", part.len())).collect();
        let [head @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = *Digest::of(text.as_bytes()).as_bytes();
        Version(head)
    }

    /// Parses a version as we write it; anything else is not a version and equals none.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes).ok().map(|()| Version(bytes))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// The version that a change is based on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Basis {
    /// Any version.
    Anything,
    OneOf(Vec<Version>),
}

impl Basis {
    /// `present` returns the current version; it is called only if needed.
    pub fn must_hold(&self, present: impl FnOnce() -> Version, what: &'static str) -> Result<()> {
        match self {
            Basis::OneOf(versions) if !versions.contains(&present()) => Err(Error::outdated(what)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_kept_separate_and_a_version_survives_a_round_trip() {
        assert_ne!(Version::of(&["ab", "c"]), Version::of(&["a", "bc"]));
        assert_ne!(Version::of(&["a"]), Version::of(&["a", ""]));
        let version = Version::of(&["a"]);
        assert_eq!(Version::parse(&version.to_string()), Some(version));
        for other in ["", "*", "a", &version.to_string()[1..]] {
            assert_eq!(Version::parse(other), None, "{other}");
        }
    }

    #[test]
    fn only_the_current_version_satisfies_a_precondition() {
        let (old, new) = (Version::of(&["old"]), Version::of(&["new"]));
        assert!(Basis::Anything.must_hold(|| new, "key").is_ok());
        assert!(Basis::OneOf(vec![old, new]).must_hold(|| new, "key").is_ok());
        assert!(Basis::OneOf(vec![old]).must_hold(|| new, "key").is_err());
        assert!(Basis::OneOf(vec![]).must_hold(|| new, "key").is_err());
    }
}
