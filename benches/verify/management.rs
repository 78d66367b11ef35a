//! Goals about managing keys: how many durable writes a second, how quick one revocation and one search are.

use crate::client::Client;
use crate::goals::{Goal, Limit, Verdict, show_limit};
use crate::histogram::Histogram;
use crate::options::show_population;
use crate::population::name_of;
use crate::rounds::{Plan, Spread};
use crate::stage::Product;
use crate::writes::Writers;
use std::io;
use std::time::{Duration, Instant};

pub const DURABLE: &str = "durable create and revoke, 32 clients";
pub const REVOKE: &str = "revoke by id, 10M keys";
pub const SEARCH: &str = "search by name over the API, 10M keys";

const CLIENTS: usize = 32;
const REPEATS: u64 = 100;
const GOAL_KEYS: u64 = 10_000_000;
/// In milliseconds.
const QUICK: Limit = Limit::AtMost(50.0);

/// Creations and revocations of many clients at once against those of one, who gets a transaction for each.
pub fn durable_writes(product: &Product, plan: &Plan) -> Goal {
    let what = DURABLE;
    let limit = Limit::AtLeast(4.0);
    let text = show_limit(limit, "× one client, one transaction each");
    match write_rates(product, plan) {
        Ok((many, one, ratio)) => {
            let measured = format!("{:.1} × ({:.0}/s against {:.0}/s)", ratio.median, many.median, one.median);
            Goal::new(what, text, measured, limit.judge(ratio.median))
        }
        Err(error) => Goal::not_available(what, text, error.to_string()),
    }
}

fn write_rates(product: &Product, plan: &Plan) -> io::Result<(Spread, Spread, Spread)> {
    let admin_key = product.admin_key()?;
    let writers = |clients| Writers { port: product.server.port, admin_key, clients, pause: Duration::ZERO };
    let (mut many, mut one) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        many.push(writers(CLIENTS).run_for(plan.measured)?.rate());
        one.push(writers(1).run_for(plan.measured)?.rate());
    }
    let ratios = many.iter().zip(&one).map(|(many, one)| many / one);
    let spreads = Spread::of(many.iter().copied()).zip(Spread::of(one.iter().copied())).zip(Spread::of(ratios));
    spreads.map(|((many, one), ratio)| (many, one, ratio)).ok_or_else(|| io::Error::other("no round was measured"))
}

/// One revocation by id at a time, on the product with the most keys.
pub fn revoke_by_id(product: &Product) -> Goal {
    timed(REVOKE, product, |client, _, latency| {
        let writers =
            Writers { port: product.server.port, admin_key: product.admin_key()?, clients: 1, pause: Duration::ZERO };
        let id = writers.create(client)?;
        let start = Instant::now();
        writers.revoke(client, &id)?;
        latency.record(start.elapsed());
        Ok(())
    })
}

/// The management API's search by a key's full name, on the product with the most keys.
pub fn search_by_name(product: &Product) -> Goal {
    timed(SEARCH, product, |client, repeat, latency| {
        let name = name_of(repeat * product.population.keys / REPEATS);
        let start = Instant::now();
        let answer = client.call("GET", &format!("/api/v1/keys?search={name}"), product.admin_key()?, "")?;
        latency.record(start.elapsed());
        if answer.status != 200 {
            return Err(io::Error::other(format!("GET /api/v1/keys?search= answered {}", answer.status)));
        }
        if !String::from_utf8_lossy(&answer.body).contains(&name) {
            return Err(io::Error::other("GET /api/v1/keys?search= did not find an imported key by its name"));
        }
        Ok(())
    })
}

fn timed(what: &str, product: &Product, once: impl Fn(&mut Client, u64, &mut Histogram) -> io::Result<()>) -> Goal {
    let text = "p99 ≤ 50 ms";
    let mut client = Client::new(product.server.port);
    let mut latency = Histogram::new();
    let start = Instant::now();
    for repeat in 0..REPEATS {
        if let Err(error) = once(&mut client, repeat, &mut latency) {
            return Goal::not_available(what, text, error.to_string());
        }
        // A slow search is measured well enough by a few.
        if start.elapsed() > Duration::from_secs(20) {
            break;
        }
    }
    let (p50, p99) = (latency.quantile(0.5) / 1000.0, latency.quantile(0.99) / 1000.0);
    let keys = product.population.keys;
    let measured = format!("p50 {p50:.2} ms, p99 {p99:.2} ms, {}", show_population(keys));
    let verdict = match QUICK.judge(p99) {
        Verdict::Met => QUICK.judge_at(p99, keys, GOAL_KEYS),
        missed => missed,
    };
    Goal::new(what, text, measured, verdict)
}
