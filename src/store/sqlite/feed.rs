//! Reads the change feed: the table `changes`, in which triggers leave a line for each change, whoever makes it.

use rusqlite::{Connection, OptionalExtension};

use super::statement::sql;
use crate::error::Result;
use crate::model::Digest;
use crate::store::follow::{Delta, Follower, PAGE};
use crate::store::{Tx, indexed};

/// Applies what other processes committed. Must be called before this transaction writes anything.
pub(super) fn follow_committed(follower: &mut Follower, db: &Connection) -> Result<()> {
    if has_gap(follower, db)? {
        // Lines that are needed were pruned, or the feed went back.
        follower.start_again(newest_revision(db)?);
        return Ok(());
    }
    loop {
        let delta = delta(follower, db, PAGE)?;
        let is_last = delta.lines < PAGE;
        follower.apply(delta);
        if is_last {
            return Ok(());
        }
    }
}

/// The oldest `limit` changes that this transaction sees and the index does not have. They are read before its COMMIT
/// and applied after it.
pub(super) fn delta(follower: &Follower, db: &Connection, limit: usize) -> Result<Delta> {
    let (mut delta, tx) = (Delta::default(), Tx::from(db));
    let mut lines = db
        .prepare_cached("SELECT rev, kind, id, digest FROM changes WHERE rev > ?1 ORDER BY rev LIMIT ?2")
        .map_err(sql)?;
    let mut rows = lines.query((follower.revision(), i64::try_from(limit).unwrap_or(i64::MAX))).map_err(sql)?;
    while let Some(line) = rows.next().map_err(sql)? {
        delta.lines += 1;
        delta.revision = Some(line.get(0).map_err(sql)?);
        // A digest or id of another length does not belong to a key or user that the index could hold.
        if line.get_ref(1).is_ok_and(|kind| kind.as_str() == Ok("key")) {
            match line.get::<_, Option<[u8; 32]>>(3) {
                Ok(Some(digest)) => {
                    let digest = Digest::from_bytes(digest);
                    delta.keys.push((digest, indexed::find(&tx, &digest)?));
                }
                Ok(None) => delta.note_import(line.get(2).unwrap_or_default()),
                Err(_) => {}
            }
        } else if let Ok(id) = line.get(2) {
            delta.owners.extend(indexed::owner(&tx, id)?);
        }
    }
    Ok(delta)
}

fn has_gap(follower: &Follower, db: &Connection) -> Result<bool> {
    let revision = follower.revision();
    let mut query = db.prepare_cached("SELECT min(rev) FROM changes WHERE rev > ?1").map_err(sql)?;
    let next: Option<i64> = query.query_row([revision], |row| row.get(0)).map_err(sql)?;
    let newest = newest_revision(db)?;
    Ok(newest < revision || (newest > revision && next != Some(revision + 1)))
}

/// The newest revision, from the sequence and not from the table, whose old lines are pruned.
pub(super) fn newest_revision(db: &Connection) -> Result<i64> {
    let mut query = db.prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'changes'").map_err(sql)?;
    Ok(query.query_row([], |row| row.get(0)).optional().map_err(sql)?.unwrap_or(0))
}
