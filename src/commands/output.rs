//! Printing: data on stdout, messages on stderr. Stored text is shown without characters that control a terminal. If
//! the reader of stdout is gone, the output ends quietly; any other failure is an error.

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

/// Prints a message; in the server, in order with the lines of the log. Keys are removed: a message may repeat an
/// argument or a line of a file, and a key given there by mistake must not reach a terminal or the log of a CI job.
pub fn say(text: &str) {
    let text = message_without_keys(text);
    if !log::print(&text) {
        let _ = writeln!(io::stderr(), "{text}"); // a closed stderr cannot be reported anywhere
    }
}

/// stdout as a file. The standard library's stdout silently drops what is written to a closed or read-only descriptor.
pub fn stdout() -> io::Result<File> {
    if was_closed(Stream::Stdout) {
        return Err(io::Error::other("it is closed"));
    }
    io::stdout().as_fd().try_clone_to_owned().map(File::from)
}

/// Must be called before an action whose result is shown once.
pub fn must_be_open() -> Result<()> {
    stdout().map(drop).map_err(|error| failed(&error))
}

/// Prints a line of data.
pub fn print(text: &str) -> Result<()> {
    write(format!("{text}\n").as_bytes())
}

/// Writes data as it is.
pub fn write(data: &[u8]) -> Result<()> {
    match stdout().and_then(|mut stdout| stdout.write_all(data)) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| failed(&error)),
    }
}

/// Prints a line that must not be lost. Unlike for [`write()`], a reader that is gone is an error; so is a file that
/// cannot store the line.
pub fn deliver(text: &str) -> io::Result<()> {
    let mut stdout = stdout()?;
    stdout.write_all(format!("{text}\n").as_bytes())?;
    match stdout.metadata() {
        Ok(metadata) if metadata.is_file() => stdout.sync_data(),
        _ => Ok(()),
    }
}

fn failed(error: &io::Error) -> Error {
    Error::conflict(format!("stdout cannot be written to: {error}."))
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

/// Prints one `name value` line per fact.
pub fn facts(facts: &[(&str, String)]) -> Result<()> {
    facts.iter().try_for_each(|(name, value)| print(&format!("{name:<12} {}", harmless(value))))
}

fn harmless(text: &str) -> String {
    text.chars().map(|c| if is_deceptive(c) { '\u{fffd}' } else { c }).collect()
}
