//! Printing: data on stdout, talk on stderr. Stored text is shown without characters that a
//! terminal would obey. A reader that went away ends the output, not the command.

use std::io::{self, Write};

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde::Serialize;

use crate::ambient::log;
use crate::error::{Error, Result};
use crate::model::name::is_deceptive;

/// A line of talk; in the server, in its turn among the lines of the log.
pub fn say(text: &str) {
    if !log::print(text) {
        let _ = writeln!(io::stderr(), "{text}"); // a closed stderr leaves nowhere to say so
    }
}

/// A line of data.
pub fn print(text: &str) -> Result<()> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::internal(format!("cannot write to stdout: {error}")))
        }
        _ => Ok(()),
    }
}

/// A line of data that must arrive, or the caller undoes what it was about.
pub fn deliver(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout();
    writeln!(stdout, "{text}").and_then(|()| stdout.flush())
}

pub fn json(value: &impl Serialize) -> Result<()> {
    print(&serde_json::to_string_pretty(value).map_err(Error::internal)?)
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
