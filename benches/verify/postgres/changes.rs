//! Creations and revocations with one node and with three: the time of each, and how many per second.

use crate::verify::{
    busy, client::Client, goals::Goal, goals::Limit, latency::Latencies, postgres::databases::Databases,
    postgres::nodes::DEFAULT_LEASE, postgres::nodes::Nodes, postgres::nodes::Subject, postgres::nodes::setup,
    report::Figure, spread::Spread, writes, writes::Writers,
};
use std::io;
use std::time::{Duration, Instant};

/// Creations and revocations per round whose time is measured.
const REPEATS: usize = 500;
/// Those before that are not: the first on each connection prepare their statements.
const WARM_UP: usize = REPEATS / 5;
const CLIENTS: u32 = 32;

/// One round with so many nodes.
struct Sample {
    nodes: usize,
    is_synchronous: bool,
    /// Median and p99 in milliseconds, as below.
    create: [f64; 2],
    revoke: [f64; 2],
    /// Creations and revocations per second.
    rate: f64,
    /// The share of all cores that other programs had just before.
    busy: f64,
}

/// The goal for the p99 of a revocation with three nodes, in milliseconds.
const REVOCATION: f64 = 5.0;
/// Above this share, the times say little about the product.
const BUSY: f64 = 0.1;

pub fn measure(subject: &Subject, databases: &Databases) -> io::Result<(Vec<Figure>, Vec<Goal>)> {
    let Subject { site, population, admin_key, plan } = *subject;
    let mut samples = Vec::new();
    for round in 1..=plan.rounds {
        for count in [1, 3] {
            let nodes = site.start(population, count, DEFAULT_LEASE)?;
            for is_synchronous in [true, false] {
                eprintln!("round {round} of {}: changes, {}", plan.rounds, setup(count, is_synchronous));
                databases.set_synchronous(is_synchronous)?;
                let busy = busy::share()?;
                let ([create, revoke], rate) = (times(&nodes, admin_key)?, rate(&nodes, admin_key, plan.measured)?);
                samples.push(Sample { nodes: count, is_synchronous, create, revoke, rate, busy });
            }
        }
    }
    databases.set_synchronous(true)?;
    Ok(judge(&samples, population.keys))
}

/// The medians of the rounds, and the goal for revocations.
fn judge(samples: &[Sample], keys: u64) -> (Vec<Figure>, Vec<Goal>) {
    let (mut figures, mut goals) = (Vec::new(), Vec::new());
    for (nodes, is_synchronous) in [(1, true), (3, true), (1, false), (3, false)] {
        let same = || samples.iter().filter(|sample| (sample.nodes, sample.is_synchronous) == (nodes, is_synchronous));
        let spread = |of: fn(&Sample) -> f64| Spread::of(same().map(of));
        let quantiles = |p50: Option<Spread>, p99: Option<Spread>| {
            Some(format!("p50 {} ms, p99 {} ms", p50?.show(2), p99?.show(2)))
        };
        let revocation = quantiles(spread(|sample| sample.revoke[0]), spread(|sample| sample.revoke[1]));
        let p99 = spread(|sample| sample.revoke[1]);
        let rate = spread(|sample| sample.rate).map(|rate| format!("{}/s", rate.show(0)));
        let lines = [
            ("create a key", quantiles(spread(|sample| sample.create[0]), spread(|sample| sample.create[1]))),
            ("revoke a key", revocation.clone()),
            ("create and revoke, 32 clients", rate),
        ];
        for (what, measured) in lines {
            let (setup, measured) = (setup(nodes, is_synchronous), measured.unwrap_or_default());
            figures.push(Figure { what: what.into(), keys, setup, measured });
        }
        if let (3, Some(p99), Some(measured)) = (nodes, p99, revocation) {
            let busy = spread(|sample| sample.busy).map_or(0.0, |busy| busy.median);
            // Other programs only make it slower.
            let is_doubtful = busy > BUSY && p99.median > REVOCATION;
            let others = || format!("other programs used {busy:.2} of the cores");
            let verdict = Limit::AtMost(REVOCATION).judge(p99.median, is_doubtful.then(others));
            goals.push(Goal::new(
                format!("revoke by id, {}", setup(nodes, is_synchronous)),
                "p99 ≤ 5 ms",
                measured,
                verdict,
            ));
        }
    }
    (figures, goals)
}

/// One client, which takes the nodes in turn and revokes each key on another node than the one that created it.
fn times(nodes: &Nodes, admin_key: &str) -> io::Result<[[f64; 2]; 2]> {
    let mut clients: Vec<_> = nodes.ports.iter().map(|port| Client::new(*port)).collect();
    let (mut creations, mut revocations) = (Latencies::with_room(REPEATS), Latencies::with_room(REPEATS));
    let count = clients.len();
    for repeat in 0..WARM_UP + REPEATS {
        let start = Instant::now();
        let id = writes::create(admin_key, &mut clients[repeat % count])?;
        let between = Instant::now();
        writes::revoke(admin_key, &mut clients[(repeat + 1) % count], &id)?;
        let end = Instant::now();
        if repeat >= WARM_UP {
            creations.record(between - start);
            revocations.record(end - between);
        }
    }
    Ok([creations, revocations].map(|all| all.quantiles([0.5, 0.99]).map(|microseconds| microseconds / 1000.0)))
}

fn rate(nodes: &Nodes, admin_key: &str, measured: Duration) -> io::Result<f64> {
    Writers { ports: &nodes.ports, admin_key, clients: CLIENTS, pause: Duration::ZERO }.run_for(measured)
}
