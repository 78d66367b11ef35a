//! Requests that must take effect only once. They are remembered for a day.

use std::time::Duration;

use crate::auth::by::By;
use crate::error::{Error, Result};
use crate::model::time::SKEW;
use crate::model::{KeyId, Submission};
use crate::store::Tx;

const SUBMISSION_RETENTION: Duration = Duration::from_secs(24 * 3600);
/// Old requests removed with each new one; few, so that no transaction is long.
const PRUNED_AT_ONCE: i64 = 256;

/// The key that this submission created before, if any.
pub(super) fn earlier(tx: &Tx<'_>, by: &By, submission: Option<&Submission>) -> Result<Option<KeyId>> {
    let Some(submission) = submission else { return Ok(None) };
    let oldest = by.at.minus(SUBMISSION_RETENTION);
    tx.delete_old_submission(&submission.token, oldest)?;
    tx.delete_old_submissions(oldest, PRUNED_AT_ONCE)?;
    // A request that was remembered while the clock was far ahead is kept for a day from now.
    tx.clamp_submissions(by.at, by.at.plus(SKEW))?;
    match tx.submission(&submission.token)? {
        Some(found) if found.body.as_bytes() != submission.body.as_bytes() => {
            Err(Error::conflict("This Idempotency-Key was used for another request. Use a new one."))
        }
        found => Ok(found.map(|found| found.key)),
    }
}

pub(super) fn remember(tx: &Tx<'_>, by: &By, submission: Option<&Submission>, key: KeyId) -> Result<()> {
    submission.map_or(Ok(()), |submission| tx.put_submission(submission, key, by.at))
}
