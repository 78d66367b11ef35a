//! `nodes`, which only PostgreSQL has, for display.

use std::time::Duration;

use crate::error::Result;
use crate::model::{Node, Nodes, Time};
use crate::store::Tx;
use crate::store::tx::EngineConnection;

impl Tx<'_> {
    /// The nodes by name; `None` for a database that is a file.
    pub fn nodes(&self) -> Result<Option<Nodes>> {
        if let EngineConnection::Sqlite(_) = self.connection() {
            return Ok(None);
        }
        // A heartbeat that is older than the lease by the database's clock; that clock decides nothing.
        // Revisions without a line, such as counted uses, are nobody's to acknowledge.
        let text = "SELECT n.name, n.version, n.address, n.lease,
             (SELECT count(DISTINCT l.rev) FROM changes l WHERE l.rev > n.seen), n.seen, n.keys, n.marked, n.joined_at,
             n.lease - (extract(epoch FROM clock_timestamp()) * 1000)::BIGINT + coalesce(n.beat_at, 0)
             FROM nodes n ORDER BY n.name, n.joined_at";
        let nodes = self.rows(text, (), |row| {
            let number = |column| row.get::<i64>(column).map(|number| number.max(0).unsigned_abs());
            Ok(Node {
                name: row.get(0)?,
                version: row.get(1)?,
                address: row.get(2)?,
                lease: Duration::from_millis(number(3)?),
                behind: if row.get::<i64>(5)? < 0 { None } else { Some(number(4)?) },
                keys: number(6)?,
                is_evicted: row.get(7)?,
                joined_at: Time::from_millis(row.get(8)?),
                left: Duration::from_millis(number(9)?),
            })
        })?;
        let text = "SELECT current_setting('synchronous_standby_names') <> ''";
        Ok(Some(Nodes { nodes, has_synchronous_standby: self.one(text, (), |row| row.get(0))? }))
    }
}
