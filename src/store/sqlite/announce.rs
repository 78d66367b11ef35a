//! `keybearer.db-rev`: a few numbers in shared memory with which the processes that use one database signal each other
//! without a system call. They are in a mapped file, so that they outlive the processes.
//!
//! The first is the announcement: a command increments it inside its write transaction, before its COMMIT. The server
//! reads it again while it holds the write lock itself: at that moment every announced change is either committed
//! (and read) or rolled back. So nothing depends on the command surviving its COMMIT. `lineage` uses the others.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::MmapMut;

use super::companions;
use super::files::{beside, trouble};
use crate::error::{Error, Result};

const BYTES: usize = 4096;
const ANNOUNCED: usize = 0;
const ASKED: usize = 1;
const MAGIC: usize = 2;
const PID: usize = 3;
/// The first of the numbers that `lineage` uses.
const FIRST: usize = 4;
/// "kbrev\0\0\2"; files of earlier versions are too short to contain it.
const MAGIC_NUMBER: u64 = u64::from_be_bytes(*b"kbrev\0\0\x02");

pub(crate) struct Announcement {
    mapping: MmapMut,
    file: File,
}

impl Announcement {
    pub fn open(database: &Path) -> Result<Self> {
        let path = beside(database, "-rev");
        let file = companions::open(database, &path)?;
        let length = file.metadata().map_err(|error| trouble(&path, "cannot be read", error))?.len();
        if length > 8 * MAGIC as u64 && magic_of(&file) != Some(MAGIC_NUMBER) && magic_of(&file) != Some(0) {
            return Err(companions::strange(&path, "a file of another program"));
        }
        reserve(&file, length).map_err(|error| trouble(&path, "cannot be written", error))?;
        // SAFETY: the file is ours (mode 0600), never shrinks, and is accessed only as atomics below.
        let mapping = unsafe { MmapMut::map_mut(&file) }.map_err(|error| trouble(&path, "cannot be mapped", error))?;
        let announcement = Announcement { mapping, file };
        announcement.words()[MAGIC].store(MAGIC_NUMBER, Ordering::Relaxed);
        Ok(announcement)
    }

    /// Reads the numbers of `lineage` from the file beside `database`, which can be a copy that must stay unchanged.
    /// `None` if there is no such file or it is of another version.
    pub fn peek(database: &Path) -> Result<Option<Vec<AtomicU64>>> {
        let path = beside(database, "-rev");
        let Some(file) = companions::open_existing(database, &path)? else { return Ok(None) };
        let mut bytes = vec![0; BYTES];
        match file.read_exact_at(&mut bytes, 0) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
            other => other.map_err(|error| trouble(&path, "cannot be read", error))?,
        }
        let words: Vec<u64> = bytes.as_chunks::<8>().0.iter().map(|word| u64::from_ne_bytes(*word)).collect();
        Ok((words[MAGIC] == MAGIC_NUMBER).then(|| words[FIRST..].iter().copied().map(AtomicU64::new).collect()))
    }

    pub fn read(&self) -> u64 {
        self.words()[ANNOUNCED].load(Ordering::SeqCst)
    }

    /// Must be called inside a write transaction, before its COMMIT.
    pub fn raise(&self) {
        self.words()[ANNOUNCED].fetch_add(1, Ordering::SeqCst);
    }

    /// Requests the next turn from the process that holds the write lock. Must be called before waiting for the lock.
    /// SQLite's lock has no queue, so a process with much to write would take it again and again.
    pub fn ask_for_turn(&self) {
        self.words()[ASKED].store(own_id(), Ordering::SeqCst);
    }

    /// Ends the request, whether or not the lock was acquired.
    pub fn end_asking(&self) {
        self.forget_asking(own_id());
    }

    /// The process that requests the next turn.
    pub fn asked_by(&self) -> Option<u64> {
        Some(self.words()[ASKED].load(Ordering::SeqCst)).filter(|id| *id != 0 && *id != own_id())
    }

    /// Removes the request of a process that does not use its turn, because it was killed or stopped.
    pub fn forget_asking(&self, id: u64) {
        // Another process may have requested a turn since.
        let _ = self.words()[ASKED].compare_exchange(id, 0, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// The pid of the server that runs, or ran last; 0 means none yet.
    pub fn pid(&self) -> u64 {
        self.words()[PID].load(Ordering::Relaxed)
    }

    pub fn set_pid(&self, pid: u64) {
        self.words()[PID].store(pid, Ordering::Relaxed);
    }

    pub fn history(&self) -> &[AtomicU64] {
        &self.words()[FIRST..]
    }

    /// Makes the numbers durable. Otherwise the system writes them to the disk at some later time.
    pub fn sync(&self) -> Result<()> {
        self.mapping.flush().map_err(|error| Error::unavailable(format!("-rev cannot be synced: {error}")))
    }

    /// The file, for locks on it.
    pub fn file(&self) -> &File {
        &self.file
    }

    fn words(&self) -> &[AtomicU64] {
        // SAFETY: a mapping starts at a page boundary (aligned), has at least BYTES bytes (`reserve`), exists as long
        // as `self`, and every process accesses these bytes only through atomics.
        unsafe { std::slice::from_raw_parts(self.mapping.as_ptr().cast(), BYTES / size_of::<u64>()) }
    }
}

fn own_id() -> u64 {
    u64::from(std::process::id())
}

/// Extends the file with real bytes, because writing to a hole on a full disk would cause a SIGBUS. Existing bytes are
/// not changed.
fn reserve(file: &File, length: u64) -> std::io::Result<()> {
    let missing = BYTES.saturating_sub(length as usize);
    if missing == 0 {
        return Ok(());
    }
    #[cfg(target_os = "linux")]
    if rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, BYTES as u64).is_ok() {
        return Ok(());
    }
    file.write_all_at(&vec![0; missing], length)
}

fn magic_of(file: &File) -> Option<u64> {
    let mut bytes = [0; 8];
    file.read_exact_at(&mut bytes, 8 * MAGIC as u64).ok().map(|()| u64::from_ne_bytes(bytes))
}
