//! Address ranges: from where a key can be used, and which peers are trusted proxies.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

use crate::error::{Error, Result};

/// CIDR ranges, each truncated to its network; empty means any address. A range of IPv4-mapped IPv6 addresses (RFC 4291
/// §2.5.5.2) becomes the range of the IPv4 addresses that they stand for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    pub const MAX: usize = 50;

    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let mut nets = BTreeSet::new();
        for text in texts {
            nets.insert(parse_net(text)?);
            // The limit is checked inside the loop, because the input may be long.
            if nets.len() > Self::MAX {
                return Err(Error::invalid("allowed_ips", "Use up to 50 address ranges per key."));
            }
        }
        Ok(Networks(nets.into_iter().collect()))
    }

    /// Reads ranges from the database, however many: limits apply to input only. `None` if a part is not a range,
    /// because what it allowed is then unknown.
    pub fn stored(joined: &str) -> Option<Self> {
        let parts = joined.split(' ').filter(|part| !part.is_empty());
        let mut nets = parts.map(|part| parse_net(part).ok()).collect::<Option<Vec<_>>>()?;
        nets.sort_unstable();
        nets.dedup();
        Some(Networks(nets))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|net| net.contains(&address))
    }

    /// Whether every address in these ranges is also in `outer`.
    pub fn is_within(&self, outer: &Networks) -> bool {
        // Two adjacent ranges may together contain a range that neither contains alone.
        let outer_nets = IpNet::aggregate(&outer.0);
        let is_in = |net: &IpNet| outer_nets.iter().any(|outer| outer.contains(net));
        outer.is_empty() || (!self.is_empty() && self.0.iter().all(is_in))
    }

    pub fn iter(&self) -> impl Iterator<Item = &IpNet> {
        self.0.iter()
    }

    pub fn joined(&self) -> String {
        self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }
}

fn parse_net(text: &str) -> Result<IpNet> {
    let text = text.trim();
    let net = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    let net = net.ok_or_else(|| {
        Error::invalid(
            "allowed_ips",
            "Not a valid address or range. Use CIDR (203.0.113.0/24, 2001:db8::/32) or one address.",
        )
    })?;
    unmapped(net).map(|net| net.trunc())
}

/// No client ever has an IPv4-mapped address, so a range of them would match nobody.
fn unmapped(net: IpNet) -> Result<IpNet> {
    let IpNet::V6(v6) = net else { return Ok(net) };
    let Some(v4) = v6.addr().to_ipv4_mapped() else { return Ok(net) };
    let length = v6.prefix_len().checked_sub(96).and_then(|length| Ipv4Net::new(v4, length).ok());
    length.map(IpNet::V4).ok_or_else(|| {
        let detail = format!("{net} covers more than IPv4 addresses. Use an IPv4 range such as {v4}/24.");
        Error::invalid("allowed_ips", detail)
    })
}

impl serde::Serialize for Networks {
    fn serialize<S: serde::Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
        s.collect_seq(self.0.iter().map(ToString::to_string))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    #[test]
    fn mapped_addresses_count_as_ipv4() {
        let nets = Networks::parse(["10.1.2.3/8", "2001:db8::1"]).unwrap();
        assert_eq!(nets.joined(), "10.0.0.0/8 2001:db8::1/128");
        assert!(nets.contains("::ffff:10.9.9.9".parse().unwrap()));
        assert!(!nets.contains("11.0.0.1".parse().unwrap()));
    }

    #[test]
    fn limits_apply_to_input_and_not_to_stored_values() {
        let many = (0..60).map(|n| format!("10.0.{n}.0/24")).collect::<Vec<_>>().join(" ");
        assert_eq!(Networks::stored(&many).unwrap().joined().split(' ').count(), 60);
        assert_eq!(Networks::stored(""), Some(Networks::default()));
        for damaged in ["10.0.0.0/33", "10.0.0.0/8,11.0.0.0/8", "anywhere", "10.0.0.0/8 \0"] {
            assert_eq!(Networks::stored(damaged), None, "{damaged:?}");
        }
    }

    #[test]
    fn a_range_of_mapped_addresses_is_the_ipv4_range() {
        let of = |text: &str| Networks::parse([text]).map(|nets| nets.joined());
        for (text, range) in [
            ("::ffff:203.0.113.7", "203.0.113.7/32"),
            ("::ffff:203.0.113.7/128", "203.0.113.7/32"),
            ("::FFFF:cb00:7107/120", "203.0.113.0/24"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
            ("::/0", "::/0"),
            ("::fffe:203.0.113.7", "::fffe:cb00:7107/128"),
        ] {
            assert_eq!(of(text).unwrap(), range, "{text}");
        }
        for text in ["::ffff:203.0.113.0/24", "::ffff:203.0.113.7/95", "::ffff:0:0/0"] {
            assert!(of(text).is_err(), "{text}");
        }
        assert_eq!(Networks::parse(["203.0.113.7", "::ffff:203.0.113.7"]).unwrap().joined(), "203.0.113.7/32");
    }

    proptest! {
        #[test]
        fn a_mapped_range_contains_what_the_ipv4_range_contains(net: u32, length in 0_u8..=32, other: u32) {
            let (net, other) = (Ipv4Addr::from(net), IpAddr::from(Ipv4Addr::from(other)));
            let plain = Networks::parse([format!("{net}/{length}").as_str()]).unwrap();
            let mapped = Networks::parse([format!("::ffff:{net}/{}", length + 96).as_str()]).unwrap();
            prop_assert_eq!(&plain, &mapped);
            prop_assert!(mapped.contains(net.into()));
            prop_assert_eq!(plain.contains(other), mapped.contains(other));
            // Stored ranges are read back unchanged.
            prop_assert_eq!(Networks::parse(mapped.joined().split(' ')).unwrap(), mapped);
        }
    }
}
