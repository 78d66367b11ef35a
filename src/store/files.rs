//! The files beside the database: who may read them, which one is ours, and the server's lock.
//! Never opens the database file itself: closing it would drop SQLite's POSIX locks
//! (sqlite.org/howtocorrupt §2.2).

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result};

/// `keybearer.db` + `-lock` = `keybearer.db-lock`.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

/// The path from the root, so that no later change of directory moves it.
pub(super) fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|error| trouble(path, "cannot be resolved", error))
}

pub(super) fn trouble(path: &Path, what: &str, error: impl std::fmt::Display) -> Error {
    Error::new(Kind::Unavailable, format!("{} {what}: {error}", path.display()))
}

/// Opens or creates a file of ours that is nobody else's to read.
pub(super) fn private_file(path: &Path) -> Result<File> {
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    opened.map_err(|error| trouble(path, "cannot be opened", error))
}

/// Narrows the modes of the database and its companions to 0600, with a warning where they were wider.
pub(super) fn narrow_modes(path: &Path) -> Result<()> {
    for file in ["", "-wal", "-shm", "-lock", "-rev", "-signing"].map(|suffix| beside(path, suffix)) {
        let Ok(metadata) = fs::metadata(&file) else { continue };
        if metadata.mode() & 0o077 != 0 {
            tracing::warn!(file = %file.display(), mode = format!("{:o}", metadata.mode() & 0o777), "was readable by others; made it 600");
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600))
                .map_err(|error| trouble(&file, "is readable by others and that cannot be changed", error))?;
        }
    }
    Ok(())
}

/// Makes a new or renamed file's directory entry durable.
pub(super) fn sync_directory_of(path: &Path) -> Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)
        .and_then(|handle| handle.sync_all())
        .map_err(|error| trouble(directory, "cannot be synced", error))
}

/// Which file stands at a path: in WAL mode SQLite does not notice when it is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity([(u64, u64); 2]);

impl Identity {
    /// Device and inode of the database and of its WAL.
    pub fn of(path: &Path) -> Option<Self> {
        Some(Identity([place(path)?, place(&beside(path, "-wal"))?]))
    }
}

/// Device and inode. Nothing but these is asked for: whoever asks for a file's times makes Linux note a
/// finer one at the next write, and a sync then writes the inode besides, which costs a commit half its time.
#[cfg(target_os = "linux")]
fn place(file: &Path) -> Option<(u64, u64)> {
    use rustix::fs::{AtFlags, CWD, StatxFlags, makedev, statx};
    let found = statx(CWD, file, AtFlags::empty(), StatxFlags::INO).ok()?;
    Some((makedev(found.stx_dev_major, found.stx_dev_minor), found.stx_ino))
}

#[cfg(not(target_os = "linux"))]
fn place(file: &Path) -> Option<(u64, u64)> {
    fs::metadata(file).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// Held for as long as a server runs on this database; a second one is refused.
pub(super) struct ServerLock(#[expect(dead_code, reason = "holding the file holds the lock")] File);

impl ServerLock {
    pub fn take(database: &Path) -> Result<Self> {
        let path = beside(database, "-lock");
        let mut file = private_file(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                let _ = file.read_to_string(&mut pid); // only to make the message better
                return Err(Error::conflict(format!(
                    "Another keybearer server (pid {}) runs on {}. Stop it first, or choose another --database.",
                    pid.trim(),
                    database.display()
                )));
            }
            Err(TryLockError::Error(error)) => return Err(trouble(&path, "cannot be locked", error)),
        }
        let written =
            file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
        written.map_err(|error| trouble(&path, "cannot be written", error))?;
        Ok(ServerLock(file))
    }
}
