//! One durable commit for all waiting verbs, and what happens to them if it fails.

use std::sync::atomic::Ordering;

use rusqlite::{ErrorCode, ffi};

use super::super::mark::Mark;
use super::super::statement::sql;
use super::super::{connection, feed, lineage};
use super::SqliteWriter;
use crate::error::{Error, Result};
use crate::store::Tx;
use crate::store::moved::must_not_be_moved;
use crate::store::writer::{Job, Urgency};

/// Why a transaction failed.
#[derive(Clone)]
pub(super) struct Failure {
    error: Error,
    /// Whether it may still be in the log, and reappear after a crash.
    is_unknown: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure { error, is_unknown: false }
    }
}

impl SqliteWriter {
    pub(super) fn commit_all(&mut self, mut jobs: Vec<Box<dyn Job>>) {
        let mut outcome = self.transact_and_judge(&mut jobs);
        if let Err(failure) = &outcome
            && jobs.iter().any(|job| job.urgency() == Urgency::Revocation)
            && self.reserve.give_back()
        {
            // The disk is probably full. Revocations must not wait for space.
            let (mut revocations, others): (Vec<_>, Vec<_>) =
                jobs.into_iter().partition(|job| job.urgency() == Urgency::Revocation);
            let first = failure.clone();
            outcome = self.transact_and_judge(&mut revocations);
            // A successful transaction has replaced the first one in the log.
            let first = Failure { is_unknown: first.is_unknown && outcome.is_err(), ..first };
            finish(others, &Err(first));
            jobs = revocations;
        }
        finish(jobs, &outcome);
    }

