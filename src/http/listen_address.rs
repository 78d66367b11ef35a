//! Where to listen, as an operator writes it: an address and a port, or the path of a Unix socket.

use std::fmt;

use super::listener::Listener;
use super::socket_file::SocketFile;
use super::tcp_address::TcpAddress;
use super::unix_address::{self, UnixAddress};
use crate::error::{Error, Result};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    Tcp(TcpAddress),
    Unix(UnixAddress),
}

impl ListenAddress {
    /// 127.0.0.1:8080.
    pub fn usual() -> Self {
        ListenAddress::Tcp(TcpAddress::usual())
    }

    pub fn parse(text: &str) -> Result<Self> {
        match text.strip_prefix(unix_address::PREFIX) {
            Some(path) => UnixAddress::parse(path).map(ListenAddress::Unix),
            None => TcpAddress::parse(text).map(ListenAddress::Tcp),
        }
    }

    pub fn tcp(&self) -> Option<&TcpAddress> {
        match self {
            ListenAddress::Tcp(address) => Some(address),
            ListenAddress::Unix(_) => None,
        }
    }

    /// Opens the sockets of all addresses of `flag`; an error names it. If one cannot be opened, none stays open.
    pub fn bind_all(addresses: &[ListenAddress], flag: &str) -> Result<(Vec<Listener>, Vec<SocketFile>)> {
        let (mut listeners, mut files) = (Vec::new(), Vec::new());
        for address in addresses {
            match address {
                ListenAddress::Tcp(address) => listeners.extend(address.bind(flag)?.into_iter().map(Listener::Tcp)),
                ListenAddress::Unix(address) => {
                    let (listener, file) = address.bind(flag)?;
                    listeners.push(Listener::Unix(listener));
                    files.push(file);
                }
            }
        }
        Ok((listeners, files))
    }

    /// An error if two of them cannot be open at once. The system would report that one is in use, but not that it is
    /// this server that uses it.
    pub fn fit_together(addresses: &[ListenAddress]) -> Result<()> {
        for (place, address) in addresses.iter().enumerate() {
            for other in &addresses[..place] {
                address.fits_beside(other)?;
            }
        }
        Ok(())
    }

    fn fits_beside(&self, other: &ListenAddress) -> Result<()> {
        let twice = |address: &dyn fmt::Display| format!("{address} is there twice; leave one of them out.");
        let contained = |outer: &TcpAddress, inner: &TcpAddress| {
            format!("{outer} accepts connections to {inner} too; leave {inner} out.")
        };
        let detail = match (self, other) {
            (ListenAddress::Unix(one), ListenAddress::Unix(two)) if one.path() == two.path() => {
                twice(&one.path().display())
            }
            (ListenAddress::Tcp(one), ListenAddress::Tcp(two)) if one == two && one.port() != 0 => twice(one),
            (ListenAddress::Tcp(one), ListenAddress::Tcp(two)) if one.contains(two) => contained(one, two),
            (ListenAddress::Tcp(one), ListenAddress::Tcp(two)) if two.contains(one) => contained(two, one),
            _ => return Ok(()),
        };
        Err(Error::invalid("listen", detail))
    }
}

impl<A: Into<TcpAddress>> From<A> for ListenAddress {
    fn from(address: A) -> Self {
        ListenAddress::Tcp(address.into())
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenAddress::Tcp(address) => address.fmt(f),
            ListenAddress::Unix(address) => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_exclude_each_other_are_named() {
        let fit = |texts: &[&str]| {
            let addresses: Vec<_> = texts.iter().map(|text| ListenAddress::parse(text).unwrap()).collect();
            ListenAddress::fit_together(&addresses).map_err(|error| error.message.into_owned())
        };
        for texts in [
            &["127.0.0.1:80", "127.0.0.1:81", "127.0.0.2:80", "[::1]:80"][..],
            &["127.0.0.1:0", "127.0.0.1:0", ":0", ":0"],
            &["unix:/run/a", "unix:/run/b", ":80"],
        ] {
            assert_eq!(fit(texts), Ok(()), "{texts:?}");
        }
        for (texts, says) in [
            (["127.0.0.1:80", "127.0.0.1:80"], "127.0.0.1:80 is there twice"),
            (["localhost:80", "LOCALHOST:80"], "localhost:80 is there twice"),
            (["unix:/run/a", "unix:///run/a?mode=600"], "/run/a is there twice"),
            (["0.0.0.0:80", "[::]:80"], "[::]:80 accepts connections to 0.0.0.0:80 too"),
            ([":80", "127.0.0.1:80"], ":80 accepts connections to 127.0.0.1:80 too"),
            ([":80", "[::]:80"], "leave"),
        ] {
            let error = fit(&texts).unwrap_err();
            assert!(error.contains(says), "{texts:?}: {error}");
        }
    }
}
