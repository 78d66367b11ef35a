//! `keybearer keys import FILE`: checks every line first, then imports all of them or none.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};

use super::super::{Context, output};
use super::transfer::{CsvLine, Line};
use crate::auth::Auth;
use crate::auth::caller::Asking;
use crate::error::{Error, Result};
use crate::model::{ImportedKey, KeyId};
use crate::store::{Input, Revoked};

/// Errors shown before giving up.
const MOST_ERRORS: usize = 20;

pub async fn run(context: &Context, auth: &Auth, asking: &Asking, file: &Path, revoked: Revoked) -> Result<()> {
    let count = check(file)?;
    let bar = bar("importing", count);
    let (path, ticking, entropy) = (file.to_owned(), bar.clone(), auth.shared_entropy());
    let now = auth.now();
    let rows = Box::new(move || Ok(Box::new(read(&path)?) as Box<dyn Iterator<Item = _>>));
    let id = move |number| Ok(KeyId::in_sequence(now, number, entropy.bytes()?));
    let imported = auth
        .store()
        .import_keys(
            Input { count, rows, revoked },
            id,
            move |done| ticking.set_position(done),
            now,
            asking.origin.clone(),
        )
        .await?;
    bar.finish_and_clear();
    output::say(&format!("Imported {imported} keys."));
    if context.json { output::json(&serde_json::json!({ "imported": imported })) } else { Ok(()) }
}

/// The number of keys in the file, if every line is sound; else the lines that are not.
fn check(file: &Path) -> Result<u64> {
    let bar = bar("checking", 0);
    let (mut count, mut errors) = (0, 0);
    for row in read(file)? {
        match row {
            Ok(_) => count += 1,
            Err(error) => {
                errors += 1;
                if errors <= MOST_ERRORS {
                    output::say(&error.message);
                }
            }
        }
        if (count + errors as u64).is_multiple_of(1000) {
            bar.set_position(count);
        }
    }
    bar.finish_and_clear();
    if errors > 0 {
        return Err(Error::conflict(format!("{errors} lines of {} are wrong. Nothing was imported.", file.display())));
    }
    Ok(count)
}

type Numbered = dyn Iterator<Item = Result<(u64, ImportedKey)>>;

/// The file's keys with their line numbers. CSV by the file's ending, JSON Lines otherwise.
fn read(path: &Path) -> Result<Box<Numbered>> {
    let opened =
        File::open(path).map_err(|error| Error::conflict(format!("{} cannot be read: {error}", path.display())))?;
    let reader = BufReader::with_capacity(1 << 20, opened);
    if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv")) {
        let rows = csv::Reader::from_reader(reader).into_deserialize::<CsvLine>();
        // The header is line 1.
        return Ok(Box::new(rows.zip(2..).map(|(row, line)| {
            let parsed =
                row.map_err(|error| Error::conflict(without_values(&error.to_string()))).and_then(Line::try_from);
            parsed.and_then(|row| row.parse()).map(|key| (line, key)).map_err(|error| at(line, &error))
        })));
    }
    let path = PathBuf::from(path);
    let lines = reader.lines().zip(1..).filter(|(text, _)| !text.as_ref().is_ok_and(|text| text.trim().is_empty()));
    Ok(Box::new(lines.map(move |(text, line)| {
        let text = text.map_err(|error| Error::conflict(format!("{} cannot be read: {error}", path.display())))?;
        let parsed =
            serde_json::from_str::<Line>(&text).map_err(|error| Error::conflict(without_values(&error.to_string())));
        parsed.and_then(|row| row.parse()).map(|key| (line, key)).map_err(|error| at(line, &error))
    })))
}

fn at(line: u64, error: &Error) -> Error {
    Error { message: format!("line {line}: {}", error.message).into(), ..error.clone() }
}

/// Parsers quote what they read; what they read may hold digests.
fn without_values(message: &str) -> String {
    let is_quoting = message.contains("invalid type") || message.contains("invalid value");
    if is_quoting { "a field has the wrong type.".to_owned() } else { message.to_owned() }
}

/// Shown on a terminal, silent elsewhere.
fn bar(what: &'static str, length: u64) -> ProgressBar {
    let bar = if length == 0 { ProgressBar::new_spinner() } else { ProgressBar::new(length) };
    let style = if length == 0 { "{msg} {human_pos} lines" } else { "{msg} {wide_bar} {human_pos}/{human_len} {eta}" };
    bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.with_message(what)
}
