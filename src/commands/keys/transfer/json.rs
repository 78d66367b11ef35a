//! JSON Lines: one object per line.

use std::io::{self, Write};

use super::entry::TransferEntry;
use super::text::utf8;
use crate::error::{Error, Result};

pub fn read(line: &[u8]) -> Result<TransferEntry> {
    let text = utf8(line)?;
    if !text.trim_start().starts_with('{') {
        return Err(Error::conflict("it is not a JSON object."));
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let entry = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        explain(&path, error.inner())
    })?;
    json.end().map_err(|error| explain("", &error))?;
    Ok(entry)
}

pub fn write(target: &mut impl Write, entry: &TransferEntry) -> io::Result<()> {
    serde_json::to_writer(&mut *target, entry)?;
    target.write_all(b"\n")
}

/// Rewrites the parser's message, because it always names line 1 and quotes the input, which may contain digests.
fn explain(path: &str, error: &serde_json::Error) -> Error {
    if !error.is_data() {
        return Error::conflict(format!("it is not valid JSON (character {}).", error.column()));
    }
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or_default();
    if message.starts_with("invalid") {
        return Error::conflict(format!("{} has the wrong type.", path.split(['[', '.']).next().unwrap_or_default()));
    }
    Error::conflict(format!("{message}."))
}
