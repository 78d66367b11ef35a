//! From starting the product until it answers, until its index is full, and what memory it holds then.

use crate::client::Client;
use crate::keys::Series;
use crate::population::{Keybearer, Population};
use crate::process::{self, Memory, Server};
use crate::schedule::Route;
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// A server that is not ready after this long counts as broken.
pub const PATIENCE: Duration = Duration::from_secs(180);
const STEP: Duration = Duration::from_millis(1);
/// A look at the metrics costs the server more than a verdict does: few of them, so that they do not slow the filling.
const LOOK: Duration = Duration::from_millis(20);

/// A running product, and how its start went.
pub struct Started {
    pub server: Server,
    /// Until the first right answer to a live key.
    pub answering: Duration,
    /// Until `/metrics` said that every key is in the index.
    pub full: Duration,
    pub memory: Memory,
}

/// Starts the product on `population` and waits until it is ready for measurement.
pub fn start(keybearer: &Keybearer, population: &Population, cores: &[usize], directory: &Path) -> io::Result<Started> {
    let port = process::free_port()?;
    let log = directory.join(format!("keybearer-{}.log", population.keys));
    let metrics = process::free_port()?;
    let mut command = keybearer.serve(&population.database, port, cores.len());
    command.args(["--metrics-listen", &format!("127.0.0.1:{metrics}")]);
    let begin = Instant::now();
    let mut server = Server::start(command, port, cores, &log)?;
    let mut client = Client::new(port);
    let mut probe = Vec::new();
    Route::Auth.render(Series::ISSUED.text(population.keys / 2).as_bytes(), &mut probe);
    // An empty database has no live key; there, any refusal is the right answer.
    let right = if population.keys == 0 { 401 } else { 200 };
    let answering = wait(&mut server, begin, "a right answer to GET /auth", || match client.send(&probe) {
        Ok(answer) if answer.status == right => Ok(Some(begin.elapsed())),
        // While it cannot tell it may say so; calling a live key bad is never right.
        Ok(answer) if answer.status == 503 => Ok(None),
        Ok(answer) => Err(io::Error::other(format!("while starting, a live key was answered {}", answer.status))),
        Err(_not_yet) => Ok(None),
    })?;
    let mut client = Client::new(metrics);
    let full = wait(&mut server, begin, "a full index on GET /metrics", || {
        thread::sleep(LOOK);
        let Ok(answer) = client.send(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n") else { return Ok(None) };
        let text = String::from_utf8_lossy(&answer.body);
        let (is_full, keys) = (gauge(&text, "index_full")? == 1, gauge(&text, "index_keys")?);
        if is_full && keys < population.keys {
            return Err(io::Error::other(format!("the index says it is full with {keys} of {} keys", population.keys)));
        }
        Ok(is_full.then(|| begin.elapsed()))
    })?;
    server.meet_family()?;
    let memory = server.memory()?;
    Ok(Started { server, answering, full, memory })
}

fn gauge(text: &str, name: &str) -> io::Result<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("keybearer_")?.strip_prefix(name)?.strip_prefix(' '));
    let value = line.and_then(|value| value.trim().parse().ok());
    value.ok_or_else(|| io::Error::other(format!("GET /metrics does not tell keybearer_{name}")))
}

/// Asks again and again until there is something, the server ends, or patience does.
pub fn wait<T>(
    server: &mut Server,
    begin: Instant,
    what: &str,
    mut ask: impl FnMut() -> io::Result<Option<T>>,
) -> io::Result<T> {
    while begin.elapsed() < PATIENCE {
        if let Some(found) = ask()? {
            return Ok(found);
        }
        if let Some(end) = server.ended()? {
            return Err(io::Error::other(format!("no {what}, the server ended with {end}")));
        }
        thread::sleep(STEP);
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, format!("no {what} after {} s", PATIENCE.as_secs())))
}
