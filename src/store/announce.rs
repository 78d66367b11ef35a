//! How another process tells the server, without a system call per request, that it is about to
//! commit: a counter in a small shared mapping beside the database.
//!
//! The counter is raised inside the write transaction, before its COMMIT. The server reads it again
//! while it holds the write lock itself: at that moment every announced change is either committed
//! (and read) or rolled back. So nothing depends on the announcer living on after its COMMIT.

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::MmapMut;

use super::files::{beside, private_file, trouble};
use crate::error::Result;

/// Of the two numbers in the file.
const ANNOUNCED: usize = 0;
const ASKED: usize = 1;

pub(crate) struct Announcement {
    mapping: MmapMut,
}

impl Announcement {
    const BYTES: usize = 16;

    pub fn open(database: &Path) -> Result<Self> {
        let path = beside(database, "-rev");
        let file = private_file(&path)?;
        let length = file.metadata().map_err(|error| trouble(&path, "cannot be read", error))?.len();
        if length < Self::BYTES as u64 {
            // Real bytes: a hole, first touched on a full disk, would be a SIGBUS.
            let missing = &[0; Self::BYTES][length as usize..];
            file.write_all_at(missing, length).map_err(|error| trouble(&path, "cannot be written", error))?;
        }
        // SAFETY: the file is ours (mode 0600), never shrinks, and is only accessed as an atomic below.
        let mapping = unsafe { MmapMut::map_mut(&file) }.map_err(|error| trouble(&path, "cannot be mapped", error))?;
        Ok(Announcement { mapping })
    }

    pub fn read(&self) -> u64 {
        self.word(ANNOUNCED).load(Ordering::SeqCst)
    }

    /// To be called inside a write transaction, before its COMMIT.
    pub fn raise(&self) {
        self.word(ANNOUNCED).fetch_add(1, Ordering::SeqCst);
    }

    /// Before waiting for the write lock: this process asks whoever has it for the next turn. SQLite's lock has no
    /// queue, so a process with much to write would take it again and again.
    pub fn ask_for_turn(&self) {
        self.word(ASKED).store(own_id(), Ordering::SeqCst);
    }

    /// After it: with the lock, or without it.
    pub fn end_asking(&self) {
        let own = own_id();
        // Another process may have asked since.
        let _ = self.word(ASKED).compare_exchange(own, 0, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// The process that asks for the next turn.
    pub fn asked_by(&self) -> Option<u64> {
        Some(self.word(ASKED).load(Ordering::SeqCst)).filter(|id| *id != 0 && *id != own_id())
    }

    /// It does not take its turn: it was killed, or stopped.
    pub fn forget_asking(&self, id: u64) {
        let _ = self.word(ASKED).compare_exchange(id, 0, Ordering::SeqCst, Ordering::SeqCst); // it has, or another asks
    }

    fn word(&self, at: usize) -> &AtomicU64 {
        // SAFETY: a mapping starts at a page boundary (aligned), has at least BYTES bytes, lives as long as `self`, and
        // every process accesses these bytes through atomics alone.
        let words = unsafe { std::slice::from_raw_parts(self.mapping.as_ptr().cast::<AtomicU64>(), Self::BYTES / 8) };
        &words[at]
    }
}

fn own_id() -> u64 {
    u64::from(std::process::id())
}
