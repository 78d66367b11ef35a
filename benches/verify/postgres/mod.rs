//! Nodes on PostgreSQL: changes, failovers, the start of a node, and checks against SQLite.

mod changes;
mod databases;
mod failover;
mod nodes;
mod programs;

use crate::verify::{
    goals, goals::Goal, keys::show_count, launch::Launch, options::GENERATOR_CORE, options::Options, population,
    population::Population, product::Product, report::Figure, report::Report, rounds, rows, server, stage,
};
use databases::Databases;
use nodes::{LONGEST_LEASE, Site, Subject};
use programs::Programs;
use std::fs;
use std::io;
use std::path::Path;

/// What was measured, and what could not be.
#[derive(Default)]
struct Findings {
    figures: Vec<Figure>,
    goals: Vec<Goal>,
    unavailable: Vec<String>,
}

/// Measures, and returns the report. `directory` has the databases on SQLite.
pub fn measure(options: &Options, keybearer: &Path, directory: &Path) -> io::Result<String> {
    let programs = Programs::find()?;
    let description =
        format!("{} with its default settings: a primary and a standby, on loopback.", programs.version()?);
    let (logs, place) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let secret = logs.path().join("secret");
    fs::write(&secret, "only for this benchmark, 32 bytes or more")?;
    let (secret, all_cores) = (secret.display().to_string(), server::all_cores());
    let site = Site { keybearer, directory: logs.path(), secret, all_cores };
    let mut databases = Databases::start(programs, place.path())?;
    let filled = fill(&site, &databases, &options.keys)?;
    let mut found = Findings::default();
    // Before the checks, which leave a node on each database.
    if let Some(most) = filled.last() {
        // The clients share all cores with the nodes and with PostgreSQL.
        server::pin_this_thread(&site.all_cores)?;
        change(&mut found, options, &site, &mut databases, most)?;
        server::pin_this_thread(&[GENERATOR_CORE])?;
    }
    // Elsewhere it would have a machine of its own: the checks are not what it disturbs.
    databases.pin(&[GENERATOR_CORE])?;
    let pairs = if options.wants(rows::ON_POSTGRES) { pairs(options, &site, directory, filled)? } else { Vec::new() };
    for (on_postgres, on_sqlite) in &pairs {
        found.figures.push(start(on_postgres, nodes::setup(1, true)));
        found.figures.push(start(on_sqlite, "SQLite".into()));
    }
    let mut rows = rows::on_postgres(&pairs);
    rounds::run(&mut rows, &options.plan())?;
    found.goals.extend(goals::of_postgres(&rows));
    let Findings { figures, goals, unavailable } = found;
    let postgres = (figures, description);
    Ok(Report { goals, rows, unavailable, loaded: Vec::new(), empty: 0, postgres }.markdown())
}

/// A database for every number of keys.
fn fill(site: &Site, databases: &Databases, sizes: &[u64]) -> io::Result<Vec<Population>> {
    let mut filled = Vec::new();
    for keys in sizes.iter().copied() {
        eprintln!("importing {} keys into PostgreSQL", show_count(keys));
        databases.create(&name(keys))?;
        filled.push(population::fill(site.keybearer, databases.url(&name(keys)), keys, site.directory)?);
        databases.tidy(&name(keys))?;
    }
    Ok(filled)
}

/// Changes and failovers. There is a synchronous standby afterwards.
fn change(
    found: &mut Findings,
    options: &Options,
    site: &Site,
    databases: &mut Databases,
    population: &Population,
) -> io::Result<()> {
    let admin_key = population::create_admin_key(site.keybearer, &population.database)?;
    let subject = Subject { site, population, admin_key: &admin_key, plan: &options.plan() };
    if options.wants("changes") {
        match changes::measure(&subject, databases) {
            Ok((figures, goals)) => {
                found.figures.extend(figures);
                found.goals.extend(goals);
            }
            Err(error) => found.unavailable.push(format!("changes on PostgreSQL: {error}")),
        }
    }
    if options.wants("failover") {
        match failover::measure(&subject, databases) {
            Ok(figures) => found.figures.extend(figures),
            Err(error) => found.unavailable.push(format!("failover: {error}")),
        }
    }
    databases.add_standby()?;
    databases.tidy(&name(population.keys))
}

/// The product on PostgreSQL and on SQLite, for every number of keys.
fn pairs(
    options: &Options,
    site: &Site,
    directory: &Path,
    filled: Vec<Population>,
) -> io::Result<Vec<(Product, Product)>> {
    let sqlite = Launch::new(options, site.keybearer, directory);
    let node = site.node("node", sqlite.cores, sqlite.workers, LONGEST_LEASE);
    let empty = stage::memory_without_keys(&sqlite)?;
    // First those that may be stopped for long.
    let mut on_sqlite = Vec::new();
    for Population { keys, .. } in &filled {
        eprintln!("preparing {} keys", show_count(*keys));
        on_sqlite.push(Product::start(&sqlite, population::make(site.keybearer, *keys, directory)?, empty)?);
    }
    let on_postgres = filled.into_iter().map(|filled| Product::start(&node, filled, empty));
    on_postgres.zip(on_sqlite).map(|(on_postgres, on_sqlite)| Ok((on_postgres?, on_sqlite))).collect()
}

fn start(product: &Product, setup: String) -> Figure {
    let Product { population, answering, full, at_rest, .. } = product;
    let (import, megabytes) = (population.import.as_secs_f64(), *at_rest as f64 / 1e6);
    let start = format!("answers after {answering:.3} s, index full after {full:.3} s");
    let measured = format!("{start}, {megabytes:.1} MB; import {import:.1} s");
    Figure { what: "start".into(), keys: population.keys, setup, measured }
}

/// The name of a database on PostgreSQL.
fn name(keys: u64) -> String {
    format!("keys_{}", show_count(keys).to_lowercase())
}
