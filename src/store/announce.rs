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

pub(crate) struct Announcement {
    mapping: MmapMut,
}

impl Announcement {
    const BYTES: usize = 8;

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
        self.counter().load(Ordering::SeqCst)
    }

    /// To be called inside a write transaction, before its COMMIT.
    pub fn raise(&self) {
        self.counter().fetch_add(1, Ordering::SeqCst);
    }

    fn counter(&self) -> &AtomicU64 {
        // SAFETY: a mapping starts at a page boundary (aligned), is at least eight bytes long, lives as
        // long as `self`, and every process accesses these bytes through an atomic alone.
        unsafe { AtomicU64::from_ptr(self.mapping.as_ptr().cast_mut().cast()) }
    }
}
