//! Requests that must have their effect once: a reloaded form, a repeated `Idempotency-Key`.
//! Remembered by digest, with the digest of their body, for a day; never the key that was shown.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension};

use super::rows::{changed, sql};
use crate::error::{Error, Result};
use crate::model::time::SKEW;
use crate::model::{Digest, KeyId, Time};

const KEPT: Duration = Duration::from_secs(24 * 3600);
/// With each new one, so that no transaction is long.
const PRUNED_AT_ONCE: i64 = 256;

#[derive(Debug, Clone, Copy)]
pub struct Submission {
    /// Of the caller and the token that names the request.
    pub token: Digest,
    pub body: Digest,
}

/// The key that this submission made before, if it did.
pub(super) fn earlier(db: &Connection, submission: &Submission, now: Time) -> Result<Option<KeyId>> {
    let oldest = now.minus(KEPT).millis();
    let old = "DELETE FROM submissions WHERE digest = ?1 AND created_at < ?2";
    changed(db, old, (submission.token.as_bytes(), oldest))?;
    let others =
        "DELETE FROM submissions WHERE digest IN (SELECT digest FROM submissions WHERE created_at < ?1 LIMIT ?2)";
    changed(db, others, (oldest, PRUNED_AT_ONCE))?;
    // Remembered by a clock far ahead: for a day from now, not from then.
    let sql_text = "UPDATE submissions SET created_at = ?1 WHERE created_at > ?2";
    changed(db, sql_text, (now.millis(), now.plus(SKEW).millis()))?;
    let mut query = db.prepare_cached("SELECT body, key_id FROM submissions WHERE digest = ?1").map_err(sql)?;
    let found: Option<([u8; 32], [u8; 16])> =
        query.query_row([submission.token.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?))).optional().map_err(sql)?;
    match found {
        Some((body, _)) if body != *submission.body.as_bytes() => {
            Err(Error::conflict("This Idempotency-Key was used for another request. Use a new one."))
        }
        Some((_, key)) => Ok(Some(KeyId::from_bytes(key))),
        None => Ok(None),
    }
}

pub(super) fn remember(db: &Connection, submission: &Submission, key: KeyId, now: Time) -> Result<()> {
    let sql_text = "INSERT INTO submissions (digest, body, key_id, created_at) VALUES (?1, ?2, ?3, ?4)";
    changed(db, sql_text, (submission.token.as_bytes(), submission.body.as_bytes(), key.as_bytes(), now.millis()))
        .map(drop)
}
