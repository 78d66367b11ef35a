//! Nodes that are cut off, frozen or killed, two at most at a time.

use std::thread;

use rand::RngExt;
use rand::rngs::StdRng;

use super::super::network::{Direction, NODES, database_address, node};
use super::Kind::{self, *};
use super::{QUIET, Shared, hold, kinds};

pub const KINDS: [Kind; 6] = [CutLink, CutFromDatabase, HearsNothing, SaysNothing, Freeze, Kill];

impl Shared {
    pub(super) fn trouble_nodes(&self, half: usize, mut rng: StdRng) {
        thread::sleep(QUIET);
        // Both halves of the kinds first, so that each has been soon.
        let first = kinds(&KINDS[half * 3..][..3], &mut rng).take(3);
        for (turn, kind) in first.chain(kinds(&KINDS, &mut rng)).enumerate() {
            hold(&mut rng, 300, if turn < 3 { 3_000 } else { 12_000 });
            if self.is_over() {
                return;
            }
            let mut number = rng.random_range(0..NODES);
            let _only = loop {
                match self.nodes[number].try_lock() {
                    Ok(only) => break only,
                    Err(_) => number = (number + 1) % NODES,
                }
            };
            let name = node(number);
            let fault = self.history.begin_fault(&format!("{kind:?} {name}"));
            let drop = |direction| {
                [0, 1]
                    .into_iter()
                    .for_each(|other| self.network.drop_packets(&name, database_address(other), direction));
            };
            match kind {
                CutLink => self.network.cut_link(&name),
                CutFromDatabase => drop(Direction::Both),
                HearsNothing => drop(Direction::Hears),
                SaysNothing => drop(Direction::Says),
                Freeze => self.cluster.signal(number, "STOP"),
                _ => self.cluster.kill(number),
            }
            hold(&mut rng, 300, 5_000);
            match kind {
                Freeze => self.cluster.signal(number, "CONT"),
                Kill => self.cluster.revive(number),
                _ => self.network.heal(&name),
            }
            self.end(fault, kind);
        }
    }
}
