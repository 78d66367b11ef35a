//! A connection that only reads, which is made again after it has failed.

use std::sync::Arc;
use std::time::Duration;

use super::address::ServerAddress;
use super::lease::Lease;
use super::session::PostgresSession;
use crate::ambient::Moment;
use crate::error::{Error, Result};
use crate::store::Tx;

/// A connection that was not used for this long is tried before it is used.
const UNTRIED: Duration = Duration::from_secs(1);

pub(in crate::store) struct PostgresReader {
    address: Arc<ServerAddress>,
    lease: Option<Arc<Lease>>,
    session: Option<(PostgresSession, Moment)>,
}

impl PostgresReader {
    pub(super) fn new(address: Arc<ServerAddress>, lease: Option<Arc<Lease>>) -> Self {
        PostgresReader { address, lease, session: None }
    }

    pub fn run<T>(&mut self, query: impl FnOnce(&Tx<'_>) -> Result<T>) -> Result<T> {
        let kept = self
            .session
            .take()
            .filter(|(session, used)| session.is_open() && (used.elapsed() < UNTRIED || session.is_alive()));
        let session = match kept {
            Some((session, _)) => session,
            None => PostgresSession::connect(&self.address)?,
        };
        let applied = self.lease.as_ref().map(|lease| lease.applied());
        let tx = Tx::from(&session);
        let found = query(&tx).and_then(|found| must_have(&tx, applied).map(|()| found));
        // After an error it is tried next time, whatever the error was.
        let used = if found.is_ok() { Moment::now() } else { Moment { steady: 0, wall: 0 } };
        self.session = Some((session, used));
        found
    }
}

/// A server that was replaced by another one, but still answers, does not have what the index has.
fn must_have(tx: &Tx<'_>, applied: Option<i64>) -> Result<()> {
    let Some(applied) = applied else { return Ok(()) };
    let rev: i64 = tx.one("SELECT rev FROM clock", (), |row| row.get(0))?;
    if rev < applied {
        Err(Error::unavailable("PostgreSQL: this server lacks changes that others have"))
    } else {
        Ok(())
    }
}
