//! Rotates a key. One transaction creates the new key and revokes the old one or sets its expiry, so that there is
//! always a key, and the old one never stays valid for longer than intended. Only if the new key could get lost on its
//! way to its owner are there two transactions; the second one ends the old key.

use super::revoke::{revoke, unless_missing};
use super::{Created, Made, create, find, log, may_own, submission};
use crate::auth::by::By;
use crate::auth::caller::Asking;
use crate::auth::{Auth, Caller, Urgency};
use crate::error::Result;
use crate::model::event_detail::time_or_null;
use crate::model::rotation::{Handover, SuccessorLife, may_rotate};
use crate::model::{
    Action, Basis, Digest, EventDetail, Expiry, KeyId, KeyPrefix, KeyRecord, KeySettings, Overlap, PlainKey, Reach,
    Replacement, Silence, Submission,
};
use crate::store::{KeyRow, Tx};

/// A request for a rotation, already parsed.
#[derive(Debug, Clone)]
pub struct Rotation {
    pub key: KeyId,
    /// How long the old key stays valid.
    pub overlap: Overlap,
    /// Revokes the old key before that, once it has not been used for this long.
    pub silence: Option<Silence>,
    pub handover: Handover,
    /// When the new key expires; `None` means after the lifetime that the old one was created with.
    pub expiry: Option<Expiry>,
    /// The version of the key that the caller saw.
    pub seen: Basis,
    /// Identifies this request, so that repeating it rotates once.
    pub submission: Option<Submission>,
}

/// The properties that the new key does not inherit.
struct NewKey {
    id: KeyId,
    digest: Digest,
    prefix: KeyPrefix,
    hint: String,
}

/// The caller gets a key that can do what the old one can, so the caller must be able to grant that.
fn rotate(tx: &Tx<'_>, by: &By, caller: &Caller, rotation: &Rotation, new: &NewKey) -> Result<Created> {
    if let Some(id) = submission::earlier(tx, by, rotation.submission.as_ref())? {
        return Ok(Created::Before(id));
    }
    let before = find(tx, rotation.key, caller.reach())?;
    may_rotate(&before)?;
    rotation.seen.must_hold(|| before.version(), "key")?;
    caller.may_grant(&before.settings.scopes)?;
    let life = match rotation.expiry {
        Some(expiry) => SuccessorLife::until(expiry, by.at),
        None => caller.within_own_end(SuccessorLife::like(&before, by.at)),
    };
    caller.may_copy(&before, life.expiry, &new.prefix)?;
    log_rotated(tx, by, &before, rotation, new)?;
    create::put(tx, &successor(&before, new, life, by))?;
    tx.put_replacement(&Replacement {
        new: new.id,
        old: before.id,
        old_expires_at: before.settings.expires_at,
        silence: rotation.silence.filter(|_| !rotation.overlap.is_none()),
    })?;
    let owner = before.owner.id;
    let replaced =
        EventDetail::default().fact("replaces", before.id.to_string()).fact("replaces_hint", before.hint.clone());
    // If a second transaction is to revoke the old key, that key still counts here.
    let mut spare = 0;
    match rotation.handover {
        Handover::AtOnce => end(tx, by, before, rotation.overlap)?,
        Handover::Later => spare = i64::from(rotation.overlap.is_none()),
    }
    may_own(tx, owner, -spare)?;
    submission::remember(tx, by, rotation.submission.as_ref(), new.id)?;
    let made = find(tx, new.id, Reach::Anyone)?;
    log(tx, by, Action::KeyCreated, &made, EventDetail::granted(&made.settings).and(replaced))?;
    Ok(Created::Now(Box::new(made)))
}

/// `ends_at` is `null` if the old key does not outlive its replacement.
fn log_rotated(tx: &Tx<'_>, by: &By, old: &KeyRecord, rotation: &Rotation, new: &NewKey) -> Result<()> {
    let end = (!rotation.overlap.is_none()).then(|| rotation.overlap.end(old, by.at));
    let detail = EventDetail::default()
        .fact("new_key", new.id.to_string())
        .fact("new_hint", new.hint.clone())
        .fact("ends_at", time_or_null(end));
    log(tx, by, Action::KeyRotated, old, detail)
}

/// The new key shares the old one's allowance, and so do its own successors.
fn successor(before: &KeyRecord, new: &NewKey, life: SuccessorLife, by: &By) -> KeyRow {
    KeyRow {
        id: new.id,
        digest: new.digest,
        owner: before.owner.id,
        prefix: Some(new.prefix.clone()),
        hint: new.hint.clone(),
        settings: KeySettings { expires_at: life.expiry.time(), ..before.settings.clone() },
        enabled: before.enabled,
        created_at: by.at,
        lifetime: life.lifetime,
        limit_bucket: Some(before.limit_bucket.unwrap_or(before.id)),
        is_token: false,
    }
}

fn end(tx: &Tx<'_>, by: &By, old: KeyRecord, overlap: Overlap) -> Result<()> {
    if overlap.is_none() { revoke(tx, by, &old) } else { tx.set_key_expiry(old.id, overlap.end(&old, by.at)) }
}

impl Auth {
    pub async fn rotate_key(&self, asking: &Asking, rotation: Rotation) -> Result<Made> {
        let (old, reach) = (rotation.key, asking.caller.reach());
        let prefix = match self.store.read(move |tx| tx.key(old, reach)).await? {
            Some(record) => self.prefix_of_successor(&record)?,
            // The key was revoked, perhaps when this request was first sent, or never existed. The transaction decides.
            None => self.prefix_of(None)?,
        };
        let key = PlainKey::generate(&prefix, &self.entropy.bytes()?);
        let by = self.by(&asking.origin);
        let id = KeyId::new(by.at, self.entropy.bytes()?);
        let new = NewKey { id, digest: key.digest(), prefix, hint: key.hint() };
        let caller = asking.caller.clone();
        let rotate = move |tx: &Tx<'_>, by: &By| rotate(tx, by, &caller, &rotation, &new);
        Ok(self.act(Urgency::Ordinary, by, rotate).await?.with_text(key))
    }

    /// The second half of a rotation with [`Handover::Later`]. It is not an error if the old key no longer exists.
    pub async fn end_rotated(&self, asking: &Asking, old: KeyId, overlap: Overlap) -> Result<()> {
        let reach = asking.caller.reach();
        let act = move |tx: &Tx<'_>, by: &By| end(tx, by, find(tx, old, reach)?, overlap);
        let ended = self.act(Urgency::Ordinary, self.by(&asking.origin), act).await;
        ended.or_else(unless_missing)
    }

    /// The old key's prefix if it is one of the configured prefixes, otherwise the default.
    fn prefix_of_successor(&self, old: &KeyRecord) -> Result<KeyPrefix> {
        let own = old.prefix.as_deref().and_then(|text| KeyPrefix::parse(text).ok());
        self.prefix_of(own.filter(|prefix| self.prefixes.contains(prefix)))
    }
}
