//! Restoring a backup: what was revoked since then stays revoked, as far as the database that is replaced knows it.

use std::path::{Path, PathBuf};

use super::audit;
use super::by::By;
use super::caller::Asking;
use crate::ambient::Clock;
use crate::error::Result;
use crate::model::{Action, Consent, DatabaseAddress, Time};
use crate::store::{Restore, Tx, begin_restore};

/// How many keys that could come back are listed.
const LISTED: usize = 1000;

/// A backup beside the database that it will replace.
pub struct Restoring {
    restore: Restore,
    backup: String,
    /// The time of the backup's newest event.
    as_of: Option<Time>,
    /// Why nobody knows which keys were revoked since the backup, if that is so.
    unknown: Option<String>,
}

/// A key of the backup, which may have been revoked since.
#[derive(Debug, serde::Serialize)]
pub struct RevivedKey {
    pub id: String,
    pub name: String,
    pub hint: String,
    pub owner: String,
    pub created_at: Time,
}

/// What a restore has done.
pub struct Restored {
    /// What the database that was here is called now.
    pub kept: Option<PathBuf>,
    /// Keys of the backup that were revoked since, and stay revoked.
    pub stay_revoked: u64,
    /// Events that only the replaced database has.
    pub lost_events: u64,
    pub as_of: Option<Time>,
}

impl Restoring {
    pub fn begin(
        backup: &Path,
        consent: Consent,
        database: &DatabaseAddress,
        progress: &dyn Fn(u64, u64),
    ) -> Result<Self> {
        let restore = begin_restore(backup, consent, database, progress)?;
        let as_of = restore.tx().time_of_last_event()?;
        let unknown = unknown(&restore)?;
        Ok(Restoring { restore, backup: backup.display().to_string(), as_of, unknown })
    }

    pub fn as_of(&self) -> Option<Time> {
        self.as_of
    }

    /// Why nobody knows which keys were revoked since the backup, if that is so and the backup has keys.
    pub fn unknown(&self) -> Result<Option<&str>> {
        match &self.unknown {
            Some(why) if self.restore.tx().count_lasting_keys()? > 0 => Ok(Some(why)),
            _ => Ok(None),
        }
    }

    /// The oldest keys of the backup, and how many more there are than are listed.
    pub fn live_keys(&self) -> Result<(Vec<RevivedKey>, u64)> {
        let tx = self.restore.tx();
        let keys = tx.keys_after(None, LISTED)?;
        let keys: Vec<_> = keys
            .into_iter()
            .map(|key| RevivedKey {
                id: key.id.to_string(),
                name: key.settings.name.to_string(),
                hint: key.hint,
                owner: key.owner.email.to_string(),
                created_at: key.created_at,
            })
            .collect();
        let more = tx.count_lasting_keys()?.saturating_sub(keys.len() as u64);
        Ok((keys, more))
    }

    /// Replaces the database. Everybody must sign in again, and programs too.
    pub fn finish(self, clock: &dyn Clock) -> Result<Restored> {
        let by = By { origin: Asking::operator().origin, at: clock.now() };
        let (stay_revoked, lost_events) = {
            let tx = self.restore.tx();
            let counts = match self.restore.replaced() {
                Ok(replaced) if self.unknown.is_none() => {
                    let lost = replaced.last_event()?.unwrap_or_default().0 - tx.last_event()?.unwrap_or_default().0;
                    (keep_revoked(&replaced, &tx)?, lost.unsigned_abs())
                }
                _ => (0, 0),
            };
            tx.delete_all_sessions()?;
            tx.delete_all_person_links()?;
            tx.delete_all_tokens()?;
            tx.delete_old_setup_links(0)?;
            audit::append(&tx, &by, Action::DatabaseRestored, None, self.label())?;
            counts
        };
        let kept = self.restore.finish(by.at)?;
        Ok(Restored { kept, stay_revoked, lost_events, as_of: self.as_of })
    }

    fn label(&self) -> String {
        match self.as_of {
            Some(at) => format!("from {}, as of {at}", self.backup),
            None => format!("from {}", self.backup),
        }
    }
}

fn unknown(restore: &Restore) -> Result<Option<String>> {
    let replaced = match restore.replaced() {
        Err(why) => return Ok(Some(why.to_owned())),
        Ok(replaced) => replaced,
    };
    let new = restore.tx();
    if replaced.installation()? != new.installation()? {
        return Ok(Some("the database here is another one".to_owned()));
    }
    let continues = match new.last_event()? {
        Some((seq, chain)) => replaced.chain_of_event(seq)? == Some(chain),
        None => true,
    };
    Ok((!continues).then(|| "the database here does not continue the backup".to_owned()))
}

fn keep_revoked(replaced: &Tx<'_>, new: &Tx<'_>) -> Result<u64> {
    let mut stay = 0;
    replaced.each_tombstone(|digest, revoked_at| {
        stay += u64::from(new.delete_key_with_digest(digest)?);
        new.put_tombstone(digest, revoked_at)
    })?;
    Ok(stay)
}
