//! Whether the files that are open are still the ones at their paths: SQLite in WAL mode does not notice when they
//! are moved, removed or replaced, nor does a mapping.

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
    /// The database: by its own path and by the one that was given, which may lead elsewhere by now.
    database: Vec<Spot>,
    /// What SQLite and we have mapped or open beside it.
    companions: Vec<(Spot, &'static str)>,
    file: Arc<DatabaseFile>,
    wal: File,
    /// Never closed: that would drop SQLite's locks on it, as it would for the database.
    shm: ManuallyDrop<File>,
    /// The bits of the newest mark that was seen in the file itself.
    mark: AtomicU32,
    /// What happened after which what we have open can never be trusted.
    lost: OnceLock<String>,
}

/// A path, and the file that was there.
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
    /// `None` if a file is missing, or another database stands there by now.
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

    /// Why nothing can be answered now, if that is so.
    pub fn trouble(&self) -> Option<String> {
        if let Some(why) = self.lost.get() {
            return Some(why.clone());
        }
        if !self.database.iter().all(Spot::is_kept) {
            return Some("the database file was moved, deleted or replaced: put it back".to_owned());
        }
        if let Some((_, suffix)) = self.companions.iter().find(|(spot, _)| !spot.is_kept()) {
            let why = format!("the database's {suffix} file was moved, deleted or replaced: restart the server");
            // Others may have gone on with a new one meanwhile. That of `-rev` they cannot have used.
            return Some(if *suffix == "-rev" { why } else { self.lost.get_or_init(|| why).clone() });
        }
        if !self.has_kept_its_content() {
            let why = || "the database file was overwritten: restart the server".to_owned();
            return Some(self.lost.get_or_init(why).clone());
        }
        None
    }

    /// Under the write lock: why nothing may be written, if that is so.
    pub fn log_trouble(&self) -> Option<String> {
        if matches!(log::fits(&self.wal, &self.shm), Ok(true)) {
            return None;
        }
        let why = || "the database's -wal file was cut or overwritten: restart the server".to_owned();
        Some(self.lost.get_or_init(why).clone())
    }

    /// The database itself, through SQLite, is an older one by now.
    pub fn lose(&self, why: String) -> String {
        self.lost.get_or_init(|| why).clone()
    }

    pub fn say_in_use(&self) -> std::io::Result<()> {
        self.file.say_in_use()
    }

    /// Whether the file itself says that it continues in its log.
    pub fn is_file_marked(&self) -> bool {
        matches!(self.file.header(), Ok(Some(header)) if header.mark.continues_in_log())
    }

    /// A checkpoint brings a newer mark into the file; an older one comes by overwriting it alone.
    fn has_kept_its_content(&self) -> bool {
        // In this order: another thread may see a checkpoint, and note its mark, in between.
        let newest = Mark::from_bits(self.mark.load(Ordering::Acquire));
        let Ok(Some(header)) = self.file.header() else { return false };
        if header.mark != newest && header.mark.since(newest) >= 0 {
            self.mark.store(header.mark.bits(), Ordering::Release);
        }
        header.mark.since(newest) >= 0
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
    std::fs::metadata(file).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}
