//! Creating and revoking keys over the management API; each is durable before it is answered.

use crate::verify::client::Client;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Clients that each create a key, revoke it, and start again.
#[derive(Clone, Copy)]
pub struct Writers<'a> {
    /// The servers on one database, of which each client has one.
    pub ports: &'a [u16],
    pub admin_key: &'a str,
    pub clients: u32,
    /// The time from one start of a client to the next; zero is as fast as possible.
    pub pause: Duration,
}

/// What was done to a server while it was measured.
#[derive(Clone, Copy, Default)]
pub struct Outcome {
    /// Creations and revocations, or hashed passwords, per second.
    pub rate: f64,
    /// Resident bytes before and max, if memory was watched, and whether they were released in time.
    pub idle: u64,
    pub most: u64,
    pub is_released: bool,
}

impl Writers<'_> {
    /// Writes until `stop` is set. A wrong response is an error.
    pub fn run(&self, stop: &AtomicBool) -> io::Result<Outcome> {
        let start = Instant::now();
        let written: u64 = thread::scope(|scope| {
            let write = |number| scope.spawn(move || self.write(number, stop));
            let clients: Vec<_> = (0..self.clients).map(write).collect();
            clients.into_iter().map(|client| client.join().expect("a client does not panic")).sum::<io::Result<u64>>()
        })?;
        Ok(Outcome { rate: written as f64 / start.elapsed().as_secs_f64(), ..Outcome::default() })
    }

    /// Creations and revocations per second.
    pub fn run_for(&self, length: Duration) -> io::Result<f64> {
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let running = scope.spawn(|| self.run(&stop));
            thread::sleep(length);
            stop.store(true, Ordering::Relaxed);
            running.join().expect("writing does not panic").map(|outcome| outcome.rate)
        })
    }

    fn write(&self, number: u32, stop: &AtomicBool) -> io::Result<u64> {
        let mut client = Client::new(self.ports[number as usize % self.ports.len()]);
        let mut written = 0;
        // The clients take turns within a pause instead of all writing at once.
        let mut due = Instant::now() + self.pause * number / self.clients;
        while !stop.load(Ordering::Relaxed) {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            due += self.pause;
            let id = create(self.admin_key, &mut client)?;
            revoke(self.admin_key, &mut client, &id)?;
            written += 2;
        }
        Ok(written)
    }
}

/// Creates a key and returns its id.
pub fn create(admin_key: &str, client: &mut Client) -> io::Result<String> {
    let body = r#"{"name":"bench-write","scopes":["orders:read"]}"#;
    let answer = client.call("POST", "/api/v1/keys", Some(admin_key), body)?;
    let record: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    match record["id"].as_str() {
        Some(id) if answer.status == 201 => Ok(id.to_owned()),
        _ => Err(io::Error::other(format!("POST /api/v1/keys answered {}", answer.status))),
    }
}

pub fn revoke(admin_key: &str, client: &mut Client, id: &str) -> io::Result<()> {
    let answer = client.call("DELETE", &format!("/api/v1/keys/{id}"), Some(admin_key), "")?;
    match answer.status {
        200 | 204 => Ok(()),
        status => Err(io::Error::other(format!("DELETE /api/v1/keys/{{id}} answered {status}"))),
    }
}
