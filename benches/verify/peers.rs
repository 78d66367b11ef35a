//! The peers: other people's ways to check a key or a token, installed and started by the scripts in `benches/peers`.

use crate::verify::{client::Client, schedule::Route, server, server::Server};
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

pub struct Peer {
    pub name: &'static str,
    /// Its name for `benches/peers/install` and `benches/peers/start`.
    install: &'static str,
    start: &'static str,
    /// The status of a right response.
    pub right: u16,
}

impl Peer {
    const fn new(name: &'static str, install: &'static str, start: &'static str, right: u16) -> Self {
        Self { name, install, start, right }
    }
}

pub const EXPRESS_RS256: &str = "express + jsonwebtoken RS256";
pub const EXPRESS_ES256: &str = "express + jsonwebtoken ES256";
pub const BETTER_AUTH: &str = "better-auth API-key plugin, better-sqlite3";

pub const PEERS: [Peer; 5] = [
    Peer::new("nginx `return 204`", "nginx", "nginx", 204),
    Peer::new("Flask-HTTPAuth + SQLAlchemy, gunicorn, 1 worker", "flask", "flask", 200),
    Peer::new(EXPRESS_RS256, "express", "express-rs256", 200),
    Peer::new(EXPRESS_ES256, "express", "express-es256", 200),
    Peer::new(BETTER_AUTH, "better-auth", "better-auth", 200),
];

/// A peer that answers, and the credentials that it accepts.
pub struct RunningPeer {
    pub server: Server,
    pub credentials: Arc<[String]>,
}

impl Peer {
    /// Installs the peer below `directory` and starts it on the first of `cores`, because it has one worker.
    pub fn run(&self, directory: &Path, cores: &[usize]) -> io::Result<RunningPeer> {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
        let place = directory.join("peers");
        let installed = Command::new(scripts.join("install")).arg(&place).arg(self.install).output()?;
        if !installed.status.success() {
            let output = String::from_utf8_lossy(&installed.stderr);
            let reason = output.lines().last().unwrap_or("the install script failed");
            return Err(io::Error::other(format!("could not be installed: {reason}")));
        }
        let port = server::free_port()?;
        let credentials = place.join(format!("{}.credentials", self.start));
        // The peer would refuse the credentials of an earlier run.
        let _none_yet = fs::remove_file(&credentials);
        let mut command = Command::new(scripts.join("start"));
        command.arg(&place).arg(self.start).arg(port.to_string()).arg(&credentials);
        let mut server = Server::start(command, port, &cores[..1], &place.join(format!("{}.log", self.start)))?;
        let mut client = Client::new(port);
        let credentials = server.wait("right response", || {
            let credentials: Arc<[String]> = match fs::read_to_string(&credentials) {
                Ok(text) if !text.is_empty() => text.lines().map(str::to_owned).collect(),
                _not_yet => return Ok(None),
            };
            match client.ask(&Route::AUTH, credentials[0].as_bytes()) {
                Ok(answer) if answer.status == self.right => Ok(Some(credentials)),
                Ok(answer) => Err(io::Error::other(format!("it answers {}", answer.status))),
                Err(_not_yet) => Ok(None),
            }
        })?;
        server.meet_family()?;
        server.rest()?;
        Ok(RunningPeer { server, credentials })
    }
}
