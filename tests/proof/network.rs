//! Machines, and cuts between them. This process runs in the namespace of the bridge, where the other end of each
//! machine's link has the machine's name.

use std::net::Ipv4Addr;

use super::command::{must, run};

/// The machines: nodes are 0 to 2, databases 0 and 1.
pub const NODES: usize = 3;
/// On which a node serves `/metrics`.
pub const METRICS_PORT: u16 = 9464;

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

/// The machine of etcd, which only Patroni needs.
pub const ETCD: &str = "etcd";

pub fn etcd_address() -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, 21)
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

    /// The words for `ip` that run a program on a machine, with shared memory that goes away with the program.
    pub fn on(&self, machine: &str) -> Vec<String> {
        let private = "mount -t tmpfs tmpfs /dev/shm && exec \"$0\" \"$@\"";
        ["netns", "exec", &self.namespace(machine), "sh", "-c", private].map(str::to_owned).to_vec()
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
        self.signal(machine, "", "KILL");
    }

    /// For every process on the machine whose command line contains the text.
    pub fn signal(&self, machine: &str, text: &str, name: &str) {
        let pids = must("ip", &["netns", "pids", &self.namespace(machine)]);
        for pid in pids.split_whitespace() {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            if String::from_utf8_lossy(&line).contains(text) {
                let _ = run("kill", &[&format!("-{name}"), pid]); // it may have ended with another one
            }
        }
    }
}
