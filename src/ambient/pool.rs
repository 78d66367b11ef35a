//! A few threads behind a short queue, each with its own state (a database connection, or nothing). If the queue is
//! full, callers get "unavailable" immediately, so that work never accumulates unnoticed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

use crate::error::{Error, Result};

/// `None` stops the thread that receives it.
type PoolJob<S> = Option<Box<dyn FnOnce(&mut S) + Send>>;

pub struct Pool<S> {
    queue: SyncSender<PoolJob<S>>,
    name: &'static str,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl<S: Send + 'static> Pool<S> {
    /// Starts one thread per state, with a queue of max `waiting` jobs.
    pub fn start(name: &'static str, waiting: usize, states: Vec<S>) -> Result<Self> {
        let (queue, jobs) = sync_channel::<PoolJob<S>>(waiting);
        let jobs = Arc::new(Mutex::new(jobs));
        let mut threads = Vec::new();
        for (number, state) in states.into_iter().enumerate() {
            let jobs = Arc::clone(&jobs);
            let thread = thread::Builder::new().name(format!("{name}-{number}")).spawn(move || work(&jobs, state));
            let cannot = |error| Error::unavailable(format!("cannot start a {name} thread: {error}"));
            threads.push(thread.map_err(cannot)?);
        }
        Ok(Pool { queue, name, threads: Mutex::new(threads) })
    }

    /// Finishes the queued jobs, stops the threads and drops their states.
    pub fn stop(&self) {
        let threads = self.threads.lock().map(|mut threads| std::mem::take(&mut *threads)).unwrap_or_default();
        for _ in &threads {
            let _ = self.queue.send(None); // fails if the threads have already ended
        }
        for thread in threads {
            let _ = thread.join(); // the thread itself catches panics, and the panic hook logs them
        }
    }

    /// Runs `job` on one of the threads. A panic in a job is an internal error; the thread survives it.
    pub async fn run<T: Send + 'static>(&self, job: impl FnOnce(&mut S) -> Result<T> + Send + 'static) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let boxed = Box::new(move |state: &mut S| {
            // The caller may have gone away.
            let _ = reply.send(job(state));
        });
        self.queue.try_send(Some(boxed)).map_err(|error| match error {
            TrySendError::Full(_) => Error::unavailable(format!("the {} queue is full", self.name)),
            TrySendError::Disconnected(_) => Error::unavailable(format!("the {} threads have ended", self.name)),
        })?;
        answer.await.map_err(|_| Error::internal(format!("a {} job panicked", self.name)))?
    }
}

fn work<S>(jobs: &Mutex<Receiver<PoolJob<S>>>, mut state: S) {
    loop {
        let next = match jobs.lock() {
            Ok(jobs) => jobs.recv(),
            Err(_) => return,
        };
        let Ok(Some(job)) = next else { return };
        // The panic hook has logged it; the dropped reply informs the caller.
        let _ = catch_unwind(AssertUnwindSafe(|| job(&mut state)));
    }
}
