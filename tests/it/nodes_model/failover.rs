//! A failover of the database to a synchronous standby. It loses no commit that was answered, and it leaves an old
//! primary behind that does not know of it.

use std::collections::BTreeSet;

use super::database::Database;
use super::rules::{MS, Rule};
use super::world::{Time, World};

/// What a statement needs of the database.
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    Read,
    /// Answered when the standby has it.
    Commit,
    /// A commit too: it writes `seen`. Apart only so that the model can break that rule (`synchronous_commit = off`
    /// for heartbeats looks like a harmless saving).
    Heartbeat,
}

pub enum Executed<A> {
    Answered(A),
    /// Not executed, or executed and nobody will know.
    Unknown,
}

pub struct Failover {
    begins: Time,
    /// From here on the standby is the primary.
    ends: Time,
    /// The old primary as it was, and the nodes that reach it instead of the new one until it is stopped.
    old: Database,
    stranded: BTreeSet<usize>,
    stopped: Time,
}

impl World {
    pub fn fail_over(&mut self) {
        let ends = self.now + self.between(100 * MS, 2_500 * MS);
        let stopped = ends + self.between(0, 3_000 * MS);
        let stranded = (0..self.nodes.len()).filter(|_| self.chance(0.3)).collect();
        self.failover = Some(Failover { begins: self.now, ends, old: self.database.clone(), stranded, stopped });
    }

    /// Executes a statement where it arrives.
    pub fn execute<A>(
        &mut self,
        node: usize,
        kind: Kind,
        sent: Time,
        statement: impl FnOnce(&mut Database) -> A,
    ) -> Executed<A> {
        let was_in_flight = self.chance(0.5);
        let waits_for_standby = kind == Kind::Commit || (kind == Kind::Heartbeat && self.holds(Rule::Commit));
        let is_stranded = self.is_stranded(node);
        match &mut self.failover {
            // The standby never answers the old primary: a commit there hangs and stays invisible.
            Some(_) if is_stranded && waits_for_standby => Executed::Unknown,
            Some(failover) if is_stranded => Executed::Answered(statement(&mut failover.old)),
            Some(failover) if self.now < failover.ends => {
                // The standby may have got the commit when the primary died, before anyone was told.
                if sent < failover.begins && was_in_flight {
                    statement(&mut self.database);
                }
                Executed::Unknown
            }
            _ => Executed::Answered(statement(&mut self.database)),
        }
    }

    pub fn is_stranded(&self, node: usize) -> bool {
        self.failover.as_ref().is_some_and(|failover| self.now < failover.stopped && failover.stranded.contains(&node))
    }

    /// An answer that is on its way when the primary dies does not arrive.
    pub fn lost_its_connection_since(&self, time: Time, node: usize) -> bool {
        self.failover.as_ref().is_some_and(|failover| {
            let end = if failover.stranded.contains(&node) { failover.stopped } else { failover.begins };
            time < end && end <= self.now
        })
    }
}
