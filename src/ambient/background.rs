//! A thread that works beside the requests until it is told to stop, and may give way to them.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::error::{Error, Result};

/// Lets verifications come before this thread: on Linux this is the thread's own priority. Refused, it
/// only competes as an equal.
pub fn give_way() {
    let _ = rustix::process::nice(10);
}

/// Stops its thread when told so or dropped.
pub struct Background {
    order: SyncSender<()>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// How the thread learns that it is to stop.
pub struct Orders(Receiver<()>);

impl Orders {
    /// Waits this long, or until the order to stop comes; tells whether it has.
    pub fn to_stop_within(&self, pause: Duration) -> bool {
        !matches!(self.0.recv_timeout(pause), Err(RecvTimeoutError::Timeout))
    }
}

impl Background {
    pub fn start(name: &str, work: impl FnOnce(Orders) + Send + 'static) -> Result<Self> {
        let (order, orders) = sync_channel(1);
        let run = move || work(Orders(orders));
        let thread = thread::Builder::new().name(name.into()).spawn(run).map_err(Error::unavailable)?;
        Ok(Background { order, thread: Mutex::new(Some(thread)) })
    }

    /// Returns when the thread has done what it does at its end.
    pub fn stop(&self) {
        let _ = self.order.try_send(()); // told already
        if let Some(thread) = self.thread.lock().ok().and_then(|mut thread| thread.take()) {
            let _ = thread.join(); // its panic is in the log
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.stop();
    }
}
