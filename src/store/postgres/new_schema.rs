//! The tables of a new database, for a copy. Everything is one transaction, so that no node sees a part of it.

use std::time::Duration;

use super::address::ServerAddress;
use super::session::PostgresSession;
use super::{clock, in_use, schema, unreachable};
use crate::error::{Error, Kind, Result};
use crate::model::PostgresDatabase;
use crate::store::Tx;

/// How long a statement may take: the commit of ten million keys waits for the disk and the standby.
const PATIENCE: Duration = Duration::from_secs(900);

pub struct NewSchema(PostgresSession);

impl NewSchema {
    /// Creates the tables if there are none. Refuses a database that is not empty or that a node uses.
    pub(in crate::store) fn begin(database: &PostgresDatabase) -> Result<Self> {
        let address = ServerAddress::parse(&database.url)?;
        let connect = || {
            let mut session = PostgresSession::connect_patiently(&address, PATIENCE)?;
            schema::prepare(&mut session).map(|_| session)
        };
        let session = connect().map_err(|error| unreachable(&address, error))?;
        in_use::wait_for_nobody(&session, &address.shown)?;
        clock::take(&session)?;
        clock::take_long(&session)?;
        in_use::keep_nodes_away(&session, &address.shown)?;
        let text = "SELECT EXISTS (SELECT 1 FROM users) OR EXISTS (SELECT 1 FROM keys) OR EXISTS (SELECT 1 FROM events)
             OR EXISTS (SELECT 1 FROM tombstones) OR EXISTS (SELECT 1 FROM moves)";
        if Tx::from(&session).one(text, (), |row| row.get(0))? {
            return Err(Error::conflict(format!(
                "The database at {} already has users, keys or events. Nothing was changed. Copy to an empty database.",
                address.shown
            )));
        }
        Ok(NewSchema(session))
    }

    pub(in crate::store) fn session(&self) -> &PostgresSession {
        &self.0
    }

    pub(in crate::store) fn finish(self) -> Result<()> {
        self.0.commit().map_err(|error| {
            let cause = error.cause.unwrap_or_default();
            Error::new(Kind::Unavailable, format!("Whether the copy is complete is unknown: {cause}."))
        })
    }
}
