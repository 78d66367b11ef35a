//! Cuts and heals. This process runs in the namespace of the bridge, where each machine's link has an end of its name.

use std::net::Ipv4Addr;

use super::command::must;

/// The machines: nodes are 0 to 2, databases 0 and 1.
pub const NODES: usize = 3;

pub fn node(number: usize) -> String {
    format!("n{}", number + 1)
}

pub fn database(number: usize) -> String {
    format!("db{}", number + 1)
}

pub fn node_address(number: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, 1 + number as u8)
}

pub fn database_address(number: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, 11 + number as u8)
}

/// What a machine hears and says is dropped silently, as by a broken switch.
#[derive(Debug, Clone, Copy)]
pub enum Direction {
    Both,
    Hears,
    Says,
}

pub struct Network {
    prefix: String,
}

impl Network {
    pub fn new(prefix: &str) -> Self {
        Network { prefix: prefix.to_owned() }
    }

    pub fn namespace(&self, machine: &str) -> String {
        format!("{}-{machine}", self.prefix)
    }

    /// The whole machine.
    pub fn cut_link(&self, machine: &str) {
        must("ip", &["link", "set", "dev", machine, "down"]);
    }

    /// Between this machine and one address only.
    pub fn drop_packets(&self, machine: &str, other: Ipv4Addr, direction: Direction) {
        let other = other.to_string();
        let drop = |chain, side| {
            let namespace = self.namespace(machine);
            let rule = ["iptables", "-w", "-A", chain, side, other.as_str(), "-j", "DROP"];
            must("ip", &[&["netns", "exec", namespace.as_str()], &rule[..]].concat());
        };
        if matches!(direction, Direction::Both | Direction::Hears) {
            drop("INPUT", "-s");
        }
        if matches!(direction, Direction::Both | Direction::Says) {
            drop("OUTPUT", "-d");
        }
    }

    pub fn heal(&self, machine: &str) {
        let namespace = self.namespace(machine);
        must("ip", &["netns", "exec", &namespace, "iptables", "-w", "-F"]);
        must("ip", &["link", "set", "dev", machine, "up"]);
    }

    /// `kill -9` for everything that runs on the machine.
    pub fn kill_all(&self, machine: &str) {
        let pids = must("ip", &["netns", "pids", &self.namespace(machine)]);
        for pid in pids.split_whitespace() {
            let _ = super::command::run("kill", &["-9", pid]); // it may have ended with another one
        }
    }
}
