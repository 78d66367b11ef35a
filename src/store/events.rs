//! The audit log: appended to inside the transaction of the act, read in pages, verified as a chain.

use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::Store;
use super::rows::{Salvage, changed, like_pattern, sql};
use crate::error::Result;
use crate::model::{Action, Cursor, Event, NewEvent, Page, Time};

const EVENT: &str = "seq, at, actor_kind, actor_id, actor, action, object_id, object, address, request_id, chain";

/// Which lines to list; all but for what a part says.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Part of who, what, about what or from where.
    pub search: Option<String>,
    pub action: Option<Action>,
    /// The id of the user or key that acted, and of what it was about.
    pub actor: Option<[u8; 16]>,
    pub object: Option<[u8; 16]>,
    pub since: Option<Time>,
    /// Not including it.
    pub until: Option<Time>,
    /// Older than this line.
    pub before: Option<i64>,
    pub limit: usize,
}

impl EventFilter {
    pub fn cursor(seq: i64) -> Cursor {
        Cursor(i128::from(seq).to_be_bytes())
    }

    /// The line that a cursor stands for; a forged one stands for some line, too.
    pub fn line(cursor: Cursor) -> i64 {
        i64::try_from(i128::from_be_bytes(cursor.0)).unwrap_or(i64::MAX)
    }
}

/// What `events verify` found.
#[derive(Debug, PartialEq, Eq)]
pub enum ChainReport {
    Whole {
        lines: u64,
    },
    /// The first line whose chain does not follow from the line before it.
    Broken {
        seq: i64,
    },
}

/// No event, no act: a failure here fails the verb.
pub(super) fn append(db: &Connection, event: &NewEvent) -> Result<()> {
    let last: Option<(i64, Vec<u8>)> = db
        .prepare_cached("SELECT seq, chain FROM events ORDER BY seq DESC LIMIT 1")
        .and_then(|mut query| query.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional())
        .map_err(sql)?;
    let (before, chain) = last.unwrap_or_default();
    let line = Event {
        seq: before + 1,
        at: event.at,
        actor_kind: event.origin.actor.kind().to_owned(),
        actor_id: event.origin.actor.id().map(hyphenated),
        actor: event.origin.actor.label().to_owned(),
        action: event.action.as_str().to_owned(),
        object_id: event.object.map(hyphenated),
        object: event.label.clone(),
        address: event.origin.address.map(|address| address.to_string()),
        request_id: event.origin.request_id.clone(),
    };
    changed(
        db,
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
            line.chain(&chain),
        ),
    )?;
    Ok(())
}

impl Store {
    /// Newest first.
    pub async fn events(&self, filter: EventFilter) -> Result<Page<Event>> {
        self.read(move |db| {
            // An id is looked up in its index; else the log is walked from its end.
            let about = if filter.object.is_some() { "object_id = :object" } else { ":object IS NULL" };
            let mut query = db
                .prepare_cached(&format!(
                    "SELECT {EVENT} FROM events WHERE seq < :before AND {about} AND (:actor IS NULL OR actor_id = :actor)
                     AND (:action IS NULL OR action = :action) AND (:since IS NULL OR at >= :since) AND (:until IS NULL OR at < :until)
                     AND (:search IS NULL OR actor LIKE :search ESCAPE '\\' OR object LIKE :search ESCAPE '\\'
                     OR action LIKE :search ESCAPE '\\' OR address LIKE :search ESCAPE '\\') ORDER BY seq DESC LIMIT :limit"
                ))
                .map_err(sql)?;
            let rows = query
                .query_map(
                    named_params! {
                        ":before": filter.before.unwrap_or(i64::MAX),
                        ":object": filter.object,
                        ":actor": filter.actor,
                        ":action": filter.action.map(Action::as_str),
                        ":since": filter.since.map(Time::millis),
                        ":until": filter.until.map(Time::millis),
                        ":search": filter.search.as_deref().map(like_pattern),
                        ":limit": i64::try_from(filter.limit).unwrap_or(i64::MAX).saturating_add(1),
                    },
                    event,
                )
                .map_err(sql)?;
            let rows = rows.collect::<rusqlite::Result<Vec<_>>>().map_err(sql)?;
            Ok(Page::cut(rows, filter.limit, |event| EventFilter::cursor(event.seq).0))
        })
        .await
    }

    /// Walks the whole log and recomputes each line's chain.
    pub async fn verify_events(&self) -> Result<ChainReport> {
        self.read(verify).await
    }
}

/// See [`Store::verify_events`].
pub(super) fn verify(db: &Connection) -> Result<ChainReport> {
    let mut query = db.prepare(&format!("SELECT {EVENT} FROM events ORDER BY seq")).map_err(sql)?;
    let mut rows = query.query([]).map_err(sql)?;
    let (mut chain, mut lines) = (Vec::new(), 0);
    while let Some(row) = rows.next().map_err(sql)? {
        let line = event(row).map_err(sql)?;
        let stored: Vec<u8> = row.get(10).unwrap_or_default();
        if line.chain(&chain).as_slice() != stored || line.seq != lines + 1 {
            return Ok(ChainReport::Broken { seq: line.seq });
        }
        chain = stored;
        lines += 1;
    }
    // The sequence remembers lines that were cut off the end.
    let counted: Option<i64> = db
        .query_row("SELECT seq FROM sqlite_sequence WHERE name = 'events'", [], |row| row.get(0))
        .optional()
        .map_err(sql)?;
    match counted {
        Some(counted) if counted != lines => Ok(ChainReport::Broken { seq: lines + 1 }),
        _ => Ok(ChainReport::Whole { lines: lines as u64 }),
    }
}

/// Whatever was done to the line, it is shown: `verify_events` finds it.
fn event(row: &Row<'_>) -> rusqlite::Result<Event> {
    let mut salvage = Salvage::of(row);
    let id = |column| -> rusqlite::Result<Option<String>> { Ok(row.get_ref(column)?.as_bytes().ok().map(shown)) };
    Ok(Event {
        seq: row.get(0)?,
        at: salvage.time("at", 1),
        actor_kind: salvage.text("actor_kind", 2)?,
        actor_id: id(3)?,
        actor: salvage.text("actor", 4)?,
        action: salvage.text("action", 5)?,
        object_id: id(6)?,
        object: salvage.text("object", 7)?,
        address: salvage.text_or_null("address", 8)?,
        request_id: salvage.text_or_null("request_id", 9)?,
    })
}

fn shown(id: &[u8]) -> String {
    id.try_into().map_or_else(|_| hex::encode(id), hyphenated)
}

fn hyphenated(id: [u8; 16]) -> String {
    uuid::Uuid::from_bytes(id).to_string()
}
