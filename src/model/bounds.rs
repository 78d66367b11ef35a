//! When, from where and how often a key can be used. No key can give another key more than it has.

use super::{KeySettings, Networks, RateLimit, Time};

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bounds {
    /// `None` means it never expires.
    pub expires_at: Option<Time>,
    /// Empty means any address.
    pub allowed_ips: Networks,
    /// `None` means no limit.
    pub rate_limit: Option<RateLimit>,
}

impl Bounds {
    pub fn of(key: &KeySettings) -> Self {
        Bounds { expires_at: key.expires_at, allowed_ips: key.allowed_ips.clone(), rate_limit: key.rate_limit }
    }

    /// The first field in which these bounds exceed `outer`, if any.
    pub fn beyond(&self, outer: &Bounds) -> Option<&'static str> {
        let outlives = outer.expires_at.is_some_and(|end| self.expires_at.is_none_or(|own| own > end));
        let is_looser = outer.rate_limit.is_some_and(|limit| self.rate_limit.is_none_or(|own| !own.is_within(&limit)));
        match () {
            () if outlives => Some("expires_at"),
            () if !self.allowed_ips.is_within(&outer.allowed_ips) => Some("allowed_ips"),
            () if is_looser => Some("rate_limit"),
            () => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(end: Option<i64>, ips: &[&str], limit: Option<&str>) -> Bounds {
        Bounds {
            expires_at: end.map(Time::from_millis),
            allowed_ips: Networks::parse(ips.iter().copied()).unwrap(),
            rate_limit: limit.map(|text| RateLimit::parse(text).unwrap()),
        }
    }

    #[test]
    fn each_bound_is_enforced_separately() {
        let outer = bounds(Some(1000), &["10.0.0.0/9", "10.128.0.0/9", "2001:db8::/32"], Some("100/60"));
        let inside = [
            outer.clone(),
            bounds(Some(999), &["10.1.0.0/16"], Some("99/60")),
            bounds(Some(0), &["10.0.0.0/8", "2001:db8:1::/48"], Some("1/1/1")),
            bounds(Some(0), &["10.1.2.3"], Some("1000/600/100")),
        ];
        for inner in inside {
            assert_eq!(inner.beyond(&outer), None, "{inner:?}");
            assert_eq!(inner.beyond(&Bounds::default()), None);
        }
        for (inner, field) in [
            (Bounds { expires_at: None, ..outer.clone() }, "expires_at"),
            (Bounds { expires_at: Some(Time::from_millis(1001)), ..outer.clone() }, "expires_at"),
            (bounds(Some(0), &[], Some("1/60")), "allowed_ips"),
            (bounds(Some(0), &["10.0.0.0/8", "11.0.0.0/8"], Some("1/60")), "allowed_ips"),
            (bounds(Some(0), &["0.0.0.0/0"], Some("1/60")), "allowed_ips"),
            (bounds(Some(0), &["10.0.0.0/8"], None), "rate_limit"),
            (bounds(Some(0), &["10.0.0.0/8"], Some("101/60/1")), "rate_limit"),
            (bounds(Some(0), &["10.0.0.0/8"], Some("100/60/101")), "rate_limit"),
            (bounds(Some(0), &["10.0.0.0/8"], Some("200/120")), "rate_limit"),
        ] {
            assert_eq!(inner.beyond(&outer), Some(field), "{inner:?}");
        }
    }
}
