//! What a command reads: stdin, and files or pipes with text in UTF-8 or UTF-16.

mod source;
mod text;

use std::io;

use crate::ambient::streams::{Stream, was_closed};
use crate::error::{Error, Result};
pub use source::{CopyFailed, Source};
pub use text::{Encoding, Text, Unpaired};

/// stdin, if the process has one: a closed stdin must not count as an empty text.
pub fn stdin() -> Result<io::StdinLock<'static>> {
    if was_closed(Stream::Stdin) {
        return Err(Error::conflict("stdin is closed: there is nothing to read. Nothing was changed."));
    }
    Ok(io::stdin().lock())
}
