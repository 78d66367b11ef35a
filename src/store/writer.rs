//! The one writer thread: it groups waiting verbs into one durable commit, then brings the index to
//! what was committed, then answers. So an answered change is on disk and in force.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::files::{Identity, ServerLock};
use super::follow::Follower;
use super::reserve::Reserve;
use super::rows::changed;
use super::{Freshness, Purpose, follow, open};
use crate::ambient::histogram::Snapshot;
use crate::ambient::{Histogram, log};
use crate::error::{Error, Kind, Result};
use crate::index::Index;

/// How often the writer looks for changes that nobody announced, and for a moved database.
const POLL: Duration = Duration::from_millis(200);
const QUEUE: usize = 1024;
const BATCH: usize = 256;
/// While several write at once, but few, a commit waits this long for more of them: half as many commits
/// do the same work, and between them the core is verification's. One that writes alone never waits.
const GATHER: Duration = Duration::from_millis(1);
const ENOUGH: usize = 12;
/// How long, in all and at a time, another process that asked for the write lock has to take it.
const TURN: Duration = Duration::from_millis(200);
const MOMENT: Duration = Duration::from_millis(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    Ordinary,
    Withdrawal,
}

/// A verb on its way through the writer: run (perhaps twice), then told how the commit went.
trait Job: Send {
    fn run(&mut self, db: &Connection) -> bool;
    fn finish(self: Box<Self>, commit: Result<()>);
    fn urgency(&self) -> Urgency;
}

