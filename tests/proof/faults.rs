//! What goes wrong, drawn from the seed: first each kind once, then any. Two faults of nodes and one of the database
//! can overlap.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use super::cluster::Cluster;
use super::databases::Databases;
use super::history::History;
use super::network::{Direction, NODES, Network, database, database_address, node};
use super::options::Options;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    CutLink,
    CutFromDatabase,
    HearsNothing,
    SaysNothing,
    Freeze,
    Kill,
    Restart,
    CutStandby,
    KillPrimary,
    IsolatePrimary,
    SplitPrimary,
}

use Kind::*;

const OF_NODES: [Kind; 6] = [CutLink, CutFromDatabase, HearsNothing, SaysNothing, Freeze, Kill];
const OF_DATABASE: [Kind; 5] = [Restart, CutStandby, KillPrimary, IsolatePrimary, SplitPrimary];

/// Before the first fault, so that one sees how long a revocation takes without any.
const QUIET: Duration = Duration::from_secs(5);

pub struct Faults {
    shared: Arc<Shared>,
    of_nodes: Vec<JoinHandle<()>>,
    of_database: JoinHandle<Databases>,
}

struct Shared {
    network: Arc<Network>,
    cluster: Arc<Cluster>,
    history: Arc<History>,
    over: AtomicBool,
    been: Mutex<HashSet<Kind>>,
    nodes: [Mutex<()>; NODES],
}

impl Faults {
    pub fn start(
        options: &Options,
        network: Arc<Network>,
        databases: Databases,
        cluster: Arc<Cluster>,
        history: Arc<History>,
    ) -> Self {
        let (over, been, nodes) = (AtomicBool::new(false), Mutex::default(), Default::default());
        let shared = Arc::new(Shared { network, cluster, history, over, been, nodes });
        let rng = |number| StdRng::seed_from_u64(options.seed.wrapping_mul(31).wrapping_add(number));
        let of_nodes = [0, 1].map(|half| {
            let (shared, rng) = (Arc::clone(&shared), rng(half as u64));
            thread::spawn(move || shared.trouble_nodes(half, rng))
        });
        let tending = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                while !shared.over.load(Ordering::Relaxed) {
                    shared.cluster.tend();
                    thread::sleep(Duration::from_millis(200));
                }
            })
        };
        let of_database = {
            let (shared, rng) = (Arc::clone(&shared), rng(2));
            thread::spawn(move || shared.trouble_database(databases, rng))
        };
        Faults { shared, of_nodes: of_nodes.into_iter().chain([tending]).collect(), of_database }
    }

    pub fn have_all_been(&self) -> bool {
        self.shared.been.lock().unwrap().len() == OF_NODES.len() + OF_DATABASE.len()
    }

    /// Returns when everything is healed.
    pub fn stop(self) -> Databases {
        self.shared.over.store(true, Ordering::Relaxed);
        for thread in self.of_nodes {
            thread.join().unwrap();
        }
        self.of_database.join().unwrap()
    }
}

/// Each kind once, in any order, then any for ever.
fn kinds(of: &[Kind], rng: &mut StdRng) -> impl Iterator<Item = Kind> + use<> {
    let (mut first, all, mut rng) = (of.to_vec(), of.to_vec(), StdRng::seed_from_u64(rng.random()));
    first.shuffle(&mut rng);
    first.into_iter().chain(std::iter::from_fn(move || Some(all[rng.random_range(0..all.len())])))
}

fn hold(rng: &mut StdRng, from: u64, to: u64) {
    thread::sleep(Duration::from_millis(rng.random_range(from..to)));
}

impl Shared {
    fn trouble_nodes(&self, half: usize, mut rng: StdRng) {
        thread::sleep(QUIET);
        // Both halves of the kinds first, so that each has been soon.
        let first = kinds(&OF_NODES[half * 3..][..3], &mut rng).take(3);
        for (turn, kind) in first.chain(kinds(&OF_NODES, &mut rng)).enumerate() {
            hold(&mut rng, 300, if turn < 3 { 3_000 } else { 12_000 });
            if self.over.load(Ordering::Relaxed) {
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
            self.history.end_fault(fault);
            self.been.lock().unwrap().insert(kind);
        }
    }

    fn trouble_database(&self, mut databases: Databases, mut rng: StdRng) -> Databases {
        thread::sleep(QUIET);
        for (turn, kind) in kinds(&OF_DATABASE, &mut rng).enumerate() {
            hold(&mut rng, 3_000, if turn < OF_DATABASE.len() { 6_000 } else { 30_000 });
            if self.over.load(Ordering::Relaxed) {
                return databases;
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
            self.history.end_fault(fault);
            self.been.lock().unwrap().insert(kind);
        }
        databases
    }
}
