//! Printing: data on stdout, messages on stderr. Stored text is shown without characters that a terminal would
//! obey. A reader that went away ends the output quietly; any other trouble with stdout is an error.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde::Serialize;

use crate::ambient::log;
use crate::ambient::streams::{Stream, was_closed};
use crate::error::{Error, Result};
use crate::model::characters::is_deceptive;
use crate::model::foreign_text::message_without_keys;

/// A line of talk; in the server, in its turn among the lines of the log. It may repeat an argument or a line of a
/// file, and a key given there by mistake must not reach a log of the terminal or of a CI job.
pub fn say(text: &str) {
    let text = message_without_keys(text);
    if !log::print(&text) {
        let _ = writeln!(io::stderr(), "{text}"); // a closed stderr leaves nowhere to say so
    }
}

/// stdout as a file. The library's own takes a write to a descriptor that is closed, or only for reading, for done.
pub fn stdout() -> io::Result<File> {
    if was_closed(Stream::Stdout) {
        return Err(io::Error::other("it is closed"));
    }
    io::stdout().as_fd().try_clone_to_owned().map(File::from)
}

/// To be asked before an act whose result is shown once.
pub fn must_be_open() -> Result<()> {
    stdout().map(drop).map_err(|error| trouble(&error))
}

/// A line of data.
pub fn print(text: &str) -> Result<()> {
    write(format!("{text}\n").as_bytes())
}

/// Data as it is.
pub fn write(data: &[u8]) -> Result<()> {
    match stdout().and_then(|mut stdout| stdout.write_all(data)) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| trouble(&error)),
    }
}

/// A line that somebody must get: here a reader that went away is an error too, and so is a file that cannot hold
/// what was written.
pub fn deliver(text: &str) -> io::Result<()> {
    let mut stdout = stdout()?;
    stdout.write_all(format!("{text}\n").as_bytes())?;
    match stdout.metadata() {
        Ok(metadata) if metadata.is_file() => stdout.sync_data(),
        _ => Ok(()),
    }
}

fn trouble(error: &io::Error) -> Error {
    Error::conflict(format!("stdout cannot be written: {error}."))
}

pub fn json(value: &impl Serialize) -> Result<()> {
    print(&pretty(value)?)
}

pub fn pretty(value: &impl Serialize) -> Result<String> {
    serde_json::to_string_pretty(value).map_err(Error::internal)
}

pub fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Result<()> {
    let mut table = Table::new();
    table.load_preset(NOTHING).set_header(header.to_vec());
    for row in rows {
        table.add_row(row.iter().map(|cell| harmless(cell)).collect::<Vec<_>>());
    }
    print(&table.to_string())
}

/// `name: value` lines.
pub fn facts(facts: &[(&str, String)]) -> Result<()> {
    facts.iter().try_for_each(|(name, value)| print(&format!("{name:<12} {}", harmless(value))))
}

fn harmless(text: &str) -> String {
    text.chars().map(|c| if is_deceptive(c) { '\u{fffd}' } else { c }).collect()
}
