//! An open listening socket: one that this process opened, or one that systemd passed.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;

use rustix::net::{AddressFamily, SocketType, sockopt};

use super::unix_address;
use crate::error::{Error, Result};

#[derive(Debug)]
pub enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// The sockets that systemd has passed, by their purpose.
#[derive(Debug, Default)]
pub struct PassedSockets {
    pub main: Vec<Listener>,
    pub metrics: Vec<Listener>,
    pub grpc: Vec<Listener>,
}

/// Where a listener is reachable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BoundAddress {
    Tcp(SocketAddr),
    /// A path; `@` and a name for an abstract socket of Linux.
    Unix(String),
}

impl Listener {
    /// A socket that was opened elsewhere. An error says what is wrong with it.
    pub fn passed(socket: OwnedFd) -> std::result::Result<Self, String> {
        let cannot = |error: rustix::io::Errno| match error {
            rustix::io::Errno::NOTSOCK => "it is not a socket".to_owned(),
            error => io::Error::from(error).to_string(),
        };
        let kind = sockopt::socket_type(&socket).map_err(cannot)?;
        if kind != SocketType::STREAM {
            return Err("it is not a stream socket; it needs ListenStream=".to_owned());
        }
        if !sockopt::socket_acceptconn(&socket).map_err(cannot)? {
            return Err("it does not listen; it needs Accept=no".to_owned());
        }
        match rustix::net::getsockname(&socket).map_err(cannot)?.address_family() {
            AddressFamily::INET | AddressFamily::INET6 => Ok(Listener::Tcp(socket.into())),
            AddressFamily::UNIX => Ok(Listener::Unix(socket.into())),
            _ => Err("it is neither a TCP nor a Unix socket".to_owned()),
        }
    }

    fn address(&self) -> io::Result<BoundAddress> {
        match self {
            Listener::Tcp(listener) => listener.local_addr().map(BoundAddress::Tcp),
            Listener::Unix(listener) => listener.local_addr().map(|address| BoundAddress::Unix(shown(&address))),
        }
    }
}

fn shown(address: &std::os::unix::net::SocketAddr) -> String {
    #[cfg(target_os = "linux")]
    if let Some(name) = std::os::linux::net::SocketAddrExt::as_abstract_name(address) {
        return format!("@{}", name.escape_ascii());
    }
    address.as_pathname().map_or_else(|| "(unnamed)".to_owned(), |path| path.display().to_string())
}

impl BoundAddress {
    pub fn of_all(listeners: &[Listener]) -> Result<Vec<Self>> {
        listeners.iter().map(Listener::address).collect::<io::Result<_>>().map_err(Error::unavailable)
    }

    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            BoundAddress::Tcp(address) => Some(*address),
            BoundAddress::Unix(_) => None,
        }
    }

    /// Whether other machines may reach it.
    pub fn is_beyond_loopback(&self) -> bool {
        self.tcp().is_some_and(|address| !address.ip().is_loopback())
    }
}

impl fmt::Display for BoundAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BoundAddress::Tcp(address) => address.fmt(f),
            BoundAddress::Unix(path) => write!(f, "{}{path}", unix_address::PREFIX),
        }
    }
}
