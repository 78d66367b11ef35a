//! Policies: what a route requires of a request. The gateway's operator puts the policy's name into a URL.

use std::collections::HashMap;

use super::Scope;
use crate::error::{Error, Result};

/// The requirements of one policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    scopes: Vec<Scope>,
    allows_anonymous: bool,
    allows_preflight: bool,
    wants_identity: bool,
}

impl Policy {
    pub const MAX_SCOPES: usize = 50;

    pub fn parse<'a>(scopes: impl IntoIterator<Item = &'a str>, allows_anonymous: bool) -> Result<Self> {
        let scopes = scopes.into_iter().map(Scope::parse_need).collect::<Result<Vec<_>>>()?;
        if scopes.len() > Self::MAX_SCOPES {
            return Err(Error::invalid("scopes", "Use up to 50 scopes per policy."));
        }
        Ok(Policy { scopes, allows_anonymous, allows_preflight: false, wants_identity: false })
    }

    /// The same policy, but CORS preflights pass anonymously.
    pub fn with_preflight(self) -> Self {
        Policy { allows_preflight: true, ..self }
    }

    pub fn allows_preflight(&self) -> bool {
        self.allows_preflight
    }

    /// The same policy, but an allowed request gets a signed identity.
    pub fn with_identity(self) -> Self {
        Policy { wants_identity: true, ..self }
    }

    pub fn wants_identity(&self) -> bool {
        self.wants_identity
    }

    /// A key needs all of these.
    pub fn scopes(&self) -> &[Scope] {
        &self.scopes
    }

    /// Whether a request without any credential passes anonymously. A credential that is sent is still verified.
    pub fn allows_anonymous(&self) -> bool {
        self.allows_anonymous
    }
}

/// All policies in the settings file. Names match `[a-z0-9][a-z0-9_-]{0,63}`: they appear in URLs and never need
/// encoding.
#[derive(Debug, Clone, Default)]
pub struct Policies(HashMap<String, Policy>);

impl Policies {
    pub fn parse(policies: impl IntoIterator<Item = (String, Policy)>) -> Result<Self> {
        let policies = policies.into_iter().map(
            |(name, policy)| {
                if is_name(&name) { Ok((name, policy)) } else { Err(misnamed(&name)) }
            },
        );
        Ok(Policies(policies.collect::<Result<_>>()?))
    }

    pub fn find(&self, name: &str) -> Option<&Policy> {
        self.0.get(name)
    }

    /// The names for the log: `catalogue, orders-read`.
    pub fn names(&self) -> String {
        let mut names: Vec<&str> = self.0.keys().map(String::as_str).collect();
        names.sort_unstable();
        names.join(", ")
    }
}

fn is_name(text: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    text.len() <= 64
        && text.bytes().next().is_some_and(is_plain)
        && text.bytes().all(|b| is_plain(b) || matches!(b, b'-' | b'_'))
}

fn misnamed(name: &str) -> Error {
    Error::invalid(
        "policy",
        format!(
            "{name:?} is not a valid policy name. Use a lower-case letter or digit, then up to 63 of a-z, \
             0-9, - and _ (orders-read)."
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policy_names_need_no_escaping_in_a_url() {
        let of = |name: &str| Policies::parse([(name.to_owned(), Policy::parse([], false).unwrap())]);
        for good in ["orders-read", "o", "2fast", "a_b", &"a".repeat(64)] {
            assert!(of(good).unwrap().find(good).is_some(), "{good}");
        }
        for bad in ["", "-a", "_a", "A", "a b", "a/b", "a.b", "a%62", "ä", "a*", "..", &"a".repeat(65)] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_policy_accepts_no_wildcard_scopes() {
        assert!(Policy::parse(["orders:read", "keybearer:verify"], true).is_ok());
        for bad in ["orders:*", "", "a b"] {
            assert!(Policy::parse([bad], false).is_err(), "{bad}");
        }
    }
}
