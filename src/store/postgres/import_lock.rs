//! The lock that allows only one import at a time: an advisory lock, which the server releases with the session.

use std::sync::Arc;
use std::thread;

use super::address::ServerAddress;
use super::session::PostgresSession;
use crate::error::{Error, Result};

/// The number is ours alone in this database ("keyimpo").
const LOCK: i64 = 0x006b_6579_696d_706f;

/// The lock, which is released when this is dropped.
pub struct SessionLock(Option<PostgresSession>);

impl SessionLock {
    /// `None` while another process is importing.
    pub(super) fn take(address: &Arc<ServerAddress>) -> Result<Option<Self>> {
        // The caller may be an async worker, which a session must not block.
        let take = || {
            let session = PostgresSession::connect(address)?;
            let mut is_taken = false;
            session.each(&format!("SELECT pg_try_advisory_lock({LOCK})"), &[], &[], &mut |row| {
                is_taken = row.get(0)?;
                Ok(false)
            })?;
            Ok(is_taken.then_some(SessionLock(Some(session))))
        };
        on_its_own_thread(take)
    }
}

impl Drop for SessionLock {
    fn drop(&mut self) {
        let session = self.0.take();
        let _ = on_its_own_thread(move || {
            drop(session);
            Ok(())
        });
    }
}

/// Runs something that blocks, and waits for it.
pub(super) fn on_its_own_thread<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| scope.spawn(work).join()).unwrap_or_else(|_| Err(Error::internal("a thread panicked")))
}
