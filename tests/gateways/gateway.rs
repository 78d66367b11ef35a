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
    /// The status that its page tells of when Keybearer is down, and when it is silent.
    pub down: u16,
    pub silent: u16,
    /// Bytes of cookies that it takes from a client.
    pub cookies: usize,
    /// Whether an `Authorization` that is not for Keybearer reaches the API.
    pub leaves_own: bool,
    /// Words of the documented files that are others here: a second way that the page tells of.
    pub instead: &'static [(&'static str, &'static str)],
    /// Files with documented ports that are made of other documented text.
    pub made: &'static [Made],
}

/// A file's name, and what makes its text.
pub type Made = (&'static str, fn() -> String);

pub struct Stage {
    pub home: Home,
    pub upstream: Upstream,
    pub address: SocketAddr,
    pub keybearer: Process,
    pub down: u16,
    pub silent: u16,
    pub cookies: usize,
    pub leaves_own: bool,
    _gateway: Process,
}

impl Stage {
    pub fn start(gateway: &Gateway) -> Self {
        Self::prepared(gateway, |_| {})
    }

    /// With more in its home than files that never change.
    pub fn prepared(gateway: &Gateway, prepare: impl FnOnce(&Home)) -> Self {
        let (home, upstream, address, grpc) = (Home::new(), Upstream::start(), free_address(), free_address());
        prepare(&home);
        let serve: Vec<String> = gateway.serve.iter().map(|word| word.replace("{grpc}", &grpc.to_string())).collect();
        let serve: Vec<&str> = serve.iter().map(String::as_str).collect();
        let (keybearer, asked) = Process::keybearer(&home, &serve);
        let ports = [("8000", address), ("8080", asked), ("8081", grpc), ("9000", upstream.address)];
        for name in gateway.files {
            let text = gateway.instead.iter().fold(documented(name), |text, (word, other)| {
                assert!(text.contains(word), "{name} does not say {word}");
                text.replace(word, other)
            });
            home.write(name, &with_ports(&text, &ports));
        }
        for (name, text) in gateway.made {
            home.write(name, &with_ports(&text(), &ports));
        }
        for (name, text) in gateway.around {
            home.write(name, text);
        }
        let mut command = Command::new(installed(gateway.program));
        command.current_dir(home.path()).args(gateway.arguments);
        let process = Process::start(command, &home, address);
        let Gateway { down, silent, cookies, leaves_own, .. } = *gateway;
        upstream.received();
        Stage { home, upstream, address, keybearer, down, silent, cookies, leaves_own, _gateway: process }
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

    /// What the gateway said so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.home.path().join(format!("{}.log", self.address.port()))).unwrap()
    }

    pub fn stop_keybearer(&mut self) {
        self.keybearer.kill();
    }
}

/// The documented ports, 8000 (the gateway), 8080 and 8081 (Keybearer) and 9000 (the API), as they are
/// here.
pub fn with_ports(text: &str, ports: &[(&str, SocketAddr)]) -> String {
    // In two steps: a port of ours may hold the digits of a documented one.
    let named = ports.iter().fold(text.to_owned(), |text, (port, _)| text.replace(port, &format!("{{:{port}:}}")));
    ports
        .iter()
        .fold(named, |text, (port, address)| text.replace(&format!("{{:{port}:}}"), &address.port().to_string()))
}

/// From `tests/install-gateways`, or the system's.
pub fn installed(program: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mine = root.join("target/gateways/bin").join(program);
    let places = [mine, Path::new("/usr/sbin").join(program), Path::new("/usr/bin").join(program)];
    let found = places.into_iter().find(|path| path.exists());
    found.unwrap_or_else(|| panic!("{program} is not here; run tests/install-gateways"))
}
