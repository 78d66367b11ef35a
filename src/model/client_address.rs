//! A client's address. This is the only parser for what proxies write about it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

const UNIX: &str = "unix";
const UNKNOWN: &str = "unknown";

/// An IP address (never an IPv4-mapped IPv6 one), a program on this machine at a Unix socket, which has no address, or
/// unknown. The latter two are in no range and are written as `unix` and `unknown`; all clients of each share one
/// bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientAddress {
    Known(IpAddr),
    Unix,
    Unknown,
}

impl ClientAddress {
    /// Parses one address as proxies write it: `203.0.113.7`, `203.0.113.7:8080`, `2001:db8::7`, `[2001:db8::7]`,
    /// `[2001:db8::7]:443`, each with spaces or tabs around it, or in double quotes. A zone (RFC 4007 §11) is
    /// meaningful only on one machine and is dropped. Anything else, including an empty text and `unix`, is unknown.
    pub fn read(text: &[u8]) -> Self {
        let text = std::str::from_utf8(text).ok().map(|text| text.trim_matches([' ', '\t']));
        text.and_then(unquoted).and_then(address).map_or(ClientAddress::Unknown, ClientAddress::from)
    }

    /// Parses an address that was stored as it is displayed.
    pub fn stored(text: &str) -> Self {
        if text == UNIX { ClientAddress::Unix } else { ClientAddress::read(text.as_bytes()) }
    }

    pub fn known(self) -> Option<IpAddr> {
        match self {
            ClientAddress::Known(address) => Some(address),
            ClientAddress::Unix | ClientAddress::Unknown => None,
        }
    }

    /// Whether the client runs on this machine.
    pub fn is_local(self) -> bool {
        self == ClientAddress::Unix || self.known().is_some_and(|address| address.is_loopback())
    }

    pub fn neighbourhood(self) -> Neighbourhood {
        Neighbourhood::of(self)
    }
}

impl From<IpAddr> for ClientAddress {
    fn from(address: IpAddr) -> Self {
        ClientAddress::Known(address.to_canonical())
    }
}

/// The address of a peer, whose connection may already be gone.
impl From<Option<SocketAddr>> for ClientAddress {
    fn from(peer: Option<SocketAddr>) -> Self {
        peer.map_or(ClientAddress::Unknown, |peer| peer.ip().into())
    }
}

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientAddress::Known(address) => address.fmt(f),
            ClientAddress::Unix => f.write_str(UNIX),
            ClientAddress::Unknown => f.write_str(UNKNOWN),
        }
    }
}

/// Strips a pair of double quotes; `None` if there is only one quote.
fn unquoted(text: &str) -> Option<&str> {
    match text.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"'),
        None => Some(text),
    }
}

fn address(text: &str) -> Option<IpAddr> {
    if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        return (port.is_empty() || port.strip_prefix(':').is_some_and(is_port)).then(|| v6(address))?;
    }
    match text.split_once(':') {
        None => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        Some((_, rest)) if rest.contains(':') => v6(text),
        Some((address, port)) => is_port(port).then(|| address.parse::<Ipv4Addr>().ok().map(IpAddr::V4))?,
    }
}

fn v6(text: &str) -> Option<IpAddr> {
    let (address, zone) = text.split_once('%').map_or((text, None), |(address, zone)| (address, Some(zone)));
    let is_zone = |zone: &str| {
        !zone.is_empty() && zone.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    };
    if !zone.is_none_or(is_zone) {
        return None;
    }
    address.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

/// The addresses that one client can obtain cheaply: an IPv4 address or an IPv6 /64. All Unix sockets count as one, and
/// all unknown addresses do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Neighbourhood {
    Known(IpNet),
    Unix,
    Unknown,
}

