//! Creating and revoking keys over the management API, every one durable before it is answered.

use crate::client::Client;
use crate::histogram::Histogram;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Clients that each create a key, revoke it, and start again.
#[derive(Clone, Copy)]
pub struct Writers<'a> {
    pub port: u16,
    pub admin_key: &'a str,
    pub clients: usize,
    /// How often a client starts again; zero is as fast as it can.
    pub pause: Duration,
}

/// What the clients did.
pub struct Written {
    pub created: Histogram,
    pub revoked: Histogram,
    pub wall: Duration,
}

impl Written {
    fn new() -> Self {
        Self { created: Histogram::new(), revoked: Histogram::new(), wall: Duration::ZERO }
    }

    /// Creations and revocations a second, added up.
    pub fn rate(&self) -> f64 {
        (self.created.total() + self.revoked.total()) as f64 / self.wall.as_secs_f64()
    }
}

impl Writers<'_> {
    /// Writes until `stop` is set. The first wrong answer ends it with an error.
    pub fn run(&self, stop: &AtomicBool) -> io::Result<Written> {
        let start = Instant::now();
        let mut written = Written::new();
        thread::scope(|scope| {
            let clients: Vec<_> =
                (0..self.clients).map(|number| scope.spawn(move || self.write(number, stop))).collect();
            for client in clients {
                let one = client.join().expect("a writing client does not panic")?;
                written.created.merge(&one.created);
                written.revoked.merge(&one.revoked);
            }
            Ok::<_, io::Error>(())
        })?;
        written.wall = start.elapsed();
        Ok(written)
    }

    /// Writes for `length`.
    pub fn run_for(&self, length: Duration) -> io::Result<Written> {
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let running = scope.spawn(|| self.run(&stop));
            thread::sleep(length);
            stop.store(true, Ordering::Relaxed);
            running.join().expect("writing does not panic")
        })
    }

    fn write(&self, number: usize, stop: &AtomicBool) -> io::Result<Written> {
        let mut client = Client::new(self.port);
        let mut written = Written::new();
        // The clients take turns within a pause instead of all writing at once.
        let mut due = Instant::now() + self.pause.mul_f64(number as f64 / self.clients as f64);
        while !stop.load(Ordering::Relaxed) {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            due += self.pause;
            let start = Instant::now();
            let id = self.create(&mut client)?;
            let created = Instant::now();
            self.revoke(&mut client, &id)?;
            written.created.record(created - start);
            written.revoked.record(created.elapsed());
        }
        Ok(written)
    }

    /// Creates a key; its id.
    pub fn create(&self, client: &mut Client) -> io::Result<String> {
        let body = r#"{"name":"bench-write","scopes":["orders:read"]}"#;
        let answer = client.call("POST", "/api/v1/keys", self.admin_key, body)?;
        if answer.status != 201 {
            return Err(refused("POST /api/v1/keys", answer.status));
        }
        let json = answer.json()?;
        // The record may stand beside the key or around it.
        let id = json["id"].as_str().or_else(|| json["key"]["id"].as_str()).or_else(|| json["record"]["id"].as_str());
        id.map(str::to_owned).ok_or_else(|| io::Error::other("POST /api/v1/keys answered 201 without an id"))
    }

    pub fn revoke(&self, client: &mut Client, id: &str) -> io::Result<()> {
        let answer = client.call("DELETE", &format!("/api/v1/keys/{id}"), self.admin_key, "")?;
        if matches!(answer.status, 200 | 204) {
            Ok(())
        } else {
            Err(refused("DELETE /api/v1/keys/{id}", answer.status))
        }
    }
}

fn refused(call: &str, status: u16) -> io::Error {
    io::Error::other(format!("{call} answered {status}"))
}
