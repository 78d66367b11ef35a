//! Several nodes under faults: three servers on one PostgreSQL with a synchronous standby, each machine a network
//! namespace, while links are cut, nodes are stopped and killed, and the database is restarted and failed over. Every
//! check is recorded; none that was sent after the answer to a revocation may be answered "valid", on any node.
//! `tests/nodes-proof` makes the namespaces and starts this.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test fails by panicking, measures with the real clock and prints its findings"
)]

mod clocks;
mod cluster;
mod command;
mod databases;
mod ending;
mod faults;
mod history;
mod http;
mod load;
mod network;
mod options;
mod pair;
mod patroni;
mod report;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use cluster::Cluster;
use databases::Databases;
use faults::Faults;
use history::History;
use http::Api;
use network::Network;
use options::Options;

fn main() -> ExitCode {
    // Whatever thread it is, nothing can be proved without it.
    let say = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        say(panic);
        std::process::exit(101);
    }));
    let options = Arc::new(Options::from_arguments());
    println!("seed {}, at least {} revocations and {} s", options.seed, options.revocations, options.seconds);
    let network = Arc::new(Network::new(&options.prefix));
    let databases = Databases::create(&options, Arc::clone(&network));
    let cluster = Arc::new(Cluster::start(&options, Arc::clone(&network)));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let history = Arc::new(History::new());
    let api = Arc::new(Api::new(cluster.managing_key.clone(), Arc::clone(&history)));
    runtime.block_on(ending::all_serve(&api, Duration::from_secs(60)));
    runtime.block_on(cluster.clocks.check(&api));
    println!("three nodes serve, and their clocks can jump; the load begins");

    let faults = Faults::start(&options, network, databases, Arc::clone(&cluster), Arc::clone(&history));
    let is_done = runtime.block_on(load::run(&options, &api, &faults));
    faults.stop();
    println!("no more faults; checking every key again");
    let ending = runtime.block_on(ending::look(&api));
    cluster.stop();
    let is_sound = cluster.is_database_sound();
    report::print(&options, &history, &ending, &cluster, is_done, is_sound)
}
