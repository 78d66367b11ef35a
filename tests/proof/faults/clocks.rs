//! Wall clocks that jump, on any node, whatever else happens to it.

use rand::RngExt;
use rand::rngs::StdRng;

use super::super::network::{NODES, node};
use super::{Kind, QUIET, Shared, hold};

/// Jumps are shorter than ten days.
const LONGEST: f64 = 10.0 * 24.0 * 3600.0;

impl Shared {
    pub(super) fn trouble_clocks(&self, mut rng: StdRng) {
        std::thread::sleep(QUIET);
        loop {
            hold(&mut rng, 300, 8_000);
            if self.is_over() {
                return;
            }
            let number = rng.random_range(0..NODES);
            let ahead = jump(&mut rng);
            let fault = self.history.begin_fault(&format!("ClockJump {} {ahead:+} s", node(number)));
            self.cluster.clocks.set(number, ahead);
            hold(&mut rng, 300, 5_000);
            if rng.random_bool(0.3) {
                self.cluster.clocks.set(number, jump(&mut rng));
                hold(&mut rng, 300, 5_000);
            }
            self.cluster.clocks.set(number, 0);
            self.end(fault, Kind::ClockJump);
        }
    }
}

/// Seconds and days are as likely as each other.
fn jump(rng: &mut StdRng) -> i64 {
    let length = LONGEST.powf(rng.random_range(0.0..1.0)).ceil() as i64;
    if rng.random_bool(0.5) { length } else { -length }
}
