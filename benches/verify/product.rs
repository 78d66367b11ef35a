//! The product on one database: from its start until it answers, until its index is full, and the memory that it uses.

use crate::verify::{
    client::Client, client::Response, keys::Series, population, population::Population, schedule::Route, server,
    server::Server, spread::Spread,
};
use std::io;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// The starts of each product; the row has their medians.
const STARTS: usize = 3;
/// Reading the metrics costs the server more than a verdict, so they are read rarely while the index fills.
const PAUSE: Duration = Duration::from_millis(20);

pub struct Product {
    pub population: Population,
    pub server: Server,
    /// A key that may verify and manage keys.
    pub admin_key: String,
    /// In seconds, as is `full`.
    pub answering: f64,
    pub full: f64,
    /// Resident bytes before the load.
    pub at_rest: u64,
    /// Resident bytes of a server without keys.
    empty: u64,
}

impl Product {
    /// Fills a database and starts the product on it several times; the last one stays.
    pub fn start(keybearer: &Path, keys: u64, directory: &Path, cores: &[usize], empty: u64) -> io::Result<Self> {
        let population = population::make(keybearer, keys, directory)?;
        let admin_key = population::create_admin_key(keybearer, &population.database)?;
        let mut last = None;
        let (mut answering, mut full) = (Vec::new(), Vec::new());
        for _ in 0..STARTS {
            // The one before ends first.
            drop(last.take());
            let started = start(keybearer, &population, directory, cores)?;
            answering.push(started.answering.as_secs_f64());
            full.push(started.full.as_secs_f64());
            last = Some(started.server);
        }
        let server = last.expect("it was started");
        let at_rest = server.memory()?;
        server.rest()?;
        let median = |times| Spread::of(times).map_or(0.0, |spread| spread.median);
        Ok(Self { population, server, admin_key, answering: median(answering), full: median(full), at_rest, empty })
    }

    /// The share of each key in the memory of `bytes`.
    pub fn per_key(&self, bytes: u64) -> f64 {
        (bytes as f64 - self.empty as f64) / self.population.keys as f64
    }

    /// The product's response to `key` on `route`; an error unless it has the status `right`.
    pub fn answer(&self, route: &Route, key: &[u8], right: u16) -> io::Result<Response> {
        self.server.wake_up()?;
        let answer = Client::new(self.server.port).ask(route, key);
        self.server.rest()?;
        let answer = answer?;
        if answer.status == right {
            return Ok(answer);
        }
        Err(io::Error::other(format!("{} answered {}, not {right}", route.path, answer.status)))
    }
}

pub struct Started {
    pub server: Server,
    /// Until the first right response to a live key.
    answering: Duration,
    /// Until `/metrics` says that every key is in the index.
    full: Duration,
}

/// Starts the product on `population` and waits until it is ready for measurement.
pub fn start(keybearer: &Path, population: &Population, directory: &Path, cores: &[usize]) -> io::Result<Started> {
    let (port, metrics) = (server::free_port()?, server::free_port()?);
    let mut command = Command::new(keybearer);
    command.args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--workers", &cores.len().to_string()]);
    command.args(["--metrics-listen", &format!("127.0.0.1:{metrics}"), "--database"]).arg(&population.database);
    let begin = Instant::now();
    let log = directory.join(format!("keybearer-{}.log", population.keys));
    let mut server = Server::start(command, port, cores, &log)?;
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

fn gauge(text: &str, name: &str) -> io::Result<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("keybearer_")?.strip_prefix(name)?.strip_prefix(' '));
    let value = line.and_then(|value| value.trim().parse().ok());
    value.ok_or_else(|| io::Error::other(format!("GET /metrics has no keybearer_{name}")))
}
