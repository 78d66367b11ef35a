//! The clock: one row, which each write transaction locks first, so that writers on all nodes exclude each other. A
//! process can be frozen while it has the lock, by Ctrl-Z, SIGSTOP or its virtual machine. Nobody could revoke a key
//! then, so the server ends its transaction.

use super::nodes::Position;
use super::session::PostgresSession;
use crate::error::Result;
use crate::store::Tx;

/// PostgreSQL ends a write transaction whose client sends nothing for two seconds, half of `lock_timeout`.
const BEGIN: &str = "BEGIN; SET LOCAL idle_in_transaction_session_timeout TO '2s'";

/// That limit does not apply in the middle of a COPY, so whoever has waited for the lock in vain looks for a connection
/// of ours that has the lock and waits for its client.
const END_FROZEN: &str = "SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a JOIN pg_locks l USING (pid)
    WHERE l.relation = 'clock'::regclass AND l.mode = 'RowExclusiveLock' AND l.granted AND a.usename = current_user
    AND a.application_name = 'keybearer' AND a.wait_event = 'ClientRead' AND a.state_change < now() - interval '2s'";

/// For a copy of the whole database, where nobody else works: no limit, and another name than the one above.
const TAKE_LONG: &str = "SET LOCAL idle_in_transaction_session_timeout TO 0;
    SET LOCAL application_name TO 'keybearer copy'; SET LOCAL enable_sort TO off";

/// Begins a transaction and takes the clock: until the commit, no other writer on any node can begin. Returns the
/// revision of this transaction.
pub(super) fn take(session: &PostgresSession) -> Result<Position> {
    match begin(session) {
        Err(error) if error.cause.as_deref().is_some_and(|cause| cause.contains("55P03")) => {
            session.batch("ROLLBACK")?;
            let ended = Tx::from(session).rows(END_FROZEN, (), |row| row.get::<bool>(0))?;
            if ended.is_empty() {
                return Err(error);
            }
            tracing::warn!("ended the transaction of a frozen process, which kept everyone from writing");
            begin(session)
        }
        begun => begun,
    }
}

/// From now on, this transaction may take long and be idle, and reads tables by their keys, which begins at once.
pub(in crate::store) fn take_long(session: &PostgresSession) -> Result<()> {
    session.batch(TAKE_LONG)
}

fn begin(session: &PostgresSession) -> Result<Position> {
    session.batch(BEGIN)?;
    let text = "UPDATE clock SET rev = rev + 1, xact = pg_current_xact_id(), stamp = gen_random_uuid()
         RETURNING rev, stamp";
    Tx::from(session).one(text, (), |row| Ok(Position { rev: row.get(0)?, stamp: row.get(1)? }))
}
