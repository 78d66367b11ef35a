//! Whether a file is still the one that was read.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Tells one content of a file from another, as far as the file system does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStamp([i64; 5]);

impl FileStamp {
    /// `None`: there is no such file.
    pub fn of(path: &Path) -> Option<Self> {
        let found = fs::symlink_metadata(path).ok()?;
        let place = [found.dev() as i64, found.ino() as i64, found.size() as i64];
        Some(FileStamp([place[0], place[1], place[2], found.mtime(), found.mtime_nsec()]))
    }
}
