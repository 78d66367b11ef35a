//! The table `nodes`, with a row per run of a node, and the feed as a heartbeat reads it.

use std::time::Duration;

use super::session::PostgresSession;
use crate::error::{Error, Result};
use crate::index::IndexedOwner;
use crate::model::{Consent, Digest, Time};
use crate::store::Tx;
use crate::store::follow::Delta;
use crate::store::indexed::{KEY_COLUMNS, Latest, owner_at};
use crate::store::moved::must_not_be_moved;
use crate::store::row::{Read, Row};
use crate::store::tables::pending_imports::is_key;

/// A run of a node.
pub(super) type Incarnation = [u8; 16];

/// A row of the table.
#[derive(Debug, Clone)]
pub(super) struct NodeRow {
    pub incarnation: Incarnation,
    pub name: String,
    /// In milliseconds.
    pub lease: i64,
    pub seen: i64,
    pub beats: i64,
    pub marked: bool,
}

impl NodeRow {
    pub fn lease(&self) -> Duration {
        Duration::from_millis(self.lease.unsigned_abs())
    }
}

/// A revision, with a mark that no other history of this database has there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Position {
    pub rev: i64,
    pub stamp: Option<[u8; 16]>,
}

/// What a heartbeat returned.
pub(super) struct Beat {
    /// False if the row is marked or gone.
    pub is_accepted: bool,
    pub rev: i64,
    pub news: Delta,
    pub position: Position,
}

/// A node that joins.
pub(super) struct NewNode {
    pub incarnation: Incarnation,
    pub name: String,
    pub lease: Duration,
    pub joined_at: Time,
    /// For a database that was moved elsewhere.
    pub consent: Consent,
}

/// The row claims nothing until the first heartbeat. A database that was moved elsewhere is refused, after the row was
/// written: whoever moves it locks the table until that is known.
pub(super) fn join(session: &PostgresSession, own: &NewNode, before: Option<Incarnation>) -> Result<()> {
    let tx = Tx::from(session);
    if let Some(before) = before {
        tx.execute("DELETE FROM nodes WHERE incarnation = ?1", [before])?;
    }
    let lease = i64::try_from(own.lease.as_millis()).unwrap_or(i64::MAX);
    let values = (own.incarnation, &own.name, env!("CARGO_PKG_VERSION"), lease, own.joined_at.millis());
    let text = "INSERT INTO nodes (incarnation, name, version, address, lease, seen, beats, keys, marked, joined_at)
         VALUES (?1, ?2, ?3, coalesce(host(inet_client_addr()), ''), ?4, -1, 0, 0, 0, ?5)";
    session.durably(|| tx.execute(text, values).map(drop))?;
    must_not_be_moved(&tx, own.consent, "the database").map(drop).inspect_err(|_| {
        let _ = leave(session, own.incarnation); // otherwise others remove the row, which claims nothing
    })
}

pub(super) fn leave(session: &PostgresSession, own: Incarnation) -> Result<()> {
    Tx::from(session).execute("DELETE FROM nodes WHERE incarnation = ?1", [own]).map(drop)
}

/// All rows, and the revision at which they were read.
pub(super) struct NodeTable {
    pub rev: i64,
    /// Whether a commit waits for a standby.
    pub has_standby: bool,
    pub rows: Vec<NodeRow>,
}

pub(super) fn all(session: &PostgresSession) -> Result<NodeTable> {
    let text = "SELECT c.rev, n.incarnation, n.name, n.lease, n.seen, n.beats, n.marked,
         current_setting('synchronous_standby_names') <> '' FROM clock c LEFT JOIN nodes n ON TRUE";
    let mut table = NodeTable { rev: -1, has_standby: false, rows: Vec::new() };
    Tx::from(session).each(text, (), |row| {
        (table.rev, table.has_standby) = (row.get(0)?, row.get(7)?);
        if row.get::<Option<Incarnation>>(1)?.is_some() {
            table.rows.push(NodeRow {
                incarnation: row.get(1)?,
                name: row.get(2)?,
                lease: row.get(3)?,
                seen: row.get(4)?,
                beats: row.get(5)?,
                marked: row.get(6)?,
            });
        }
        Ok(true)
    })?;
    Ok(table)
}

/// Refuses the heartbeats of this row from now on, unless it has sent another one since.
pub(super) fn mark(session: &PostgresSession, late: &NodeRow) -> Result<bool> {
    let text = "UPDATE nodes SET marked = 1 WHERE incarnation = ?1 AND beats = ?2 AND marked = 0";
    Tx::from(session).execute(text, (late.incarnation, late.beats)).map(|rows| rows > 0)
}

pub(super) fn remove_marked(session: &PostgresSession, row: Incarnation) -> Result<()> {
    let text = "DELETE FROM nodes WHERE incarnation = ?1 AND marked = 1";
    Tx::from(session).execute(text, [row]).map(drop)
}

/// The clock, the newest line of the feed, and whether the feed still continues from `position`.
pub(super) struct FeedPlace {
    pub rev: i64,
    pub newest: Position,
    pub continues: bool,
}

