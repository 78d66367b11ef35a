//! Events as lines of a file: CSV (RFC 4180) or JSON Lines.

use super::Event;
use super::csv_cell::protect;
use crate::error::{Error, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventFormat {
    Csv,
    JsonLines,
}

const COLUMNS: [&str; 11] = [
    "seq",
    "at",
    "actor_kind",
    "actor_id",
    "actor",
    "action",
    "object_id",
    "object",
    "detail",
    "address",
    "request_id",
];

impl EventFormat {
    pub fn parse(text: &str) -> Result<Self> {
        match text {
            "csv" => Ok(EventFormat::Csv),
            "jsonl" => Ok(EventFormat::JsonLines),
            _ => Err(Error::invalid("format", "Choose a format: csv or jsonl.")),
        }
    }

    /// What comes before the first event.
    pub fn header(self) -> String {
        match self {
            EventFormat::Csv => row(COLUMNS),
            EventFormat::JsonLines => String::new(),
        }
    }

    /// The event as one line.
    pub fn line(self, event: &Event) -> Result<String> {
        if self == EventFormat::JsonLines {
            return serde_json::to_string(event).map(|line| line + "\n").map_err(Error::internal);
        }
        let or_empty = |text: &Option<String>| text.clone().unwrap_or_default();
        Ok(row([
            &event.seq.to_string(),
            &event.at.to_string(),
            &event.actor_kind,
            &or_empty(&event.actor_id),
            &event.actor,
            &event.action,
            &or_empty(&event.object_id),
            &event.object,
            &or_empty(&event.detail),
            &or_empty(&event.address),
            &or_empty(&event.request_id),
        ]))
    }
}

/// A row whose cells no spreadsheet runs as formulas.
fn row(cells: [&str; COLUMNS.len()]) -> String {
    let cells = cells.map(|cell| format!("\"{}\"", protect(cell).replace('"', "\"\"")));
    cells.join(",") + "\r\n"
}
