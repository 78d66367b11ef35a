//! The writer thread. It groups waiting verbs, which are the writes of callers, into one durable commit, updates the
//! index, and then replies. So an acknowledged change is on disk and in force.

mod counters;
mod transaction;
mod verb;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::follow::Follower;
use super::locks::ServerLock;
use super::open::Opened;
use super::reserve::Reserve;
use super::watch::Watch;
use super::{Freshness, Tx, connection};
use crate::ambient::log;
use crate::error::{Error, Result};
use crate::index::Index;
use counters::Counters;
pub use counters::WriterState;
pub use verb::Urgency;
use verb::{Job, Verb};

/// How often the writer checks for unannounced changes and for a moved database.
const POLL: Duration = Duration::from_millis(200);
/// The wait after a failure to mark the file as in use.
const MARK_AGAIN: Duration = Duration::from_secs(1);
const QUEUE: usize = 1024;
const BATCH: usize = 256;
/// While a few verbs arrive at once, a commit waits this long for more: half as many commits do the same work, and
/// between them the core is free for verifications. A single verb never waits.
const GATHER: Duration = Duration::from_millis(1);
const MAX_GATHERED: usize = 12;
/// How long another process may take to acquire the write lock that it requested, and how often to check.
const TURN: Duration = Duration::from_millis(200);
const TURN_CHECK_INTERVAL: Duration = Duration::from_millis(1);

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

impl Writer {
    /// The server's writer is the one with the server lock. It updates the index and keeps the reserve filled.
    pub fn start(opened: Opened, index: Arc<Index>, freshness: Arc<Freshness>, watch: Arc<Watch>) -> Result<Self> {
        let Opened { place, lock, db, accepted, .. } = opened;
        let follower = lock.is_some().then(|| Follower::new(&db, index)).transpose()?;
        let reserve = Reserve::beside(&place.path);
        if lock.is_some() {
            reserve.must_be_ours()?;
        }
        let (queue, messages) = sync_channel(QUEUE);
        let woken = Arc::new(AtomicBool::new(false));
        let counters = Arc::new(Counters::new());
        let mut worker = WriterLoop {
            path: place.path,
            db,
            watch,
            messages,
            follower,
            freshness,
            woken: Arc::clone(&woken),
            counters: Arc::clone(&counters),
            data_version: 0,
            judged_version: None,
            stopwatch: stopwatch(),
            last_batch: 0,
            mark_again: None,
            is_replacing: accepted.is_some(),
            reserve,
            lock,
        };
        if worker.lock.is_some() && !worker.is_replacing {
            // This happens before any reply.
            let renewed = worker.renew_file();
            worker.note_marking(renewed);
        }
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
    path: PathBuf,
    db: Connection,
    watch: Arc<Watch>,
    messages: Receiver<Message>,
    /// Updates the index; `None` in a command.
    follower: Option<Follower>,
    freshness: Arc<Freshness>,
    woken: Arc<AtomicBool>,
    counters: Arc<Counters>,
    data_version: i64,
    /// The data version at which the database was last found to be the newest one. The index may be behind, because a
    /// mark alone does not change it.
    judged_version: Option<i64>,
    stopwatch: Instant,
    /// The number of verbs in the last commit.
    last_batch: usize,
    /// When to try again to mark the file as in use, on the stopwatch, if that failed.
    mark_again: Option<Duration>,
    /// Whether the first write must forget the previous database.
    is_replacing: bool,
    reserve: Reserve,
    /// `None` in a command. The lock is released after the connection, which is declared before it.
    lock: Option<ServerLock>,
}

impl WriterLoop {
    fn run(&mut self) {
        self.catch_up();
        loop {
            let (jobs, stop) = self.gather();
            if !jobs.is_empty() {
                self.commit(jobs);
                self.give_way();
            }
            if stop {
                break;
            }
            self.keep_file_marked();
            if let Some(follower) = &mut self.follower {
                follower.fill_a_page(&self.db);
            }
        }
        self.leave();
    }

    /// After the last write, leaves a file that is complete without its log, and a small WAL.
    fn leave(&mut self) {
        if self.watch.trouble().is_some() {
            // The open log must not be written over another file.
            return connection::keep_log(&self.db);
        }
        // Nothing is lost if the checkpoint is busy.
        let _ = self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    }

