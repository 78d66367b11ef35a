//! Wall clocks that jump: each node runs under libfaketime, which adds what a file says to CLOCK_REALTIME and leaves the
//! steady clocks alone. PostgreSQL and this process keep the true time.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::cluster::LEASE;
use super::http::Api;
use super::network::{NODES, node};
use super::options::Options;

const DAY: i64 = 24 * 60 * 60;

pub struct Clocks {
    library: PathBuf,
    place: PathBuf,
}

impl Clocks {
    pub fn new(options: &Options) -> Self {
        let clocks = Clocks { library: options.faketime.clone(), place: options.place.clone() };
        (0..NODES).for_each(|number| clocks.set(number, 0));
        clocks
    }

    fn file(&self, number: usize) -> PathBuf {
        self.place.join(format!("{}.clock", node(number)))
    }

    /// The environment of a server whose clock can jump.
    pub fn environment(&self, number: usize) -> Vec<String> {
        let own = [
            format!("LD_PRELOAD={}", self.library.display()),
            format!("FAKETIME_TIMESTAMP_FILE={}", self.file(number).display()),
        ];
        let fixed =
            ["FAKETIME_NO_CACHE=1", "DONT_FAKE_MONOTONIC=1", "FAKETIME_DONT_FAKE_MONOTONIC=1", "NO_FAKE_STAT=1"];
        own.into_iter().chain(fixed.map(str::to_owned)).collect()
    }

    /// How many seconds a node's wall clock is ahead of the true time, from now on.
    pub fn set(&self, number: usize, ahead: i64) {
        let (file, new) = (self.file(number), self.file(number).with_extension("new"));
        fs::write(&new, format!("{ahead:+}\n")).unwrap();
        fs::rename(new, file).unwrap(); // a server reads it at any time
    }

    /// Shows that the fault works: each node's wall clock jumps, and its lease and timers do not notice.
    pub async fn check(&self, api: &Arc<Api>) {
        sleep(LEASE).await; // a server exits if its lease ends while it starts
        for ahead in [3 * DAY, -3 * DAY, 0] {
            for number in 0..NODES {
                self.set(number, ahead);
                until(|| async {
                    let seen = api.ahead(number).await;
                    let has_jumped = seen.is_some_and(|seen| (seen - ahead).abs() <= 2);
                    has_jumped.then_some(()).ok_or(format!("is ahead by {seen:?} s, not by {ahead} s"))
                })
                .await
                .unwrap_or_else(|said| panic!("the clock of {} {said}", node(number)));
            }
            // A steady clock that had jumped back too would stop the timers and with them the heartbeats, or make the
            // lease longer than it can be.
            sleep(LEASE + LEASE / 4).await;
            for number in 0..NODES {
                until(|| async {
                    let left = api.lease_left(number).await;
                    let is_held = left.is_some_and(|left| left > 0.0 && left <= LEASE.as_secs_f64());
                    let is_well = is_held && api.is_ready(number).await;
                    is_well.then_some(()).ok_or(format!("has a lease of {left:?} s, by a clock ahead by {ahead} s"))
                })
                .await
                .unwrap_or_else(|said| panic!("{} {said}", node(number)));
            }
        }
    }
}

/// Asks again and again for ten seconds; returns what the last try found wrong.
async fn until<F: Future<Output = Result<(), String>>>(ask: impl Fn() -> F) -> Result<(), String> {
    let began = Instant::now();
    loop {
        let said = ask().await;
        if said.is_ok() || began.elapsed() > Duration::from_secs(10) {
            return said;
        }
        sleep(Duration::from_millis(50)).await;
    }
}
