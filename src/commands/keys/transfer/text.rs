//! The text of a line, which must be UTF-8; UTF-16 has been converted before.

use crate::error::{Error, Result};

pub fn utf8(bytes: &[u8]) -> Result<&str> {
    let not_utf8 = "it is not UTF-8; it may be in Windows-1252 or Latin-1. Save the file as UTF-8 and try again.";
    std::str::from_utf8(bytes).map_err(|_| Error::conflict(not_utf8))
}
