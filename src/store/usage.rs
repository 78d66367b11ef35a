//! Usage in the database: journals folded in, old hours removed.

use rusqlite::{Connection, OptionalExtension};

use super::Store;
use super::journal::{Journal, Row};
use super::rows::{changed, sql};
use crate::error::Result;
use crate::model::usage::{Hour, Tally};
use crate::model::{KeyId, foreign_text};

/// Rows removed in one transaction; few, so that a revocation never waits long behind it.
const CHUNK: usize = 256;
/// Lines that the change feed keeps for followers.
const KEPT_CHANGES: i64 = 100_000;

impl Store {
    pub fn usage_journal(&self) -> Journal {
        Journal::beside(&self.path)
    }

    /// How many rows of this journal are in the database already.
    pub async fn folded_rows(&self, journal: i64) -> Result<usize> {
        self.read(move |db| {
            let mut query = db.prepare_cached("SELECT rows FROM usage_folds WHERE journal = ?1").map_err(sql)?;
            let rows: Option<i64> = query.query_row([journal], |row| row.get(0)).optional().map_err(sql)?;
            Ok(rows.unwrap_or(0).unsigned_abs() as usize)
        })
        .await
    }

    /// Adds these rows, and in the same transaction notes how far the journal is folded. Keys that
    /// were revoked since are left out.
    pub async fn fold_usage(&self, journal: i64, folded: usize, rows: Vec<Row>) -> Result<()> {
        self.maintain(move |db| {
            for ((key, hour), tally) in &rows {
                fold(db, key, *hour, tally)?;
            }
            changed(
                db,
                "INSERT INTO usage_folds (journal, rows) VALUES (?1, ?2) ON CONFLICT (journal) DO UPDATE SET rows = excluded.rows",
                (journal, folded as i64),
            )
            .map(drop)
        })
        .await
    }

    pub async fn forget_folds_but(&self, journal: i64) -> Result<()> {
        self.maintain(move |db| changed(db, "DELETE FROM usage_folds WHERE journal <> ?1", [journal]).map(drop)).await
    }

    /// Removes counts of hours before `oldest` and feed lines that no follower needs, some at a time.
    /// Returns whether there may be more.
    pub async fn prune(&self, oldest: Hour) -> Result<bool> {
        self.maintain(move |db| {
            let hours = changed(
                db,
                "DELETE FROM key_hourly_use WHERE (key_id, hour) IN (SELECT key_id, hour FROM key_hourly_use WHERE hour < ?1 LIMIT ?2)",
                (oldest.0, CHUNK as i64),
            )?;
            let lines = changed(
                db,
                "DELETE FROM changes WHERE rev IN (SELECT rev FROM changes WHERE rev <= (SELECT max(rev) FROM changes) - ?1 ORDER BY rev LIMIT ?2)",
                (KEPT_CHANGES, CHUNK as i64),
            )?;
            Ok(hours + lines > 0)
        })
        .await
    }

    /// Uses of one key, by hour, oldest first.
    pub async fn hourly_use(&self, key: KeyId, from: Hour) -> Result<Vec<(Hour, u64)>> {
        self.read(move |db| {
            let mut query = db
                .prepare_cached("SELECT hour, count FROM key_hourly_use WHERE key_id = ?1 AND hour >= ?2 ORDER BY hour")
                .map_err(sql)?;
            let rows = query
                .query_map((key.as_bytes(), from.0), |row| {
                    Ok((Hour(row.get(0)?), row.get::<_, i64>(1)?.unsigned_abs()))
                })
                .map_err(sql)?;
            rows.collect::<rusqlite::Result<_>>().map_err(sql)
        })
        .await
    }
}

fn fold(db: &Connection, key: &KeyId, hour: Hour, tally: &Tally) -> Result<()> {
    let client = &tally.last_client;
    let user_agent = foreign_text::user_agent(&client.user_agent);
    let known = changed(
        db,
        "INSERT INTO key_last_use (key_id, at, address, user_agent) SELECT id, ?2, ?3, ?4 FROM keys WHERE id = ?1
         ON CONFLICT (key_id) DO UPDATE SET at = max(at, excluded.at),
             address = CASE WHEN excluded.at >= at THEN excluded.address ELSE address END,
             user_agent = CASE WHEN excluded.at >= at THEN excluded.user_agent ELSE user_agent END",
        (
            key.as_bytes(),
            tally.last_at.millis(),
            client.address.map(|address| address.to_string()),
            Some(user_agent).filter(|text| !text.is_empty()),
        ),
    )?;
    if known > 0 {
        changed(
            db,
            "INSERT INTO key_hourly_use (key_id, hour, count) VALUES (?1, ?2, ?3)
             ON CONFLICT (key_id, hour) DO UPDATE SET count = count + excluded.count",
            (key.as_bytes(), hour.0, tally.count as i64),
        )?;
    }
    Ok(())
}
