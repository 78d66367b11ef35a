//! Reserved space beside the database, so that a revocation succeeds even if the disk is full.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use super::companions::{self, strange};
use super::files::{beside, trouble};
use crate::error::{Error, Result};

const BYTES: usize = 2 << 20;
/// Idle rounds of the writer (200 ms each) between two attempts to reserve the space again.
const ROUNDS: u32 = 50;

pub(super) struct Reserve {
    database: PathBuf,
    path: PathBuf,
    rounds_to_wait: u32,
}

impl Reserve {
    pub fn beside(database: &Path) -> Self {
        Reserve { database: database.to_owned(), path: beside(database, "-reserve"), rounds_to_wait: 0 }
    }

    /// Refuses an existing file that [`Self::fill`] did not write, because the file will be overwritten.
    pub fn must_be_ours(&self) -> Result<()> {
        let Some(file) = companions::open_existing(&self.database, &self.path)? else { return Ok(()) };
        let mut content = Vec::new();
        let read = file.take(BYTES as u64 + 1).read_to_end(&mut content);
        read.map_err(|error| trouble(&self.path, "cannot be read", error))?;
        if content.len() > BYTES || content.iter().any(|byte| *byte != 0) {
            return Err(strange(&self.path, "a file of another program"));
        }
        Ok(())
    }

    /// Frees the space for the next write, of a server or a command. Returns false if there is none to free.
    pub fn give_back(&mut self) -> bool {
        self.rounds_to_wait = ROUNDS;
        self.must_be_ours().is_ok() && fs::remove_file(&self.path).is_ok()
    }

    /// Reserves the space again after the server or a command has freed it. On a full disk it tries again later. It is
    /// called while the server is idle.
    pub fn top_up(&mut self) {
        if self.rounds_to_wait > 0 {
            self.rounds_to_wait -= 1;
            return;
        }
        self.rounds_to_wait = ROUNDS;
        self.fill();
    }

    /// Fills the reserve, unless it is full or the file belongs to another program.
    pub fn fill(&self) {
        let is_full = fs::symlink_metadata(&self.path).is_ok_and(|found| found.len() == BYTES as u64);
        if is_full || self.must_be_ours().is_err() {
            return;
        }
        // Real bytes, because a sparse file would reserve nothing.
        let filled = companions::open(&self.database, &self.path)
            .and_then(|mut file| file.write_all(&vec![0; BYTES]).map_err(Error::unavailable));
        if filled.is_err() {
            let _ = fs::remove_file(&self.path); // a partial reserve would only use space that others need
        }
    }
}
