//! The product on one database: how soon it answers, how soon its index is full, and the memory that it uses.

use crate::verify::{
    client::Client, client::Response, launch::Launch, population, population::Population, schedule::Route,
    server::Server, spread::Spread,
};
use std::io;

/// The starts of each product; the row has their medians.
const STARTS: usize = 3;

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
    /// Starts the product on `population` several times; the last one stays.
    pub fn start(launch: &Launch, population: Population, empty: u64) -> io::Result<Self> {
        let admin_key = population::create_admin_key(launch.keybearer, &population.database)?;
        let mut last = None;
        let (mut answering, mut full) = (Vec::new(), Vec::new());
        for _ in 0..STARTS {
            // The one before ends first.
            drop(last.take());
            let started = launch.start(&population)?;
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
