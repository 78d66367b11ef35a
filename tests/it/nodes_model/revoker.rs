//! Whoever changes something: it commits, waits for the other rows, answers, and evicts the rows that did not make it.

use std::collections::BTreeMap;

use super::database::{Database, Incarnation, NOTHING, Revision, Row};
use super::failover::Kind;
use super::rules::{EVICTS, MS, Rule, WAITS};
use super::world::{Time, World};

/// A change that is committed and not answered.
pub struct Wait {
    by: Incarnation,
    /// The rows that were late when it last looked.
    late: Vec<Incarnation>,
}

impl World {
    /// If the answer is lost, the outcome is unknown: the caller gets 503, and nothing is promised.
    pub fn revoke(&mut self, node: usize) {
        self.ask(node, Kind::Commit, Database::change, move |world, revision| world.committed(node, revision));
    }

    fn committed(&mut self, node: usize, revision: Revision) {
        let this = &mut self.nodes[node];
        this.own.insert(revision);
        // Only this row is not waited for: if the node joins again meanwhile, it waits for its own new row.
        let by = Incarnation { node, number: this.number };
        self.waits.insert(revision, Wait { by, late: Vec::new() });
        if !self.holds(Rule::Wait) {
            return self.answer(revision);
        }
        self.look(by, revision, 2 * MS);
        // Time alone is enough, even if the database cannot be reached any more.
        self.step_after(node, WAITS, move |world| {
            let Some(wait) = world.waits.get(&revision) else { return };
            let late = wait.late.clone();
            world.answer(revision);
            world.mark(node, late, revision);
        });
    }

    fn answer(&mut self, revision: Revision) {
        self.waits.remove(&revision);
        self.answered.insert(revision, self.now);
    }

    /// Reads the rows again and again until none is late.
    fn look(&mut self, by: Incarnation, revision: Revision, pause: Time) {
        if !self.waits.contains_key(&revision) {
            return;
        }
        let read = |database: &mut Database| (database.rev, database.nodes.clone());
        self.ask(by.node, Kind::Read, read, move |world, (rev, rows)| world.saw(revision, rev, &rows));
        let longer = (pause * 3 / 2).min(50 * MS);
        self.step_after(by.node, pause, move |world| world.look(by, revision, longer));
    }

    fn saw(&mut self, revision: Revision, rev: Revision, rows: &BTreeMap<Incarnation, Row>) {
        let least = if self.holds(Rule::Joining) { NOTHING } else { 0 };
        let Some(wait) = self.waits.get_mut(&revision) else { return };
        // An old primary that has not got the change does not know who joined before it.
        if rev < revision {
            return;
        }
        let by = wait.by;
        let late = rows.iter().filter(|(row, it)| **row != by && (least..revision).contains(&it.seen));
        wait.late = late.map(|(row, _)| *row).collect();
        if wait.late.is_empty() {
            self.answer(revision);
        }
        for (row, _) in rows.iter().filter(|(_, it)| it.is_marked) {
            self.evict(by.node, *row, self.holds(Rule::Evict));
        }
    }

    /// It gets no lease from now on, but may have one: the row stays.
    fn mark(&mut self, node: usize, late: Vec<Incarnation>, revision: Revision) {
        if !self.holds(Rule::Mark) {
            for row in late {
                self.ask(node, Kind::Commit, move |database| database.delete(row), |_, ()| {});
            }
            return;
        }
        let mark = move |database: &mut Database| database.mark(&late, revision);
        self.ask(node, Kind::Commit, mark, move |world, marked| {
            for row in marked {
                world.evict(node, row, true);
            }
        });
    }

    /// Deletes a marked row when this process has known of the mark for long enough, whoever made it.
    fn evict(&mut self, node: usize, row: Incarnation, waits: bool) {
        let now = self.nodes[node].clock(self.now);
        let is_known = self.nodes[node].marks.insert(row, now).is_some();
        if !is_known {
            self.step_after(node, if waits { EVICTS } else { 0 }, move |world| {
                world.nodes[node].marks.remove(&row);
                world.ask(node, Kind::Commit, move |database| database.delete(row), |_, ()| {});
            });
        }
    }
}
