//! Time, messages and the network: what happens when, drawn from the seed.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::database::{Database, Incarnation, Revision};
use super::failover::{Executed, Failover, Kind};
use super::node::Node;
use super::revoker::Wait;
use super::rules::{MS, Plan, Rule};

/// Microseconds.
pub type Time = i64;

type Step = Box<dyn FnOnce(&mut World)>;

pub struct World {
    pub now: Time,
    pub rng: StdRng,
    pub plan: Plan,
    /// What happens next, by time; the second number keeps the order of what happens at the same time.
    queue: BTreeMap<(Time, u64), Step>,
    queued: u64,
    pub database: Database,
    pub failover: Option<Failover>,
    /// Every process that ever ran, by its name.
    pub nodes: Vec<Node>,
    /// Changes that are not answered yet.
    pub waits: BTreeMap<Revision, Wait>,
    /// The revocations that were answered, and when.
    pub answered: BTreeMap<Revision, Time>,
    /// The first time that a node accepted a key whose revocation had been answered.
    pub stale: Option<String>,
}

impl World {
    pub fn new(seed: u64, plan: Plan) -> Self {
        World {
            now: 0,
            rng: StdRng::seed_from_u64(seed),
            plan,
            queue: BTreeMap::new(),
            queued: 0,
            database: Database::default(),
            failover: None,
            nodes: Vec::new(),
            waits: BTreeMap::new(),
            answered: BTreeMap::new(),
            stale: None,
        }
    }

    pub fn holds(&self, rule: Rule) -> bool {
        self.plan.without != Some(rule)
    }

    pub fn between(&mut self, least: Time, most: Time) -> Time {
        self.rng.random_range(least..most)
    }

    pub fn chance(&mut self, probability: f64) -> bool {
        self.rng.random_bool(probability)
    }

    /// Runs until `end`, or until a stale accept. What is accepted changes only when something happens, apart from a
    /// lease that ends, so it is enough to look after each step.
    pub fn run_until(&mut self, end: Time) {
        while let Some(next) = self.queue.first_entry()
            && next.key().0 < end
            && self.stale.is_none()
        {
            let ((now, _), step) = next.remove_entry();
            self.now = now;
            step(self);
            self.look_for_stale_accepts();
        }
    }

    pub fn at(&mut self, time: Time, step: impl FnOnce(&mut World) + 'static) {
        self.queued += 1;
        self.queue.insert((time, self.queued), Box::new(step));
    }

    /// A step of a process: waits while that is frozen, and is not taken if it is dead by then.
    pub fn step(&mut self, node: usize, time: Time, step: impl FnOnce(&mut World) + 'static) {
        self.at(time, move |world| match &world.nodes[node] {
            Node { is_up: false, .. } => {}
            Node { frozen_until, .. } if world.now < *frozen_until => {
                let thaw = *frozen_until;
                world.step(node, thaw, step);
            }
            _ => step(world),
        });
    }

    /// The same, `length` from now by the clock of that process.
    pub fn step_after(&mut self, node: usize, length: Time, step: impl FnOnce(&mut World) + 'static) {
        let time = self.now + self.nodes[node].real(length);
        self.step(node, time, step);
    }

    /// Sends a statement to the database and takes its answer, unless one of the two messages is lost.
    pub fn ask<A: 'static>(
        &mut self,
        node: usize,
        kind: Kind,
        statement: impl FnOnce(&mut Database) -> A + 'static,
        take: impl FnOnce(&mut World, A) + 'static,
    ) {
        let sent = self.now;
        let Some(arrival) = self.arrival(node) else { return };
        self.at(arrival, move |world| {
            let rev = world.database.rev;
            let executed = world.execute(node, kind, sent, statement);
            if world.database.rev > rev {
                world.notify();
            }
            let Executed::Answered(answer) = executed else { return };
            let executed = world.now;
            let Some(arrival) = world.arrival(node) else { return };
            world.step(node, arrival, move |world| {
                if !world.lost_its_connection_since(executed, node) {
                    take(world, answer);
                }
            });
        });
    }

    /// When a message between this node and the database arrives if it is sent now; `None`: it is lost.
    fn arrival(&mut self, node: usize) -> Option<Time> {
        if self.now < self.nodes[node].cut_until {
            return None;
        }
        let most = [MS / 5, MS / 2, MS, 5 * MS, 40 * MS][self.rng.random_range(0..5)];
        let delay = if self.chance(0.995) { self.between(0, most) } else { self.between(100 * MS, 3_000 * MS) };
        Some(self.now + delay)
    }

    /// NOTIFY wakes the nodes that are connected: each sends a heartbeat.
    fn notify(&mut self) {
        for node in 0..self.nodes.len() {
            if self.now >= self.nodes[node].cut_until && !self.is_stranded(node) {
                let time = self.now + self.between(0, 2 * MS);
                self.step(node, time, move |world| world.heartbeat(node));
            }
        }
    }

    /// Whether this is how the process runs now, with its keys loaded.
    pub fn is_current(&self, me: Incarnation) -> bool {
        self.nodes[me.node].is_loaded && self.nodes[me.node].number == me.number
    }
}
