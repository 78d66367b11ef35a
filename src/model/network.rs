//! Address ranges: who may use a key, and which peers are trusted proxies.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::error::{Error, Result};

/// IPv4-mapped IPv6 addresses judged as the IPv4 addresses they are.
pub fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// What one client can hold cheaply: an IPv4 address, an IPv6 /64.
pub fn neighbourhood(address: IpAddr) -> IpNet {
    match canonical(address) {
        IpAddr::V4(v4) => IpNet::V4(Ipv4Net::from(v4)),
        IpAddr::V6(v6) => {
            let upper = Ipv6Addr::from(u128::from(v6) & !u128::from(u64::MAX));
            IpNet::V6(Ipv6Net::new_assert(upper, 64))
        }
    }
}

/// CIDR ranges, each truncated to its network; empty means "from anywhere".
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    pub const MAX: usize = 50;

    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let mut nets = texts.into_iter().map(parse_net).collect::<Result<Vec<_>>>()?;
        nets.sort_unstable();
        nets.dedup();
        if nets.len() > Self::MAX {
            return Err(Error::invalid("allowed_ips", "A key has at most 50 address ranges."));
        }
        Ok(Networks(nets))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        let address = canonical(address);
        self.0.iter().any(|net| net.contains(&address))
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
    let net = match text.parse::<IpNet>() {
        Ok(net) => Some(net.trunc()),
        Err(_) => text.parse::<IpAddr>().ok().map(IpNet::from),
    };
    net.ok_or_else(|| {
        Error::invalid(
            "allowed_ips",
            "An address range is written as CIDR: 203.0.113.0/24, 2001:db8::/32 or one address.",
        )
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

    #[test]
    fn mapped_addresses_count_as_ipv4() {
        let nets = Networks::parse(["10.1.2.3/8", "2001:db8::1"]).unwrap();
        assert_eq!(nets.joined(), "10.0.0.0/8 2001:db8::1/128");
        assert!(nets.contains("::ffff:10.9.9.9".parse().unwrap()));
        assert!(!nets.contains("11.0.0.1".parse().unwrap()));
    }

    #[test]
    fn an_ipv6_client_is_its_64() {
        let of = |text: &str| neighbourhood(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
    }
}
