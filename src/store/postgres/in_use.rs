//! For a command that needs the database for itself: no node may be using it, nor begin to.

use std::collections::HashMap;
use std::thread;
use std::time::Duration;

use super::nodes::{self, Incarnation, NodeRow};
use super::session::PostgresSession;
use crate::ambient::Moment;
use crate::error::{Error, Result};

const PAUSE: Duration = Duration::from_millis(100);

/// Refuses if a node sends heartbeats. Removes the rows of nodes that were killed, once their leases are over, which
/// takes about twice the longest lease; the limits are those of the acknowledgements.
pub(super) fn wait_for_nobody(session: &PostgresSession, database: &str) -> Result<()> {
    let (first, began) = (nodes::all(session)?.rows, Moment::now());
    let mut marked: HashMap<Incarnation, Moment> = HashMap::new();
    loop {
        let rows = nodes::all(session)?.rows;
        let is_silent =
            |row: &&NodeRow| first.iter().any(|known| known.incarnation == row.incarnation && known.beats == row.beats);
        if rows.iter().filter(is_silent).count() < rows.len() {
            return Err(refusal(&rows, database));
        }
        if rows.is_empty() {
            return Ok(());
        }
        for row in &rows {
            let lease = row.lease();
            if !row.marked && began.elapsed() > lease * 101 / 100 {
                nodes::mark(session, row)?;
            } else if row.marked
                && marked.entry(row.incarnation).or_insert_with(Moment::now).elapsed() > lease * 103 / 100
            {
                nodes::remove_marked(session, row.incarnation)?;
            }
        }
        thread::sleep(PAUSE);
    }
}

/// Until the end of this transaction, no node can join.
pub(in crate::store) fn keep_nodes_away(session: &PostgresSession, database: &str) -> Result<()> {
    session.batch("LOCK TABLE nodes IN SHARE ROW EXCLUSIVE MODE")?;
    let rows = nodes::all(session)?.rows;
    if rows.is_empty() { Ok(()) } else { Err(refusal(&rows, database)) }
}

fn refusal(rows: &[NodeRow], database: &str) -> Error {
    let names: Vec<_> = rows.iter().map(|row| row.name.as_str()).collect();
    Error::conflict(format!("Nodes are using {database}: {}. Nothing was changed. Stop them first.", names.join(", ")))
}
