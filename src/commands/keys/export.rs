//! `keybearer keys export [FILE]`: digests and settings, never a key. The file appears whole or not
//! at all, readable by its owner only.

use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::super::output;
use super::transfer::{CsvLine, Line};
use crate::auth::Auth;
use crate::error::{Error, Result};
use crate::model::{Digest, KeyId, KeyRecord};

const PAGE: usize = 1000;

pub async fn run(auth: &Auth, file: Option<&Path>) -> Result<()> {
    let Some(path) = file else { return write(auth, io::stdout().lock(), false).await?.must_be_whole() };
    let trouble = |error: io::Error| Error::conflict(format!("{} cannot be written: {error}", path.display()));
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}.part", std::process::id()));
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).map_err(trouble)?;
    let is_csv = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
    let written = write(auth, &opened, is_csv).await;
    let moved = written.and_then(|exported| {
        opened.sync_all().and_then(|()| fs::rename(&draft, path)).map_err(trouble)?;
        output::say(&format!("Exported {} keys to {}.", exported.count, path.display()));
        Ok(exported)
    });
    if moved.is_err() {
        let _ = fs::remove_file(&draft); // half an export is of no use
    }
    moved?.must_be_whole()
}

/// What became of an export.
#[derive(Default)]
struct Exported {
    count: u64,
    /// Damaged ones: without their address ranges, for one, they would come back with more than they had.
    left_out: Vec<KeyId>,
}

impl Exported {
    fn must_be_whole(self) -> Result<()> {
        if self.left_out.is_empty() {
            return Ok(());
        }
        let ids: Vec<String> = self.left_out.iter().take(20).map(ToString::to_string).collect();
        Err(Error::conflict(format!(
            "{} keys are not in the export, because their records are damaged: {}. Revoke or change them; keybearer \
             check names the fields.",
            self.left_out.len(),
            ids.join(", ")
        )))
    }
}

async fn write(auth: &Auth, target: impl Write, is_csv: bool) -> Result<Exported> {
    let mut sink = Sink::new(BufWriter::with_capacity(1 << 20, target), is_csv);
    let (mut exported, mut after) = (Exported::default(), None);
    loop {
        let page = auth.store().export_keys(after, PAGE).await?;
        let Some((_, last)) = page.last() else { break };
        after = Some(last.id);
        for (digest, record) in page {
            if !record.unreadable.is_empty() {
                exported.left_out.push(record.id);
                continue;
            }
            exported.count += 1;
            sink.put(&digest, record)
                .map_err(|error| Error::conflict(format!("The export cannot be written: {error}")))?;
        }
    }
    sink.finish().map_err(|error| Error::conflict(format!("The export cannot be written: {error}")))?;
    Ok(exported)
}

enum Sink<W: Write> {
    Json(W),
    Csv(Box<csv::Writer<W>>),
}

impl<W: Write> Sink<W> {
    fn new(target: W, is_csv: bool) -> Self {
        if is_csv { Sink::Csv(Box::new(csv::Writer::from_writer(target))) } else { Sink::Json(target) }
    }

    fn put(&mut self, digest: &Digest, record: KeyRecord) -> io::Result<()> {
        let line = Line::of(digest, record);
        match self {
            Sink::Json(target) => {
                serde_json::to_writer(&mut *target, &line)?;
                target.write_all(b"\n")
            }
            Sink::Csv(writer) => writer.serialize(CsvLine::from(line)).map_err(io::Error::other),
        }
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Sink::Json(mut target) => target.flush(),
            Sink::Csv(mut writer) => writer.flush(),
        }
    }
}
