//! Space kept beside the database, so that a revocation still succeeds when the disk is full. The server
//! takes it; the server and commands give it up.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::files::{beside, private_file};

const BYTES: usize = 2 << 20;
/// Quiet rounds of the writer (200 ms each) between two attempts to get the space back.
const ROUNDS: u32 = 50;

pub(super) struct Reserve {
    path: PathBuf,
    /// Written by this process, to its last byte. A command may have removed it since.
    is_written: bool,
    rounds_to_wait: u32,
}

impl Reserve {
    pub fn beside(database: &Path) -> Self {
        Reserve { path: beside(database, "-reserve"), is_written: false, rounds_to_wait: 0 }
    }

    /// Frees the space for the next write. False when there is none to give.
    pub fn give_back(&mut self) -> bool {
        self.rounds_to_wait = ROUNDS;
        self.is_written = false;
        fs::remove_file(&self.path).is_ok()
    }

    /// Takes the space again, in a quiet moment; on a full disk it tries again later.
    pub fn top_up(&mut self) {
        if self.rounds_to_wait > 0 {
            self.rounds_to_wait -= 1;
            return;
        }
        if self.is_written && self.path.exists() {
            return;
        }
        // Real bytes: a file of holes would reserve nothing.
        let filled = private_file(&self.path)
            .and_then(|mut file| file.write_all(&vec![0; BYTES]).map_err(crate::error::Error::unavailable));
        self.is_written = filled.is_ok();
        if filled.is_err() {
            let _ = fs::remove_file(&self.path); // half a reserve would only take space from the rest
            self.rounds_to_wait = ROUNDS;
        }
    }
}
