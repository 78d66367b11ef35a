//! The writer's work on PostgreSQL: one transaction per batch, under the clock. Replies come from
//! [`super::acknowledgements`], so that the next batch is committed while this one waits for the nodes.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::time::Instant;

use super::acknowledgements::Waiting;
use super::address::ServerAddress;
use super::clock;
use super::nodes::Position;
use super::session::PostgresSession;
use crate::ambient::Moment;
use crate::error::{Error, Result};
use crate::model::{Consent, Purpose};
use crate::store::Tx;
use crate::store::moved::must_not_be_moved;
use crate::store::row::{Read, Row};
use crate::store::writer::{Counters, Job, WriterEngine, stopwatch};

pub(super) struct PostgresWriter {
    address: Arc<ServerAddress>,
    purpose: Purpose,
    /// `None` in a command that has ended its work.
    acknowledgements: Option<Sender<Waiting>>,
    counters: Arc<Counters>,
    session: Option<PostgresSession>,
    /// The newest known revision that takes something away, and since when it is known.
    takes: (Position, Moment),
    stopwatch: Instant,
}

/// Why a transaction failed.
#[derive(Clone)]
struct FailedCommit {
    error: Error,
    /// Whether it may be committed.
    is_unknown: bool,
}

impl From<Error> for FailedCommit {
    fn from(error: Error) -> Self {
        FailedCommit { error, is_unknown: false }
    }
}

/// What the callers of a finished transaction were told, whether it has written anything or not.
struct Told {
    /// The newest revision that it made or saw.
    at: Position,
    /// The newest revision that takes something away or changes it; 0 if there is none.
    takes: Position,
}

impl PostgresWriter {
    pub fn new(
        address: Arc<ServerAddress>,
        purpose: Purpose,
        acknowledgements: Sender<Waiting>,
        counters: Arc<Counters>,
    ) -> Self {
        let acknowledgements = Some(acknowledgements);
        PostgresWriter {
            address,
            purpose,
            acknowledgements,
            counters,
            session: None,
            takes: (Position::default(), Moment::now()),
            stopwatch: stopwatch(),
        }
    }

    /// Runs one transaction for all jobs, each in its own savepoint if there are several.
    fn transact(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<Told, FailedCommit> {
        let purpose = self.purpose;
        let (session, own) = self.begin()?;
        let before = session.changed();
        if let [job] = jobs {
            // Each statement is a round trip under the clock; alone, a job needs no savepoint.
            if !job.run(&Tx::from(session)) {
                session.batch("ROLLBACK")?;
                // It may have been told of an earlier change.
                let takes = Tx::from(session).one(&format!("SELECT {LAST_THAT_TAKES}"), (), last_that_takes)?;
                return Ok(Told { at: takes, takes });
            }
        } else {
            let marks = std::iter::once("SAVEPOINT verb").chain(std::iter::repeat("RELEASE verb; SAVEPOINT verb"));
            for (job, mark) in jobs.iter_mut().zip(marks) {
                session.batch(mark)?;
                if !job.run(&Tx::from(session)) {
                    session.batch("ROLLBACK TO verb")?;
                }
            }
        }
        let text = format!(
            "SELECT {LAST_THAT_TAKES}, EXISTS (SELECT 1 FROM changes WHERE rev = ?1), EXISTS (SELECT 1 FROM moves)"
        );
        let read = |row: &Row<'_>| Ok((last_that_takes(row)?, row.get(2)?, row.get(3)?));
        let (takes, is_change, is_moved) = Tx::from(session).one(&text, [own.rev], read)?;
        if is_moved && purpose != Purpose::Exclusive {
            // Since it was opened, because an acceptance of that has just been written.
            must_not_be_moved(&Tx::from(session), Consent::default(), "the database")?;
        }
        if session.changed() == before {
            // The clock stays as it was.
            session.batch("ROLLBACK")?;
        } else {
            session.commit().map_err(|error| FailedCommit { error, is_unknown: true })?;
        }
        Ok(Told { at: if is_change { own } else { takes }, takes })
    }

    /// Begins a transaction under the clock. If the kept connection turns out to be closed, nothing was written, so a new
    /// one is used.
    fn begin(&mut self) -> Result<(&PostgresSession, Position)> {
        let kept = self.session.take().and_then(|session| {
            let own = clock::take(&session).ok()?;
            Some((session, own))
        });
        let (session, own) = match kept {
            Some(begun) => begun,
            None => {
                let session = PostgresSession::connect(&self.address)?;
                let own = clock::take(&session)?;
                (session, own)
            }
        };
        Ok((self.session.insert(session), own))
    }
}

/// The columns of the newest line of the feed that takes something away.
const LAST_THAT_TAKES: &str = "(SELECT max(rev) FROM changes WHERE adds = 0),
    (SELECT stamp FROM changes WHERE adds = 0 ORDER BY rev DESC LIMIT 1)";

fn last_that_takes(row: &Row<'_>) -> Read<Position> {
    Ok(Position { rev: row.get::<Option<i64>>(0)?.unwrap_or(0), stamp: row.get(1)? })
}

impl WriterEngine for PostgresWriter {
    fn commit(&mut self, mut jobs: Vec<Box<dyn Job>>) {
        let started = self.stopwatch.elapsed();
        let outcome = self.transact(&mut jobs);
        self.counters.commit_micros.observe(self.stopwatch.elapsed().saturating_sub(started).as_micros() as u64);
        self.counters.batch_sizes.observe(jobs.len() as u64);
        match outcome {
            Ok(told) => {
                if self.counters.failing.swap(false, Ordering::Relaxed) {
                    tracing::warn!("writes succeed again");
                }
                self.reply(jobs, &told);
            }
            Err(failure) => {
                // The connection is in an unknown state; the server rolls back what it did not commit.
                self.session = None;
                if !self.counters.failing.swap(true, Ordering::Relaxed) {
                    tracing::error!(error = %failure.error, "a write failed and was not acknowledged");
                }
                finish(jobs, &Err(failure));
            }
        }
    }

