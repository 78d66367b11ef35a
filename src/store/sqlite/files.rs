//! The names of files beside the database, and helpers for all of them. `companions` opens them.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result};

/// `keybearer.db` + `-lock` = `keybearer.db-lock`.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

pub(super) fn trouble(path: &Path, what: &str, error: impl std::fmt::Display) -> Error {
    Error::new(Kind::Unavailable, format!("{} {what}: {error}", path.display()))
}

/// Like [`trouble`], for a file or folder that the user of this process may lack the right to use.
pub(super) fn refused(path: &Path, what: &str, error: &io::Error) -> Error {
    match error.kind() {
        ErrorKind::PermissionDenied => Error::new(
            Kind::Unavailable,
            format!(
                "{} {what}: {error}. Run keybearer as the user who owns the database and its folder (for example, sudo -u \
                 keybearer keybearer …).",
                path.display()
            ),
        ),
        _ => trouble(path, what, error),
    }
}

/// Whether there is a file; an error if the folder cannot be searched.
pub(in crate::store) fn exists(path: &Path) -> Result<bool> {
    path.try_exists().map_err(|error| refused(path, "cannot be reached", &error))
}

/// Makes a new or renamed file's directory entry durable.
pub(super) fn sync_directory_of(path: &Path) -> Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)
        .and_then(|handle| handle.sync_all())
        .map_err(|error| trouble(directory, "cannot be synced", error))
}
