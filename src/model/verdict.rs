//! The verdict on a known key: a pure function of what is stored, `now` and the request.

use super::{ClientAddress, Networks, ScopeSet, Time};

/// Why a key is refused. The bearer learns little of it; a verifier learns all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    Malformed,
    NotFound,
    Expired,
    Disabled,
    OwnerDeactivated,
    InsufficientScope,
    IpNotAllowed,
    RateLimited,
}

impl Refusal {
    pub const ALL: [Refusal; 8] = [
        Refusal::Malformed,
        Refusal::NotFound,
        Refusal::Expired,
        Refusal::Disabled,
        Refusal::OwnerDeactivated,
        Refusal::InsufficientScope,
        Refusal::IpNotAllowed,
        Refusal::RateLimited,
    ];

    /// The reasons to refuse a key that exists, in the order in which they are checked.
    pub const OF_KEYS: [Refusal; 6] = [
        Refusal::OwnerDeactivated,
        Refusal::Disabled,
        Refusal::Expired,
        Refusal::IpNotAllowed,
        Refusal::InsufficientScope,
        Refusal::RateLimited,
    ];

    pub fn stored(code: &str) -> Option<Self> {
        Refusal::ALL.into_iter().find(|refusal| refusal.code() == code)
    }

    pub fn code(self) -> &'static str {
        match self {
            Refusal::Malformed => "malformed",
            Refusal::NotFound => "not_found",
            Refusal::Expired => "expired",
            Refusal::Disabled => "disabled",
            Refusal::OwnerDeactivated => "owner_deactivated",
            Refusal::InsufficientScope => "insufficient_scope",
            Refusal::IpNotAllowed => "ip_not_allowed",
            Refusal::RateLimited => "rate_limited",
        }
    }
}

/// The stored facts about a key that a verdict needs.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    pub enabled: bool,
    pub owner_active: bool,
    /// When a token was created; a key's creation time is not checked.
    pub made_at: Option<Time>,
    pub expires_at: Option<Time>,
    pub scopes: &'a ScopeSet,
    pub allowed_ips: &'a Networks,
}

/// What a request requires of a key.
#[derive(Debug, Clone, Copy)]
pub struct Demand<'a> {
    /// Plain scopes; all of them must be granted.
    pub scopes: &'a [&'a str],
    /// The caller's address. An unknown or missing address fails a key that has ranges.
    pub address: Option<ClientAddress>,
    /// The user agent as sent, for the record of last use.
    pub user_agent: &'a [u8],
}

impl Demand<'_> {
    fn is_within(&self, ranges: &Networks) -> bool {
        self.address.and_then(ClientAddress::known).is_some_and(|ip| ranges.contains(ip))
    }
}

/// Whether a key can be used at all, whatever the request; shared by pages, the command line and the verifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    Active,
    OwnerDeactivated,
    Disabled,
    Expired,
    /// The stored record is unreadable, so the key cannot be judged.
    Damaged,
}

impl KeyState {
    pub const ALL: [KeyState; 5] =
        [KeyState::Active, KeyState::OwnerDeactivated, KeyState::Disabled, KeyState::Expired, KeyState::Damaged];

    /// The state as the API names it.
    pub fn name(self) -> &'static str {
        match self {
            KeyState::Active => "active",
            KeyState::OwnerDeactivated => "owner_deactivated",
            KeyState::Disabled => "disabled",
            KeyState::Expired => "expired",
            KeyState::Damaged => "damaged",
        }
    }
}

impl Facts<'_> {
    /// A key can be expired, disabled and have a deactivated owner at once: the first that applies is its state. A key
    /// has expired if `now >= expires_at`; a token that was created while the clock was far ahead counts as expired
    /// too.
    pub fn state(&self, now: Time) -> KeyState {
        let is_ahead = self.made_at.is_some_and(|made| made.is_ahead_of(now));
        match () {
            () if !self.owner_active => KeyState::OwnerDeactivated,
            () if !self.enabled => KeyState::Disabled,
            () if is_ahead || self.expires_at.is_some_and(|end| now >= end) => KeyState::Expired,
            () => KeyState::Active,
        }
    }

    /// Checks that the key is live first, then that it may do what is asked.
    pub fn judge(&self, now: Time, demand: &Demand<'_>) -> Result<(), Refusal> {
        match self.state(now) {
            KeyState::OwnerDeactivated => return Err(Refusal::OwnerDeactivated),
            KeyState::Disabled => return Err(Refusal::Disabled),
            KeyState::Expired => return Err(Refusal::Expired),
            KeyState::Active | KeyState::Damaged => {}
        }
        if !self.allowed_ips.is_empty() && !demand.is_within(self.allowed_ips) {
            return Err(Refusal::IpNotAllowed);
        }
        if !demand.scopes.iter().all(|need| self.scopes.covers(need)) {
            return Err(Refusal::InsufficientScope);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::SKEW;

    #[test]
    fn each_fact_alone_refuses() {
        let scopes = ScopeSet::parse(["orders:*"]).unwrap();
        let anywhere = Networks::default();
        let inside = Networks::parse(["10.0.0.0/8"]).unwrap();
        let now = Time::from_millis(1_000_000);
        let good = Facts {
            enabled: true,
            owner_active: true,
            made_at: None,
            expires_at: None,
            scopes: &scopes,
            allowed_ips: &anywhere,
        };
        let ask = |needs: &'static [&'static str]| Demand { scopes: needs, address: None, user_agent: b"" };
        let table = [
            (good, ask(&[]), Ok(())),
            (good, ask(&["orders:read"]), Ok(())),
            (good, ask(&["orders:read", "users:read"]), Err(Refusal::InsufficientScope)),
            (Facts { enabled: false, ..good }, ask(&[]), Err(Refusal::Disabled)),
            (Facts { owner_active: false, ..good }, ask(&[]), Err(Refusal::OwnerDeactivated)),
            (Facts { expires_at: Some(now), ..good }, ask(&[]), Err(Refusal::Expired)),
            (Facts { made_at: Some(now.plus(SKEW)), ..good }, ask(&[]), Ok(())),
            (Facts { made_at: Some(now.plus(SKEW * 2)), ..good }, ask(&[]), Err(Refusal::Expired)),
            (Facts { expires_at: Some(Time::from_millis(1_000_001)), ..good }, ask(&[]), Ok(())),
            (Facts { allowed_ips: &inside, ..good }, ask(&[]), Err(Refusal::IpNotAllowed)),
            (
                Facts { allowed_ips: &inside, ..good },
                Demand { scopes: &[], address: Some(ClientAddress::Known([10, 1, 1, 1].into())), user_agent: b"" },
                Ok(()),
            ),
            (
                Facts { allowed_ips: &inside, ..good },
                Demand { scopes: &[], address: Some(ClientAddress::Known([9, 1, 1, 1].into())), user_agent: b"" },
                Err(Refusal::IpNotAllowed),
            ),
            (
                Facts { allowed_ips: &inside, ..good },
                Demand { scopes: &[], address: Some(ClientAddress::Unknown), user_agent: b"" },
                Err(Refusal::IpNotAllowed),
            ),
        ];
        for (facts, demand, expected) in table {
            assert_eq!(facts.judge(now, &demand), expected);
        }
    }
}