    fn transact_and_judge(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<(), Failure> {
        let started = self.stopwatch.elapsed();
        let outcome = self.transact(jobs);
        if !jobs.is_empty() {
            let took = self.stopwatch.elapsed().saturating_sub(started);
            self.counters.commit_micros.observe(took.as_micros() as u64);
            self.counters.batch_sizes.observe(jobs.len() as u64);
        }
        match outcome {
            Ok(wrote) => {
                if wrote {
                    self.note_success();
                }
                self.set_broken(false);
                Ok(())
            }
            Err(failure) => Err(self.recover(failure)),
        }
    }

    /// Runs one transaction for all jobs, each in its own savepoint if there are several: with a savepoint, SQLite copies
    /// each page before it changes, and goes through all copies after each statement. Returns whether it wrote anything.
    fn transact(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<bool, Failure> {
        self.must_be_in_place()?;
        self.begin()?;
        // Under the write lock, every announced change is either committed by now or never will be.
        let announced = self.freshness.announcement.read();
        if let Some(follower) = &mut self.follower {
            feed::follow_committed(follower, &self.db)?;
        }
        let before = self.db.total_changes();
        let revision = feed::newest_revision(&self.db)?;
        if let [job] = jobs {
            if !self.run(job)? {
                self.exec("ROLLBACK")?;
                return self.transact(&mut []);
            }
        } else {
            for job in jobs.iter_mut() {
                self.exec("SAVEPOINT verb")?;
                if !self.run(job)? {
                    self.exec("ROLLBACK TO verb")?;
                }
                self.exec("RELEASE verb")?;
            }
        }
        let wrote = self.db.total_changes() != before;
        let delta = match &self.follower {
            Some(follower) => feed::delta(follower, &self.db, usize::MAX)?,
            None => {
                // A write without a line in the feed changes no verdict, so look-ups need not go to SQLite.
                if feed::newest_revision(&self.db)? != revision {
                    self.freshness.announcement.raise();
                }
                Default::default()
            }
        };
        if wrote {
            self.commit_marked()?;
            if std::mem::take(&mut self.is_replacing) {
                // Otherwise a power cut could restore what must be forgotten.
                self.freshness.announcement.sync()?;
            }
        } else {
            self.exec("COMMIT")?;
            self.must_be_in_place()?;
        }
        if let Some(follower) = &mut self.follower {
            follower.apply(delta);
            self.freshness.seen.store(announced, Ordering::Release);
        }
        Ok(wrote)
    }

    fn run(&self, job: &mut Box<dyn Job>) -> Result<bool> {
        let is_ok = job.run(&Tx::from(&self.db));
        // A full disk or an I/O error may have rolled back the whole transaction.
        if self.db.is_autocommit() {
            return Err(Error::unavailable("SQLite rolled the transaction back"));
        }
        Ok(is_ok)
    }

    /// Commits this transaction with its mark. Returns when it is durable and in the right file.
    fn commit_marked(&self) -> Result<(), Failure> {
        let history = self.freshness.announcement.history();
        let write = lineage::begin(history, &self.db)?;
        let commit = self.db.prepare_cached("COMMIT").and_then(|mut statement| statement.execute([]));
        let outcome = match commit {
            Ok(_) => self.must_be_in_place().map_err(|error| Failure { error, is_unknown: true }),
            Err(error) => Err(Failure { is_unknown: may_be_in_log(&error), error: sql(error) }),
        };
        match &outcome {
            Ok(()) => {
                if self.is_replacing {
                    lineage::forget(history);
                }
                lineage::note_success(history, &write);
            }
            Err(failure) if failure.is_unknown => lineage::note_failure(history, &write),
            Err(_) => {}
        }
        outcome
    }

    /// Under the write lock, checks that this is still the database whose newest line is in `-rev`, if others have
    /// written. A copy written over it with SQLite's backup interface is a transaction like any other, and the next
    /// line would hide it.
    fn must_be_newest(&mut self) -> Result<()> {
        let version = self.data_version()?;
        if self.is_replacing || self.judged_version == Some(version) {
            return Ok(());
        }
        let accusation = lineage::accuse(self.freshness.announcement.history(), &self.db, false)?;
        if let Some(accusation) = accusation {
            let text = accusation.text(&self.path.display().to_string());
            return Err(Error::unavailable(self.watch.lose(format!("{text}: restore the newest database"))));
        }
        // Another process may have moved it elsewhere since it was opened.
        must_not_be_moved(&Tx::from(&self.db), self.consent, &self.path.display().to_string())?;
        self.judged_version = Some(version);
        Ok(())
    }

    /// A number that changes whenever another connection has committed.
    pub(super) fn data_version(&self) -> Result<i64> {
        let mut query = self.db.prepare_cached("PRAGMA data_version").map_err(sql)?;
        query.query_row([], |row| row.get(0)).map_err(sql)
    }

    /// Commits a transaction with nothing but its mark, which replaces a failed one in the log.
    pub(super) fn mark(&mut self) -> Result<()> {
        let marked = self.must_be_in_place().map_err(Failure::from).and_then(|()| {
            self.begin()?;
            self.commit_marked()
        });
        marked.map_err(|failure| {
            self.roll_back();
            failure.error
        })
    }

    /// Marks the file itself as continuing in its log, so that a copy without the log can be recognised. First the log
    /// gets a newer first page, which all readers use from then on. Then a byte is set in the older page in the file,
    /// bypassing SQLite. The checkpoint that copies the newer page into the file removes that byte. So the byte is in
    /// no snapshot, and never in a file that is complete without its log, wherever this is interrupted.
    pub(super) fn mark_file_in_use(&mut self) -> Result<()> {
        // As long as this reader exists, no checkpoint goes beyond what it sees.
        let reader = connection::reader(&self.path)?;
        reader.execute_batch("BEGIN").map_err(sql)?;
        Mark::of(&reader)?;
        self.mark()?;
        self.watch.say_in_use().map_err(|error| Error::unavailable(format!("the file cannot be marked: {error}")))
    }

    /// Like [`Self::mark_file_in_use`], but with a newer first page in the file too, so that no older copy of its log
    /// matches this file.
    pub(super) fn renew_file(&mut self) -> Result<()> {
        self.mark()?;
        self.db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).map_err(sql)?;
        self.mark_file_in_use()
    }

    /// Takes the write lock in turn with other processes, if the files may be written to.
    fn begin(&mut self) -> Result<()> {
        self.freshness.announcement.ask_for_turn();
        let begun = self.exec("BEGIN IMMEDIATE");
        self.freshness.announcement.end_asking();
        begun?;
        self.watch.log_trouble().map_or(Ok(()), |why| Err(Error::unavailable(why)))?;
        self.must_be_newest()
    }

    /// Executes a cached statement, so that it is not parsed again for each transaction.
    fn exec(&self, statement: &str) -> Result<()> {
        Tx::from(&self.db).execute(statement, ()).map(drop)
    }

    fn roll_back(&self) {
        if !self.db.is_autocommit() {
            let _ = self.db.execute_batch("ROLLBACK"); // the connection is replaced, or the error was reported before
        }
    }

    /// Recovers after a failed transaction: rolls back, and reads the state from the disk again. If the failed
    /// transaction may reappear with the log, it is overwritten there immediately, so that it never takes effect.
    fn recover(&mut self, failure: Failure) -> Failure {
        if !self.counters.failing.swap(true, Ordering::Relaxed) {
            tracing::error!(error = %failure.error, "a write failed and was not acknowledged");
        }
        self.roll_back();
        if let Some(why) = self.watch.trouble() {
            self.break_down(&why);
        } else {
            // All look-ups go to SQLite until the next successful transaction.
            self.freshness.seen.store(u64::MAX, Ordering::Release);
            match connection::writer(&self.path) {
                Ok(db) => {
                    self.db = db;
                    self.judged_version = None; // a new connection starts a new count
                }
                Err(error) => tracing::error!(%error, "cannot reopen the database"),
            }
            if failure.is_unknown && self.mark().is_ok() {
                tracing::warn!("the failed write was reverted");
                return Failure { is_unknown: false, ..failure };
            }
        }
        failure
    }
}

fn finish(jobs: Vec<Box<dyn Job>>, outcome: &Result<(), Failure>) {
    for job in jobs {
        job.finish(outcome.clone().map_err(|failure| match failure.is_unknown {
            true => Error::outcome_unknown(failure.error.cause.unwrap_or_default()),
            false => failure.error,
        }));
    }
}

/// Whether a COMMIT with this error may have written all of its frames. A full or unwritable disk stops it before the
/// last one, without which it is not valid; a failed sync, or a later failure, does not.
fn may_be_in_log(error: &rusqlite::Error) -> bool {
    let extended = error.sqlite_error().map_or(0, |error| error.extended_code);
    let stops_before = matches!(error.sqlite_error_code(), Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy))
        || extended == ffi::SQLITE_IOERR_WRITE;
    !stops_before
}
