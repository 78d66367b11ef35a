//! Creates a new database where there is none.

use std::path::Path;

use super::announce::Announcement;
use super::draft::Draft;
use super::files::beside;
use super::lineage;
use super::reserve::Reserve;
use crate::error::{Error, Result};

/// If two processes create it, one wins.
pub(super) fn create(path: &Path) -> Result<()> {
    refuse_a_lost_one(path)?;
    Draft::begin(path)?.finish()?;
    // The reserve is filled for commands too, because a server may never use this database.
    Reserve::beside(path).fill();
    Ok(())
}

/// Refuses to create a database where one was moved or deleted, because it would look as if all keys were gone.
pub(super) fn refuse_a_lost_one(path: &Path) -> Result<()> {
    let was_here = |file: &str| {
        Err(Error::conflict(format!(
            "{} is missing but {file} exists: the database was moved or deleted. Restore it or, to create a new \
             one, remove {file}.",
            path.display(),
        )))
    };
    for suffix in ["-wal", "-shm"] {
        let file = beside(path, suffix);
        if file.exists() {
            return was_here(&file.display().to_string());
        }
    }
    match Announcement::peek(path)? {
        Some(history) if lineage::newest(&history).is_some() => was_here(&beside(path, "-rev").display().to_string()),
        _ => Ok(()),
    }
}
