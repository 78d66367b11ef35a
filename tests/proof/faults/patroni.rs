//! Databases under Patroni: it decides on each failover, and brings the old primary back as the standby.

use std::thread;

use rand::rngs::StdRng;

use super::super::network::{Direction, database, etcd_address};
use super::super::patroni::Patroni;
use super::Kind::{self, *};
use super::{QUIET, Shared, hold, kinds};

pub const KINDS: [Kind; 6] = [KillPrimary, IsolatePrimary, KillPostgres, CutFromEtcd, FreezePatroni, CutStandby];

impl Shared {
    pub(super) fn trouble_patroni(&self, databases: Patroni, mut rng: StdRng) {
        thread::sleep(QUIET);
        for (turn, kind) in kinds(&KINDS, &mut rng).enumerate() {
            hold(&mut rng, 3_000, if turn < KINDS.len() { 6_000 } else { 30_000 });
            if self.is_over() {
                return;
            }
            let Some(primary) = databases.primary() else { continue };
            let (name, standby) = (database(primary), 1 - primary);
            let fault = self.history.begin_fault(&format!("{kind:?} {name}"));
            match kind {
                KillPrimary => self.network.kill_all(&name),
                IsolatePrimary => self.network.cut_link(&name),
                KillPostgres => self.network.signal(&name, "bin/postgres", "KILL"),
                // What reaches its REST API and the database goes on.
                CutFromEtcd => self.network.drop_packets(&name, etcd_address(), Direction::Both),
                // Its lock in etcd is lost, and its database goes on accepting connections: there are two primaries.
                FreezePatroni => self.network.signal(&name, "bin/patroni", "STOP"),
                _ => self.network.cut_link(&database(standby)),
            }
            if kind == CutStandby {
                hold(&mut rng, 500, 8_000);
            } else {
                let (promoted, after) = databases.await_primary(&[standby]);
                println!("         {} is the primary after {:.1} s", database(promoted), after.as_secs_f64());
                hold(&mut rng, 500, 6_000);
            }
            match kind {
                KillPrimary => databases.start(primary),
                // A watchdog resets the machine. Patroni 3.0.2 must not go on: with etcd's version 3 API, it can write
                // its name over the new primary's lock, and what was confirmed since is lost.
                FreezePatroni => {
                    self.network.kill_all(&name);
                    databases.start(primary);
                }
                CutStandby => self.network.heal(&database(standby)),
                _ => self.network.heal(&name),
            }
            let (now, _) = databases.await_primary(&[0, 1]);
            databases.await_standby(now);
            self.end(fault, kind);
        }
    }
}
