//! The nodes: servers that share one PostgreSQL database.

use std::time::Duration;

use super::Time;

/// A run of a node, as the database knows it.
#[derive(Debug, Clone)]
pub struct Node {
    /// The name of its machine.
    pub name: String,
    pub version: String,
    /// As the database sees it; empty if it connects through a Unix socket.
    pub address: String,
    /// How long it answers from memory after a heartbeat.
    pub lease: Duration,
    /// What is left of the lease, by the database's clock.
    pub left: Duration,
    /// How many transactions with changes it has not acknowledged yet; `None` before its first heartbeat.
    pub behind: Option<u64>,
    /// The number of keys in its memory.
    pub keys: u64,
    /// Whether its heartbeats are refused, because they have stopped for too long.
    pub is_evicted: bool,
    pub joined_at: Time,
}

impl Node {
    /// `serving`, `joining`, `silent` (its lease is over) or `evicted`.
    pub fn state(&self) -> &'static str {
        match self {
            Node { is_evicted: true, .. } => "evicted",
            Node { behind: None, .. } => "joining",
            Node { left: Duration::ZERO, .. } => "silent",
            Node { .. } => "serving",
        }
    }
}

/// What a node has counted since it started.
#[derive(Debug, Clone, Copy, Default)]
pub struct NodeFigures {
    pub lease_left: Duration,
    pub heartbeats: u64,
    /// How often it joined, the first time included: more than once means that its heartbeats had stopped.
    pub joins: u64,
    /// How often it read all keys again, because the database had lost changes or was replaced.
    pub reloads: u64,
    /// How many rows of other nodes it marked, because their heartbeats had stopped.
    pub evictions: u64,
    /// Whether a commit waits for a standby.
    pub has_synchronous_standby: bool,
    /// The newest change made here that takes something away and is not in force on every node yet.
    pub pending: Option<PendingChange>,
}

/// A committed change whose caller waits for nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PendingChange {
    pub in_force: usize,
    pub nodes: usize,
    /// When it is in force on all of them, at the latest.
    pub left: Duration,
}

/// All nodes of a database.
#[derive(Debug, Clone)]
pub struct Nodes {
    pub nodes: Vec<Node>,
    /// Whether a commit waits for a standby, so that an acknowledged change survives the loss of the primary.
    pub has_synchronous_standby: bool,
}
