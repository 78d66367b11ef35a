//! The summary, and whether the proof holds.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use super::cluster::Cluster;
use super::ending::Ending;
use super::history::{History, seconds};
use super::network::{NODES, node};
use super::options::Options;

pub fn print(
    options: &Options,
    history: &History,
    ending: &Ending,
    cluster: &Cluster,
    is_done: bool,
    is_sound: bool,
) -> ExitCode {
    let of = |count: &std::sync::atomic::AtomicUsize| count.load(Ordering::Relaxed);
    println!("\nseed                    {}", options.seed);
    println!("duration                {}", seconds(history.now()));
    println!(
        "revocations answered    {} ({} found gone by a retry)",
        of(&history.revocations),
        of(&history.found_gone)
    );
    println!("disablings answered     {}", of(&history.disablings));
    println!("changes, outcome unknown {}", of(&history.unknown));
    print_checks(history);
    let latencies = history.latencies.lock().unwrap();
    print_latencies("in quiet times", latencies.iter().filter(|(_, is_quiet)| *is_quiet).map(|(took, _)| *took));
    print_latencies("during faults", latencies.iter().filter(|(_, is_quiet)| !is_quiet).map(|(took, _)| *took));
    let mut faults = BTreeMap::new();
    for name in history.fault_names() {
        *faults.entry(name.split(' ').next().unwrap_or_default().to_owned()).or_insert(0) += 1;
    }
    println!("faults                  {faults:?}");
    println!("starts that failed      {}, crashes {}", of(&cluster.failed_starts), of(&cluster.crashes));
    println!("all nodes serve again   after {:.1} s", ending.recovered_after.as_secs_f64());
    println!("looked at in the end    {} revoked keys, {} kept keys", ending.revoked, ending.kept);
    println!("database                {}", if is_sound { "sound" } else { "NOT SOUND" });

    let violations = history.violations.lock().unwrap();
    println!("violations              {}", violations.len());
    for violation in violations.iter().take(20) {
        println!("  {violation}");
    }
    if !is_done {
        println!("NOT DONE in time: too few revocations or faults");
    }
    let stale = violations.iter().filter(|text| text.contains("said 200")).count();
    let holds = match options.without_waiting {
        true => stale > 0,
        false => violations.is_empty() && is_done && is_sound && of(&cluster.crashes) == 0,
    };
    match (holds, options.without_waiting) {
        (true, true) => println!("as it must be: without waiting, {stale} stale accepts were found"),
        (false, true) => println!("FAILED: without waiting, no stale accept was found"),
        (true, false) => println!("the proof holds"),
        (false, false) => println!("FAILED"),
    }
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn print_checks(history: &History) {
    let checks = history.checks.lock().unwrap();
    let mut counts = BTreeMap::new();
    for (status, node) in checks.iter() {
        counts.entry(*status).or_insert([0; NODES])[usize::from(*node)] += 1;
    }
    println!("checks                  {}", checks.len());
    for (status, by_node) in counts {
        let what = if status == 0 { "no answer".to_owned() } else { status.to_string() };
        let nodes: Vec<String> = (0..NODES).map(|number| format!("{} {}", node(number), by_node[number])).collect();
        println!("  {what:<22}{} ({})", by_node.iter().sum::<usize>(), nodes.join(", "));
    }
}

fn print_latencies(when: &str, all: impl Iterator<Item = u64>) {
    let mut all: Vec<u64> = all.collect();
    all.sort_unstable();
    let at = |part: usize| all.get(all.len() * part / 100).or(all.last()).map_or(0.0, |micros| *micros as f64 / 1000.0);
    println!(
        "revocation {when:<14} p50 {:.1} ms, p99 {:.1} ms, most {:.1} ms ({})",
        at(50),
        at(99),
        at(100),
        all.len()
    );
}
