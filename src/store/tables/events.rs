//! `events`: the audit log.

use crate::error::Result;
use crate::model::event::{ChainCheck, hyphenated};
use crate::model::{Action, ChainReport, Event, EventFilter, NewEvent, Page, Time};
use crate::store::Tx;
use crate::store::columns::{Salvage, like_pattern};
use crate::store::row::{Read, Row};
use crate::store::value::{SqlValue, named};

const EVENT: &str = "seq, at, actor_kind, actor_id, actor, action, object_id, object, address, request_id, chain";

impl Tx<'_> {
    /// The number and the chain of the newest event.
    pub fn last_event(&self) -> Result<Option<(i64, Vec<u8>)>> {
        self.row("SELECT seq, chain FROM events ORDER BY seq DESC LIMIT 1", (), |row| Ok((row.get(0)?, row.get(1)?)))
    }

    pub fn time_of_last_event(&self) -> Result<Option<Time>> {
        let text = "SELECT at FROM events ORDER BY seq DESC LIMIT 1";
        self.row(text, (), |row| Ok(Salvage::of(row).time("at", 0)))
    }

    pub fn chain_of_event(&self, seq: i64) -> Result<Option<Vec<u8>>> {
        self.row("SELECT chain FROM events WHERE seq = ?1", [seq], |row| row.get(0))
    }

    /// `line` is `event` with its number.
    pub fn put_event(&self, event: &NewEvent, line: &Event, chain: &[u8; 32]) -> Result<()> {
        self.execute(
            "INSERT INTO events (seq, at, actor_kind, actor_id, actor, action, object_id, object, address, request_id, chain)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            (
                line.seq,
                line.at.millis(),
                &line.actor_kind,
                event.origin.actor.id(),
                &line.actor,
                &line.action,
                event.object,
                &line.object,
                &line.address,
                &line.request_id,
                chain,
            ),
        )
        .map(drop)
    }

    /// The events that match the filter, newest first.
    pub fn events(&self, filter: &EventFilter) -> Result<Page<Event>> {
        // An id is looked up in its index; otherwise the log is read from its end.
        let no_object = self.dialect(":object IS NULL", "CAST(:object AS BYTEA) IS NULL");
        let about = if filter.object.is_some() { "object_id = :object" } else { no_object };
        let like = self.dialect("LIKE", "ILIKE");
        let text = format!(
            "SELECT {EVENT} FROM events WHERE seq < :before AND {about} AND (actor_id = :actor OR :actor IS NULL)
             AND (action = :action OR :action IS NULL) AND (at >= :since OR :since IS NULL) AND (at < :until OR :until IS NULL)
             AND (actor {like} :search ESCAPE '\\' OR :search IS NULL OR object {like} :search ESCAPE '\\'
             OR action {like} :search ESCAPE '\\' OR address {like} :search ESCAPE '\\') ORDER BY seq DESC LIMIT :limit"
        );
        let values = named! {
            ":before": filter.before.unwrap_or(i64::MAX),
            ":object": filter.object,
            ":actor": filter.actor,
            ":action": filter.action.map(Action::as_str),
            ":since": filter.since.map(Time::millis),
            ":until": filter.until.map(Time::millis),
            ":search": filter.search.as_deref().map(like_pattern),
            ":limit": i64::try_from(filter.limit).unwrap_or(i64::MAX).saturating_add(1),
        };
        let rows = self.rows(&text, values, event)?;
        Ok(Page::cut(rows, filter.limit, |event| EventFilter::cursor(event.seq).0))
    }

    /// Verifies the whole log, oldest event first.
    pub fn verify_events(&self) -> Result<ChainReport> {
        let mut check = ChainCheck::default();
        self.each(&format!("SELECT {EVENT} FROM events ORDER BY seq"), (), |row| {
            Ok(check.follow(&event(row)?, row.get(10).unwrap_or_default()))
        })?;
        // The number of the newest event that ever was.
        let text = self.dialect("SELECT seq FROM sqlite_sequence WHERE name = 'events'", "SELECT events FROM clock");
        Ok(check.report(self.row(text, (), |row| row.get(0))?))
    }
}

/// Reads an event even if it was tampered with; verification of the chain detects that.
fn event(row: &Row<'_>) -> Read<Event> {
    let mut salvage = Salvage::of(row);
    let id = |column| match row.value(column) {
        SqlValue::Blob(bytes) | SqlValue::Text(bytes) => Some(shown(bytes)),
        _ => None,
    };
    Ok(Event {
        seq: row.get(0)?,
        at: salvage.time("at", 1),
        actor_kind: salvage.text("actor_kind", 2)?,
        actor_id: id(3),
        actor: salvage.text("actor", 4)?,
        action: salvage.text("action", 5)?,
        object_id: id(6),
        object: salvage.text("object", 7)?,
        address: salvage.text_or_null("address", 8)?,
        request_id: salvage.text_or_null("request_id", 9)?,
    })
}

fn shown(id: &[u8]) -> String {
    id.try_into().map_or_else(|_| hex::encode(id), hyphenated)
}
