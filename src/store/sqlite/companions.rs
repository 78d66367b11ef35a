//! The files beside the database. They are opened without following links, must be plain files that belong to us or to
//! the database's owner, and can be read only by their owner.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{OFlags, Uid, fchown};
use rustix::io::Errno;
use rustix::process::{Pid, geteuid, test_kill_process};

use super::files::{refused, trouble};
use crate::error::{Error, Result};

/// The suffixes that follow the database's name.
const SUFFIXES: [&str; 8] = ["-wal", "-shm", "-journal", "-lock", "-import", "-rev", "-signing", "-reserve"];
/// The beginnings of the suffixes of temporary files; more text follows them.
const BEGINNINGS: [&str; 2] = ["-signing-unfinished-", "-unfinished-"];

/// Opens or creates `path`, a companion of `database`, for reading and writing.
pub(super) fn open(database: &Path, path: &Path) -> Result<File> {
    let file = options().create(true).truncate(false).open(path).map_err(|error| cannot_open(path, error))?;
    take(database, path, file)
}

/// Opens a companion for reading; `None` if there is no such file.
pub(super) fn open_existing(database: &Path, path: &Path) -> Result<Option<File>> {
    match options().write(false).open(path) {
        Ok(file) => take(database, path, file).map(Some),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(cannot_open(path, error)),
    }
}

/// Refuses other files in the place of companions. Drafts are checked when they are opened.
pub(super) fn inspect(database: &Path) -> Result<()> {
    for path in existing(database, is_lasting)? {
        let found = fs::symlink_metadata(&path).map_err(|error| trouble(&path, "cannot be reached", error))?;
        refuse_strange(database, &path, &found)?;
    }
    Ok(())
}

/// Restricts the modes of the database and its companions to 0600, with a warning if they were wider, and warns about
/// a folder in which others can replace files.
pub(super) fn narrow_modes(database: &Path) -> Result<()> {
    for file in
        existing(database, |suffix| is_lasting(suffix) || is_passing(suffix))?.into_iter().chain([database.to_owned()])
    {
        let Ok(found) = fs::symlink_metadata(&file) else { continue };
        if found.is_file() && found.mode() & 0o077 != 0 {
            tracing::warn!(
                file = %file.display(),
                mode = format!("{:o}", found.mode() & 0o777),
                "a database file was readable by others; changed its mode to 600"
            );
            fs::set_permissions(&file, Permissions::from_mode(0o600))
                .map_err(|error| trouble(&file, "is readable by others and that cannot be changed", error))?;
        }
    }
    let folder = folder_of(database);
    match fs::metadata(folder) {
        Ok(found) if found.mode() & 0o022 != 0 => tracing::warn!(
            folder = %folder.display(),
            mode = format!("{:o}", found.mode() & 0o7777),
            "other users can write to the database's folder and so replace the database: change its mode to 700"
        ),
        _ => {}
    }
    Ok(())
}

fn folder_of(database: &Path) -> &Path {
    database.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn is_lasting(suffix: &[u8]) -> bool {
    SUFFIXES.iter().any(|known| known.as_bytes() == suffix)
}

fn is_passing(suffix: &[u8]) -> bool {
    BEGINNINGS.iter().any(|known| suffix.starts_with(known.as_bytes()))
}

/// Removes temporary files of processes that were killed.
pub(super) fn remove_abandoned(database: &Path) -> Result<()> {
    for file in existing(database, is_passing)? {
        let suffix =
            file.as_os_str().to_string_lossy().rsplit_once("-unfinished-").map(|(_, suffix)| suffix.to_owned());
        let pid = suffix.and_then(|suffix| suffix.split('-').next()?.parse().ok()).and_then(Pid::from_raw);
        if pid.is_some_and(|pid| test_kill_process(pid) == Err(Errno::SRCH)) {
            fs::remove_file(&file).map_err(|error| trouble(&file, "cannot be removed", error))?;
        }
    }
    Ok(())
}

fn existing(database: &Path, is_sought: impl Fn(&[u8]) -> bool) -> Result<Vec<PathBuf>> {
    let (folder, name) = (folder_of(database), database.file_name().unwrap_or_default().as_encoded_bytes());
    let unreadable = |error: io::Error| refused(folder, "cannot be read", &error);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?.file_name();
        let Some(suffix) = entry.as_encoded_bytes().strip_prefix(name) else { continue };
        if is_sought(suffix) {
            found.push(folder.join(entry));
        }
    }
    Ok(found)
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    // NONBLOCK, because opening a pipe must not wait for its other end.
    options.read(true).write(true).mode(0o600).custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32);
    options
}

fn cannot_open(path: &Path, error: io::Error) -> Error {
    // The system's error does not say that it refused to follow a link.
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_symlink() => strange(path, "a symbolic link"),
        _ => refused(path, "cannot be opened", &error),
    }
}

fn take(database: &Path, path: &Path, file: File) -> Result<File> {
    let found = file.metadata().map_err(|error| trouble(path, "cannot be read", error))?;
    refuse_strange(database, path, &found)?;
    let owner = owner_of(database);
    if found.uid() != owner && geteuid().is_root() {
        // If root's command created it, the server, which runs as the database's owner, must be able to open it.
        fchown(&file, Some(Uid::from_raw(owner)), None)
            .map_err(|error| trouble(path, "cannot be given to the database's owner", error))?;
    }
    Ok(file)
}

/// The owner of the database; our own user if there is no database yet.
fn owner_of(database: &Path) -> u32 {
    fs::symlink_metadata(database).map_or_else(|_| geteuid().as_raw(), |found| found.uid())
}

fn refuse_strange(database: &Path, path: &Path, found: &Metadata) -> Result<()> {
    if found.file_type().is_symlink() {
        return Err(strange(path, "a symbolic link"));
    }
    if !found.is_file() {
        return Err(strange(path, "not a plain file"));
    }
    if found.uid() != geteuid().as_raw() && found.uid() != owner_of(database) {
        return Err(Error::conflict(format!(
            "{} belongs to another user (uid {}). Nothing was changed. Give it and all other files that begin with the \
             database's name to the owner of the database (chown {}), then try again.",
            path.display(),
            found.uid(),
            owner_of(database)
        )));
    }
    Ok(())
}

/// The error for a file at `path` that is not what keybearer stores there.
pub(super) fn strange(path: &Path, what: &str) -> Error {
    Error::conflict(format!(
        "{} is {what}, so keybearer does not use it. Nothing was changed. Move it away, then try again.",
        path.display()
    ))
}
