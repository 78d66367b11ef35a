//! A connection that only reads, which is made again after it has failed.

use std::sync::Arc;
use std::time::Duration;

use super::address::Address;
use super::session::Session;
use crate::ambient::Moment;
use crate::error::Result;
use crate::store::Tx;

/// A connection that was not used for this long is tried before it is used.
const UNTRIED: Duration = Duration::from_secs(1);

pub(in crate::store) struct Reader {
    address: Arc<Address>,
    session: Option<(Session, Moment)>,
}

impl Reader {
    pub fn new(address: Arc<Address>) -> Self {
        Reader { address, session: None }
    }

    pub fn run<T>(&mut self, query: impl FnOnce(&Tx<'_>) -> Result<T>) -> Result<T> {
        let kept = self.session.take().filter(|(session, used)| used.elapsed() < UNTRIED || session.is_alive());
        let session = match kept {
            Some((session, _)) => session,
            None => Session::connect(&self.address)?,
        };
        let found = query(&Tx::from(&session));
        // After an error it is tried next time, whatever the error was.
        let used = if found.is_ok() { Moment::now() } else { Moment { steady: 0, wall: 0 } };
        self.session = Some((session, used));
        found
    }
}
