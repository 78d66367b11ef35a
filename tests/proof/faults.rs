//! What goes wrong, drawn from the seed: first each kind once, then any. Two faults of nodes, one of a clock and one of
//! the database can overlap.

mod clocks;
mod nodes;
mod pair;
mod patroni;

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
use super::network::{NODES, Network};
use super::options::Options;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    CutLink,
    CutFromDatabase,
    HearsNothing,
    SaysNothing,
    Freeze,
    Kill,
    ClockJump,
    Restart,
    CutStandby,
    KillPrimary,
    IsolatePrimary,
    SplitPrimary,
    // Only with Patroni.
    KillPostgres,
    CutFromEtcd,
    FreezePatroni,
}

/// Before the first fault, so that one sees how long a revocation takes without any.
const QUIET: Duration = Duration::from_secs(5);

pub struct Faults {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    /// How many kinds there are in this run.
    kinds: usize,
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
        let of_databases = match &databases {
            Databases::Pair(_) => pair::KINDS.len(),
            Databases::Patroni(_) => patroni::KINDS.len(),
        };
        let rng = |number| StdRng::seed_from_u64(options.seed.wrapping_mul(31).wrapping_add(number));
        let mut threads = Vec::new();
        let mut begin = |work: Box<dyn FnOnce(&Shared) + Send>| {
            let shared = Arc::clone(&shared);
            threads.push(thread::spawn(move || work(&shared)));
        };
        for half in [0, 1] {
            let rng = rng(half as u64);
            begin(Box::new(move |shared| shared.trouble_nodes(half, rng)));
        }
        let (for_databases, for_clocks) = (rng(2), rng(3));
        begin(Box::new(move |shared| match databases {
            Databases::Pair(pair) => shared.trouble_pair(pair, for_databases),
            Databases::Patroni(patroni) => shared.trouble_patroni(patroni, for_databases),
        }));
        begin(Box::new(move |shared| shared.trouble_clocks(for_clocks)));
        begin(Box::new(|shared| {
            while !shared.is_over() {
                shared.cluster.tend();
                thread::sleep(Duration::from_millis(200));
            }
        }));
        Faults { shared, threads, kinds: nodes::KINDS.len() + of_databases + 1 }
    }

    pub fn have_all_been(&self) -> bool {
        self.shared.been.lock().unwrap().len() == self.kinds
    }

    /// Returns when everything is healed.
    pub fn stop(self) {
        self.shared.over.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().unwrap();
        }
    }
}

impl Shared {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    fn end(&self, fault: usize, kind: Kind) {
        self.history.end_fault(fault);
        self.been.lock().unwrap().insert(kind);
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
