//! A test setup: Keybearer, an API, and a gateway in front of the API.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::client::{self, Answer};
use super::home::{Home, documented};
use super::process::{Process, free_address};
use super::upstream::Upstream;

/// How to start a gateway with its documented files.
pub struct Gateway {
    /// Files of `docs/gateways`, copied unchanged except for the ports and the socket.
    pub files: &'static [&'static str],
    /// Additional files of the test, for what a packaged installation has around the documented ones.
    pub around: &'static [(&'static str, &'static str)],
    pub program: &'static str,
    pub arguments: &'static [&'static str],
    /// Additional arguments for `keybearer serve`.
    pub serve: &'static [&'static str],
    /// The documented statuses while Keybearer is down, and while it is unresponsive.
    pub down: u16,
    pub silent: u16,
    /// Max bytes of cookies that it accepts from a client.
    pub cookies: usize,
    /// Whether an `Authorization` that is not meant for Keybearer reaches the API.
    pub leaves_own: bool,
    /// Replacements in the documented files, for an alternative that the page describes.
    pub instead: &'static [(&'static str, &'static str)],
    /// Files with documented ports that are derived from other documented text.
    pub made: &'static [Made],
}

/// Keybearer's socket in the documented files.
const SOCKET: &str = "/run/keybearer/http.sock";

/// A file's name, and the function that creates its text.
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

    /// Like `start`, after `prepare` has added files to its home.
    pub fn prepared(gateway: &Gateway, prepare: impl FnOnce(&Home)) -> Self {
        let (home, upstream, address, grpc) = (Home::new(), Upstream::start(), free_address(), free_address());
        prepare(&home);
        let place = home.path().display().to_string();
        let with_place = |word: &&str| word.replace("{grpc}", &grpc.to_string()).replace("{home}", &place);
        let serve: Vec<String> = gateway.serve.iter().map(with_place).collect();
        let serve: Vec<&str> = serve.iter().map(String::as_str).collect();
        let (keybearer, asked) = Process::keybearer(&home, &serve);
        let ports = [("8000", address), ("8080", asked), ("8081", grpc), ("9000", upstream.address)];
        let with_places = |text: &str| with_ports(text, &ports).replace(SOCKET, home.socket().to_str().unwrap());
        for (word, _) in gateway.instead {
            assert!(gateway.files.iter().any(|name| documented(name).contains(word)), "no file says {word}");
        }
        for name in gateway.files {
            let text = gateway.instead.iter().fold(documented(name), |text, (word, other)| text.replace(word, other));
            home.write(name, &with_places(&text));
        }
        for (name, text) in gateway.made {
            home.write(name, &with_places(&text()));
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

    /// Asserts that the request gets this status and does not reach the API.
    pub fn refused(&self, path: &str, lines: &[&str], status: u16) -> Answer {
        let answer = self.get(path, lines);
        assert_eq!(answer.status, status, "{path} {lines:?}\n{}\n{}", answer.head, answer.body);
        assert_eq!(self.upstream.received(), Vec::<String>::new(), "{path} {lines:?}");
        answer
    }

    /// Asserts that the request passes; returns what the API received.
    pub fn passed(&self, path: &str, lines: &[&str]) -> String {
        let answer = self.get(path, lines);
        assert_eq!(answer.status, 200, "{path} {lines:?}\n{}\n{}", answer.head, answer.body);
        self.upstream.received().pop().unwrap()
    }

    /// The gateway's output so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.home.path().join(format!("{}.log", self.address.port()))).unwrap()
    }

    pub fn stop_keybearer(&mut self) {
        self.keybearer.kill();
    }
}

/// Replaces the documented ports, 8000 (the gateway), 8080 and 8081 (Keybearer) and 9000 (the API), by those
/// of this test.
pub fn with_ports(text: &str, ports: &[(&str, SocketAddr)]) -> String {
    // In two steps: a port of ours may hold the digits of a documented one.
    let named = ports.iter().fold(text.to_owned(), |text, (port, _)| text.replace(port, &format!("{{:{port}:}}")));
    ports
        .iter()
        .fold(named, |text, (port, address)| text.replace(&format!("{{:{port}:}}"), &address.port().to_string()))
}

/// A program from `tests/install-gateways`, or from the system.
pub fn installed(program: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mine = root.join("target/gateways/bin").join(program);
    let places = [mine, Path::new("/usr/sbin").join(program), Path::new("/usr/bin").join(program)];
    let found = places.into_iter().find(|path| path.exists());
    found.unwrap_or_else(|| panic!("{program} is not here; run tests/install-gateways"))
}
