//! `submissions`: completed requests that may be sent again. They are stored as digests, never with the key.

use crate::error::Result;
use crate::model::{Digest, KeyId, Submission, Time};
use crate::store::Tx;

/// An earlier request with the same token.
#[derive(Debug)]
pub struct Remembered {
    pub body: Digest,
    /// The key that it created.
    pub key: KeyId,
}

impl Tx<'_> {
    pub fn submission(&self, token: &Digest) -> Result<Option<Remembered>> {
        let text = "SELECT body, key_id FROM submissions WHERE digest = ?1";
        self.row(text, [token.as_bytes()], |row| {
            Ok(Remembered { body: Digest::from_bytes(row.get(0)?), key: KeyId::from_bytes(row.get(1)?) })
        })
    }

    pub fn put_submission(&self, submission: &Submission, key: KeyId, now: Time) -> Result<()> {
        let text = "INSERT INTO submissions (digest, body, key_id, created_at) VALUES (?1, ?2, ?3, ?4)";
        let digests = (submission.token.as_bytes(), submission.body.as_bytes());
        self.execute(text, (digests.0, digests.1, key.as_bytes(), now.millis())).map(drop)
    }

    /// Deletes this submission if it is older than `oldest`.
    pub fn delete_old_submission(&self, token: &Digest, oldest: Time) -> Result<()> {
        let text = "DELETE FROM submissions WHERE digest = ?1 AND created_at < ?2";
        self.execute(text, (token.as_bytes(), oldest.millis())).map(drop)
    }

    /// Deletes up to `limit` submissions that are older than `oldest`.
    pub fn delete_old_submissions(&self, oldest: Time, limit: i64) -> Result<()> {
        let text =
            "DELETE FROM submissions WHERE digest IN (SELECT digest FROM submissions WHERE created_at < ?1 LIMIT ?2)";
        self.execute(text, (oldest.millis(), limit)).map(drop)
    }

    /// Sets the time of submissions that were created after `latest` to `now`.
    pub fn clamp_submissions(&self, now: Time, latest: Time) -> Result<()> {
        let text = "UPDATE submissions SET created_at = ?1 WHERE created_at > ?2";
        self.execute(text, (now.millis(), latest.millis())).map(drop)
    }
}
