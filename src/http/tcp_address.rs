//! An address and a port to listen on, as an operator writes them, and the sockets for them.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen as listen_on, socket_with, sockopt};

use crate::error::{Error, Kind, Result};

/// How many connections the kernel queues until we accept them.
pub const BACKLOG: i32 = 1024;
/// Maximum ports to try if one that the system chose for one address is in use on another.
const TRIES: usize = 20;

/// `192.0.2.7:8080`, `[2001:db8::7]:8080`, `localhost:8080`, `keys.internal:8080`, `:8080`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpAddress {
    host: Host,
    /// 0 means that the system chooses one.
    port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    /// Every address of the machine, IPv6 and IPv4.
    Every,
    Address(SocketAddr),
    /// 127.0.0.1 and ::1, without asking a resolver (RFC 6761 §6.3).
    Localhost,
    /// Resolved at startup.
    Name(String),
}

impl TcpAddress {
    /// 127.0.0.1:8080.
    pub fn usual() -> Self {
        SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)).into()
    }

    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |why: &str| {
            let forms = "127.0.0.1:8080, [::1]:8080, localhost:8080, or :8080 for every address of this machine";
            let unix = "for a Unix socket, write unix:/path";
            Error::invalid("listen", format!("{why}. Write an address and a port: {forms}; {unix}."))
        };
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(address.into());
        }
        if text.parse::<IpAddr>().is_ok() {
            return Err(wrong("the port is missing"));
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(|| wrong("the port or the address is missing"))?;
        let is_number = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
        let port =
            port.parse().ok().filter(|_| is_number).ok_or_else(|| wrong("the port must be a number up to 65535"))?;
        let host = match host {
            "" | "*" => Host::Every,
            host if host.eq_ignore_ascii_case("localhost") => Host::Localhost,
            host if is_name(host) => Host::Name(host.to_ascii_lowercase()),
            _ => return Err(wrong("this is neither an IP address nor the name of a host")),
        };
        Ok(TcpAddress { host, port })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The same with the port that the system chose for port 0.
    pub fn with_port(&self, port: u16) -> Self {
        TcpAddress { host: self.host.clone(), port }
    }

    /// Whether it means every address of the machine. It then does not show which one people can open.
    pub fn is_every(&self) -> bool {
        match &self.host {
            Host::Every => true,
            Host::Address(address) => address.ip().is_unspecified(),
            Host::Localhost | Host::Name(_) => false,
        }
    }

    /// Whether a socket at this address and one at `other` cannot be open at the same time, although the addresses are
    /// written differently.
    pub fn contains(&self, other: &TcpAddress) -> bool {
        let is_ipv4 = |host: &Host| matches!(host, Host::Address(address) if address.is_ipv4());
        let is_both_kinds = match &self.host {
            Host::Every => true,
            Host::Address(address) => address.is_ipv6() && address.ip().is_unspecified(),
            Host::Localhost | Host::Name(_) => false,
        };
        is_both_kinds && self.port == other.port && self.port != 0 && (is_ipv4(&other.host) || other.is_every())
    }

    /// The host of a URL that works on the same machine.
    pub(super) fn url_host(&self) -> String {
        match &self.host {
            Host::Every => Ipv4Addr::LOCALHOST.to_string(),
            // Both kinds of address are served at `[::]`.
            Host::Address(address) if address.ip().is_unspecified() => Ipv4Addr::LOCALHOST.to_string(),
            Host::Address(SocketAddr::V4(address)) => address.ip().to_string(),
            Host::Address(SocketAddr::V6(address)) => format!("[{}]", address.ip()),
            Host::Localhost => "localhost".to_owned(),
            Host::Name(name) => name.clone(),
        }
    }

    /// Opens the sockets, all on one port. An error names `flag`.
    pub fn bind(&self, flag: &str) -> Result<Vec<TcpListener>> {
        let failed = |error: &dyn fmt::Display| {
            Error::new(Kind::Unavailable, format!("Cannot listen on {self}: {error}. Choose another {flag} address."))
        };
        let addresses = match &self.host {
            Host::Every => return every(self.port).map(|one| vec![one]).map_err(|error| failed(&error)),
            Host::Address(address) => vec![*address],
            Host::Localhost => [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]
                .map(|ip| SocketAddr::new(ip, self.port))
                .to_vec(),
            Host::Name(name) => {
                let found = (name.as_str(), self.port).to_socket_addrs().map_err(|error| failed(&error))?;
                let mut addresses: Vec<SocketAddr> = Vec::new();
                found.for_each(|address| {
                    if !addresses.contains(&address) {
                        addresses.push(address);
                    }
                });
                addresses
            }
        };
        all(&addresses).map_err(|error| failed(&error))
    }
}

impl From<SocketAddr> for TcpAddress {
    fn from(address: SocketAddr) -> Self {
        TcpAddress { host: Host::Address(address), port: address.port() }
    }
}

impl From<([u8; 4], u16)> for TcpAddress {
    fn from(address: ([u8; 4], u16)) -> Self {
        SocketAddr::from(address).into()
    }
}

impl fmt::Display for TcpAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Every => write!(f, ":{}", self.port),
            Host::Address(address) => write!(f, "{address}"),
            Host::Localhost => write!(f, "localhost:{}", self.port),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

