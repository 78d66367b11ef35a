//! A stage: Keybearer, an API, and a gateway between the API and the world.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::client::{self, Answer};
use super::home::{Home, documented};
use super::process::{Process, free_address};
use super::upstream::Upstream;

/// How a gateway is started with its documented files.
pub struct Gateway {
    /// Files of `docs/gateways`; they are copied with three ports replaced, and nothing else.
    pub files: &'static [&'static str],
    /// Files of the test's own, for what a packaged installation has around the documented ones.
    pub around: &'static [(&'static str, &'static str)],
    pub program: &'static str,
    pub arguments: &'static [&'static str],
    /// More words for `keybearer serve`.
    pub serve: &'static [&'static str],
}

pub struct Stage {
    pub home: Home,
    pub upstream: Upstream,
    pub address: SocketAddr,
    keybearer: Process,
    _gateway: Process,
}

impl Stage {
    pub fn start(gateway: &Gateway) -> Self {
        Self::prepared(gateway, |_| {})
    }

    /// With more in its home than files that never change.
    pub fn prepared(gateway: &Gateway, prepare: impl FnOnce(&Home)) -> Self {
        let (home, upstream, address) = (Home::new(), Upstream::start(), free_address());
        prepare(&home);
        let (keybearer, asked) = Process::keybearer(&home, gateway.serve);
        for name in gateway.files {
            home.write(name, &with_ports(&documented(name), address, asked, upstream.address));
        }
        for (name, text) in gateway.around {
            home.write(name, text);
        }
        let mut command = Command::new(installed(gateway.program));
        command.current_dir(home.path()).args(gateway.arguments);
        let gateway = Process::start(command, &home, address);
        upstream.received();
        Stage { home, upstream, address, keybearer, _gateway: gateway }
    }

    pub fn get(&self, path: &str, lines: &[&str]) -> Answer {
        client::get(self.address, path, lines)
    }

    /// The request is answered with this status, and the API has not seen it.
    pub fn refused(&self, path: &str, lines: &[&str], status: u16) -> Answer {
        let answer = self.get(path, lines);
        assert_eq!(answer.status, status, "{path} {lines:?}\n{}\n{}", answer.head, answer.body);
        assert_eq!(self.upstream.received(), Vec::<String>::new(), "{path} {lines:?}");
        answer
    }

    /// The request passes; what the API received.
    pub fn passed(&self, path: &str, lines: &[&str]) -> String {
        let answer = self.get(path, lines);
        assert_eq!(answer.status, 200, "{path} {lines:?}\n{}\n{}", answer.head, answer.body);
        self.upstream.received().pop().unwrap()
    }

    pub fn stop_keybearer(&mut self) {
        self.keybearer.kill();
    }
}

/// The documented ports, 8000 (the gateway), 8080 (Keybearer) and 9000 (the API), as they are here.
fn with_ports(text: &str, gateway: SocketAddr, keybearer: SocketAddr, api: SocketAddr) -> String {
    // In two steps: a port of ours may hold the digits of a documented one.
    let named = text.replace("8000", "{gateway}").replace("8080", "{keybearer}").replace("9000", "{api}");
    let ports = [("{gateway}", gateway), ("{keybearer}", keybearer), ("{api}", api)];
    ports.into_iter().fold(named, |text, (name, address)| text.replace(name, &address.port().to_string()))
}

/// From `tests/install-gateways`, or the system's.
fn installed(program: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let places = [root.join("target/gateways/bin").join(program), Path::new("/usr/sbin").join(program)];
    let found = places.into_iter().find(|path| path.exists());
    found.unwrap_or_else(|| panic!("{program} is not here; run tests/install-gateways"))
}
