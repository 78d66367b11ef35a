//! `login_throttle`: consecutive failed sign-ins per bucket. `auth` decides what a bucket is and how long the wait is.

use crate::error::Result;
use crate::model::{Digest, Time};
use crate::store::Tx;
use crate::store::columns::Salvage;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failures {
    pub count: u32,
    pub last_at: Time,
}

impl Tx<'_> {
    pub fn failures(&self, bucket: &Digest) -> Result<Option<Failures>> {
        let text = "SELECT failures, last_at FROM login_throttle WHERE bucket = ?1";
        self.row(text, [bucket.as_bytes()], |row| {
            Ok(Failures { count: row.get(0)?, last_at: Salvage::of(row).time("last_at", 1) })
        })
    }

    pub fn put_failures(&self, bucket: &Digest, failures: Failures) -> Result<()> {
        self.execute(
            "INSERT INTO login_throttle (bucket, failures, last_at) VALUES (?1, ?2, ?3)
             ON CONFLICT (bucket) DO UPDATE SET failures = excluded.failures, last_at = excluded.last_at",
            (bucket.as_bytes(), failures.count, failures.last_at.millis()),
        )
        .map(drop)
    }

    pub fn delete_failures(&self, bucket: &Digest) -> Result<()> {
        self.execute("DELETE FROM login_throttle WHERE bucket = ?1", [bucket.as_bytes()]).map(drop)
    }

    /// Subtracts failures, but not below zero.
    pub fn subtract_failures(&self, bucket: &Digest, count: u32) -> Result<()> {
        let text = "UPDATE login_throttle SET failures = CASE WHEN failures > ?2 THEN failures - ?2 ELSE 0 END WHERE bucket = ?1";
        self.execute(text, (bucket.as_bytes(), count)).map(drop)
    }

    /// Sets the time of failures that are dated in the future to `now`.
    pub fn clamp_failures(&self, now: Time) -> Result<()> {
        self.execute("UPDATE login_throttle SET last_at = ?1 WHERE last_at > ?1", [now.millis()]).map(drop)
    }

    pub fn delete_failures_before(&self, oldest: Time) -> Result<()> {
        self.execute("DELETE FROM login_throttle WHERE last_at < ?1", [oldest.millis()]).map(drop)
    }

    /// Whether there are more than `number` buckets.
    pub fn has_more_buckets_than(&self, number: i64) -> Result<bool> {
        let text = "SELECT count(*) FROM (SELECT 1 FROM login_throttle LIMIT ?1) AS found";
        self.one(text, [number + 1], |row| row.get::<i64>(0)).map(|count| count > number)
    }

    pub fn delete_oldest_failures(&self, number: i64) -> Result<()> {
        let text =
            "DELETE FROM login_throttle WHERE bucket IN (SELECT bucket FROM login_throttle ORDER BY last_at LIMIT ?1)";
        self.execute(text, [number]).map(drop)
    }
}
