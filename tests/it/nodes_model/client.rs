//! The promise, and the clients to whom it is made.

use super::rules::{MS, Rule};
use super::world::{Time, World};

impl World {
    /// Whether this node would answer a check now.
    pub fn serves(&self, name: usize) -> bool {
        let node = &self.nodes[name];
        let is_awake = node.is_up && self.now >= node.frozen_until;
        is_awake && node.is_loaded && (node.has_lease(self.now) || !self.holds(Rule::Lease))
    }

    /// Whether the next check would be wrong.
    pub fn look_for_stale_accepts(&mut self) {
        for name in 0..self.nodes.len() {
            if self.serves(name) {
                self.must_refuse(name, self.now);
            }
        }
    }

    /// What a node's index says now, about the keys whose revocation had been answered when the check was sent.
    fn must_refuse(&mut self, name: usize, sent: Time) {
        let node = &self.nodes[name];
        let since = self.answered.range(node.applied + 1..);
        let accepted = since.rev().find(|(key, answered)| **answered <= sent && !node.refuses(**key));
        if let Some((key, answered)) = accepted {
            let (number, now) = (node.number, self.now);
            self.stale.get_or_insert(format!(
                "node {name}, incarnation {number}, accepts key {key} at {now} µs; its revocation was answered at {answered} µs"
            ));
        }
    }

    /// A check takes time: between its two looks anything can happen, a freeze too.
    pub fn check(&mut self, name: usize) {
        let sent = self.now;
        let pause = sent + self.between(0, 2 * MS);
        if self.holds(Rule::Order) {
            let serves = self.serves(name);
            self.step(name, pause, move |world| {
                if serves && world.nodes[name].is_loaded {
                    world.must_refuse(name, sent);
                }
            });
        } else if self.nodes[name].is_loaded {
            let (applied, own) = (self.nodes[name].applied, self.nodes[name].own.clone());
            let is_accepted = |key: &i64| *key > applied && !own.contains(key);
            let key = self.answered.keys().rev().copied().find(is_accepted);
            self.step(name, pause, move |world| {
                if let Some(key) = key
                    && world.serves(name)
                {
                    world.stale.get_or_insert(format!("node {name} accepts key {key} after it looked it up too early"));
                }
            });
        }
    }
}
