//! The keys of a file, one by one, with their line numbers. The first line decides the format, whatever the file's
//! name: an object of JSON Lines, or the header of a CSV file.

use std::io::{self, BufReader, Read};

use super::super::transfer::csv::{Header, split};
use super::super::transfer::{TransferEntry, json, text};
use super::lines::{Lines, MAX_LINE_BYTES, ONLY_CR};
use crate::commands::input::{CopyFailed, Text, Unpaired};
use crate::error::{Error, Kind, Result};
use crate::model::ImportedKey;
use crate::model::characters::is_deceptive;

/// An iterator that continues after a wrong line, and ends where the text cannot be read any further.
pub struct Rows<R: Read> {
    lines: Lines<BufReader<Text<R>>>,
    form: FileForm,
    is_over: bool,
}

enum FileForm {
    /// Holds the first line until it is read.
    Json(Option<(u64, Vec<u8>)>),
    Csv(Header),
}

impl<R: Read> Rows<R> {
    /// Reads the first line.
    pub fn begin(source: R) -> Result<Self> {
        let mut lines = Lines::new(BufReader::with_capacity(1 << 20, Text::new(source, Unpaired::Refuse)));
        let mut separator = None;
        let (number, line) = loop {
            let line = lines.next().map_err(|error| unreadable(lines.number(), &error))?;
            let Some(line) = line else { return Err(Error::conflict("it is empty.")) };
            match line.text.trim_ascii() {
                [] => {}
                // Excel puts this line before the header.
                [b's', b'e', b'p', b'=', byte @ (b',' | b';' | b'\t')] => separator = Some(*byte),
                _ => break (line.number, line.text),
            }
        };
        let wrong = |why: &'static str| at(number, &Error::conflict(why));
        let form = match line.trim_ascii() {
            [b'P', b'K', 3, 4, ..] => return Err(wrong("this is a ZIP file or a spreadsheet. Save it as CSV first.")),
            [0x1f, 0x8b, ..] => return Err(wrong("this is compressed. Decompress it first: gunzip FILE")),
            line if has_only_cr(line) => return Err(wrong(ONLY_CR)),
            [b'{', ..] => FileForm::Json(Some((number, line))),
            [b'[', ..] => return Err(wrong("this is a JSON array. Write one object per line: jq -c '.[]' FILE")),
            [b'<', ..] => return Err(wrong("this is HTML or XML. Import needs JSON Lines or CSV.")),
            line => {
                let line = text::utf8(line).map_err(|error| at(number, &error))?;
                FileForm::Csv(Header::parse(line, separator).map_err(|error| at(number, &error))?)
            }
        };
        Ok(Rows { lines, form, is_over: false })
    }

    /// The next entry that is not blank, with its line.
    fn read(&mut self) -> Result<Option<(u64, Result<TransferEntry>)>> {
        if let FileForm::Json(first) = &mut self.form
            && let Some((number, line)) = first.take()
        {
            return Ok(Some((number, json::read(&line))));
        }
        loop {
            let line = self.lines.next().map_err(|error| unreadable(self.lines.number(), &error))?;
            let Some(line) = line else { return Ok(None) };
            if line.text.trim_ascii().is_empty() {
                continue;
            }
            let entry = match &self.form {
                FileForm::Json(_) => json::read(&line.text),
                FileForm::Csv(header) => {
                    header.read(&cells(&mut self.lines, line.number, line.text, header.separator)?)
                }
            };
            return Ok(Some((line.number, entry)));
        }
    }
}

/// Whether this is several lines that end in carriage returns. Between JSON tokens, a carriage return is whitespace.
fn has_only_cr(line: &[u8]) -> bool {
    let mut lines = line.split(|byte| *byte == b'\r').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    let is_json = lines.next().is_some_and(|first| first.starts_with(b"{"));
    lines.next().is_some_and(|second| !is_json || second.starts_with(b"{"))
}

/// The cells of a row, which continues on the next line if a quoted cell does.
fn cells<R: io::BufRead>(lines: &mut Lines<R>, number: u64, mut row: Vec<u8>, separator: u8) -> Result<Vec<Vec<u8>>> {
    loop {
        if let Some(cells) = split(&row, separator) {
            return Ok(cells);
        }
        let next = lines.next().map_err(|error| unreadable(lines.number(), &error))?;
        let more = next.filter(|next| row.len() + next.text.len() < MAX_LINE_BYTES);
        let Some(more) = more else {
            let error = Error::conflict("a quote is not closed, or the quoted text is longer than 65,536 bytes.");
            return Err(Error { kind: Kind::Unavailable, ..at(number, &error) });
        };
        row.push(b'\n');
        row.extend(more.text);
    }
}

