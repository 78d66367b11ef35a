//! Who has the database open. A server holds locks on the database file itself, on `-rev` and on `-lock`, so that no
//! second server can start even if a companion is removed, and a command can detect whether the server notices its
//! changes. A process holds a lock on the folder while it opens the database.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::mem::ManuallyDrop;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::process::{Flock, FlockType, fcntl_getlk};

use super::announce::Announcement;
use super::companions::{self, strange};
use super::files::{beside, trouble};
use super::place::DatabaseFile;
use crate::error::{Error, Result};

const RETRY_PAUSE: Duration = Duration::from_millis(5);
/// How long to wait for processes that hold a lock only to test it, and for a server that is stopping.
const LOCK_TIMEOUT: Duration = Duration::from_millis(500);
/// How long to wait for other processes that open a database in this folder.
const QUEUE: Duration = Duration::from_secs(30);
/// The byte of `-shm` on which every connection holds a lock (`UNIX_SHM_DMS` in SQLite's `os_unix.c`).
const DEADMAN: u64 = 128;

/// The locks that a server holds as long as it runs.
pub(super) struct ServerLock {
    path: PathBuf,
    file: File,
    announcement: Arc<Announcement>,
    database: Option<Arc<DatabaseFile>>,
}

impl ServerLock {
    /// `database` is `None` if locks on this file system are not reliable. `-rev` is locked before the database, so
    /// that a process that finds the database locked can expect `-rev` to be locked too.
    pub fn take(path: &Path, announcement: &Arc<Announcement>, database: Option<&Arc<DatabaseFile>>) -> Result<Self> {
        let (file, pid) = pid_file(path)?;
        let pid = pid.unwrap_or_else(|| announcement.pid());
        let refused = |error| match error {
            TryLockError::WouldBlock => Error::conflict(format!(
                "Another keybearer server{} is using {}. Stop it first, or choose another --database.",
                in_brackets(pid),
                path.display()
            )),
            TryLockError::Error(error) => trouble(path, "cannot be locked", error),
        };
        file.try_lock().map_err(refused)?;
        if let Some(database) = database {
            within(LOCK_TIMEOUT, || announcement.file().try_lock()).map_err(refused)?;
            within(LOCK_TIMEOUT, || database.handle().try_lock()).map_err(refused)?;
        }
        write_pid(&file).map_err(|error| trouble(&beside(path, "-lock"), "cannot be written", error))?;
        announcement.set_pid(u64::from(std::process::id()));
        let (announcement, database) = (Arc::clone(announcement), database.cloned());
        Ok(ServerLock { path: path.to_owned(), file, announcement, database })
    }

    /// Creates the lock file again if it was removed: it names the server, and excludes servers of earlier versions.
    pub fn keep(&mut self) {
        let there = std::fs::symlink_metadata(beside(&self.path, "-lock")).map(|found| (found.dev(), found.ino()));
        let held = self.file.metadata().map(|found| (found.dev(), found.ino()));
        if matches!((&there, &held), (Ok(there), Ok(held)) if there == held) {
            return;
        }
        let again = pid_file(&self.path).ok().filter(|(file, _)| file.try_lock().is_ok() && write_pid(file).is_ok());
        if let Some((file, _)) = again {
            tracing::warn!(database = %self.path.display(), "the lock file was removed or replaced; created it again");
            self.file = file;
        }
    }
}

impl Drop for ServerLock {
    fn drop(&mut self) {
        // The system does the same when the process ends.
        let _ = self.announcement.file().unlock();
        if let Some(database) = &self.database {
            let _ = database.handle().unlock();
        }
    }
}

/// The pid in brackets; empty for 0, because the pid is unknown if `-rev` was removed.
fn in_brackets(pid: u64) -> String {
    if pid == 0 { String::new() } else { format!(" (pid {pid})") }
}

/// The lock file and the pid in it.
fn pid_file(database: &Path) -> Result<(File, Option<u64>)> {
    let path = beside(database, "-lock");
    let mut file = companions::open(database, &path)?;
    let mut text = String::new();
    let read = (&mut file).take(64).read_to_string(&mut text);
    let text = text.trim();
    if read.is_err() || !text.bytes().all(|c| c.is_ascii_digit()) {
        return Err(strange(&path, "a file of another program"));
    }
    Ok((file, text.parse().ok()))
}

fn write_pid(mut file: &File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

/// Tries again while someone else holds the lock.
fn within(limit: Duration, mut lock: impl FnMut() -> Result<(), TryLockError>) -> Result<(), TryLockError> {
    let mut waited = Duration::ZERO;
    loop {
        match lock() {
            Err(TryLockError::WouldBlock) if waited < limit => thread::sleep(RETRY_PAUSE),
            other => return other,
        }
        waited += RETRY_PAUSE;
    }
}

/// A lock on the database's folder while the database is opened, so that only one process at a time reads the log
/// without SQLite. `None` if locks on this file system are not reliable, or another program holds the lock.
pub(super) struct Opening(Option<File>);

impl Opening {
    pub fn begin(folder: &Path) -> Result<Self> {
        let handle = File::open(folder).map_err(|error| trouble(folder, "cannot be opened", error))?;
        match within(QUEUE, || handle.try_lock()) {
            Ok(()) => Ok(Opening(Some(handle))),
            Err(TryLockError::WouldBlock) => Ok(Opening(None)),
            Err(TryLockError::Error(error)) => Err(trouble(folder, "cannot be locked", error)),
        }
    }

    pub fn without() -> Self {
        Opening(None)
    }

    /// Whether nobody else is opening the database or has it open.
    pub fn is_alone(&self, path: &Path) -> bool {
        self.0.is_some() && !is_open(path)
    }
}

/// Refuses a command if a server uses companions other than those beside the database, because neither would then see
/// the other's changes.
pub(super) fn must_be_heard(path: &Path, announcement: &Announcement, database: &DatabaseFile) -> Result<()> {
    let heard = within(LOCK_TIMEOUT, || match database.handle().try_lock() {
        Ok(()) => {
            let _ = database.handle().unlock(); // no server has it; it was locked only to find out
            Ok(())
        }
        Err(TryLockError::WouldBlock) if is_a_servers(announcement.file()) && is_open(path) => Ok(()),
        Err(error) => Err(error),
    });
    heard.map_err(|error| match error {
        TryLockError::Error(error) => trouble(path, "cannot be locked", error),
        TryLockError::WouldBlock => Error::conflict(format!(
            "A server{} is using {}, but not the files beside it: -wal, -shm or -rev were removed or replaced, or \
             the server opened the database by another path. Nothing was changed. Restart the server, then try \
             again.",
            in_brackets(announcement.pid()),
            path.display()
        )),
    })
}

fn is_a_servers(rev: &File) -> bool {
    match rev.try_lock_shared() {
        Err(TryLockError::WouldBlock) => true,
        Ok(()) => {
            let _ = rev.unlock(); // it was locked only to find out
            false
        }
        Err(TryLockError::Error(_)) => false,
    }
}

/// Whether another process, of any program, has the database with these companions open.
pub(super) fn is_open(path: &Path) -> bool {
    let [wal, shm] = ["-wal", "-shm"].map(|suffix| beside(path, suffix));
    let Ok(Some(shm)) = companions::open_existing(path, &shm) else { return false };
    // This handle is never closed, for the same reason as the database's handle.
    let shm = ManuallyDrop::new(shm);
    let question = Flock { start: DEADMAN, length: 1, ..Flock::from(FlockType::WriteLock) };
    wal.exists() && matches!(fcntl_getlk(&*shm, &question), Ok(Some(_)))
}
