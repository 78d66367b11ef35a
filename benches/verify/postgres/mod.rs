//! Nodes on PostgreSQL: changes, failovers, the start of a node, and checks against SQLite.

mod changes;
mod databases;
mod failover;
mod nodes;
mod programs;

use crate::verify::{
    goals, keys::show_count, launch::Launch, options::GENERATOR_CORE, options::Options, population,
    population::Population, product::Product, report::Figure, report::Report, rounds, rows, server, stage,
};
use databases::Databases;
use nodes::{DEFAULT_LEASE, Site};
use programs::Programs;
use std::fs;
use std::io;
use std::path::Path;

/// Measures, and returns the report. `directory` has the databases of SQLite.
pub fn measure(options: &Options, keybearer: &Path, directory: &Path) -> io::Result<String> {
    let programs = Programs::find()?;
    let version = programs.version()?;
    let (logs, place) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let secret = logs.path().join("secret");
    fs::write(&secret, "only for this benchmark, 32 bytes or more")?;
    let (secret, all_cores) = (secret.display().to_string(), server::all_cores());
    let site = Site { keybearer, directory: logs.path(), secret, all_cores };
    let mut databases = Databases::start(programs, place.path())?;
    let mut filled = Vec::new();
    for keys in &options.keys {
        eprintln!("importing {} keys into PostgreSQL", show_count(*keys));
        databases.create(&name(*keys))?;
        filled.push(population::fill(keybearer, databases.url(&name(*keys)), *keys, logs.path())?);
        databases.tidy(&name(*keys))?;
    }
    let (mut figures, mut goals, mut unavailable) = (Vec::new(), Vec::new(), Vec::new());
    // Before the checks, which leave a node on each database.
    if let Some(most) = filled.last() {
        // The clients share all cores with the nodes and with PostgreSQL.
        server::pin_this_thread(&site.all_cores)?;
        let admin_key = population::create_admin_key(keybearer, &most.database)?;
        if options.wants("changes") {
            match changes::measure(&site, &databases, most, &admin_key, &options.plan()) {
                Ok((measured, judged)) => {
                    figures.extend(measured);
                    goals.extend(judged);
                }
                Err(error) => unavailable.push(format!("changes on PostgreSQL: {error}")),
            }
        }
        if options.wants("failover") {
            match failover::measure(&site, &mut databases, most, &admin_key, &options.plan()) {
                Ok(measured) => figures.extend(measured),
                Err(error) => unavailable.push(format!("failover: {error}")),
            }
        }
        databases.add_standby()?;
        databases.tidy(&name(most.keys))?;
        server::pin_this_thread(&[GENERATOR_CORE])?;
    }
    let pairs = if options.wants(rows::ON_POSTGRES) { pairs(options, &site, directory, filled)? } else { Vec::new() };
    for (on_postgres, on_sqlite) in &pairs {
        figures.push(start(on_postgres, nodes::setup(1, true)));
        figures.push(start(on_sqlite, "SQLite".into()));
    }
    let mut rows = rows::on_postgres(&pairs);
    rounds::run(&mut rows, &options.plan())?;
    goals.extend(goals::of_postgres(&rows));
    let description = format!("{version} with its default settings, a primary and a standby on loopback.");
    let postgres = (figures, description);
    Ok(Report { goals, rows, unavailable, loaded: Vec::new(), empty: 0, postgres }.markdown())
}

/// The product on PostgreSQL and on SQLite, for every number of keys.
fn pairs(
    options: &Options,
    site: &Site,
    directory: &Path,
    filled: Vec<Population>,
) -> io::Result<Vec<(Product, Product)>> {
    let sqlite = Launch::new(options, site.keybearer, directory);
    let node = site.node("node", sqlite.cores, sqlite.workers, DEFAULT_LEASE);
    let empty = stage::memory_without_keys(&sqlite)?;
    let pair = |on_postgres: Population| {
        eprintln!("preparing {} keys", show_count(on_postgres.keys));
        let on_sqlite = population::make(site.keybearer, on_postgres.keys, directory)?;
        Ok((Product::start(&node, on_postgres, empty)?, Product::start(&sqlite, on_sqlite, empty)?))
    };
    filled.into_iter().map(pair).collect()
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