impl Neighbourhood {
    fn of(address: ClientAddress) -> Self {
        match address {
            ClientAddress::Known(IpAddr::V4(v4)) => Neighbourhood::Known(IpNet::V4(Ipv4Net::from(v4))),
            ClientAddress::Known(IpAddr::V6(v6)) => {
                let upper = Ipv6Addr::from(u128::from(v6) & !u128::from(u64::MAX));
                Neighbourhood::Known(IpNet::V6(Ipv6Net::new_assert(upper, 64)))
            }
            ClientAddress::Unix => Neighbourhood::Unix,
            ClientAddress::Unknown => Neighbourhood::Unknown,
        }
    }
}

impl fmt::Display for Neighbourhood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Neighbourhood::Known(net) => net.fmt(f),
            Neighbourhood::Unix => f.write_str(UNIX),
            Neighbourhood::Unknown => f.write_str(UNKNOWN),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> String {
        ClientAddress::read(text.as_bytes()).to_string()
    }

    #[test]
    fn every_address_format_that_proxies_write_is_read() {
        for (text, address) in [
            ("203.0.113.7", "203.0.113.7"),
            ("\t203.0.113.7  ", "203.0.113.7"),
            ("203.0.113.7:8080", "203.0.113.7"),
            ("\"203.0.113.7:8080\"", "203.0.113.7"),
            ("2001:DB8::7", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("[2001:db8::7]:443", "2001:db8::7"),
            (" \"[2001:db8::7]:443\"", "2001:db8::7"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("[::ffff:cb00:7107]:1", "203.0.113.7"),
            ("fe80::1%eth0", "fe80::1"),
            ("[fe80::1%25eth0.7]:80", "fe80::1"),
        ] {
            assert_eq!(read(text), address, "{text}");
        }
    }

    #[test]
    fn text_that_is_not_an_address_is_unknown() {
        for text in [
            "",
            " ",
            "unknown",
            "unix",
            "unix:",
            "_hidden",
            "localhost",
            "for=203.0.113.7",
            "203.0.113",
            "203.0.113.007",
            "0x7f.1",
            "203.0.113.7:",
            "203.0.113.7:+80",
            "203.0.113.7:65536",
            "203.0.113.7/32",
            "203.0.113.7 203.0.113.8",
            "[203.0.113.7]",
            "[2001:db8::7",
            "2001:db8::7]",
            "[2001:db8::7]443",
            "[2001:db8::7]:",
            "[[::1]]",
            "fe80::1%",
            "fe80::1%a/b",
            "\"203.0.113.7",
            "203.0.113.7\"",
            "\"\"203.0.113.7\"\"",
            "203.0.113.7\n",
            "203.0.113.7\u{a0}",
        ] {
            assert_eq!(read(text), "unknown", "{text}");
        }
        assert_eq!(ClientAddress::read(b"203.0.113.7\xff"), ClientAddress::Unknown);
    }

    proptest! {
        #[test]
        fn an_address_is_read_as_it_is_written(address: IpAddr, port: u16) {
            let known = ClientAddress::from(address);
            let socket = SocketAddr::new(address, port);
            prop_assert_eq!(ClientAddress::stored(&known.to_string()), known);
            for text in [address.to_string(), socket.to_string(), format!("\"{socket}\""), known.to_string()] {
                prop_assert_eq!(ClientAddress::read(text.as_bytes()), known);
            }
        }

        #[test]
        fn any_bytes_are_read(text: Vec<u8>) {
            ClientAddress::read(&text);
        }
    }

    #[test]
    fn an_ipv6_client_is_identified_by_its_64_prefix() {
        let of = |text: &str| ClientAddress::read(text.as_bytes()).neighbourhood();
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
        assert_eq!(of("unknown"), Neighbourhood::Unknown);
        assert_ne!(ClientAddress::Unix.neighbourhood(), Neighbourhood::Unknown);
    }

    #[test]
    fn only_a_stored_address_can_be_that_of_a_unix_socket() {
        assert_eq!(ClientAddress::stored(&ClientAddress::Unix.to_string()), ClientAddress::Unix);
        assert_eq!(ClientAddress::stored(&ClientAddress::Unknown.to_string()), ClientAddress::Unknown);
        assert_eq!(read("unix"), "unknown");
    }
}
