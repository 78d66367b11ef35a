//! CSV: a header with the column names, in any order; entries of lists are separated by spaces. Spreadsheets separate
//! columns with commas, semicolons or tabs.

use csv::StringRecord;

use super::entry::{COLUMNS, REQUIRED_COLUMNS, TransferEntry};
use super::text::utf8;
use crate::error::{Error, Result};
use crate::model::csv_cell;

/// The header of a file with every column.
pub fn names() -> [&'static str; COLUMNS.len()] {
    COLUMNS.map(|column| column.name)
}

/// The order of the columns.
#[derive(Debug)]
pub struct Header {
    pub separator: u8,
    /// For each cell of a row, the index of its column in [`COLUMNS`].
    columns: Vec<usize>,
}

impl Header {
    /// Parses the header with `separator`, or else with the separator that yields the most known columns.
    pub fn parse(line: &str, separator: Option<u8>) -> Result<Self> {
        let columns = |separator: &u8| line.split(char::from(*separator)).filter(|cell| place(cell).is_some()).count();
        let likely = || [b'\t', b';', b','].into_iter().max_by_key(columns).unwrap_or(b',');
        let separator = separator.unwrap_or_else(likely);
        let cells: Vec<&str> = line.split(char::from(separator)).collect();
        let places: Vec<Option<usize>> = cells.iter().map(|cell| place(cell)).collect();
        let missing: Vec<&str> =
            (0..REQUIRED_COLUMNS).filter(|at| !places.contains(&Some(*at))).map(|at| COLUMNS[at].name).collect();
        if missing.contains(&COLUMNS[0].name) {
            return Err(Error::conflict(
                "it is neither JSON nor the header of a CSV file. A CSV file begins with the names of its columns, \
                 for example sha256,owner,name,scopes,expires_at,hint",
            ));
        }
        if !missing.is_empty() {
            return Err(Error::conflict(format!("the header lacks {}.", missing.join(" and "))));
        }
        let mut columns = Vec::with_capacity(cells.len());
        for (number, place) in (1..).zip(places) {
            let Some(place) = place else {
                return Err(Error::conflict(format!(
                    "column {number} of the header has an unknown name. Known names: {}.",
                    names().join(", ")
                )));
            };
            if columns.contains(&place) {
                return Err(Error::conflict(format!("the header has {} twice.", COLUMNS[place].name)));
            }
            columns.push(place);
        }
        Ok(Header { separator, columns })
    }

    pub fn read(&self, row: &[Vec<u8>]) -> Result<TransferEntry> {
        if row.len() != self.columns.len() {
            return Err(Error::conflict(format!("it has {} cells; the header has {}.", row.len(), self.columns.len())));
        }
        let mut entry = TransferEntry::default();
        for (cell, column) in row.iter().zip(&self.columns) {
            let cell = utf8(cell)?;
            (COLUMNS[*column].put)(&mut entry, &csv_cell::restore(cell))?;
        }
        Ok(entry)
    }
}

/// The cells of a row (RFC 4180 §2); `None` if it ends inside quotes. Text after a closing quote belongs to the cell,
/// as in other CSV readers.
pub fn split(row: &[u8], separator: u8) -> Option<Vec<Vec<u8>>> {
    let (mut cells, mut rest) = (Vec::new(), row);
    loop {
        let mut cell = Vec::new();
        if let [b'"', quoted @ ..] = rest {
            rest = quoted;
            loop {
                let end = rest.iter().position(|byte| *byte == b'"')?;
                cell.extend_from_slice(&rest[..end]);
                rest = &rest[end + 1..];
                let [b'"', after @ ..] = rest else { break };
                cell.push(b'"');
                rest = after;
            }
        }
        let end = rest.iter().position(|byte| *byte == separator);
        cell.extend_from_slice(&rest[..end.unwrap_or(rest.len())]);
        cells.push(cell);
        match end {
            Some(end) => rest = &rest[end + 1..],
            None => return Some(cells),
        }
    }
}

/// The index in [`COLUMNS`] of the column with this name.
fn place(name: &str) -> Option<usize> {
    let name = name.trim().trim_matches('"').trim();
    COLUMNS.iter().position(|column| column.name.eq_ignore_ascii_case(name))
}

impl TransferEntry {
    pub fn cells(&self) -> StringRecord {
        COLUMNS.iter().map(|column| csv_cell::protect(&(column.cell)(self))).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rows_are_split_as_they_were_written(cells in proptest::collection::vec("[a\", ;=\n]{0,6}", 1..6), separator in "[,;\t]") {
            let separator = separator.as_bytes()[0];
            let mut writer = csv::WriterBuilder::new().delimiter(separator).from_writer(Vec::new());
            writer.write_record(&cells).unwrap();
            let written = writer.into_inner().unwrap();
            let row = written.strip_suffix(b"\n").unwrap();
            let split: Vec<String> =
                split(row, separator).unwrap().into_iter().map(|cell| String::from_utf8(cell).unwrap()).collect();
            prop_assert_eq!(split, cells);
        }

        #[test]
        fn any_row_survives_a_round_trip(row: Vec<u8>) {
            let _ = split(&row, b',');
        }
    }
}
