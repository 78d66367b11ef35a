//! Creates a new database where there is none.

use std::fs;
use std::path::Path;

use rusqlite::OpenFlags;

use super::announce::Announcement;
use super::files::{beside, sync_directory_of, trouble};
use super::reserve::Reserve;
use super::{companions, connection, lineage, schema};
use crate::error::{Error, Result};

/// Creates the database under another name and links it into place when it is complete. A crash leaves no partial
/// database, and if two processes create it, one wins.
pub(super) fn create(path: &Path) -> Result<()> {
    refuse_a_lost_one(path)?;
    let draft = beside(path, &format!("-new-{}", std::process::id()));
    let _ = fs::remove_file(&draft); // left by a crashed process with the same pid
    companions::open(path, &draft)?;
    let made = (|| {
        let mut db = connection::connect(&draft, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        db.pragma_update(None, "journal_mode", "WAL").map_err(|error| connection::at(path, error))?;
        schema::migrate(&mut db, &draft)?;
        db.close().map_err(|(_, error)| connection::at(path, error))?;
        fs::File::open(&draft)
            .and_then(|file| file.sync_all())
            .map_err(|error| trouble(path, "cannot be written", error))?;
        match fs::hard_link(&draft, path) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                Err(trouble(path, "cannot be created", error))
            }
            _ => sync_directory_of(path),
        }
    })();
    if made.is_ok() {
        // The reserve is filled for commands too, because a server may never use this database.
        Reserve::beside(path).fill();
    }
    for leftover in ["", "-wal", "-shm"].map(|suffix| beside(&draft, suffix)) {
        let _ = fs::remove_file(leftover); // the link at `path` is what counts
    }
    made
}

/// Refuses to create a database where one was moved or deleted, because it would look as if all keys were gone.
fn refuse_a_lost_one(path: &Path) -> Result<()> {
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
