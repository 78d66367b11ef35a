//! The start of the product: from the first moment until it answers and until its index is full.

use crate::verify::{
    client::Client, keys::Series, options::Options, population::Population, schedule::Route, server, server::Server,
};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// Reading the metrics costs the server more than a verdict, so they are read rarely while the index fills.
const PAUSE: Duration = Duration::from_millis(20);

/// How the product is started.
pub struct Launch<'a> {
    pub keybearer: &'a Path,
    /// For the log, which has the name in its own.
    pub directory: &'a Path,
    pub name: String,
    pub cores: &'a [usize],
    pub workers: usize,
    /// More arguments of `keybearer serve`.
    pub arguments: Vec<String>,
}

pub struct Started {
    pub server: Server,
    /// Until the first right response to a live key.
    pub answering: Duration,
    /// Until `/metrics` says that every key is in the index.
    pub full: Duration,
}

impl<'a> Launch<'a> {
    /// On the cores of the servers, with one worker per core.
    pub fn new(options: &'a Options, keybearer: &'a Path, directory: &'a Path) -> Self {
        let (name, cores) = ("keybearer".to_owned(), &options.server_cores[..]);
        let workers = cores.len();
        Self { keybearer, directory, name, cores, workers, arguments: Vec::new() }
    }

    /// Starts the product on `population` and waits until it is ready for measurement.
    pub fn start(&self, population: &Population) -> io::Result<Started> {
        let (port, metrics) = (server::free_port()?, server::free_port()?);
        let mut command = Command::new(self.keybearer);
        let listen = format!("127.0.0.1:{port},unix:{}", socket(self.directory, port).display());
        command.args(["serve", "--listen", &listen, "--trusted-proxy", "unix", "--workers", &self.workers.to_string()]);
        command.args(["--metrics-listen", &format!("127.0.0.1:{metrics}"), "--database", &population.database]);
        command.args(&self.arguments);
        let begin = Instant::now();
        let log = self.directory.join(format!("{}-{}.log", self.name, population.keys));
        let mut server = Server::start(command, port, self.cores, &log)?;
        let mut client = Client::new(port);
        let key = Series::ISSUED.text(population.keys / 2);
        // An empty database has no live key; there, a refusal is right.
        let right = if population.keys == 0 { 401 } else { 200 };
        let answering = server.wait("right response to GET /auth", || match client.ask(&Route::AUTH, &key) {
            Ok(answer) if answer.status == right => Ok(Some(begin.elapsed())),
            // A server that cannot answer yet may say so, but must not refuse a live key.
            Ok(answer) if answer.status == 503 => Ok(None),
            Ok(answer) => Err(io::Error::other(format!("while starting, a live key was answered {}", answer.status))),
            Err(_not_yet) => Ok(None),
        })?;
        let mut client = Client::new(metrics);
        let full = server.wait("full index on GET /metrics", || {
            thread::sleep(PAUSE);
            let Ok(answer) = client.send(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n") else { return Ok(None) };
            let text = String::from_utf8_lossy(&answer.body);
            let (is_full, keys) = (gauge(&text, "index_full")? == 1, gauge(&text, "index_keys")?);
            if is_full && keys < population.keys {
                return Err(io::Error::other(format!("the index is full with {keys} of {} keys", population.keys)));
            }
            Ok(is_full.then(|| begin.elapsed()))
        })?;
        server.meet_family()?;
        Ok(Started { server, answering, full })
    }
}

/// The Unix socket of the product that listens on `port`; a gateway uses it.
pub fn socket(directory: &Path, port: u16) -> PathBuf {
    directory.join(format!("{port}.sock"))
}

fn gauge(text: &str, name: &str) -> io::Result<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("keybearer_")?.strip_prefix(name)?.strip_prefix(' '));
    let value = line.and_then(|value| value.trim().parse().ok());
    value.ok_or_else(|| io::Error::other(format!("GET /metrics has no keybearer_{name}")))
}
