//! `keybearer.db-rev`: what the processes on one database tell each other, and the next one, without a system call:
//! a few numbers in shared memory. A mapping of the file, so that they outlive the processes.
//!
//! The first is the announcement: a command raises it inside its write transaction, before its COMMIT. The server
//! reads it again while it holds the write lock itself: at that moment every announced change is either committed
//! (and read) or rolled back. So nothing depends on the command surviving its COMMIT. The others are `lineage`'s.

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
/// Of the numbers that are `lineage`'s, the first.
const FIRST: usize = 4;
/// "kbrev\0\0\2"; files of earlier versions end before it.
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
        // SAFETY: the file is ours (mode 0600), never shrinks, and is only accessed as atomics below.
        let mapping = unsafe { MmapMut::map_mut(&file) }.map_err(|error| trouble(&path, "cannot be mapped", error))?;
        let announcement = Announcement { mapping, file };
        announcement.words()[MAGIC].store(MAGIC_NUMBER, Ordering::Relaxed);
        Ok(announcement)
    }

    /// The numbers of `lineage` as they stand beside `database`, which may be a copy that nothing may be put beside.
    /// `None` where there is no such file, or one of another version.
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

    /// To be called inside a write transaction, before its COMMIT.
    pub fn raise(&self) {
        self.words()[ANNOUNCED].fetch_add(1, Ordering::SeqCst);
    }

    /// Before waiting for the write lock: this process asks whoever has it for the next turn. SQLite's lock has no
    /// queue, so a process with much to write would take it again and again.
    pub fn ask_for_turn(&self) {
        self.words()[ASKED].store(own_id(), Ordering::SeqCst);
    }

    /// After it: with the lock, or without it.
    pub fn end_asking(&self) {
        self.forget_asking(own_id());
    }

    /// The process that asks for the next turn.
    pub fn asked_by(&self) -> Option<u64> {
        Some(self.words()[ASKED].load(Ordering::SeqCst)).filter(|id| *id != 0 && *id != own_id())
    }

    /// It does not take its turn: it was killed, or stopped.
    pub fn forget_asking(&self, id: u64) {
        // Another process may have asked since.
        let _ = self.words()[ASKED].compare_exchange(id, 0, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// Of the server that runs, or ran last; 0: none yet.
    pub fn pid(&self) -> u64 {
        self.words()[PID].load(Ordering::Relaxed)
    }

    pub fn set_pid(&self, pid: u64) {
        self.words()[PID].store(pid, Ordering::Relaxed);
    }

    pub fn history(&self) -> &[AtomicU64] {
        &self.words()[FIRST..]
    }

    /// Makes what stands in it durable. All else is written to the disk when the system gets to it.
    pub fn sync(&self) -> Result<()> {
        self.mapping.flush().map_err(|error| Error::unavailable(format!("-rev cannot be synced: {error}")))
    }

    /// For locks on it.
    pub fn file(&self) -> &File {
        &self.file
    }

    fn words(&self) -> &[AtomicU64] {
        // SAFETY: a mapping starts at a page boundary (aligned), has at least BYTES bytes (`reserve`), lives as long
        // as `self`, and every process accesses these bytes through atomics alone.
        unsafe { std::slice::from_raw_parts(self.mapping.as_ptr().cast(), BYTES / size_of::<u64>()) }
    }
}

fn own_id() -> u64 {
    u64::from(std::process::id())
}

/// Real bytes: a hole, first touched on a full disk, would be a SIGBUS. What is there stays.
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
