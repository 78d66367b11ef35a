//! The pair of databases: restarts, cuts, and failovers that this process decides on.

use std::thread;

use rand::rngs::StdRng;

use super::super::network::{Direction, database, database_address};
use super::super::pair::Pair;
use super::Kind::{self, *};
use super::{QUIET, Shared, hold, kinds};

pub const KINDS: [Kind; 5] = [Restart, CutStandby, KillPrimary, IsolatePrimary, SplitPrimary];

impl Shared {
    pub(super) fn trouble_pair(&self, mut databases: Pair, mut rng: StdRng) {
        thread::sleep(QUIET);
        for (turn, kind) in kinds(&KINDS, &mut rng).enumerate() {
            hold(&mut rng, 3_000, if turn < KINDS.len() { 6_000 } else { 30_000 });
            if self.is_over() {
                return;
            }
            let (primary, standby) = (databases.primary, 1 - databases.primary);
            let name = database(primary);
            let fault = self.history.begin_fault(&format!("{kind:?} {name}"));
            match kind {
                Restart => databases.restart(),
                CutStandby => {
                    self.network.cut_link(&database(standby));
                    hold(&mut rng, 500, 6_000);
                    self.network.heal(&database(standby));
                }
                _ => {
                    match kind {
                        KillPrimary => self.network.kill_all(&name),
                        IsolatePrimary => self.network.cut_link(&name),
                        _ => self.network.drop_packets(&name, database_address(standby), Direction::Both),
                    }
                    hold(&mut rng, 0, 2_000);
                    databases.promote();
                    // Unless it was killed, two primaries now accept connections.
                    hold(&mut rng, 500, 6_000);
                    self.network.kill_all(&name);
                    self.network.heal(&name);
                    databases.make_standby(primary);
                }
            }
            self.end(fault, kind);
        }
    }
}
