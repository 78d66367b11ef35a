//! Rotating a key: the new one is made and the old one is revoked, or given its end, in one
//! transaction, so that there is never none and never two without an end. Only where the new key could get
//! lost on its way are they two, the old one's end last.

use rusqlite::Connection;

use super::Store;
use super::keys::{self, Created, Reach, log, record, revoke};
use super::rows::{changed, sql};
use super::submissions::{self, Submission};
use crate::error::{Error, Result};
use crate::model::rotation::{Handover, Overlap, SuccessorLife, may_rotate};
use crate::model::{Action, Digest, KeyId, KeyRecord, Origin, Time};

/// What a new key has of its own; all else is the old one's.
#[derive(Debug, Clone)]
pub struct Successor {
    pub id: KeyId,
    pub digest: Digest,
    pub prefix: String,
    pub hint: String,
    /// How long the old one goes on.
    pub overlap: Overlap,
    pub handover: Handover,
    pub submission: Option<Submission>,
}

impl Store {
    /// `judge` decides on the old key as it is inside the transaction, and on the new one's end.
    pub async fn rotate_key(
        &self,
        old: KeyId,
        reach: Reach,
        new: Successor,
        judge: impl Fn(&KeyRecord) -> Result<SuccessorLife> + Send + 'static,
        now: Time,
        origin: Origin,
    ) -> Result<Created> {
        self.write(origin, now, move |db, origin| {
            if let Some(submission) = &new.submission
                && let Some(id) = submissions::earlier(db, submission, now)?
            {
                return Ok(Created::Before(id));
            }
            let before = record(db, old, reach)?;
            may_rotate(&before)?;
            let life = judge(&before)?;
            log(db, Action::KeyRotated, &before, now, origin)?;
            let owner = before.owner.id;
            copy(db, &before, &new, life, now)?;
            // A key that is revoked later makes room later.
            let mut spare = 0;
            match new.handover {
                Handover::AtOnce => end(db, before, new.overlap, now, origin)?,
                Handover::Later => spare = i64::from(new.overlap.is_none()),
            }
            keys::may_own(db, owner, -spare)?;
            if let Some(submission) = &new.submission {
                submissions::remember(db, submission, new.id, now)?;
            }
            let made = record(db, new.id, Reach::Anyone)?;
            log(db, Action::KeyCreated, &made, now, origin)?;
            Ok(Created::Now(Box::new(made)))
        })
        .await
    }

    /// Ends the old key of a rotation whose handover was to be later.
    pub async fn end_rotated(
        &self,
        old: KeyId,
        reach: Reach,
        overlap: Overlap,
        now: Time,
        origin: Origin,
    ) -> Result<()> {
        self.write(origin, now, move |db, origin| end(db, record(db, old, reach)?, overlap, now, origin)).await
    }
}

fn end(db: &Connection, old: KeyRecord, overlap: Overlap, now: Time, origin: &Origin) -> Result<()> {
    if overlap.is_none() {
        return revoke(db, old, now, origin).map(drop);
    }
    let sql_text = "UPDATE keys SET expires_at = ?2 WHERE id = ?1";
    changed(db, sql_text, (old.id.as_bytes(), overlap.end(&old, now).millis())).map(drop)
}

/// The new key uses up the old one's allowance, and so do its own successors.
fn copy(db: &Connection, old: &KeyRecord, new: &Successor, life: SuccessorLife, now: Time) -> Result<()> {
    let copied = db
        .prepare_cached(
            "INSERT INTO keys (id, digest, owner_id, name, prefix, hint, scopes, enabled, created_at, expires_at, allowed_ips, rate_limit, metadata, lifetime, limit_bucket)
             SELECT ?2, ?3, owner_id, name, ?4, ?5, scopes, enabled, ?6, ?7, allowed_ips, rate_limit, metadata, ?8, coalesce(limit_bucket, id) FROM keys WHERE id = ?1",
        )
        .and_then(|mut statement| {
            statement.execute((
                old.id.as_bytes(),
                new.id.as_bytes(),
                new.digest.as_bytes(),
                &new.prefix,
                &new.hint,
                now.millis(),
                life.expiry.time().map(Time::millis),
                life.lifetime.map(|lifetime| lifetime.as_secs() as i64),
            ))
        })
        .map_err(sql)?;
    if copied == 1 { Ok(()) } else { Err(Error::internal("the key to rotate vanished inside its transaction")) }
}
