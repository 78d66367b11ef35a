//! Creating a key.

use super::request::KeyRequest;
use super::{Created, Made, find, log, may_own, submission};
use crate::auth::by::By;
use crate::auth::caller::Asking;
use crate::auth::{Auth, Urgency};
use crate::error::{Error, Result};
use crate::model::{Action, EventDetail, KeyId, PlainKey, Reach, Submission};
use crate::store::{KeyRow, Tx};

fn create(tx: &Tx<'_>, by: &By, row: &KeyRow, request: Option<&Submission>) -> Result<Created> {
    if let Some(id) = submission::earlier(tx, by, request)? {
        return Ok(Created::Before(id));
    }
    may_own(tx, row.owner, 1)?;
    put(tx, row)?;
    submission::remember(tx, by, request, row.id)?;
    let record = find(tx, row.id, Reach::Anyone)?;
    log(tx, by, Action::KeyCreated, &record, EventDetail::granted(&record.settings))?;
    Ok(Created::Now(Box::new(record)))
}

/// Stores a key whose text we generated, so that no other key can have its digest.
pub(in crate::auth) fn put(tx: &Tx<'_>, row: &KeyRow) -> Result<()> {
    if tx.put_key(row)? { Ok(()) } else { Err(Error::internal("a fresh key collides with a stored one")) }
}

impl Auth {
    /// The key is durable and in force before this returns.
    pub async fn create_key(&self, asking: &Asking, request: KeyRequest) -> Result<Made> {
        if let Reach::Own(user) = asking.caller.reach()
            && user != request.owner
        {
            return Err(Error::forbidden("Only an admin can create a key for someone else."));
        }
        asking.caller.may_grant(&request.settings.scopes)?;
        let request = asking.caller.bound(request)?;
        let prefix = self.prefix_of(request.prefix)?;
        let key = PlainKey::generate(&prefix, &self.entropy.bytes()?);
        let by = self.by(&asking.origin);
        let row = KeyRow {
            id: KeyId::new(by.at, self.entropy.bytes()?),
            digest: key.digest(),
            owner: request.owner,
            prefix: Some(prefix),
            hint: key.hint(),
            enabled: true,
            created_at: by.at,
            lifetime: request.settings.lifetime(by.at),
            limit_bucket: None,
            is_token: false,
            settings: request.settings,
        };
        let submission = request.submission;
        let create = move |tx: &Tx<'_>, by: &By| create(tx, by, &row, submission.as_ref());
        Ok(self.act(Urgency::Ordinary, by, create).await?.with_text(key))
    }
}
