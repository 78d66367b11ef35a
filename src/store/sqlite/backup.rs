//! A backup, made while the database is in use, through SQLite's backup API (sqlite.org/backup). It shows one moment: a
//! read transaction keeps SQLite from starting over whenever somebody writes.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::draft::{self, Draft};
use super::place::Place;
use super::reading::{self, ReadOnly};
use super::statement::sql;
use super::{check, files, open};
use crate::error::{Error, Result};
use crate::model::Consent;
use crate::store::Tx;

/// Pages per step: 4 MiB.
const STEP: i32 = 1024;

/// What is in a backup that was verified.
#[derive(Debug, PartialEq, Eq)]
pub struct BackupReport {
    pub file: PathBuf,
    pub bytes: u64,
    pub users: u64,
    pub keys: u64,
    pub events: u64,
    pub revoked_keys: u64,
}

/// Writes the database to a new file, and checks that before it gets its name. `progress` gets the pages that are done,
/// and all of them.
pub fn back_up(given: &Path, consent: Consent, to: &Path, progress: &dyn Fn(u64, u64)) -> Result<BackupReport> {
    let to = Place::find(to)?.path;
    if to.symlink_metadata().is_ok() {
        return Err(draft::exists(&to));
    }
    let (draft, report) = reading::read(given, consent, |path, reading| match reading {
        ReadOnly::ForeignLog(why) => Err(Error::conflict(format!("{why}."))),
        ReadOnly::Opened { accusation: Some(accusation), .. } if !consent.older_database => {
            Err(open::refusal(path, &accusation))
        }
        ReadOnly::Opened { db, is_of_this_version, .. } => copy(&db, is_of_this_version, &to, progress),
    })?;
    if draft.finish()? { Ok(report) } else { Err(draft::exists(&to)) }
}

fn copy(
    db: &Connection,
    is_of_this_version: bool,
    to: &Path,
    progress: &dyn Fn(u64, u64),
) -> Result<(Draft, BackupReport)> {
    let mut draft = Draft::empty(to)?;
    db.execute_batch("BEGIN").map_err(sql)?;
    let expected = counts(db)?;
    copy_pages(db, draft.db_mut(), progress)?;
    draft.complete()?;
    let copy = reading::still(draft.file())?;
    let instead = "No backup was made. keybearer check lists them.";
    check::content(&copy, is_of_this_version)?.must_be_sound("The database", instead)?;
    if counts(&copy)? != expected {
        return Err(Error::unavailable("the backup has another number of rows than the database"));
    }
    let rows = |table: &str| expected.iter().find(|(name, _)| name == table).map_or(0, |(_, rows)| *rows);
    let bytes = std::fs::metadata(draft.file()).map_err(|error| files::trouble(to, "cannot be read", error))?.len();
    let report = BackupReport {
        file: to.to_owned(),
        bytes,
        users: rows("users"),
        keys: rows("keys"),
        events: rows("events"),
        revoked_keys: rows("tombstones"),
    };
    Ok((draft, report))
}

pub(super) fn copy_pages(from: &Connection, to: &mut Connection, progress: &dyn Fn(u64, u64)) -> Result<()> {
    let backup = Backup::new(from, to).map_err(sql)?;
    loop {
        match backup.step(STEP).map_err(sql)? {
            StepResult::Done => return Ok(()),
            StepResult::More => {
                let found = backup.progress();
                let all = u64::from(found.pagecount.unsigned_abs());
                progress(all.saturating_sub(u64::from(found.remaining.unsigned_abs())), all);
            }
            _ => return Err(Error::unavailable("SQLite: the database is locked")),
        }
    }
}

/// The number of rows of every table.
fn counts(db: &Connection) -> Result<Vec<(String, u64)>> {
    let tx = Tx::from(db);
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
    let names: Vec<String> = tx.rows(tables, (), |row| row.get(0))?;
    let count = |name: String| {
        let rows = tx.one(&format!("SELECT count(*) FROM {name}"), (), |row| row.get::<i64>(0))?;
        Ok((name, rows.unsigned_abs()))
    };
    names.into_iter().map(count).collect()
}
