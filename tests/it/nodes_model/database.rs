//! The tables that the protocol needs, and one function for each statement. A statement is atomic: it reads and writes
//! one state, as a single statement does in PostgreSQL.

use std::collections::BTreeMap;

/// The database counts its changes. The model only revokes keys, so a revision is also the name of the key that it
/// revoked, and who has applied revision 7 refuses the keys 1 to 7.
pub type Revision = i64;

/// One run of one process, from a join to the next: the key of the table `nodes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Incarnation {
    pub node: usize,
    pub number: u32,
}

#[derive(Clone, Debug)]
pub struct Row {
    pub seen: Revision,
    pub is_marked: bool,
}

/// What a row claims before its node has loaded the keys.
pub const NOTHING: Revision = -1;

#[derive(Clone, Default)]
pub struct Database {
    pub rev: Revision,
    pub nodes: BTreeMap<Incarnation, Row>,
}

impl Database {
    pub fn change(&mut self) -> Revision {
        self.rev += 1;
        self.rev
    }

    /// Drops the node's older rows: it gave up their lease before it sent this.
    pub fn join(&mut self, me: Incarnation, seen: Revision) {
        self.nodes.retain(|row, _| row.node != me.node || row.number >= me.number);
        self.nodes.insert(me, Row { seen, is_marked: false });
    }

    /// Commits a heartbeat. Returns false if it is refused.
    pub fn heartbeat(&mut self, me: Incarnation, seen: Revision, refuses_marked: bool) -> bool {
        let row = self.nodes.get_mut(&me).filter(|row| !(row.is_marked && refuses_marked));
        let Some(row) = row else { return false };
        row.seen = row.seen.max(seen);
        true
    }

    /// Marks those of the rows that are late still, and names them.
    pub fn mark(&mut self, rows: &[Incarnation], revision: Revision) -> Vec<Incarnation> {
        let late = rows.iter().filter(|row| match self.nodes.get_mut(row) {
            Some(row) if row.seen < revision => {
                row.is_marked = true;
                true
            }
            _ => false,
        });
        late.copied().collect()
    }

    pub fn delete(&mut self, row: Incarnation) {
        self.nodes.remove(&row);
    }
}
