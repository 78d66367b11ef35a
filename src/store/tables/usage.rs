//! `key_last_use` and `key_hourly_use`: usage counts. Also the pruning of the change feed.

use crate::error::Result;
use crate::model::usage::{Hour, Tally};
use crate::model::{KeyId, foreign_text};
use crate::store::Tx;

impl Tx<'_> {
    /// Returns false if there is no such key.
    pub fn note_last_use(&self, key: KeyId, tally: &Tally) -> Result<bool> {
        let client = &tally.last_client;
        let user_agent = foreign_text::user_agent(&client.user_agent);
        let rows = self.execute(
            "INSERT INTO key_last_use (key_id, at, address, user_agent) SELECT id, ?2, ?3, ?4 FROM keys WHERE id = ?1
             ON CONFLICT (key_id) DO UPDATE SET
                 at = CASE WHEN excluded.at >= key_last_use.at THEN excluded.at ELSE key_last_use.at END,
                 address = CASE WHEN excluded.at >= key_last_use.at THEN excluded.address ELSE key_last_use.address END,
                 user_agent = CASE WHEN excluded.at >= key_last_use.at THEN excluded.user_agent ELSE key_last_use.user_agent END",
            (
                key.as_bytes(),
                tally.last_at.millis(),
                client.address.map(|address| address.to_string()),
                Some(user_agent).filter(|text| !text.is_empty()),
            ),
        )?;
        Ok(rows > 0)
    }

    pub fn add_hourly_use(&self, key: KeyId, hour: Hour, count: u64) -> Result<()> {
        self.execute(
            "INSERT INTO key_hourly_use (key_id, hour, count) VALUES (?1, ?2, ?3)
             ON CONFLICT (key_id, hour) DO UPDATE SET count = key_hourly_use.count + excluded.count",
            (key.as_bytes(), hour.0, count as i64),
        )
        .map(drop)
    }

    /// Deletes up to `limit` counts of hours before `oldest`. Returns how many.
    pub fn delete_hourly_use_before(&self, oldest: Hour, limit: usize) -> Result<usize> {
        let text = "DELETE FROM key_hourly_use WHERE (key_id, hour) IN (SELECT key_id, hour FROM key_hourly_use WHERE hour < ?1 LIMIT ?2)";
        self.execute(text, (oldest.0, limit as i64))
    }

    /// Deletes up to `limit` lines of the change feed, but none of the newest `kept`. Returns how many.
    pub fn delete_old_changes(&self, kept: i64, limit: usize) -> Result<usize> {
        let text = "DELETE FROM changes WHERE rev IN (SELECT rev FROM changes WHERE rev <= (SELECT max(rev) FROM changes) - ?1 ORDER BY rev LIMIT ?2)";
        self.execute(text, (kept, limit as i64))
    }
}
