//! A database that is being made. It has another name until it is complete, and is then linked into place: a crash
//! leaves no partial database.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::files::{beside, sync_directory_of, trouble};
use super::reserve::Reserve;
use super::{companions, connection, schema, signing, statement};
use crate::error::{Error, Result};
use crate::model::signing::Keyring;

pub struct Draft {
    path: PathBuf,
    file: PathBuf,
    /// `None` once it is closed.
    db: Option<Connection>,
    /// The file with signing keys that goes beside the database.
    signing: Option<PathBuf>,
}

impl Draft {
    /// An empty file.
    pub(super) fn empty(path: &Path) -> Result<Self> {
        companions::remove_abandoned(path)?;
        let file = beside(path, &format!("-unfinished-{}", std::process::id()));
        let _ = fs::remove_file(&file); // left by a crashed process with the same pid
        companions::open(path, &file)?;
        let mut draft = Draft { path: path.to_owned(), file, db: None, signing: None };
        let db = connection::connect(&draft.file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        // After a crash the draft is worth nothing, so it needs neither a log nor syncs before it is complete.
        for (pragma, value) in [("journal_mode", "OFF"), ("synchronous", "OFF")] {
            db.pragma_update(None, pragma, value).map_err(|error| connection::at(path, error))?;
        }
        draft.db = Some(db);
        Ok(draft)
    }

    /// A database with all tables and no rows.
    pub(super) fn begin(path: &Path) -> Result<Self> {
        let mut draft = Draft::empty(path)?;
        let file = draft.file.clone();
        schema::migrate(draft.db_mut(), &file)?;
        Ok(draft)
    }

    /// Everything up to `finish_copy` is one transaction.
    pub(super) fn begin_copy(path: &Path) -> Result<Self> {
        let draft = Draft::begin(path)?;
        statement::keep_many_pages(draft.db(), true)?;
        draft.batch("BEGIN IMMEDIATE")?;
        Ok(draft)
    }

    pub(in crate::store) fn db(&self) -> &Connection {
        self.db.as_ref().expect("it is open until it is finished")
    }

    pub(super) fn db_mut(&mut self) -> &mut Connection {
        self.db.as_mut().expect("it is open until it is finished")
    }

    /// The name that it has until it is finished.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    pub(in crate::store) fn keep_signing_keys(&mut self, ring: &Keyring) -> Result<()> {
        self.signing = Some(signing::draft(&self.path, ring)?);
        Ok(())
    }

    /// The signing keys come first: without the database they have no effect.
    pub(in crate::store) fn finish_copy(mut self) -> Result<()> {
        self.batch("COMMIT")?;
        let signing = beside(&self.path, "-signing");
        let kept = self.signing.take();
        if let Some(file) = &kept {
            fs::rename(file, &signing).map_err(|error| trouble(&signing, "cannot be created", error))?;
        }
        let path = self.path.clone();
        match self.finish() {
            Ok(true) => {
                Reserve::beside(&path).fill();
                Ok(())
            }
            finished => {
                if kept.is_some() {
                    let _ = fs::remove_file(&signing); // the error that is reported matters more
                }
                finished.and(Err(exists(&path)))
            }
        }
    }

    /// Makes the file complete and durable, under the name that it has.
    pub(super) fn complete(&mut self) -> Result<()> {
        if let Some(db) = self.db.take() {
            db.pragma_update(None, "journal_mode", "WAL").map_err(|error| connection::at(&self.path, error))?;
            db.close().map_err(|(_, error)| connection::at(&self.path, error))?;
        }
        fs::File::open(&self.file)
            .and_then(|file| file.sync_all())
            .map_err(|error| trouble(&self.path, "cannot be written", error))
    }

    /// Completes it and puts it in its place. False if another process was first.
    pub(super) fn finish(mut self) -> Result<bool> {
        self.complete()?;
        let path = self.path.clone();
        let is_first = match fs::hard_link(&self.file, &path) {
            Ok(()) => true,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => false,
            // A backup can be on a file system without links.
            Err(error) if [ErrorKind::PermissionDenied, ErrorKind::Unsupported].contains(&error.kind()) => {
                let is_first = fs::symlink_metadata(&path).is_err();
                if is_first {
                    fs::rename(&self.file, &path).map_err(|error| trouble(&path, "cannot be created", error))?;
                }
                is_first
            }
            Err(error) => return Err(trouble(&path, "cannot be created", error)),
        };
        sync_directory_of(&path)?;
        Ok(is_first)
    }

    pub(super) fn batch(&self, text: &str) -> Result<()> {
        self.db().execute_batch(text).map_err(|error| connection::at(&self.path, error))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        drop(self.db.take());
        for leftover in ["", "-wal", "-shm", "-journal"].map(|suffix| beside(&self.file, suffix)) {
            let _ = fs::remove_file(leftover); // the link at `path` is what counts
        }
        if let Some(signing) = &self.signing {
            let _ = fs::remove_file(signing); // as above
        }
    }
}

pub(super) fn exists(file: &Path) -> Error {
    Error::conflict(format!("{} already exists. Nothing was changed. Choose a new path.", file.display()))
}
