//! Failed log-ins in a row, by bucket, kept over restarts. How they are counted is for the caller to say.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension};

use super::Store;
use super::rows::{Salvage, changed, sql};
use crate::error::Result;
use crate::model::{Digest, Origin, Time};

/// A bucket without a failure for this long is forgotten.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// Strangers' invented e-mails cannot grow the table beyond this; the oldest go first.
const MOST: i64 = 200_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failures {
    pub count: u32,
    /// Never in the future, so that no clock that was wrong once makes a wait longer than it is.
    pub last_at: Time,
}

/// What a success does to the buckets in which its try was counted.
#[derive(Debug, Clone, Default)]
pub struct Cleared {
    pub forgotten: Vec<Digest>,
    /// By so much less than was counted.
    pub taken_back: Vec<(Digest, u32)>,
}

impl Store {
    /// What the buckets hold; `None` if the clock was set back since, which only [`begin_login`](Self::begin_login)
    /// puts right.
    pub async fn login_failures(&self, buckets: Vec<Digest>, now: Time) -> Result<Option<Vec<Failures>>> {
        self.read(move |db| {
            let failures = buckets.iter().map(|bucket| read(db, bucket, now)).collect::<Result<Vec<_>>>()?;
            Ok(Some(failures).filter(|failures| failures.iter().all(|failures| failures.last_at <= now)))
        })
        .await
    }

    /// Counts one try in each bucket before its password is checked, unless `judge` (given what they hold) says to
    /// wait; else it says what they hold then. Judged and counted in one step: parallel tries cannot slip through.
    /// Returns what they held before, or the wait.
    pub async fn begin_login(
        &self,
        buckets: Vec<Digest>,
        now: Time,
        judge: impl Fn(&[Failures]) -> std::result::Result<Vec<u32>, Duration> + Send + 'static,
    ) -> Result<std::result::Result<Vec<Failures>, Duration>> {
        self.maintain(move |db| {
            prune(db, now)?;
            let failures = buckets.iter().map(|bucket| read(db, bucket, now)).collect::<Result<Vec<_>>>()?;
            let counts = match judge(&failures) {
                Ok(counts) => counts,
                Err(wait) => return Ok(Err(wait)),
            };
            for (bucket, count) in buckets.iter().zip(counts) {
                changed(
                    db,
                    "INSERT INTO login_throttle (bucket, failures, last_at) VALUES (?1, ?2, ?3)
                     ON CONFLICT (bucket) DO UPDATE SET failures = excluded.failures, last_at = excluded.last_at",
                    (bucket.as_bytes(), count, now.millis()),
                )?;
            }
            Ok(Ok(failures))
        })
        .await
    }

    /// For somebody who proved once more who they are.
    pub async fn clear_failures(&self, cleared: Cleared, now: Time, origin: Origin) -> Result<()> {
        self.write(origin, now, move |db, _| clear(db, &cleared)).await
    }
}

pub(super) fn clear(db: &Connection, cleared: &Cleared) -> Result<()> {
    for bucket in &cleared.forgotten {
        changed(db, "DELETE FROM login_throttle WHERE bucket = ?1", [bucket.as_bytes()])?;
    }
    for (bucket, count) in &cleared.taken_back {
        let sql_text = "UPDATE login_throttle SET failures = max(failures - ?2, 0) WHERE bucket = ?1";
        changed(db, sql_text, (bucket.as_bytes(), count))?;
    }
    Ok(())
}

fn read(db: &Connection, bucket: &Digest, now: Time) -> Result<Failures> {
    let mut query = db.prepare_cached("SELECT failures, last_at FROM login_throttle WHERE bucket = ?1").map_err(sql)?;
    let found = query
        .query_row([bucket.as_bytes()], |row| {
            Ok(Failures { count: row.get(0)?, last_at: Salvage::of(row).time("last_at", 1) })
        })
        .optional()
        .map_err(sql)?;
    Ok(found.filter(|failures| now.since(failures.last_at) < KEPT).unwrap_or(Failures { count: 0, last_at: now }))
}

fn prune(db: &Connection, now: Time) -> Result<()> {
    // Counted by a clock that was ahead: from now on they wait and age like those counted now.
    changed(db, "UPDATE login_throttle SET last_at = ?1 WHERE last_at > ?1", [now.millis()])?;
    changed(db, "DELETE FROM login_throttle WHERE last_at < ?1", [now.minus(KEPT).millis()])?;
    let count: i64 = db
        .prepare_cached("SELECT count(*) FROM (SELECT 1 FROM login_throttle LIMIT ?1)")
        .and_then(|mut query| query.query_row([MOST + 1], |row| row.get(0)))
        .map_err(sql)?;
    if count > MOST {
        changed(
            db,
            "DELETE FROM login_throttle WHERE bucket IN (SELECT bucket FROM login_throttle ORDER BY last_at LIMIT 1000)",
            [],
        )?;
    }
    Ok(())
}
