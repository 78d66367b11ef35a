//! The peers: other people's ways to check a key or a token, installed and started by the scripts in `benches/peers`.

use crate::client::Client;
use crate::process::{self, Server};
use crate::schedule::Route;
use crate::startup;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

pub struct Peer {
    pub name: &'static str,
    /// What `benches/peers/install` and `benches/peers/start` call it.
    install: &'static str,
    start: &'static str,
    pub answers: u16,
    /// The product must do at least so many times its requests a second.
    pub goal: Option<f64>,
}

pub const PEERS: [Peer; 5] = [
    Peer { name: "nginx `return 204`", install: "nginx", start: "nginx", answers: 204, goal: None },
    Peer {
        name: "Flask-HTTPAuth + SQLAlchemy, gunicorn, 1 worker",
        install: "flask",
        start: "flask",
        answers: 200,
        goal: None,
    },
    Peer {
        name: "express + jsonwebtoken RS256",
        install: "express",
        start: "express-rs256",
        answers: 200,
        goal: Some(15.0),
    },
    Peer {
        name: "express + jsonwebtoken ES256",
        install: "express",
        start: "express-es256",
        answers: 200,
        goal: Some(15.0),
    },
    Peer {
        name: "better-auth API-key plugin, better-sqlite3",
        install: "better-auth",
        start: "better-auth",
        answers: 200,
        goal: Some(80.0),
    },
];

/// A peer that answers, and what it accepts.
pub struct Running {
    pub server: Server,
    pub credentials: Arc<[String]>,
}

impl Peer {
    /// Installs the peer below `directory` and starts it on the first of `cores`: it has one worker. The error says
    /// why it cannot take part.
    pub fn run(&self, directory: &Path, cores: &[usize]) -> io::Result<Running> {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers");
        let place = directory.join("peers");
        fs::create_dir_all(&place)?;
        let place = place.canonicalize()?;
        install(&scripts.join("install"), &place, self.install)?;

        let port = process::free_port()?;
        let credentials = place.join(format!("{}.credentials", self.start));
        // Last time's credentials would be refused.
        if credentials.exists() {
            fs::remove_file(&credentials)?;
        }
        let log = place.join(format!("{}.log", self.start));
        let mut command = Command::new(scripts.join("start"));
        command.arg(&place).arg(self.start).arg(port.to_string()).arg(&credentials);
        let mut server = Server::start(command, port, &cores[..1], &log)?;
        let credentials = self.wait(&mut server, &credentials)?;
        server.meet_family()?;
        Ok(Running { server, credentials })
    }

    fn wait(&self, server: &mut Server, credentials: &Path) -> io::Result<Arc<[String]>> {
        let mut client = Client::new(server.port);
        startup::wait(server, Instant::now(), "a right answer", || {
            let Ok(text) = fs::read_to_string(credentials) else { return Ok(None) };
            let credentials: Arc<[String]> = text.lines().map(str::to_owned).collect();
            let Some(first) = credentials.first() else { return Ok(None) };
            let mut probe = Vec::new();
            Route::Auth.render(first.as_bytes(), &mut probe);
            match client.send(&probe) {
                Ok(answer) if answer.status == self.answers => Ok(Some(credentials)),
                Ok(answer) => Err(io::Error::other(format!("it answers {}", answer.status))),
                Err(_not_yet) => Ok(None),
            }
        })
    }
}

fn install(script: &Path, place: &Path, peer: &str) -> io::Result<()> {
    let output = Command::new(script).arg(place).arg(peer).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(said.lines().last().unwrap_or("the install script failed").to_owned()))
}