    /// All waiting verbs, or none after a wake-up or an idle period.
    fn gather(&mut self) -> (Vec<Box<dyn Job>>, bool) {
        let is_filling = self.follower.as_ref().is_some_and(Follower::is_filling);
        let wait = if is_filling { Duration::ZERO } else { POLL };
        let mut jobs: Vec<Box<dyn Job>> = Vec::new();
        match self.messages.recv_timeout(wait) {
            Ok(Message::Write(job)) => jobs.push(job),
            Ok(Message::Wake) => self.catch_up(),
            Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return (jobs, true),
            Err(RecvTimeoutError::Timeout) => self.look_around(),
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

    /// Detects unannounced changes (the sqlite3 shell), and whether the file was moved or put back.
    fn look_around(&mut self) {
        if self.follower.is_none() {
            return;
        }
        if let Some(why) = self.watch.trouble() {
            return self.break_down(&why);
        }
        if let Some(lock) = &mut self.lock {
            lock.keep();
        }
        self.reserve.top_up();
        let version = self.data_version();
        if version.as_ref().ok() != Some(&self.data_version)
            || !self.freshness.is_current()
            || self.counters.failing.load(Ordering::Relaxed)
        {
            self.catch_up();
            self.data_version = version.unwrap_or(0);
        }
        // After a failure only a successful write shows that writes work, because an empty transaction commits even on
        // a full disk.
        if self.counters.failing.load(Ordering::Relaxed) && !self.is_replacing && self.mark().is_ok() {
            self.note_success();
        }
    }

    /// Marks the file as in use again after a checkpoint, by any process, has removed the mark.
    fn keep_file_marked(&mut self) {
        let is_time = self.mark_again.is_none_or(|at| self.stopwatch.elapsed() >= at);
        if self.lock.is_some() && !self.is_replacing && is_time && !self.watch.is_file_marked() {
            let marked = self.mark_file_in_use();
            self.note_marking(marked);
        }
    }

    fn note_marking(&mut self, outcome: Result<()>) {
        if let Err(error) = &outcome {
            tracing::debug!(%error, "cannot mark the file as in use");
        }
        self.mark_again = outcome.is_err().then(|| self.stopwatch.elapsed() + MARK_AGAIN);
    }

    /// Between two commits, lets another process that waits for the write lock take it first.
    fn give_way(&self) {
        let announcement = &self.freshness.announcement;
        let Some(id) = announcement.asked_by() else { return };
        let mut waited = Duration::ZERO;
        while announcement.asked_by() == Some(id) {
            if waited >= TURN {
                return announcement.forget_asking(id);
            }
            thread::sleep(TURN_CHECK_INTERVAL);
            waited += TURN_CHECK_INTERVAL;
        }
    }

    fn note_success(&self) {
        if self.counters.failing.swap(false, Ordering::Relaxed) {
            tracing::warn!("writes succeed again");
        }
    }

    /// Updates the index to the newest commit, whoever made it.
    fn catch_up(&mut self) {
        self.woken.store(false, Ordering::Release);
        self.commit(Vec::new());
    }

    fn must_be_in_place(&self) -> Result<()> {
        self.watch.trouble().map_or(Ok(()), |why| Err(Error::unavailable(why)))
    }

    fn break_down(&mut self, why: &str) {
        if self.set_broken(true) {
            tracing::error!(database = %self.path.display(), "{why}. No key is checked until then");
        }
        self.counters.failing.store(true, Ordering::Relaxed);
    }

    /// Returns whether this changed anything.
    fn set_broken(&mut self, is_broken: bool) -> bool {
        let Some(follower) = self.follower.as_mut().filter(|follower| follower.is_broken() != is_broken) else {
            return false;
        };
        follower.set_broken(is_broken);
        true
    }
}

/// Measures commits for the metrics, and the wait before the file is marked again.
#[expect(clippy::disallowed_methods, reason = "a stopwatch, not a time")]
fn stopwatch() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::model::{Consent, Purpose};
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
        let store = Store::open(&directory.path().join("keybearer.db"), Purpose::Serve, Consent::default()).unwrap();
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
        let kept = store.read(move |tx| tx.rows(text, [], |row| row.get::<_, String>(0)));
        assert_eq!(kept.await.unwrap(), ["after", "before"]);
        let shared = store.writer_state().batch_sizes.buckets.iter().find(|(bound, _)| *bound == Some(4)).cloned();
        assert_eq!(shared, Some((Some(4), 1)), "the four shared a transaction");
    }
}
