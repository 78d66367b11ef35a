//! `keybearer keys export [FILE]`: digests and settings, never a key. A file appears complete or not at all, and only
//! its owner can read it.

mod target;

use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::super::output;
use super::transfer::csv::names;
use super::transfer::{TransferEntry, json};
use crate::auth::Auth;
use crate::auth::caller::Asking;
use crate::error::{Error, Result};
use crate::model::{KeyId, counted};
use target::{Target, trouble};

const PAGE: usize = 1000;

pub async fn run(auth: &Auth, asking: &Asking, path: Option<&Path>) -> Result<()> {
    let path = path.unwrap_or(Path::new("-"));
    let target = Target::open(path, auth.database_path())?;
    let is_csv = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
    let mut sink = Sink::new(BufWriter::with_capacity(1 << 20, target.file()), is_csv);
    // If the reader of stdout is gone, it has what it wanted.
    let ended = |error: io::Error| match error.kind() {
        io::ErrorKind::BrokenPipe if target.is_stdout() => Ok(()),
        _ => Err(trouble(target.name(), &error)),
    };
    if let Err(error) = sink.begin() {
        return ended(error);
    }
    let (mut exported, mut after) = (Exported::default(), None);
    loop {
        let page = auth.keys_after(&asking.caller, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        for record in page {
            if !record.unreadable.is_empty() {
                exported.left_out.push(record.id);
                continue;
            }
            exported.count += 1;
            if let Err(error) = sink.put(&TransferEntry::of(record)) {
                return ended(error);
            }
        }
    }
    if let Err(error) = sink.finish() {
        return ended(error);
    }
    let name = target.name().to_owned();
    target.finish()?;
    output::say(&format!("Exported {} to {name}.", counted(exported.count, "key")));
    exported.must_be_whole()
}

/// The result of an export.
#[derive(Default)]
struct Exported {
    count: u64,
    /// Damaged keys: without their address ranges, for example, they would be imported with more rights than they had.
    left_out: Vec<KeyId>,
}

impl Exported {
    fn must_be_whole(self) -> Result<()> {
        if self.left_out.is_empty() {
            return Ok(());
        }
        let ids: Vec<String> = self.left_out.iter().take(20).map(ToString::to_string).collect();
        Err(Error::conflict(format!(
            "The export lacks {} with a damaged record: {}. Revoke or change what is named; keybearer check names the \
             fields.",
            counted(self.left_out.len() as u64, "key"),
            ids.join(", ")
        )))
    }
}

enum Sink<W: Write> {
    Json(W),
    Csv(Box<csv::Writer<W>>),
}

impl<W: Write> Sink<W> {
    fn new(target: W, is_csv: bool) -> Self {
        if is_csv { Sink::Csv(Box::new(csv::Writer::from_writer(target))) } else { Sink::Json(target) }
    }

    fn begin(&mut self) -> io::Result<()> {
        match self {
            Sink::Json(_) => Ok(()),
            Sink::Csv(writer) => writer.write_record(names()).map_err(io_error),
        }
    }

    fn put(&mut self, entry: &TransferEntry) -> io::Result<()> {
        match self {
            Sink::Json(target) => json::write(target, entry),
            Sink::Csv(writer) => writer.write_record(&entry.cells()).map_err(io_error),
        }
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Sink::Json(mut target) => target.flush(),
            Sink::Csv(writer) => writer.into_inner().map_err(|error| error.into_error())?.flush(),
        }
    }
}

fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}