/// Whether a resolver accepts this host name (RFC 1123 §2.1; also with `_`). If the last label were a number, the name
/// would be read as an address.
fn is_name(host: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty() && label.len() <= 63 && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    let mut labels = host.split('.');
    let is_address = labels.clone().next_back().is_some_and(|label| label.bytes().all(|b| b.is_ascii_digit()));
    host.len() <= 253 && labels.all(is_label) && !is_address
}

/// IPv6 and IPv4 on one socket, or IPv4 alone if the machine has no IPv6.
fn every(port: u16) -> io::Result<TcpListener> {
    match listen((Ipv6Addr::UNSPECIFIED, port).into()) {
        Err(error) if is_not_here(&error) => listen((Ipv4Addr::UNSPECIFIED, port).into()),
        bound => bound,
    }
}

/// Binds each address that the machine has; an error if it has none of them.
fn all(addresses: &[SocketAddr]) -> io::Result<Vec<TcpListener>> {
    let mut tries = TRIES;
    loop {
        match all_once(addresses) {
            Err(error) if error.kind() == ErrorKind::AddrInUse && tries > 1 && addresses[0].port() == 0 => tries -= 1,
            outcome => return outcome,
        }
    }
}

fn all_once(addresses: &[SocketAddr]) -> io::Result<Vec<TcpListener>> {
    let mut port = None;
    let mut listeners = Vec::new();
    let mut missing = io::Error::from(ErrorKind::AddrNotAvailable);
    for address in addresses {
        let mut address = *address;
        address.set_port(port.unwrap_or(address.port()));
        match listen(address) {
            Ok(listener) => {
                port = Some(listener.local_addr()?.port());
                listeners.push(listener);
            }
            Err(error) if is_not_here(&error) => missing = error,
            Err(error) => return Err(error),
        }
    }
    if listeners.is_empty() { Err(missing) } else { Ok(listeners) }
}

/// Whether the machine has no such address, or no address of its family.
fn is_not_here(error: &io::Error) -> bool {
    let no_such_family = error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error());
    error.kind() == ErrorKind::AddrNotAvailable || no_such_family
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let family = if address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // Without it a restart would have to wait until the system forgets the last server's connections.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        // The socket accepts IPv4 too, whatever the machine's default is.
        sockopt::set_ipv6_v6only(&socket, false)?;
    }
    bind(&socket, &address)?;
    listen_on(&socket, BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_listen_address_has_one_of_four_forms() {
        for (text, shown, url_host) in [
            ("127.0.0.1:8080", "127.0.0.1:8080", "127.0.0.1"),
            ("0.0.0.0:80", "0.0.0.0:80", "127.0.0.1"),
            ("[::1]:8080", "[::1]:8080", "[::1]"),
            ("[::]:8080", "[::]:8080", "127.0.0.1"),
            ("localhost:8080", "localhost:8080", "localhost"),
            ("LocalHost:0", "localhost:0", "localhost"),
            ("Keys.internal:8080", "keys.internal:8080", "keys.internal"),
            (":8080", ":8080", "127.0.0.1"),
            ("*:8080", ":8080", "127.0.0.1"),
        ] {
            let address = TcpAddress::parse(text).unwrap();
            assert_eq!((address.to_string().as_str(), address.url_host().as_str()), (shown, url_host), "{text}");
        }
        for (text, why) in [
            ("", "missing"),
            ("8080", "missing"),
            ("localhost", "missing"),
            ("127.0.0.1", "port is missing"),
            ("::1", "port is missing"),
            ("localhost:", "must be a number"),
            ("localhost:http", "must be a number"),
            (":65536", "must be a number"),
            (":+80", "must be a number"),
            ("256.0.0.1:80", "neither"),
            ("[::1:80", "neither"),
            ("http://localhost:80", "neither"),
            ("a b:80", "neither"),
        ] {
            let error = TcpAddress::parse(text).unwrap_err();
            assert!(error.message.contains(why) && error.message.contains(":8080"), "{text}: {error}");
        }
    }

    #[test]
    fn localhost_binds_one_port_on_every_loopback_address() {
        let listeners = TcpAddress::parse("localhost:0").unwrap().bind("--listen").unwrap();
        let ports: Vec<u16> = listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
        assert!(ports.iter().all(|port| *port == ports[0]), "{ports:?}");
        assert!(listeners.iter().all(|listener| listener.local_addr().unwrap().ip().is_loopback()));
        let again = TcpAddress::parse(&format!("localhost:{}", ports[0])).unwrap();
        assert!(again.bind("--listen").unwrap_err().message.contains("--listen"));
    }

    proptest! {
        #[test]
        fn any_text_is_an_address_that_survives_a_round_trip_or_an_error(text in ".{0,40}") {
            if let Ok(address) = TcpAddress::parse(&text) {
                prop_assert_eq!(TcpAddress::parse(&address.to_string()).unwrap(), address);
            }
        }

        #[test]
        fn text_that_looks_like_an_address_is_an_address_or_an_error(text in r"(\[[0-9a-f:.%]{0,20}\]|[0-9a-zA-Z.*_-]{0,20})(:[0-9]{0,6})?") {
            if let Ok(address) = TcpAddress::parse(&text) {
                prop_assert_eq!(TcpAddress::parse(&address.to_string()).unwrap(), address);
            }
        }
    }
}
