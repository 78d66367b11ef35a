//! A node: it joins, sends heartbeats, applies changes, and accepts keys while it has a lease.

use std::collections::{BTreeMap, BTreeSet};

use super::database::{Database, Incarnation, NOTHING, Revision};
use super::failover::Kind;
use super::rules::{DRIFT, LEASE, MS, Rule, SERVES};
use super::world::{Time, World};

/// One process. What another program does to it (a partition, a freeze, a crash) is here too.
pub struct Node {
    pub number: u32,
    pub is_up: bool,
    pub frozen_until: Time,
    pub cut_until: Time,
    /// Its clock's speed, in millionths.
    speed: i64,
    /// The keys are there, and are being put into the index.
    is_loading: bool,
    pub is_loaded: bool,
    /// The index: every change up to this one,
    pub applied: Revision,
    /// and those of its own that were committed since.
    pub own: BTreeSet<Revision>,
    /// The end of its lease, by its own clock.
    pub until: Time,
    /// The marked rows that it knows of, and since when by its own clock.
    pub marks: BTreeMap<Incarnation, Time>,
}

impl Node {
    pub fn new(drift: i64) -> Self {
        Node {
            number: 0,
            is_up: true,
            frozen_until: Time::MIN,
            cut_until: Time::MIN,
            speed: 1_000_000 + drift,
            is_loading: false,
            is_loaded: false,
            applied: NOTHING,
            own: BTreeSet::new(),
            until: Time::MIN,
            marks: BTreeMap::new(),
        }
    }

    /// What its clock shows.
    pub fn clock(&self, now: Time) -> Time {
        now * self.speed / 1_000_000
    }

    /// How long that really is which its clock calls `length`; rounded up.
    pub fn real(&self, length: Time) -> Time {
        length * 1_000_000 / self.speed + 1
    }

    pub fn refuses(&self, key: Revision) -> bool {
        key <= self.applied || self.own.contains(&key)
    }

    pub fn has_lease(&self, now: Time) -> bool {
        self.clock(now) < self.until
    }
}

impl World {
    /// A new process: a new name, and no row that it could delete.
    pub fn start(&mut self) {
        let drift = self.between(-DRIFT, DRIFT);
        self.nodes.push(Node::new(drift));
        let node = self.nodes.len() - 1;
        self.join(node);
        self.beat(node);
    }

    fn beat(&mut self, node: usize) {
        let pause = LEASE / 4 * self.between(80, 120) / 100;
        self.step_after(node, pause, move |world| {
            world.beat(node);
            if world.nodes[node].is_loaded {
                world.heartbeat(node);
            } else if !world.nodes[node].is_loading && world.chance(0.3) {
                world.join(node); // a message of its last attempt may be lost
            }
        });
    }

    /// The old lease and the old keys go first; then the row, then the keys, then a heartbeat.
    pub fn join(&mut self, node: usize) {
        let claims_nothing = self.holds(Rule::Join);
        let this = &mut self.nodes[node];
        (this.is_loading, this.is_loaded) = (false, false);
        this.until = Time::MIN;
        this.number += 1;
        let (me, sent) = (Incarnation { node, number: this.number }, this.clock(self.now));
        self.ask(
            node,
            Kind::Commit,
            move |database| database.join(me, if claims_nothing { NOTHING } else { database.rev }),
            move |world, ()| world.load(me, sent),
        );
    }

    fn load(&mut self, me: Incarnation, joined: Time) {
        let read = |database: &mut Database| (database.rev, database.nodes.keys().copied().collect());
        self.ask(me.node, Kind::Read, read, move |world, (rev, rows): (Revision, BTreeSet<Incarnation>)| {
            // What an old primary reads may be older than the row; then the row is not there.
            if !rows.contains(&me) {
                return;
            }
            let this = &mut world.nodes[me.node];
            this.is_loading |= this.number == me.number;
            let length =
                if world.chance(0.05) { world.between(300 * MS, 2_500 * MS) } else { world.between(0, 30 * MS) };
            world.step(me.node, world.now + length, move |world| {
                let claims_nothing = world.holds(Rule::Join);
                if world.nodes[me.node].number != me.number && world.holds(Rule::Incarnation) {
                    return;
                }
                let node = &mut world.nodes[me.node];
                (node.applied, node.is_loading, node.is_loaded) = (rev, false, true);
                node.own.clear();
                if !claims_nothing {
                    node.until = joined + SERVES;
                }
                world.heartbeat(me.node);
            });
        });
    }

    /// Never before the keys are loaded: a lease must not belong to an index that another one is about to replace.
    pub fn heartbeat(&mut self, node: usize) {
        let refuses_marked = self.holds(Rule::Mark) && self.holds(Rule::Refuse);
        let this = &self.nodes[node];
        if !this.is_loaded {
            return;
        }
        let me = Incarnation { node, number: this.number };
        let (seen, sent) = (this.applied, this.clock(self.now));
        // PostgreSQL reads the feed when the statement begins. Others see the row only when it is committed, which may
        // take a while: what was read can be older than a change whose maker does not see this heartbeat yet.
        let read = |database: &mut Database| database.rev;
        self.ask(node, Kind::Heartbeat, read, move |world, rev| {
            let wait = if world.chance(0.1) { world.between(50 * MS, 900 * MS) } else { 0 };
            world.step(node, world.now + wait, move |world| {
                let commit = move |database: &mut Database| database.heartbeat(me, seen, refuses_marked);
                world.ask(node, Kind::Heartbeat, commit, move |world, is_accepted| match is_accepted {
                    true => world.hear(me, sent, rev),
                    false if world.is_current(me) => world.join(node),
                    false => {}
                });
            });
        });
    }

    fn hear(&mut self, me: Incarnation, sent: Time, rev: Revision) {
        if !self.holds(Rule::Applied) && self.is_current(me) {
            self.extend(me, sent);
        }
        let length = if self.chance(0.06) { self.between(300 * MS, 2_500 * MS) } else { self.between(0, 3 * MS) };
        self.step(me.node, self.now + length, move |world| {
            if !world.is_current(me) {
                return;
            }
            let node = &mut world.nodes[me.node];
            let is_news = rev > node.applied;
            node.applied = node.applied.max(rev);
            world.extend(me, sent);
            if is_news {
                world.heartbeat(me.node); // the acknowledgement
            }
        });
    }

    fn extend(&mut self, me: Incarnation, sent: Time) {
        let node = &mut self.nodes[me.node];
        node.until = node.until.max(sent + SERVES);
    }
}
