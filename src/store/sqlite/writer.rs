//! The writer's work on SQLite: transactions, the state of the open files, and the index, which it updates before it
//! replies.

mod transaction;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::connection;
use super::feed;
use super::freshness::Freshness;
use super::locks::ServerLock;
use super::open::Opened;
use super::reserve::Reserve;
use super::watch::Watch;
use crate::error::{Error, Result};
use crate::index::Index;
use crate::model::{Consent, Purpose};
use crate::store::Tx;
use crate::store::follow::{Follower, PAGE};
use crate::store::writer::{Counters, Job, WriterEngine, stopwatch};

/// The wait after a failure to mark the file as in use.
const MARK_AGAIN: Duration = Duration::from_secs(1);
/// How long another process may take to acquire the write lock that it requested, and how often to check.
const TURN: Duration = Duration::from_millis(200);
const TURN_CHECK_INTERVAL: Duration = Duration::from_millis(1);
/// The wait after a failure to read a page of keys.
const FILL_AGAIN: Duration = Duration::from_millis(200);

pub(in crate::store) struct SqliteWriter {
    path: PathBuf,
    db: Connection,
    watch: Arc<Watch>,
    /// Updates the index; `None` in a command.
    follower: Option<Follower>,
    freshness: Arc<Freshness>,
    counters: Arc<Counters>,
    data_version: i64,
    /// The data version at which the database was last found to be the newest one. The index may be behind, because a
    /// mark alone does not change it.
    judged_version: Option<i64>,
    consent: Consent,
    stopwatch: Instant,
    /// When to try again to mark the file as in use, on the stopwatch, if that failed.
    mark_again: Option<Duration>,
    /// Whether the files are moved, deleted or replaced.
    is_away: bool,
    /// Whether the first write must forget the previous database.
    is_replacing: bool,
    reserve: Reserve,
    /// `None` in a command that allows a server beside it. The lock is released after the connection, which is declared before it.
    lock: Option<ServerLock>,
}

impl WriterEngine for SqliteWriter {
    fn commit(&mut self, jobs: Vec<Box<dyn Job>>) {
        self.commit_all(jobs);
        self.give_way();
    }

    fn catch_up(&mut self) {
        self.commit_all(Vec::new());
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
            WriterEngine::catch_up(self);
            self.data_version = version.unwrap_or(0);
        }
        // After a failure only a successful write shows that writes work, because an empty transaction commits even on
        // a full disk.
        if self.counters.failing.load(Ordering::Relaxed) && !self.is_replacing && self.mark().is_ok() {
            self.note_success();
        }
    }

    fn keep_up(&mut self) {
        self.keep_file_marked();
        let Some(follower) = self.follower.as_mut().filter(|follower| follower.is_filling()) else { return };
        match follower.fill_a_page(&Tx::from(&self.db), PAGE) {
            // The pages that were read for filling are not needed again.
            Ok(true) => drop(self.db.release_memory()),
            Ok(false) => {}
            // SQLite continues to answer for missing keys; the next round tries again.
            Err(error) => {
                tracing::error!(%error, "cannot fill the key index; trying again");
                thread::sleep(FILL_AGAIN);
            }
        }
    }

    fn has_more(&self) -> bool {
        self.follower.as_ref().is_some_and(Follower::is_filling)
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
}

impl SqliteWriter {
    /// The server's writer updates the index and keeps the reserve filled.
    pub fn new(
        opened: Opened,
        purpose: Purpose,
        consent: Consent,
        index: Arc<Index>,
        freshness: Arc<Freshness>,
        watch: Arc<Watch>,
        counters: Arc<Counters>,
    ) -> Result<Self> {
        let Opened { place, lock, db, accepted, .. } = opened;
        let follower = match purpose {
            Purpose::Serve => Some(Follower::new(index, feed::newest_revision(&db)?)),
            _ => None,
        };
        let reserve = Reserve::beside(&place.path);
        if follower.is_some() {
            reserve.must_be_ours()?;
        }
        let mut writer = SqliteWriter {
            path: place.path,
            db,
            watch,
            follower,
            freshness,
            counters,
            data_version: 0,
            judged_version: None,
            consent,
            stopwatch: stopwatch(),
            mark_again: None,
            is_away: false,
            is_replacing: accepted.is_some(),
            reserve,
            lock,
        };
        if writer.follower.is_some() && !writer.is_replacing {
            // This happens before any reply.
            let renewed = writer.renew_file();
            writer.note_marking(renewed);
        }
        Ok(writer)
    }

    /// Marks the file as in use again after a checkpoint, by any process, has removed the mark.
    fn keep_file_marked(&mut self) {
        let is_time = self.mark_again.is_none_or(|at| self.stopwatch.elapsed() >= at);
        if self.follower.is_some() && !self.is_replacing && is_time && !self.watch.is_file_marked() {
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

    fn note_success(&mut self) {
        let was_away = std::mem::take(&mut self.is_away);
        match self.counters.failing.swap(false, Ordering::Relaxed) {
            true if was_away => {
                tracing::warn!("the database is in its place again: keys are checked, and changes are saved");
            }
            true => tracing::warn!("writes succeed again"),
            false => {}
        }
    }

    fn must_be_in_place(&self) -> Result<()> {
        self.watch.trouble().map_or(Ok(()), |why| Err(Error::unavailable(why)))
    }

    fn break_down(&mut self, why: &str) {
        if self.set_broken(true) {
            tracing::error!(database = %self.path.display(), "{why}. No key is checked until then");
        }
        self.is_away = true;
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
