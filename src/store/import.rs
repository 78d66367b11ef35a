//! Keys in bulk: in from another system's digests, all or nothing; and out again.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, named_params};

use super::keys::{self, record_of};
use super::rows::{is_unique_violation, sql};
use super::{Store, events, tombstones};
use crate::error::{Error, Result};
use crate::model::{Action, Digest, Email, ImportedKey, KeyId, KeyRecord, NewEvent, Origin, Time};

/// From this many keys on, a server refills its index instead of following line by line.
const BULK: u64 = 50_000;

/// Reads the rows anew at each call: a failed transaction may be run again.
pub type Rows = Box<dyn Fn() -> Result<Box<dyn Iterator<Item = Result<(u64, ImportedKey)>>>> + Send>;

/// What becomes of a line whose key was revoked here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revoked {
    /// The import is refused.
    Refuse,
    /// The key is brought back, each with an event.
    Revive,
}

/// Keys brought back by one import: their events are written in one transaction.
const MOST_REVIVED: usize = 10_000;

/// What to import: `count` rows, each with its line number for errors.
pub struct Input {
    pub count: u64,
    pub rows: Rows,
    pub revoked: Revoked,
}

impl Store {
    /// `id` makes the ids, `tick` is told of
    /// every thousandth row. One transaction with one event.
    pub async fn import_keys(
        &self,
        input: Input,
        id: impl Fn(u64) -> Result<KeyId> + Send + 'static,
        tick: impl Fn(u64) + Send + 'static,
        now: Time,
        origin: Origin,
    ) -> Result<u64> {
        let Input { count, rows, revoked } = input;
        self.write(origin, now, move |db, origin| {
            // Random inserts into the index of digests: let it stay in memory.
            db.pragma_update(None, "cache_size", if count >= BULK { "-1048576" } else { "-8192" }).map_err(sql)?;
            let imported = if count >= BULK {
                without_feed(db, || insert_all(db, &rows, revoked, &id, &tick, now))?
            } else {
                insert_all(db, &rows, revoked, &id, &tick, now)?
            };
            let (imported, revived) = imported;
            for id in revived {
                let record = keys::record(db, id, keys::Reach::Anyone)?;
                tombstones::remove(db, &record.digest)?;
                keys::log(db, Action::KeyRevived, &record, now, origin)?;
            }
            let label = format!("{imported} keys");
            events::append(
                db,
                &NewEvent { at: now, origin: origin.clone(), action: Action::KeysImported, object: None, label },
            )?;
            Ok(imported)
        })
        .await
    }

    /// Up to `limit` keys after `after`, oldest first, with their digests.
    pub async fn export_keys(&self, after: Option<KeyId>, limit: usize) -> Result<Vec<(Digest, KeyRecord)>> {
        self.read(move |db| {
            let mut query = db
                .prepare_cached(&format!(
                    "{} WHERE k.id > ?1 AND k.is_token = 0 AND length(k.id) = 16 ORDER BY k.id LIMIT ?2",
                    keys::KEY
                ))
                .map_err(sql)?;
            let after = after.map_or([0; 16], |id| *id.as_bytes());
            let records = query.query_map((after, limit as i64), record_of).map_err(sql)?;
            records.map(|record| record.map(|record| (record.digest, record)).map_err(sql)).collect()
        })
        .await
    }
}

/// Runs `insert` without a line in the change feed for each row. The revision moves on without its
/// line instead: that gap tells a follower to read everything anew.
fn without_feed<T>(db: &Connection, insert: impl FnOnce() -> Result<T>) -> Result<T> {
    let trigger: String = db
        .query_row("SELECT sql FROM sqlite_schema WHERE type = 'trigger' AND name = 'key_inserted'", [], |row| {
            row.get(0)
        })
        .map_err(sql)?;
    db.execute_batch("DROP TRIGGER key_inserted").map_err(sql)?;
    let done = insert()?;
    db.execute_batch(&trigger).map_err(sql)?;
    db.execute_batch(
        "INSERT INTO changes (kind, id) VALUES ('user', zeroblob(16)); DELETE FROM changes WHERE rev = last_insert_rowid();",
    )
    .map_err(sql)?;
    Ok(done)
}

fn insert_all(
    db: &Connection,
    rows: &Rows,
    revoked: Revoked,
    id: &impl Fn(u64) -> Result<KeyId>,
    tick: &impl Fn(u64),
    now: Time,
) -> Result<(u64, Vec<KeyId>)> {
    let mut revived = Vec::new();
    let mut owners = HashMap::new();
    let mut statement = db
        .prepare(
            "INSERT INTO keys (id, digest, owner_id, name, prefix, hint, scopes, enabled, created_at, expires_at, lifetime, allowed_ips, rate_limit, metadata)
             VALUES (:id, :digest, :owner, :name, :prefix, :hint, :scopes, :enabled, :created, :expires, :lifetime, :ips, :limit, :metadata)",
        )
        .map_err(sql)?;
    let mut number = 0;
    for row in rows()? {
        let (line, key) = row?;
        let key_id = id(number)?;
        if let Some(at) = tombstones::revoked_at(db, &key.digest)? {
            if revoked == Revoked::Refuse {
                return Err(Error::conflict(format!(
                    "line {line}: this key was revoked on {}. Leave the line out, or bring the key back with --allow-revoked. Nothing was imported.",
                    at.for_people()
                )));
            }
            revived.push(key_id);
            if revived.len() > MOST_REVIVED {
                return Err(Error::conflict(format!(
                    "line {line}: one import brings back at most {MOST_REVIVED} revoked keys. Split the file. Nothing was imported."
                )));
            }
        }
        let inserted = statement.execute(named_params! {
            ":id": key_id.as_bytes(),
            ":digest": key.digest.as_bytes(),
            ":owner": owner(db, &mut owners, &key.owner, line)?,
            ":name": key.name.as_str(),
            ":prefix": key.prefix.as_ref().map(|prefix| prefix.as_str()),
            ":hint": key.hint,
            ":scopes": key.scopes.joined(),
            ":enabled": key.enabled,
            ":created": now.millis(),
            ":expires": key.expires_at.map(Time::millis),
            ":lifetime": key.lifetime(now).map(|lifetime| lifetime.as_secs() as i64),
            ":ips": key.allowed_ips.joined(),
            ":limit": key.rate_limit.map(|limit| limit.text()),
            ":metadata": key.metadata.text(),
        });
        match inserted {
            Err(error) if is_unique_violation(&error) => {
                return Err(Error::conflict(format!(
                    "line {line}: this key is here already, or twice in the file. Nothing was imported."
                )));
            }
            other => other.map_err(sql)?,
        };
        number += 1;
        if number % 1000 == 0 {
            tick(number);
        }
    }
    Ok((number, revived))
}

fn owner(db: &Connection, known: &mut HashMap<Email, [u8; 16]>, email: &Email, line: u64) -> Result<[u8; 16]> {
    if let Some(id) = known.get(email) {
        return Ok(*id);
    }
    let mut query = db.prepare_cached("SELECT id FROM users WHERE email = ?1").map_err(sql)?;
    let found: Option<[u8; 16]> = query.query_row([email.as_str()], |row| row.get(0)).optional().map_err(sql)?;
    let id = found.ok_or_else(|| {
        Error::conflict(format!(
            "line {line}: there is no user {email}. Add the user first (keybearer users add). Nothing was imported."
        ))
    })?;
    known.insert(email.clone(), id);
    Ok(id)
}
