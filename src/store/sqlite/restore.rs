//! Puts a backup in the place of the database. Nothing at that place changes before the new database is complete, and
//! what was there is kept under another name.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::draft::Draft;
use super::reading::{self, ReadOnly};
use super::replaced::Replaced;
use super::reserve::Reserve;
use super::{backup, check, connection, open, schema};
use crate::error::{Error, Result};
use crate::model::{Consent, Time};
use crate::store::Tx;

/// The new database, in a transaction, and the one that it will replace.
pub struct Restore {
    draft: Draft,
    replaced: Replaced,
}

impl Restore {
    /// Copies the backup beside the target. Refuses a damaged backup, and a target that a server is using.
    pub fn begin(from: &Path, consent: Consent, target: &Path, progress: &dyn Fn(u64, u64)) -> Result<Self> {
        let place = open::find(target, consent)?;
        if fs::canonicalize(from).is_ok_and(|from| from == place.path) {
            return Err(Error::conflict(format!("{} is the database itself. Name a backup.", from.display())));
        }
        let replaced = Replaced::hold(&place)?;
        let mut draft = reading::read_backup(from, |path, reading| match reading {
            ReadOnly::ForeignLog(why) => Err(Error::conflict(format!("{why}."))),
            ReadOnly::Opened { accusation: Some(accusation), .. } if !consent.older_database => {
                Err(open::refusal(path, &accusation))
            }
            ReadOnly::Opened { db, is_of_this_version, .. } => {
                let mut draft = Draft::empty(&place.path)?;
                db.execute_batch("BEGIN").map_err(|error| connection::at(path, error))?;
                backup::copy_pages(&db, draft.db_mut(), progress)?;
                must_be_sound(draft.db(), is_of_this_version, path)?;
                Ok(draft)
            }
        })?;
        schema::migrate(draft.db_mut(), &place.path)?;
        draft.batch("BEGIN IMMEDIATE")?;
        Ok(Restore { draft, replaced })
    }

    /// The new database.
    pub fn tx(&self) -> Tx<'_> {
        Tx::from(self.draft.db())
    }

    /// The database that is replaced, under its write lock; or why it does not know what was revoked.
    pub fn replaced(&self) -> std::result::Result<Tx<'_>, &str> {
        self.replaced.db().map(Tx::from)
    }

    /// Replaces the database. Returns what the old one is called now, if there was one.
    pub fn finish(mut self, now: Time) -> Result<Option<PathBuf>> {
        self.draft.batch("COMMIT")?;
        must_be_sound(self.draft.db(), true, self.draft.file())?;
        self.draft.complete()?;
        let path = self.replaced.path().to_owned();
        let kept = self.replaced.replace_with(self.draft.file(), now)?;
        Reserve::beside(&path).fill();
        Ok(kept)
    }
}

fn must_be_sound(db: &Connection, is_of_this_version: bool, path: &Path) -> Result<()> {
    let path = path.display().to_string();
    let lists = format!("Nothing was changed. keybearer check --database {path} lists them. Restore another backup.");
    check::content(db, is_of_this_version)?.must_be_sound(&path, &lists)
}
