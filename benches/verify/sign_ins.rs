//! Many people, or guessers, who sign in at the same time: each from another loopback address, to an account that does
//! not exist, with a password that must be hashed.

use crate::verify::{client::Client, server::Server, writes::Outcome};
use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Maximum time until the memory is released.
const PATIENCE: Duration = Duration::from_secs(10);
/// Memory that may be kept: connections, and what the allocator keeps.
const KEPT: u64 = 16 << 20;

#[derive(Clone, Copy)]
pub struct SignIns<'a> {
    pub server: &'a Server,
    pub clients: u32,
}

impl SignIns<'_> {
    /// Signs in until `stop` is set; each client waits as long as its response says.
    pub fn run(&self, stop: &AtomicBool) -> io::Result<Outcome> {
        let idle = self.server.memory()?;
        let (start, mut most) = (Instant::now(), idle);
        let hashed: u64 = thread::scope(|scope| {
            let sign_in = |number| scope.spawn(move || self.sign_in(number, stop));
            let clients: Vec<_> = (0..self.clients).map(sign_in).collect();
            while clients.iter().any(|client| !client.is_finished()) {
                most = most.max(self.server.memory()?);
                thread::sleep(Duration::from_millis(5));
            }
            clients.into_iter().map(|client| client.join().expect("a client does not panic")).sum::<io::Result<u64>>()
        })?;
        let rate = hashed as f64 / start.elapsed().as_secs_f64();
        let end = Instant::now();
        while end.elapsed() <= PATIENCE && self.server.memory()? > idle + KEPT {
            thread::sleep(Duration::from_millis(50));
        }
        Ok(Outcome { rate, idle, most, is_released: end.elapsed() <= PATIENCE })
    }

    /// The number of passwords of this client that were hashed.
    fn sign_in(&self, number: u32, stop: &AtomicBool) -> io::Result<u64> {
        let from = Ipv4Addr::new(127, 1, (number / 250) as u8, (number % 250) as u8 + 1);
        let mut client = Client::from(from, self.server.port);
        let mut hashed = 0;
        for round in 0.. {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let body = format!(r#"{{"email":"nobody{number}x{round}@example.test","password":"glacier-tuba-plinth"}}"#);
            let answer = client.call("POST", "/api/v1/tokens", None, &body)?;
            hashed += u64::from(answer.status == 401);
            let wait = answer.headers.iter().find(|(name, _)| name == "retry-after");
            if let Some(seconds) = wait.and_then(|(_, seconds)| seconds.parse().ok()) {
                thread::sleep(Duration::from_secs(seconds).min(Duration::from_secs(1)));
            }
        }
        Ok(hashed)
    }
}