struct Verb<T, F> {
    verb: F,
    urgency: Urgency,
    result: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T: Send, F: Fn(&Connection) -> Result<T> + Send> Job for Verb<T, F> {
    fn run(&mut self, db: &Connection) -> bool {
        let result = catch_unwind(AssertUnwindSafe(|| (self.verb)(db)));
        let result = result.unwrap_or_else(|_| Err(Error::internal("a write panicked")));
        let is_ok = result.is_ok();
        self.result = Some(result);
        is_ok
    }

    fn finish(self: Box<Self>, commit: Result<()>) {
        let result = match (self.result, commit) {
            (Some(result), Ok(())) => result,
            (Some(Err(own)), Err(_)) if own.kind != Kind::Unavailable => Err(own),
            (_, Err(error)) => Err(error),
            (None, Ok(())) => Err(Error::internal("a write was committed without having run")),
        };
        // A caller that went away does not want the answer; what was done is done.
        let _ = self.reply.send(result);
    }

    fn urgency(&self) -> Urgency {
        self.urgency
    }
}

enum Message {
    Write(Box<dyn Job>),
    /// Somebody announced a change.
    Wake,
    Stop,
}

/// What `/readyz` and the metrics tell of the writer.
#[derive(Debug, Clone)]
pub struct WriterState {
    /// How long commits took, begin to durable, in microseconds.
    pub commit_micros: Snapshot,
    /// How many verbs shared a commit.
    pub batch_sizes: Snapshot,
    /// Whether the last commit failed.
    pub failing: bool,
}

struct Counters {
    commit_micros: Histogram<12>,
    batch_sizes: Histogram<9>,
    failing: AtomicBool,
}

impl Counters {
    fn new() -> Self {
        let micros = [100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 500_000, 2_000_000];
        Counters {
            commit_micros: Histogram::new(micros),
            batch_sizes: Histogram::new([1, 2, 4, 8, 16, 32, 64, 128, 256]),
            failing: AtomicBool::new(false),
        }
    }
}

pub(super) struct Writer {
    queue: SyncSender<Message>,
    /// One wake-up at a time in the queue, however many requests notice.
    woken: Arc<AtomicBool>,
    counters: Arc<Counters>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub fn start(
        path: &Path,
        purpose: Purpose,
        index: Arc<Index>,
        freshness: Arc<Freshness>,
        lock: Option<ServerLock>,
    ) -> Result<Self> {
        let db = open::writer(path)?;
        let follower = (purpose == Purpose::Serve).then(|| Follower::new(&db, index)).transpose()?;
        let identity =
            Identity::of(path).ok_or_else(|| Error::unavailable("the database file vanished while it was opened"))?;
        let (queue, messages) = sync_channel(QUEUE);
        let woken = Arc::new(AtomicBool::new(false));
        let counters = Arc::new(Counters::new());
        let mut loop_ = WriterLoop {
            path: path.to_owned(),
            db,
            identity,
            messages,
            follower,
            freshness,
            woken: Arc::clone(&woken),
            counters: Arc::clone(&counters),
            data_version: 0,
            stopwatch: stopwatch(),
            last_batch: 0,
            reserve: Reserve::beside(path),
            _lock: lock,
        };
        let run = move || {
            // Half-written bookkeeping must not go on serving: the supervisor starts us anew.
            if catch_unwind(AssertUnwindSafe(|| loop_.run())).is_err() {
                tracing::error!("the writer thread panicked; ending the process");
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
        verb: impl Fn(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Verb { verb, urgency, result: None, reply });
        self.queue.try_send(Message::Write(job)).map_err(|error| match error {
            TrySendError::Full(_) => Error::unavailable("the write queue is full"),
            TrySendError::Disconnected(_) => Error::unavailable("the writer has stopped"),
        })?;
        answer.await.map_err(|_| Error::unavailable("the writer stopped before it answered"))?
    }

    pub fn wake(&self) {
        if !self.woken.swap(true, Ordering::AcqRel) && self.queue.try_send(Message::Wake).is_err() {
            self.woken.store(false, Ordering::Release);
        }
    }

    pub fn state(&self) -> WriterState {
        WriterState {
            commit_micros: self.counters.commit_micros.snapshot(),
            batch_sizes: self.counters.batch_sizes.snapshot(),
            failing: self.counters.failing.load(Ordering::Relaxed),
        }
    }

    pub fn stop(&self) {
        let _ = self.queue.send(Message::Stop); // it has stopped already
        if let Some(thread) = self.thread.lock().ok().and_then(|mut thread| thread.take()) {
            let _ = thread.join(); // its panic would have ended the process
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
    identity: Identity,
    messages: Receiver<Message>,
    /// In the server alone: keeps the index.
    follower: Option<Follower>,
    freshness: Arc<Freshness>,
    woken: Arc<AtomicBool>,
    counters: Arc<Counters>,
    data_version: i64,
    stopwatch: Instant,
    /// How many verbs shared the last commit.
    last_batch: usize,
    reserve: Reserve,
    _lock: Option<ServerLock>,
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
            if let Some(follower) = &mut self.follower {
                follower.fill_a_page(&self.db);
            }
        }
        // Nobody writes any more; leave a small WAL behind. A busy checkpoint loses nothing.
        let _ = self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    }

    /// The next verbs, all that wait; or none, after a wake-up or a quiet while.
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
        if !jobs.is_empty() && (2..ENOUGH).contains(&self.last_batch) {
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

    /// Sees changes that nobody announced (the sqlite3 shell), a moved file, and a mended one.
    fn look_around(&mut self) {
        if self.follower.is_none() {
            return;
        }
        if !self.is_in_place() {
            return self.break_down("the database file was moved, deleted or replaced");
        }
        self.reserve.top_up();
        let version = self.db.query_row("PRAGMA data_version", [], |row| row.get(0));
        if version.as_ref().ok() != Some(&self.data_version)
            || !self.freshness.is_current()
            || self.counters.failing.load(Ordering::Relaxed)
        {
            self.catch_up();
            self.data_version = version.unwrap_or(0);
        }
        if self.counters.failing.load(Ordering::Relaxed) {
            self.probe();
        }
    }

    /// After a failure only a write that succeeds shows that writes do: a transaction without one
    /// commits on a full disk, too.
    fn probe(&mut self) {
        match self.db.execute_batch("BEGIN IMMEDIATE; PRAGMA user_version = 0; COMMIT") {
            Ok(()) => self.note_success(),
            Err(_) if !self.db.is_autocommit() => {
                let _ = self.db.execute_batch("ROLLBACK"); // the failure was logged when it began
            }
            Err(_) => {}
        }
    }

    fn note_success(&self) {
        if self.counters.failing.swap(false, Ordering::Relaxed) {
            tracing::warn!("writes succeed again");
        }
    }

    /// Brings the index to the newest commit, whoever made it.
    fn catch_up(&mut self) {
        self.woken.store(false, Ordering::Release);
        self.commit(Vec::new());
    }

    fn is_in_place(&self) -> bool {
        Identity::of(&self.path) == Some(self.identity)
    }

    fn break_down(&mut self, why: &str) {
        if let Some(follower) = &mut self.follower
            && !follower.is_broken()
        {
            tracing::error!(database = %self.path.display(), "{why}: refusing to answer until it is back");
            follower.set_broken(true);
        }
        self.counters.failing.store(true, Ordering::Relaxed);
    }

    fn commit(&mut self, mut jobs: Vec<Box<dyn Job>>) {
        let mut outcome = self.transact_and_judge(&mut jobs);
        if outcome.is_err() && jobs.iter().any(|job| job.urgency() == Urgency::Withdrawal) && self.reserve.give_back() {
            // Most likely the disk is full. What takes something away must not wait for space.
            let (withdrawals, others): (Vec<_>, Vec<_>) =
                jobs.into_iter().partition(|job| job.urgency() == Urgency::Withdrawal);
            for job in others {
                job.finish(outcome.clone());
            }
            jobs = withdrawals;
            outcome = self.transact_and_judge(&mut jobs);
        }
        for job in jobs {
            job.finish(outcome.clone());
        }
    }

    fn transact_and_judge(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<()> {
        let started = self.stopwatch.elapsed();
        let outcome = self.transact(jobs);
        if !jobs.is_empty() {
            let took = self.stopwatch.elapsed().saturating_sub(started);
            self.counters.commit_micros.observe(took.as_micros() as u64);
            self.counters.batch_sizes.observe(jobs.len() as u64);
        }
        match &outcome {
            Ok(wrote) => {
                if *wrote {
                    self.note_success();
                }
                if let Some(follower) = &mut self.follower
                    && follower.is_broken()
                {
                    follower.set_broken(false);
                }
            }
            Err(error) => self.recover(error),
        }
        outcome.map(drop)
    }

    /// One transaction for all jobs, each in a savepoint of its own. Tells whether it wrote anything.
    fn transact(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<bool> {
        let moved = || Error::unavailable("the database file was moved, deleted or replaced");
        if !self.is_in_place() {
            return Err(moved());
        }
        self.freshness.announcement.ask_for_turn();
        let begun = self.say("BEGIN IMMEDIATE");
        self.freshness.announcement.end_asking();
        begun?;
        // Under the write lock: whatever was announced is committed by now, or never will be.
        let announced = self.freshness.announcement.read();
        if let Some(follower) = &mut self.follower {
            follower.follow_committed(&self.db)?;
        }
        let before = self.db.total_changes();
        let revision = follow::newest_revision(&self.db)?;
        for job in jobs.iter_mut() {
            self.say("SAVEPOINT verb")?;
            let is_ok = job.run(&self.db);
            // A full disk or an I/O error may have ended the whole transaction.
            if self.db.is_autocommit() {
                return Err(Error::unavailable("SQLite rolled the transaction back"));
            }
            if !is_ok {
                self.say("ROLLBACK TO verb")?;
            }
            self.say("RELEASE verb")?;
        }
        let wrote = self.db.total_changes() != before;
        let delta = match &self.follower {
            Some(follower) => follower.delta(&self.db, usize::MAX)?,
            None => {
                // What leaves no line in the feed alters no verdict, and need not send each look-up to SQLite.
                if follow::newest_revision(&self.db)? != revision {
                    self.freshness.announcement.raise();
                }
                Default::default()
            }
        };
        self.say("COMMIT")?;
        if !self.is_in_place() {
            return Err(moved());
        }
        if let Some(follower) = &mut self.follower {
            follower.apply(delta);
            self.freshness.seen.store(announced, Ordering::Release);
        }
        Ok(wrote)
    }

    /// Between two commits: lets another process that waits for the write lock have it first.
    fn give_way(&self) {
        let announcement = &self.freshness.announcement;
        let Some(id) = announcement.asked_by() else { return };
        let mut waited = Duration::ZERO;
        while announcement.asked_by() == Some(id) {
            if waited >= TURN {
                return announcement.forget_asking(id);
            }
            thread::sleep(MOMENT);
            waited += MOMENT;
        }
    }

    /// A statement that is parsed once, not for each transaction.
    fn say(&self, statement: &str) -> Result<()> {
        changed(&self.db, statement, []).map(drop)
    }

    /// After a failed transaction its fate is unknown: go back, look anew, believe only the disk.
    fn recover(&mut self, error: &Error) {
        if !self.counters.failing.swap(true, Ordering::Relaxed) {
            tracing::error!(%error, "a write failed; nothing of it is acknowledged");
        }
        if !self.db.is_autocommit() {
            let _ = self.db.execute_batch("ROLLBACK"); // the connection is replaced below in any case
        }
        if !self.is_in_place() {
            return self.break_down("the database file was moved, deleted or replaced");
        }
        // Until the next successful transaction every look-up goes to SQLite.
        self.freshness.seen.store(u64::MAX, Ordering::Release);
        match open::writer(&self.path) {
            Ok(db) => self.db = db,
            Err(error) => tracing::error!(%error, "cannot reopen the database"),
        }
    }
}

/// How long commits take, for the metrics alone: no decision hangs on it.
#[expect(clippy::disallowed_methods, reason = "a stopwatch, not a time")]
fn stopwatch() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    fn note(bucket: &'static str) -> impl Fn(&Connection) -> Result<()> + Send + Copy {
        move |db| {
            let text = "INSERT INTO login_throttle (bucket, failures, last_at) VALUES (?1, 1, 0)";
            changed(db, text, [bucket.as_bytes()]).map(drop)
        }
    }

    #[tokio::test]
    async fn a_verb_that_fails_half_way_is_undone_and_its_neighbours_are_not() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("keybearer.db"), Purpose::Serve).unwrap();
        // While the first one takes its time, the others gather behind it.
        let slow = store.maintain(|_| {
            thread::sleep(Duration::from_millis(300));
            Ok(())
        });
        let later = tokio::time::sleep(Duration::from_millis(100));
        let half = |db: &Connection| note("half")(db).and(Err::<(), _>(Error::conflict("no further")));
        let panicking = |db: &Connection| -> Result<()> { note("panicking")(db).map(|()| panic!("a bug")) };
        let others = async {
            later.await;
            tokio::join!(
                store.maintain(note("before")),
                store.maintain(half),
                store.maintain(panicking),
                store.maintain(note("after"))
            )
        };
        let (_, (before, half, panicking, after)) = tokio::join!(slow, others);
        assert!(before.is_ok() && after.is_ok());
        assert_eq!((half.unwrap_err().kind, panicking.unwrap_err().kind), (Kind::Conflict, Kind::Internal));
        let kept = store.read(|db| {
            let mut query = db.prepare("SELECT CAST(bucket AS TEXT) FROM login_throttle ORDER BY 1").unwrap();
            let rows = query.query_map([], |row| row.get::<_, String>(0)).unwrap();
            Ok(rows.collect::<rusqlite::Result<Vec<_>>>().unwrap())
        });
        assert_eq!(kept.await.unwrap(), ["after", "before"]);
        let shared = store.writer_state().batch_sizes.buckets.iter().find(|(bound, _)| *bound == Some(4)).cloned();
        assert_eq!(shared, Some((Some(4), 1)), "the four shared a transaction");
    }
}
