//! Failed log-ins in a row, by bucket, kept over restarts.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension};

use super::Store;
use super::rows::{changed, sql, time};
use crate::error::Result;
use crate::model::{Digest, Origin, Time};

/// A bucket without a failure for this long is forgotten.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// Strangers' invented e-mails cannot grow the table beyond this; the oldest go first.
const MOST: i64 = 200_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failures {
    pub count: u32,
    pub last_at: Time,
}

impl Store {
    /// Counts one try against each bucket before it is judged, unless `judge` (given what is counted
    /// so far) says to wait. Checked and counted in one step: parallel tries cannot slip through.
    pub async fn begin_login(
        &self,
        buckets: Vec<Digest>,
        now: Time,
        judge: impl Fn(&[Failures]) -> Option<Duration> + Send + 'static,
    ) -> Result<Option<Duration>> {
        self.maintain(move |db| {
            let failures = buckets.iter().map(|bucket| read(db, bucket, now)).collect::<Result<Vec<_>>>()?;
            if let Some(wait) = judge(&failures) {
                return Ok(Some(wait));
            }
            prune(db, now)?;
            for (bucket, failures) in buckets.iter().zip(failures) {
                changed(
                    db,
                    "INSERT INTO login_throttle (bucket, failures, last_at) VALUES (?1, ?2, ?3)
                     ON CONFLICT (bucket) DO UPDATE SET failures = excluded.failures, last_at = excluded.last_at",
                    (bucket.as_bytes(), failures.count.saturating_add(1), now.millis()),
                )?;
            }
            Ok(None)
        })
        .await
    }

    /// For somebody who proved once more who they are.
    pub async fn clear_failures(&self, buckets: Vec<Digest>, now: Time, origin: Origin) -> Result<()> {
        self.write(origin, now, move |db, _| clear(db, &buckets)).await
    }
}

/// A success: these buckets start anew.
pub(super) fn clear(db: &Connection, buckets: &[Digest]) -> Result<()> {
    for bucket in buckets {
        changed(db, "DELETE FROM login_throttle WHERE bucket = ?1", [bucket.as_bytes()])?;
    }
    Ok(())
}

fn read(db: &Connection, bucket: &Digest, now: Time) -> Result<Failures> {
    let mut query = db.prepare_cached("SELECT failures, last_at FROM login_throttle WHERE bucket = ?1").map_err(sql)?;
    let found = query
        .query_row([bucket.as_bytes()], |row| Ok(Failures { count: row.get(0)?, last_at: time(row.get(1)?) }))
        .optional()
        .map_err(sql)?;
    Ok(found.filter(|failures| now.since(failures.last_at) < KEPT).unwrap_or(Failures { count: 0, last_at: now }))
}

fn prune(db: &Connection, now: Time) -> Result<()> {
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
