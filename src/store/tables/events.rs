//! `events`: the audit log. `event_search` lists it.

use crate::error::Result;
use crate::model::event::{ChainCheck, hyphenated};
use crate::model::{ChainReport, Event, NewEvent, Time};
use crate::store::Tx;
use crate::store::columns::Salvage;
use crate::store::row::{Read, Row};
use crate::store::value::{SqlValue, named};

pub(super) const EVENT: &str =
    "seq, at, actor_kind, actor_id, actor, action, object_id, object, address, request_id, detail, chain";
/// The same columns of a database of an earlier version, which a backup can be.
const EVENT_WITHOUT_DETAIL: &str =
    "seq, at, actor_kind, actor_id, actor, action, object_id, object, address, request_id, NULL, chain";

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
            "INSERT INTO events (seq, at, actor_kind, actor_id, actor, action, object_id, object, address, request_id, detail, chain)
             VALUES (:seq, :at, :actor_kind, :actor_id, :actor, :action, :object_id, :object, :address, :request_id, :detail, :chain)",
            named! {
                ":seq": line.seq,
                ":at": line.at.millis(),
                ":actor_kind": line.actor_kind,
                ":actor_id": event.origin.actor.id(),
                ":actor": line.actor,
                ":action": line.action,
                ":object_id": event.object,
                ":object": line.object,
                ":address": line.address,
                ":request_id": line.request_id,
                ":detail": line.detail,
                ":chain": chain,
            },
        )
        .map(drop)
    }

    /// Verifies the whole log, oldest event first.
    pub fn verify_events(&self) -> Result<ChainReport> {
        let mut check = ChainCheck::default();
        self.follow_events(&mut check, i64::MAX)?;
        Ok(check.report(self.newest_event_ever()?))
    }

    /// Verifies up to `most` further lines; returns whether the log has more.
    pub fn follow_events(&self, check: &mut ChainCheck, most: i64) -> Result<bool> {
        let columns = if self.has_event_details()? { EVENT } else { EVENT_WITHOUT_DETAIL };
        let mut lines = 0;
        let text = format!("SELECT {columns} FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2");
        self.each(&text, (check.after(), most), |row| {
            lines += 1;
            Ok(check.follow(&event(row)?, row.get(11).unwrap_or_default()))
        })?;
        Ok(lines == most && !check.is_broken())
    }

    /// Goes on with a check of the chain, all at one moment; the report comes with the last lines. Must not be called in
    /// a write.
    pub fn go_on_with_chain(&self, check: &mut ChainCheck, most: i64) -> Result<Option<ChainReport>> {
        self.at_one_moment(|| {
            let has_more = check.stands(self.chain_of_event(check.lines())?) && self.follow_events(check, most)?;
            Ok(if has_more { None } else { Some(check.report(self.newest_event_ever()?)) })
        })
    }

    /// The number of the newest event that ever was; it reveals events that were cut off the end.
    pub fn newest_event_ever(&self) -> Result<Option<i64>> {
        let text = self.dialect("SELECT seq FROM sqlite_sequence WHERE name = 'events'", "SELECT events FROM clock");
        self.row(text, (), |row| row.get(0))
    }

    fn has_event_details(&self) -> Result<bool> {
        let text = self.dialect(
            "SELECT count(*) FROM pragma_table_info('events') WHERE name = 'detail'",
            "SELECT count(*) FROM pg_attribute WHERE attrelid = 'events'::regclass AND attname = 'detail'",
        );
        self.one(text, (), |row| row.get(0))
    }
}

/// Reads an event even if it was tampered with; verification of the chain detects that.
pub(super) fn event(row: &Row<'_>) -> Read<Event> {
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
        detail: salvage.text_or_null("detail", 10)?,
    })
}

fn shown(id: &[u8]) -> String {
    id.try_into().map_or_else(|_| hex::encode(id), hyphenated)
}