    /// The index follows the feed in a thread of its own.
    fn catch_up(&mut self) {}

    /// After a failure, tries whether writes work again.
    fn look_around(&mut self) {
        if self.counters.failing.load(Ordering::Relaxed) {
            self.session = None;
            if self.begin().is_ok_and(|(session, _)| session.batch("ROLLBACK").is_ok())
                && self.counters.failing.swap(false, Ordering::Relaxed)
            {
                tracing::warn!("writes succeed again");
            }
        }
    }

    fn keep_up(&mut self) {}

    fn has_more(&self) -> bool {
        false
    }

    fn leave(&mut self) {
        self.session = None;
        self.acknowledgements = None;
    }
}

impl PostgresWriter {
    /// A caller who changed nothing was told what others have changed, such as that a key is gone. It relies on that as
    /// on an answer to its own change, above all when it repeats a change whose outcome was unknown: so it waits too.
    fn reply(&mut self, jobs: Vec<Box<dyn Job>>, told: &Told) {
        if told.at.rev == 0 {
            return finish(jobs, &Ok(()));
        }
        // Not only a newer one: a server that was replaced may have lost some, and then uses their numbers again.
        if told.takes != self.takes.0 {
            self.takes = (told.takes, Moment::now());
        }
        let (takes, takes_since) = self.takes;
        let since = if told.at == takes { takes_since } else { Moment::now() };
        let waiting = Waiting { jobs, at: told.at, takes: takes.rev, takes_since, since, longest: None };
        let sent = match &self.acknowledgements {
            Some(queue) => queue.send(waiting).map_err(|unsent| unsent.0),
            None => Err(waiting),
        };
        if let Err(unsent) = sent {
            let error = Error::unavailable("the thread that waits for the nodes has stopped");
            finish(unsent.jobs, &Err(FailedCommit { error, is_unknown: true }));
        }
    }
}

fn finish(jobs: Vec<Box<dyn Job>>, outcome: &Result<(), FailedCommit>) {
    for job in jobs {
        job.finish(outcome.clone().map_err(|failure| match failure.is_unknown {
            true => Error::outcome_unknown(failure.error.cause.unwrap_or_default()),
            false => failure.error,
        }));
    }
}
