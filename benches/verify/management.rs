//! Goals about managing keys: durable writes per second, and the time of one revocation and of one search.

use crate::verify::{
    client::Client, goals::Goal, goals::Limit, goals::other_size, keys::show_count, latency::Latencies,
    options::Options, population::name_of, product::Product, rounds::Plan, spread::Spread, stage::Stage, writes,
    writes::Writers,
};
use std::io;
use std::time::{Duration, Instant};

const REPEATS: u64 = 100;

/// What was measured, and the verdict.
type Judged = io::Result<(String, String)>;

pub fn goals(stage: &Stage, options: &Options) -> io::Result<Vec<Goal>> {
    let (main, most, quick) = (stage.with(1_000_000), stage.with(10_000_000), "p99 ≤ 50 ms");
    let mut goals = Vec::new();
    let mut add = |what: &str, goal: &str, product: &Product, measure: &dyn Fn() -> Judged| {
        if options.wants(what) {
            eprintln!("{what}");
            product.server.wake_up()?;
            let failed = |error| ("–".into(), format!("not available: {error}"));
            let (measured, verdict) = measure().unwrap_or_else(failed);
            product.server.rest()?;
            goals.push(Goal::new(what, goal, measured, verdict));
        }
        Ok::<_, io::Error>(())
    };
    add("durable create and revoke, 32 clients", "≥ 4 × one client, one transaction each", main, &|| {
        durable_writes(main, &options.plan())
    })?;
    add("revoke by id, 10M keys", quick, most, &|| timed(most, revoke))?;
    add("search by name over the API, 10M keys", quick, most, &|| timed(most, search))?;
    Ok(goals)
}

/// Creations and revocations of many clients at once against those of one, which gets a transaction for each.
fn durable_writes(product: &Product, plan: &Plan) -> Judged {
    let (ports, admin_key) = (&[product.server.port][..], &product.admin_key[..]);
    let writers = |clients| Writers { ports, admin_key, clients, pause: Duration::ZERO };
    let (mut many, mut one) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        many.push(writers(32).run_for(plan.measured)?);
        one.push(writers(1).run_for(plan.measured)?);
    }
    let median = |values: Vec<f64>| Spread::of(values).map_or(0.0, |spread| spread.median);
    let ratio = median(many.iter().zip(&one).map(|(many, one)| many / one).collect());
    let measured = format!("{ratio:.1} × ({:.0}/s against {:.0}/s)", median(many), median(one));
    Ok((measured, Limit::AtLeast(4.0).judge(ratio, None)))
}

fn revoke(product: &Product, client: &mut Client, _repeat: u64) -> io::Result<Duration> {
    let id = writes::create(&product.admin_key, client)?;
    let start = Instant::now();
    writes::revoke(&product.admin_key, client, &id)?;
    Ok(start.elapsed())
}

/// Searches for a key's full name.
fn search(product: &Product, client: &mut Client, repeat: u64) -> io::Result<Duration> {
    let name = name_of(repeat * product.population.keys / REPEATS);
    let start = Instant::now();
    let answer = client.call("GET", &format!("/api/v1/keys?search={name}"), Some(&product.admin_key), "")?;
    let time = start.elapsed();
    if answer.status == 200 && String::from_utf8_lossy(&answer.body).contains(&name) {
        return Ok(time);
    }
    Err(io::Error::other(format!("GET /api/v1/keys?search= answered {} without the key", answer.status)))
}

fn timed(product: &Product, once: fn(&Product, &mut Client, u64) -> io::Result<Duration>) -> Judged {
    let mut client = Client::new(product.server.port);
    let mut latencies = Latencies::with_room(REPEATS as usize);
    let start = Instant::now();
    for repeat in 0..REPEATS {
        latencies.record(once(product, &mut client, repeat)?);
        // For slow calls, a few are enough.
        if start.elapsed() > Duration::from_secs(20) {
            break;
        }
    }
    let [p50, p99] = latencies.quantiles([0.5, 0.99]).map(|microseconds| microseconds / 1000.0);
    let keys = product.population.keys;
    let measured = format!("p50 {p50:.2} ms, p99 {p99:.2} ms, {}", show_count(keys));
    Ok((measured, Limit::AtMost(50.0).judge(p99, other_size(keys, 10_000_000))))
}
