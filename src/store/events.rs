//! The audit log: appended to inside the transaction of the act, read in pages, verified as a chain.

use rusqlite::{Connection, OptionalExtension, Row};

use super::Store;
use super::rows::{changed, like_pattern, sql, time};
use crate::error::Result;
use crate::model::{Event, NewEvent};

const EVENT: &str = "seq, at, actor_kind, actor_id, actor, action, object_id, object, address, request_id, chain";

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
    /// Newest first, before line `before` (none: from the newest), at most `limit`.
    pub async fn events(&self, search: Option<String>, before: Option<i64>, limit: usize) -> Result<Vec<Event>> {
        self.read(move |db| {
            let mut query = db
                .prepare_cached(&format!(
                    "SELECT {EVENT} FROM events WHERE seq < ?1 AND (?2 IS NULL OR actor LIKE ?2 ESCAPE '\\' OR object LIKE ?2 ESCAPE '\\'
                     OR action LIKE ?2 ESCAPE '\\' OR address LIKE ?2 ESCAPE '\\') ORDER BY seq DESC LIMIT ?3"
                ))
                .map_err(sql)?;
            let pattern = search.as_deref().map(like_pattern);
            let rows = query.query_map((before.unwrap_or(i64::MAX), pattern, limit as i64), event).map_err(sql)?;
            rows.collect::<rusqlite::Result<_>>().map_err(sql)
        })
        .await
    }

    /// Walks the whole log and recomputes each line's chain.
    pub async fn verify_events(&self) -> Result<ChainReport> {
        self.read(|db| {
            let mut query = db.prepare(&format!("SELECT {EVENT} FROM events ORDER BY seq")).map_err(sql)?;
            let mut rows = query.query([]).map_err(sql)?;
            let (mut chain, mut lines) = (Vec::new(), 0);
            while let Some(row) = rows.next().map_err(sql)? {
                let line = event(row).map_err(sql)?;
                let stored: Vec<u8> = row.get(10).map_err(sql)?;
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
        })
        .await
    }
}

fn event(row: &Row<'_>) -> rusqlite::Result<Event> {
    Ok(Event {
        seq: row.get(0)?,
        at: time(row.get(1)?),
        actor_kind: row.get(2)?,
        actor_id: row.get::<_, Option<[u8; 16]>>(3)?.map(hyphenated),
        actor: row.get(4)?,
        action: row.get(5)?,
        object_id: row.get::<_, Option<[u8; 16]>>(6)?.map(hyphenated),
        object: row.get(7)?,
        address: row.get(8)?,
        request_id: row.get(9)?,
    })
}

fn hyphenated(id: [u8; 16]) -> String {
    uuid::Uuid::from_bytes(id).to_string()
}
