//! The writer thread. It groups waiting verbs, which are the writes of callers, into one durable commit of the engine,
//! which updates the index and then replies. So an acknowledged change is on disk and in force.

mod counters;
mod verb;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::Tx;
use crate::ambient::log;
use crate::error::{Error, Result};
pub(super) use counters::Counters;
pub use counters::WriterState;
pub(super) use verb::Job;
pub use verb::Urgency;
use verb::Verb;

/// How often the writer checks for unannounced changes and for a moved database.
const POLL: Duration = Duration::from_millis(200);
const QUEUE: usize = 1024;
const BATCH: usize = 256;
/// While a few verbs arrive at once, a commit waits this long for more: half as many commits do the same work, and
/// between them the core is free for verifications. A single verb never waits.
const GATHER: Duration = Duration::from_millis(1);
const MAX_GATHERED: usize = 12;

enum Message {
    Write(Box<dyn Job>),
    /// A change was announced.
    Wake,
    Stop,
}

pub(super) struct Writer {
    queue: SyncSender<Message>,
    /// Whether a wake-up is in the queue: one is enough, however many requests notice a change.
    woken: Arc<AtomicBool>,
    counters: Arc<Counters>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the thread does to the database.
pub(super) trait WriterEngine: Send + 'static {
    /// Runs all jobs in one transaction, and makes sure that each gets its reply.
    fn commit(&mut self, jobs: Vec<Box<dyn Job>>);

    /// Follows the newest commit, whoever made it.
    fn catch_up(&mut self);

    /// Called when nothing has arrived for a while.
    fn look_around(&mut self);

    /// Called after each round.
    fn keep_up(&mut self);

    /// Whether `keep_up` has more to do, so that the next round must not wait for a message.
    fn has_more(&self) -> bool;

    /// Called after the last round.
    fn leave(&mut self);
}

impl Writer {
    pub fn start(engine: Box<dyn WriterEngine>, counters: Arc<Counters>) -> Result<Self> {
        let (queue, messages) = sync_channel(QUEUE);
        let woken = Arc::new(AtomicBool::new(false));
        let mut worker = WriterLoop { engine, messages, woken: Arc::clone(&woken), last_batch: 0 };
        let run = move || {
            // The server must not continue with half-updated bookkeeping; the supervisor restarts it.
            if catch_unwind(AssertUnwindSafe(|| worker.run())).is_err() {
                tracing::error!("the writer thread panicked; stopping the process");
                log::flush(Duration::from_millis(500));
                std::process::abort();
            }
        };
        let thread = thread::Builder::new().name("writer".into()).spawn(run).map_err(Error::unavailable)?;
        Ok(Writer { queue, woken, counters, thread: Mutex::new(Some(thread)) })
    }

    pub async fn run<T: Send + 'static>(
        &self,
        urgency: Urgency,
        verb: impl Fn(&Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Verb::new(verb, urgency, reply));
        self.queue.try_send(Message::Write(job)).map_err(|error| match error {
            TrySendError::Full(_) => Error::unavailable("the write queue is full"),
            TrySendError::Disconnected(_) => Error::unavailable("the writer has stopped"),
        })?;
        answer.await.map_err(|_| Error::unavailable("the writer stopped before it replied"))?
    }

    pub fn wake(&self) {
        if !self.woken.swap(true, Ordering::AcqRel) && self.queue.try_send(Message::Wake).is_err() {
            self.woken.store(false, Ordering::Release);
        }
    }

    pub fn state(&self) -> WriterState {
        self.counters.state()
    }

    pub fn stop(&self) {
        let _ = self.queue.send(Message::Stop); // fails if it has already stopped
        if let Some(thread) = self.thread.lock().ok().and_then(|mut thread| thread.take()) {
            let _ = thread.join(); // its panic would have stopped the process
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop();
    }
}

struct WriterLoop {
    engine: Box<dyn WriterEngine>,
    messages: Receiver<Message>,
    woken: Arc<AtomicBool>,
    /// The number of verbs in the last commit.
    last_batch: usize,
}

