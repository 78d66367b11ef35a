//! Nodes on one database: the product started several times, on all cores, with one worker each.

use crate::verify::{launch::Launch, population::Population, rounds::Plan, server::Server};
use std::io;
use std::path::Path;

pub const DEFAULT_LEASE: u32 = 5;
/// The longest lease, for a node that is stopped while others are measured: it must not take longer until its next turn.
pub const LONGEST_LEASE: u32 = 60;

/// What all nodes are started with.
pub struct Site<'a> {
    pub keybearer: &'a Path,
    /// Has their logs.
    pub directory: &'a Path,
    /// The file with the secret that they share.
    pub secret: String,
    pub all_cores: Vec<usize>,
}

/// What is measured by changes and failovers.
pub struct Subject<'a> {
    pub site: &'a Site<'a>,
    pub population: &'a Population,
    pub admin_key: &'a str,
    pub plan: &'a Plan,
}

pub struct Nodes {
    /// They leave when this is dropped.
    _servers: Vec<Server>,
    pub ports: Vec<u16>,
}

/// As the report shows it.
pub fn setup(nodes: usize, is_synchronous: bool) -> String {
    let nodes = if nodes == 1 { "1 node".to_owned() } else { format!("{nodes} nodes") };
    let standby = if is_synchronous { "synchronous" } else { "asynchronous" };
    format!("{nodes}, {standby} standby")
}

impl Site<'_> {
    /// A node with that lease in seconds.
    pub fn node<'a>(&'a self, name: &str, cores: &'a [usize], workers: usize, lease: u32) -> Launch<'a> {
        let lease = format!("{lease}s");
        let arguments = ["--secret-file", &self.secret, "--lease", &lease, "--public-url", "http://localhost"];
        let arguments = arguments.map(str::to_owned).to_vec();
        let (keybearer, directory, name) = (self.keybearer, self.directory, name.to_owned());
        Launch { keybearer, directory, name, cores, workers, arguments }
    }

    /// Starts nodes one after the other; each has a full index.
    pub fn start(&self, population: &Population, count: usize, lease: u32) -> io::Result<Nodes> {
        let (mut servers, mut ports) = (Vec::new(), Vec::new());
        for number in 1..=count {
            let launch = self.node(&format!("node-{number}"), &self.all_cores, 1, lease);
            let server = launch.start(population)?.server;
            ports.push(server.port);
            servers.push(server);
        }
        Ok(Nodes { _servers: servers, ports })
    }
}
