//! Many people, or guessers, who log in at the same time: each from a loopback address of its own, to an account that
//! there is not, with a password that has to be hashed.

use crate::client::Client;
use crate::process::Server;
use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long the server may take to give memory back.
const PATIENCE: Duration = Duration::from_secs(10);
/// What may be kept: connections, and what the allocator holds on to.
const KEPT: u64 = 16 << 20;

#[derive(Clone, Copy)]
pub struct LogIns<'a> {
    pub server: &'a Server,
    pub clients: usize,
}

/// What the log-ins got, and what they took.
pub struct Flood {
    pub statuses: BTreeMap<u16, u64>,
    pub wall: Duration,
    /// Resident bytes before, and at most.
    pub idle: u64,
    pub most: u64,
    /// Until the memory was given back.
    pub released: Option<Duration>,
}

impl LogIns<'_> {
    /// Logs in until `stop` is set, each client again when its answer says so.
    pub fn run(&self, stop: &AtomicBool) -> io::Result<Flood> {
        let idle = self.server.memory()?.resident;
        let start = Instant::now();
        let (mut statuses, mut most) = (BTreeMap::new(), idle);
        thread::scope(|scope| {
            let clients: Vec<_> =
                (0..self.clients).map(|number| scope.spawn(move || self.log_in(number, stop))).collect();
            while clients.iter().any(|client| !client.is_finished()) {
                most = most.max(self.server.memory()?.resident);
                thread::sleep(Duration::from_millis(5));
            }
            for client in clients {
                for (status, count) in client.join().expect("a client that logs in does not panic")? {
                    *statuses.entry(status).or_default() += count;
                }
            }
            Ok::<_, io::Error>(())
        })?;
        let wall = start.elapsed();
        let ended = Instant::now();
        let released = loop {
            if self.server.memory()?.resident <= idle + KEPT {
                break Some(ended.elapsed());
            }
            if ended.elapsed() > PATIENCE {
                break None;
            }
            thread::sleep(Duration::from_millis(50));
        };
        Ok(Flood { statuses, wall, idle, most, released })
    }

    fn log_in(&self, number: usize, stop: &AtomicBool) -> io::Result<BTreeMap<u16, u64>> {
        let from = Ipv4Addr::new(127, 1, (number / 250) as u8, (number % 250) as u8 + 1);
        let mut client = Client::from(from, self.server.port);
        let mut statuses = BTreeMap::new();
        for round in 0.. {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let body = format!(r#"{{"email":"nobody{number}x{round}@example.test","password":"glacier-tuba-plinth"}}"#);
            let head = "POST /api/v1/tokens HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n";
            let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
            let answer = client.send(request.as_bytes())?;
            *statuses.entry(answer.status).or_default() += 1;
            let wait = answer.headers.iter().find(|(name, _)| name == "retry-after");
            if let Some(seconds) = wait.and_then(|(_, seconds)| seconds.parse().ok()) {
                thread::sleep(Duration::from_secs(seconds).min(Duration::from_secs(1)));
            }
        }
        Ok(statuses)
    }
}