impl WriterLoop {
    fn run(&mut self) {
        self.catch_up();
        loop {
            let (jobs, stop) = self.gather();
            if !jobs.is_empty() {
                self.engine.commit(jobs);
            }
            if stop {
                break;
            }
            self.engine.keep_up();
        }
        self.engine.leave();
    }

    /// All waiting verbs, or none after a wake-up or an idle period.
    fn gather(&mut self) -> (Vec<Box<dyn Job>>, bool) {
        let wait = if self.engine.has_more() { Duration::ZERO } else { POLL };
        let mut jobs: Vec<Box<dyn Job>> = Vec::new();
        match self.messages.recv_timeout(wait) {
            Ok(Message::Write(job)) => jobs.push(job),
            Ok(Message::Wake) => self.catch_up(),
            Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return (jobs, true),
            Err(RecvTimeoutError::Timeout) => self.engine.look_around(),
        }
        if !jobs.is_empty() && (2..MAX_GATHERED).contains(&self.last_batch) {
            thread::sleep(GATHER);
        }
        while jobs.len() < BATCH {
            match self.messages.try_recv() {
                Ok(Message::Write(job)) => jobs.push(job),
                Ok(Message::Wake) => self.catch_up(),
                Ok(Message::Stop) => return (jobs, true),
                Err(_) => break,
            }
        }
        if !jobs.is_empty() {
            self.last_batch = jobs.len();
        }
        (jobs, false)
    }

    fn catch_up(&mut self) {
        self.woken.store(false, Ordering::Release);
        self.engine.catch_up();
    }
}

/// Measures commits for the metrics, and the wait before the file is marked again.
#[expect(clippy::disallowed_methods, reason = "a stopwatch, not a time")]
pub(super) fn stopwatch() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::model::{Consent, DatabaseAddress, Purpose};
    use crate::store::Store;

    fn note(bucket: &'static str) -> impl Fn(&Tx<'_>) -> Result<()> + Send + Copy {
        move |tx| {
            let text = "INSERT INTO login_throttle (bucket, failures, last_at) VALUES (?1, 1, 0)";
            tx.execute(text, [bucket.as_bytes()]).map(drop)
        }
    }

    #[tokio::test]
    async fn an_operation_that_fails_half_way_is_rolled_back_without_its_neighbours() {
        let directory = tempfile::tempdir().unwrap();
        let database = DatabaseAddress::File(directory.path().join("keybearer.db"));
        let store = Store::open(&database, Purpose::Serve, Consent::default()).unwrap();
        // While the first one runs, the others gather behind it.
        let slow = store.write(Urgency::Ordinary, |_| {
            thread::sleep(Duration::from_millis(300));
            Ok(())
        });
        let later = tokio::time::sleep(Duration::from_millis(100));
        let half = |tx: &Tx<'_>| note("half")(tx).and(Err::<(), _>(Error::conflict("no further")));
        let panicking = |tx: &Tx<'_>| -> Result<()> { note("panicking")(tx).map(|()| panic!("a bug")) };
        let others = async {
            later.await;
            tokio::join!(
                store.write(Urgency::Ordinary, note("before")),
                store.write(Urgency::Ordinary, half),
                store.write(Urgency::Ordinary, panicking),
                store.write(Urgency::Ordinary, note("after"))
            )
        };
        let (_, (before, half, panicking, after)) = tokio::join!(slow, others);
        assert!(before.is_ok() && after.is_ok());
        assert_eq!((half.unwrap_err().kind, panicking.unwrap_err().kind), (Kind::Conflict, Kind::Internal));
        let text = "SELECT CAST(bucket AS TEXT) FROM login_throttle ORDER BY 1";
        let kept = store.read(move |tx| tx.rows(text, (), |row| row.get::<String>(0)));
        assert_eq!(kept.await.unwrap(), ["after", "before"]);
        let shared = store.writer_state().batch_sizes.buckets.iter().find(|(bound, _)| *bound == Some(4)).cloned();
        assert_eq!(shared, Some((Some(4), 1)), "the four shared a transaction");
    }
}
