//! Detects when the open files are moved, removed or replaced, which neither SQLite in WAL mode nor a mapping notices.

use std::fs::File;
use std::mem::ManuallyDrop;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use super::files::beside;
use super::mark::Mark;
use super::place::{DatabaseFile, Place};
use super::{companions, log};

pub(super) struct Watch {
    /// The database by its own path and by the given one, which may lead to another file by now.
    database: Vec<Spot>,
    /// The companions that are mapped or open.
    companions: Vec<(Spot, &'static str)>,
    file: Arc<DatabaseFile>,
    wal: File,
    /// This file is never closed, because that would drop SQLite's locks on it, as for the database.
    shm: ManuallyDrop<File>,
    /// The newest mark that was seen in the file itself, as bits.
    mark: AtomicU32,
    /// Why the open files can no longer be trusted, permanently.
    lost: OnceLock<String>,
}

/// A path and the file that was there.
struct Spot {
    path: PathBuf,
    place: (u64, u64),
}

impl Spot {
    fn of(path: PathBuf) -> Option<Self> {
        let place = place(&path)?;
        Some(Spot { path, place })
    }

    fn is_kept(&self) -> bool {
        place(&self.path) == Some(self.place)
    }
}

impl Watch {
    /// `None` if a file is missing or the database was replaced.
    pub fn begin(at: &Place, file: &Arc<DatabaseFile>) -> Option<Self> {
        let mut database = vec![Spot::of(at.path.clone())?];
        let own = file.handle().metadata().ok()?;
        if database[0].place != (own.dev(), own.ino()) {
            return None;
        }
        if at.given != at.path {
            database.push(Spot::of(at.given.clone())?);
        }
        let companion = |suffix| Some((Spot::of(beside(&at.path, suffix))?, suffix));
        let mark = file.header().ok()??.mark;
        let open = |suffix| companions::open_existing(&at.path, &beside(&at.path, suffix)).ok()?;
        Some(Watch {
            database,
            companions: ["-wal", "-shm", "-rev"].into_iter().map(companion).collect::<Option<_>>()?,
            file: Arc::clone(file),
            wal: open("-wal")?,
            shm: ManuallyDrop::new(open("-shm")?),
            mark: AtomicU32::new(mark.bits()),
            lost: OnceLock::new(),
        })
    }

    /// The reason why no key can be checked now, if there is one.
    pub fn trouble(&self) -> Option<String> {
        if let Some(why) = self.lost.get() {
            return Some(why.clone());
        }
        if !self.database.iter().all(Spot::is_kept) {
            return Some("the database file was moved, deleted or replaced: put it back".to_owned());
        }
        if let Some((_, suffix)) = self.companions.iter().find(|(spot, _)| !spot.is_kept()) {
            let why = format!("the database's {suffix} file was moved, deleted or replaced: restart the server");
            // Other processes may be using a new file by now, which is harmless only if it is a new `-rev`.
            return Some(if *suffix == "-rev" { why } else { self.lost.get_or_init(|| why).clone() });
        }
        if !self.has_kept_its_content() {
            let why = || "the database file was overwritten: restart the server".to_owned();
            return Some(self.lost.get_or_init(why).clone());
        }
        None
    }

    /// The reason why writes are not allowed now, if there is one. Must be called under the write lock.
    pub fn log_trouble(&self) -> Option<String> {
        if matches!(log::fits(&self.wal, &self.shm), Ok(true)) {
            return None;
        }
        let why = || "the database's -wal file was truncated or overwritten: restart the server".to_owned();
        Some(self.lost.get_or_init(why).clone())
    }

    /// Records that the database was replaced by an older one through SQLite.
    pub fn lose(&self, why: String) -> String {
        self.lost.get_or_init(|| why).clone()
    }

    pub fn say_in_use(&self) -> std::io::Result<()> {
        self.file.say_in_use()
    }

    /// Whether the file itself is marked as continuing in its log.
    pub fn is_file_marked(&self) -> bool {
        matches!(self.file.header(), Ok(Some(header)) if header.mark.continues_in_log())
    }

    /// A checkpoint writes a newer mark into the file; an older mark means that the file was overwritten.
    fn has_kept_its_content(&self) -> bool {
        // The order matters, because another thread can see a checkpoint and record its mark in between.
        let newest = Mark::from_bits(self.mark.load(Ordering::Acquire));
        let Ok(Some(header)) = self.file.header() else { return false };
        if header.mark != newest && header.mark.since(newest) >= 0 {
            self.mark.store(header.mark.bits(), Ordering::Release);
        }
        header.mark.since(newest) >= 0
    }
}

/// Device and inode. Nothing else is requested: requesting timestamps makes Linux record a finer mtime at the next
/// write, and a sync then also writes the inode, which doubles the time of a commit.
#[cfg(target_os = "linux")]
fn place(file: &Path) -> Option<(u64, u64)> {
    use rustix::fs::{AtFlags, CWD, StatxFlags, makedev, statx};
    let found = statx(CWD, file, AtFlags::empty(), StatxFlags::INO).ok()?;
    Some((makedev(found.stx_dev_major, found.stx_dev_minor), found.stx_ino))
}

#[cfg(not(target_os = "linux"))]
fn place(file: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(file).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}