impl<R: Read> Iterator for Rows<R> {
    type Item = Result<(u64, ImportedKey)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let read = self.read().transpose();
        self.is_over = !matches!(read, Some(Ok(_)));
        let parse = |(line, entry): (u64, Result<TransferEntry>)| {
            entry.and_then(TransferEntry::parse).map(|key| (line, key)).map_err(|error| at(line, &error))
        };
        read.map(|read| read.and_then(parse))
    }
}

/// The error with its line and field, without characters that control a terminal.
fn at(line: u64, error: &Error) -> Error {
    let message: String = error.message.chars().map(|c| if is_deceptive(c) { '\u{fffd}' } else { c }).collect();
    let message = match error.field {
        Some(field) => format!("line {line}, {field}: {message}"),
        None => format!("line {line}: {message}"),
    };
    Error { message: message.into(), ..error.clone() }
}

/// The error that ends reading. Its kind is `Unavailable` if the line is at fault, which counts as a wrong line, and
/// `Internal` if it is not.
fn unreadable(line: u64, error: &io::Error) -> Error {
    if error.get_ref().is_some_and(|inner| inner.is::<CopyFailed>()) {
        return Error::new(Kind::Internal, error.to_string());
    }
    match error.kind() {
        io::ErrorKind::InvalidData => {
            Error { kind: Kind::Unavailable, ..at(line, &Error::conflict(error.to_string())) }
        }
        _ => at(line, &Error::new(Kind::Internal, format!("it cannot be read: {error}."))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const HEADER: &[u8] = b"sha256,owner,name,scopes,expires_at,hint,prefix,enabled,allowed_ips,rate_limit,metadata\n";

    fn json_line() -> Vec<u8> {
        let digest = "0f".repeat(32);
        let line = format!(
            "{{\"sha256\":\"{digest}\",\"owner\":\"a@example.com\",\"name\":\"n\",\"scopes\":[\"a:b\"],\
             \"expires_at\":\"2030-01-01T00:00:00Z\",\"metadata\":{{\"a\":[1,-2.5e9]}}}}\n"
        );
        line.into_bytes()
    }

    fn csv_line() -> Vec<u8> {
        let digest = "0f".repeat(32);
        format!("{digest},a@example.com,n,a:b c:d,2030-01-01T00:00:00Z,h,kb,TRUE,10.0.0.0/8,5/60,\"{{\"\"a\"\":1}}\"\n")
            .into_bytes()
    }

    /// The result for each line.
    fn read(text: &[u8]) -> Vec<Result<u64>> {
        match Rows::begin(text) {
            Ok(rows) => rows.map(|row| row.map(|(line, _)| line)).collect(),
            Err(error) => vec![Err(error)],
        }
    }

    fn name_their_lines(read: &[Result<u64>]) -> Result<(), TestCaseError> {
        for error in read.iter().filter_map(|row| row.as_ref().err()) {
            let names_line =
                error.message.strip_prefix("line ").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
            prop_assert!(names_line || error.message == "it is empty.", "{}", error.message);
            prop_assert!(!error.message.chars().any(is_deceptive));
        }
        Ok(())
    }

    #[test]
    fn valid_lines_become_keys() {
        let text = [&json_line()[..], b"\n", &json_line()].concat();
        assert!(matches!(read(&text)[..], [Ok(1), Ok(3)]));
        let text = [b"\n", HEADER, &csv_line(), b"\r\n", &csv_line()].concat();
        assert!(matches!(read(&text)[..], [Ok(3), Ok(5)]));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused_by_line(text in vec(any::<u8>(), 0..300)) {
            name_their_lines(&read(&text))?;
        }

        #[test]
        fn a_changed_line_is_read_or_refused_and_its_neighbours_are_read(
            at in 0_usize..400, bytes in vec(any::<u8>(), 0..4), cut in 0_usize..8, is_json: bool
        ) {
            let sound = if is_json { json_line() } else { csv_line() };
            let mut changed = sound.clone();
            let at = at % changed.len();
            let end = (at + cut).min(changed.len());
            changed.splice(at..end, bytes.iter().copied());
            let header = if is_json { &b""[..] } else { HEADER };
            let text = [header, &sound, &changed, &sound].concat();
            let read = read(&text);
            name_their_lines(&read)?;
            prop_assert!(matches!(read[0], Ok(1 | 2)));
        }
    }
}