pub(super) fn place(session: &PostgresSession, position: Position) -> Result<FeedPlace> {
    let text = "SELECT c.rev, c.pruned, n.rev, n.stamp, (SELECT stamp FROM changes WHERE rev = ?1 LIMIT 1)
         FROM clock c LEFT JOIN LATERAL (SELECT rev, stamp FROM changes ORDER BY line DESC LIMIT 1) n ON TRUE";
    Tx::from(session).one(text, [position.rev], |row| {
        let (rev, pruned): (i64, i64) = (row.get(0)?, row.get(1)?);
        let newest = Position { rev: row.get::<Option<i64>>(2)?.unwrap_or(pruned), stamp: row.get(3)? };
        let found: Option<[u8; 16]> = row.get(4)?;
        let continues = match position.stamp {
            Some(stamp) => found == Some(stamp) && pruned <= position.rev,
            None => pruned == 0,
        };
        Ok(FeedPlace { rev, newest, continues })
    })
}

/// Whether this database has that change: not if it was replaced by one that has lost it. Lines that were removed from
/// the feed are old.
pub(super) fn has(session: &PostgresSession, change: Position) -> Result<bool> {
    let text =
        "SELECT ?1 <= pruned OR EXISTS (SELECT 1 FROM changes WHERE rev = ?1 AND stamp = CAST(?2 AS uuid)) FROM clock";
    Tx::from(session).one(text, (change.rev, change.stamp), |row| row.get(0))
}

macro_rules! feed {
    () => {
        " FROM clock c LEFT JOIN changes l ON l.rev > ?1 LEFT JOIN keys k ON l.kind = 'key' AND k.digest = l.digest AND "
    };
}

/// Columns of the key and its owner, then those of the clock, the line, and the changed user.
const READ: &str = concat!(
    ", c.rev, l.rev, l.stamp, l.kind, l.id, l.digest, o.id, o.email, o.role, o.active, c.pruned",
    feed!(),
    is_key!(),
    " LEFT JOIN users u ON u.id = k.owner_id LEFT JOIN users o ON l.kind = 'user' AND o.id = l.id ORDER BY l.line"
);
const AFTER_KEY: usize = 15;

/// Reads what changed since `position`, without claiming or extending anything.
pub(super) fn peek(session: &PostgresSession, position: Position) -> Result<Beat> {
    let text = format!("SELECT {KEY_COLUMNS}{READ}");
    read(session, &text, [position.rev], position)
}

/// One statement: writes that `seen` is applied, and returns what changed up to the revision that it returns.
pub(super) fn beat(
    session: &PostgresSession,
    own: Incarnation,
    seen: i64,
    keys: i64,
    position: Position,
) -> Result<Beat> {
    // The outer query reads what was committed when the statement began; a mark set since refuses the update.
    let text = format!(
        "WITH beat AS (UPDATE nodes SET seen = GREATEST(seen, ?3), keys = ?4, beats = beats + 1,
         beat_at = (extract(epoch FROM clock_timestamp()) * 1000)::BIGINT
         WHERE incarnation = ?2 AND marked = 0 RETURNING 1)
         SELECT {KEY_COLUMNS}{}",
        READ.replacen(", c.rev, l.rev", ", CASE WHEN EXISTS (SELECT 1 FROM beat) THEN c.rev ELSE -1 END, l.rev", 1)
    );
    session.durably(|| read(session, &text, (position.rev, own, seen, keys), position))
}

fn read(
    session: &PostgresSession,
    text: &str,
    values: impl crate::store::value::Values,
    position: Position,
) -> Result<Beat> {
    let mut beat = Beat { is_accepted: true, rev: -1, news: Delta::default(), position };
    let mut latest = Latest::default();
    let mut is_gap = false;
    Tx::from(session).each(text, values, |row| {
        beat.rev = row.get(AFTER_KEY)?;
        is_gap = row.get::<i64>(AFTER_KEY + 10)? > position.rev;
        let Some(rev) = row.get::<Option<i64>>(AFTER_KEY + 1)? else { return Ok(true) };
        beat.position = Position { rev, stamp: row.get(AFTER_KEY + 2)? };
        note_line(&mut beat.news, &mut latest, row)?;
        Ok(true)
    })?;
    if is_gap {
        // The node stood still for so long that the feed was pruned meanwhile. It connects again, and reads all keys.
        return Err(Error::unavailable("lines of the change feed that this node needs were removed"));
    }
    beat.is_accepted = beat.rev >= 0;
    beat.news.revision = Some(beat.rev);
    Ok(beat)
}

fn note_line(news: &mut Delta, latest: &mut Latest, row: &Row<'_>) -> Read<()> {
    news.lines += 1;
    if row.text(AFTER_KEY + 3)? == "user" {
        if row.get::<Option<Vec<u8>>>(AFTER_KEY + 6)?.is_some() {
            let owner: IndexedOwner = owner_at(row, AFTER_KEY + 6)?;
            news.owners.push(owner);
        }
        return Ok(());
    }
    match row.get::<Option<[u8; 32]>>(AFTER_KEY + 5)? {
        Some(digest) => {
            let key = if row.get::<Option<Vec<u8>>>(0)?.is_some() { Some(latest.key(row)?) } else { None };
            news.keys.push((Digest::from_bytes(digest), key));
        }
        None => news.note_import(row.get(AFTER_KEY + 4)?),
    }
    Ok(())
}
