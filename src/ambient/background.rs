//! A background thread that runs until it gets the order to stop, and can give way to requests.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::error::{Error, Result};

/// Lowers this thread's priority, so that verifications run first; on Linux, each thread has its own priority. If the
/// system refuses, the thread keeps its normal priority.
pub fn give_way() {
    let _ = rustix::process::nice(10);
}

/// When this thread is woken, it waits for a running thread to finish its turn, instead of taking its place; it still
/// gets its share of a busy core (SCHED_BATCH, sched(7)). For threads that requests wait for: on a busy core they find
/// more work at once, and each check does not meet them. If the system refuses, nothing changes.
pub fn wait_for_turn() {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: a struct of one number, for which zero is valid; the call reads it, and changes this thread only.
        unsafe {
            let parameters = libc::sched_param { sched_priority: 0 };
            libc::sched_setscheduler(0, libc::SCHED_BATCH, &parameters);
        }
    }
}

/// A running thread, which stops on request or when this is dropped.
pub struct Background {
    order: SyncSender<()>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// The thread's side of the order to stop.
pub struct Orders(Receiver<()>);

impl Orders {
    /// Waits this long or until the order to stop arrives, and returns whether it has arrived.
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

    /// Stops the thread, and returns when it has finished.
    pub fn stop(&self) {
        let _ = self.order.try_send(()); // fails if the order was already sent or the thread has ended
        if let Some(thread) = self.thread.lock().ok().and_then(|mut thread| thread.take()) {
            let _ = thread.join(); // the log already has its panic
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.stop();
    }
}
