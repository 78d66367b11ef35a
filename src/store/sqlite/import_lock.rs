//! The lock that allows only one import at a time: it is on a file beside the database and is held while an import is
//! in progress.

use std::fs::{File, TryLockError};

use super::files::{beside, trouble};
use super::{Files, companions};
use crate::error::Result;

/// The lock, which is released when this is dropped.
pub struct FileLock(#[expect(dead_code, reason = "holding the file holds the lock")] File);

impl Files {
    /// `None` while another process is importing.
    pub fn try_lock_import(&self) -> Result<Option<FileLock>> {
        let path = beside(&self.path, "-import");
        let file = companions::open(&self.path, &path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(FileLock(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(trouble(&path, "cannot be locked", error)),
        }
    }
}
