//! What an import is given.

use crate::error::Result;
use crate::model::{ImportedKey, KeyId};

/// A key with its line number.
pub type ImportedLine = (u64, ImportedKey);
pub type ImportRows = Box<dyn Iterator<Item = Result<ImportedLine>> + Send>;

/// A line with the id that its key gets.
pub(super) type ImportRow = (KeyId, ImportedLine);

/// What to do with a line whose key was revoked here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevokedLines {
    /// Refuse the whole import.
    Refuse,
    /// Restore the key, with an event for each.
    Revive,
}

/// The rows to import, and callbacks for its progress.
pub struct ImportInput {
    /// Number of rows.
    pub count: u64,
    pub rows: ImportRows,
    pub revoked: RevokedLines,
    /// Called with the number of rows written so far.
    pub tick: Box<dyn Fn(u64) + Send>,
    /// Called once if the import has to wait for another one.
    pub waiting: Box<dyn Fn() + Send>,
}
