//! The time without answers when the primary is lost and the standby is promoted some time later, by lease.

use crate::verify::{
    client::Client, client::Response, keys::Series, postgres::databases::Databases, postgres::databases::eventually,
    postgres::nodes::Subject, postgres::nodes::setup, report::Figure, schedule::Route, spread::Spread, writes,
};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// From the loss of the primary until the order to promote the standby.
pub const PROMOTION: Duration = Duration::from_secs(8);
/// In seconds.
const LEASES: [u32; 3] = [2, 5, 30];
const NODES: usize = 3;
/// A change that takes longer counts as failed.
const SLOW: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(5);

/// The longest time between two right answers of a node, in seconds.
struct Gaps {
    lease: u32,
    checks: Vec<f64>,
    changes: Vec<f64>,
}

pub fn measure(subject: &Subject, databases: &mut Databases) -> io::Result<Vec<Figure>> {
    let Subject { site, population, plan, .. } = *subject;
    let mut all = Vec::new();
    for round in 1..=plan.rounds {
        for lease in LEASES {
            eprintln!("round {round} of {}: failover, lease {lease} s", plan.rounds);
            databases.add_standby()?;
            let nodes = site.start(population, NODES, lease)?;
            all.push(fail_over(subject, databases, &nodes.ports, lease)?);
        }
    }
    let mut figures = Vec::new();
    for lease in LEASES {
        let same = || all.iter().filter(|gaps| gaps.lease == lease);
        let checks = Spread::of(same().flat_map(|gaps| gaps.checks.iter().copied()));
        let changes = Spread::of(same().flat_map(|gaps| gaps.changes.iter().copied()));
        if let (Some(checks), Some(changes)) = (checks, changes) {
            let measured = format!("no checks for {} s, no changes for {} s", checks.show(2), changes.show(2));
            let what = format!("failover, promoted after {} s, lease {lease} s", PROMOTION.as_secs());
            figures.push(Figure { what, keys: population.keys, setup: setup(NODES, true), measured });
        }
    }
    Ok(figures)
}

/// Asks every node all the time for a check and a change.
fn fail_over(subject: &Subject, databases: &mut Databases, ports: &[u16], lease: u32) -> io::Result<Gaps> {
    let Subject { population, admin_key, .. } = *subject;
    let key = &Series::ISSUED.text(population.keys / 2)[..];
    let stop = &AtomicBool::new(false);
    thread::scope(|scope| {
        let check = |port| move || longest_gap(stop, port, |client| client.ask(&Route::AUTH, key).is_ok_and(is_200));
        let change = |port| move || longest_gap(stop, port, |client| is_changed(client, admin_key));
        let checks: Vec<_> = ports.iter().map(|port| scope.spawn(check(*port))).collect();
        let changes: Vec<_> = ports.iter().map(|port| scope.spawn(change(*port))).collect();
        let outcome = replace_primary(databases, ports, admin_key);
        stop.store(true, Ordering::Relaxed);
        let longest = |asking: Vec<thread::ScopedJoinHandle<f64>>| {
            asking.into_iter().map(|one| one.join().expect("asking does not panic")).collect()
        };
        let gaps = Gaps { lease, checks: longest(checks), changes: longest(changes) };
        outcome.map(|()| gaps)
    })
}

/// Returns when every node makes changes again.
fn replace_primary(databases: &mut Databases, ports: &[u16], admin_key: &str) -> io::Result<()> {
    let settled = Duration::from_secs(1);
    thread::sleep(settled);
    let loss = Instant::now();
    databases.lose_primary()?;
    thread::sleep(PROMOTION.saturating_sub(loss.elapsed()));
    databases.promote()?;
    for port in ports {
        let mut client = Client::new(*port);
        eventually("change after the failover", || Ok(writes::create(admin_key, &mut client).is_ok()))?;
    }
    thread::sleep(settled);
    Ok(())
}

fn longest_gap(stop: &AtomicBool, port: u16, mut is_answered: impl FnMut(&mut Client) -> bool) -> f64 {
    let mut client = Client::new(port);
    let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
    while !stop.load(Ordering::Relaxed) {
        if is_answered(&mut client) {
            longest = longest.max(last.elapsed());
            last = Instant::now();
        }
        thread::sleep(PAUSE);
    }
    longest.as_secs_f64()
}

/// A change that the loss interrupts is answered when the leases are over, which does not count.
fn is_changed(client: &mut Client, admin_key: &str) -> bool {
    let start = Instant::now();
    writes::create(admin_key, client).is_ok() && start.elapsed() < SLOW
}

fn is_200(answer: Response) -> bool {
    answer.status == 200
}
