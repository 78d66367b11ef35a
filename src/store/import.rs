//! Keys in bulk: in from another system's digests, all or nothing; and out again.
//!
//! An import is many transactions, so that a revocation never waits long behind it, and yet all or nothing:
//! its rows are `pending` until the last transaction. Rows of an import that failed are removed by it; those
//! of one that was killed by the next import or by the server, whichever comes first.

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, named_params};

use super::companions;
use super::files::{beside, trouble};
use super::keys::{self, record_of};
use super::pending::{self, Pending};
use super::rows::{is_unique_violation, sql};
use super::{Store, events, tombstones};
use crate::ambient::Clock;
use crate::error::{Error, Result};
use crate::model::{Action, Email, ImportedKey, KeyId, KeyRecord, NewEvent, Origin, Time};

/// A transaction is over after this time or so many rows, or once another process waits for the write lock; but not
/// before the fewest. Long ones write fewer pages in all, as each row goes to another page of the index of digests.
const LONGEST: Duration = Duration::from_millis(150);
const MOST: usize = 16_384;
const FEWEST: usize = 256;
/// From this many rows on, the index of digests should stay in memory: each row goes to another page of it.
const MANY: u64 = 50_000;
/// Keys brought back by one import: their events are written in one transaction.
const MOST_REVIVED: usize = 10_000;
/// Refused lines in one message, and how many lines after the first are searched for others.
const MOST_REFUSED: usize = 20;
const SEARCHED: usize = 100_000;
const WAIT: Duration = Duration::from_millis(200);

/// Keys with their line numbers.
pub type Rows = Box<dyn Iterator<Item = Result<(u64, ImportedKey)>> + Send>;

/// What becomes of a line whose key was revoked here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revoked {
    /// The import is refused.
    Refuse,
    /// The key is brought back, each with an event.
    Revive,
}

/// What to import, and who is told of its progress.
pub struct Input {
    /// How many rows there are.
    pub count: u64,
    pub rows: Rows,
    pub revoked: Revoked,
    pub clock: Arc<dyn Clock>,
    /// Randomness for ids.
    pub random: Box<dyn Fn() -> Result<[u8; 10]> + Send>,
    /// Called with the rows written so far.
    pub tick: Box<dyn Fn(u64) + Send>,
    /// Called once if another import is running, which is waited for.
    pub waiting: Box<dyn Fn() + Send>,
}

/// Held while rows are pending that somebody means to complete.
struct ImportLock(#[expect(dead_code, reason = "holding the file holds the lock")] File);

impl ImportLock {
    /// `None` while another process imports.
    fn try_take(database: &Path) -> Result<Option<Self>> {
        let path = beside(database, "-import");
        let file = companions::open(database, &path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(ImportLock(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(trouble(&path, "cannot be locked", error)),
        }
    }

    async fn take(database: &Path, waiting: &dyn Fn()) -> Result<Self> {
        let mut is_told = false;
        loop {
            if let Some(lock) = Self::try_take(database)? {
                return Ok(lock);
            }
            if !std::mem::replace(&mut is_told, true) {
                waiting();
            }
            tokio::time::sleep(WAIT).await;
        }
    }
}

impl Store {
    /// Imports all rows, in the order of `input`, or none. One event, and one for each key brought back.
    pub async fn import_keys(&self, input: Input, now: Time, origin: Origin) -> Result<u64> {
        let _lock = ImportLock::take(&self.path, &input.waiting).await?;
        self.remove_pending().await?;
        match self.import_locked(input, now, origin).await {
            Err(error) if self.remove_pending().await.is_err() => {
                let rest = "Its rows are still in the database, but count for nothing: the next import or the server \
                            removes them.";
                Err(Error { message: format!("{} {rest}", error.message).into(), ..error })
            }
            imported => imported,
        }
    }

    async fn import_locked(&self, input: Input, now: Time, origin: Origin) -> Result<u64> {
        let Input { count, mut rows, revoked, clock, random, tick, .. } = input;
        let pending = self
            .maintain(move |db| {
                db.pragma_update(None, "cache_size", if count >= MANY { "-1048576" } else { "-8192" }).map_err(sql)?;
                Pending::begin(db, now)
            })
            .await?;
        let (mut number, mut revived) = (0, Vec::new());
        let (mut batch, mut done) = (Arc::new(Vec::new()), 0);
        loop {
            if done == batch.len() {
                let next = rows.by_ref().take(MOST).zip(number..);
                let next = next.map(|(row, number)| Ok((pending.id(number, random()?), row?)));
                (batch, done) = (Arc::new(next.collect::<Result<Vec<Row>>>()?), 0);
            }
            if batch.is_empty() {
                break;
            }
            let (of, clock, freshness) = (Arc::clone(&batch), Arc::clone(&clock), Arc::clone(&self.freshness));
            let step = move |db: &Connection| {
                let began = clock.steady();
                let is_time = || freshness.announcement.asked_by().is_some() || clock.steady() - began >= LONGEST;
                insert(db, pending, &of[done..], revoked, now, is_time)
            };
            match self.maintain(step).await? {
                Ok(Step { written, revived: some }) => {
                    (number, done) = (number + written as u64, done + written);
                    revived.extend(some);
                }
                Err(refusal) => {
                    let later: Vec<_> =
                        batch.iter().filter(|row| row.1.0 > refusal.line).map(|row| Ok(row.1.clone())).collect();
                    return Err(self.refuse(refusal, later.into_iter().chain(rows), revoked).await?);
                }
            }
            if revived.len() > MOST_REVIVED {
                return Err(Error::conflict(format!(
                    "More than {MOST_REVIVED} of these keys were revoked here; one import brings back at most as \
                     many. Split the file. Nothing was imported."
                )));
            }
            tick(number);
        }
        if number != count {
            return Err(Error::conflict("The file changed while it was read. Nothing was imported."));
        }
        self.write(origin, now, move |db, origin| complete(db, pending, number, &revived, now, origin)).await
    }

    /// Names the first refused line, and those after it as far as it is worth looking.
    async fn refuse(
        &self,
        first: Refusal,
        later: impl Iterator<Item = Result<(u64, ImportedKey)>>,
        revoked: Revoked,
    ) -> Result<Error> {
        let (mut refusals, mut later) = (vec![first], later.take(SEARCHED));
        while refusals.len() < MOST_REFUSED {
            let some = later.by_ref().take(MOST).collect::<Result<Vec<_>>>()?;
            if some.is_empty() {
                break;
            }
            refusals.extend(self.read(move |db| refusals_among(db, &some, revoked)).await?);
        }
        let lines: Vec<String> = refusals.iter().take(MOST_REFUSED).map(Refusal::text).collect();
        Ok(Error::conflict(format!("{}\nNothing was imported.", lines.join("\n"))))
    }

    /// Removes some of what a killed import left, unless one is running. Returns whether there may be more.
    pub async fn remove_abandoned_import(&self) -> Result<bool> {
        if !self.read(pending::any).await? {
            return Ok(false);
        }
        match ImportLock::try_take(&self.path)? {
            Some(_lock) => self.maintain(pending::remove_some).await,
            None => Ok(false),
        }
    }

    async fn remove_pending(&self) -> Result<()> {
        if self.read(pending::any).await? {
            while self.maintain(pending::remove_some).await? {}
        }
        Ok(())
    }

    /// Up to `limit` keys after `after`, oldest first.
    pub async fn export_keys(&self, after: Option<KeyId>, limit: usize) -> Result<Vec<KeyRecord>> {
        self.read(move |db| {
            let mut query = db
                .prepare_cached(&format!(
                    "{} AND k.id > ?1 AND k.is_token = 0 AND length(k.id) = 16 ORDER BY k.id LIMIT ?2",
                    keys::KEY
                ))
                .map_err(sql)?;
            let after = after.map_or([0; 16], |id| *id.as_bytes());
            query.query_map((after, limit as i64), record_of).and_then(Iterator::collect).map_err(sql)
        })
        .await
    }
}

/// Why a line cannot be imported.
struct Refusal {
    line: u64,
    why: Why,
}

enum Why {
    NoOwner(Email),
    Here,
    Revoked(Time),
}

impl Refusal {
    fn text(&self) -> String {
        let line = self.line;
        match &self.why {
            Why::NoOwner(email) => {
                format!("line {line}: there is no user {email}. Add the user first (keybearer users add).")
            }
            Why::Here => format!("line {line}: this key is here already, or twice in the file."),
            Why::Revoked(at) => format!(
                "line {line}: this key was revoked on {}. Leave the line out, or bring the key back with --allow-revoked.",
                at.for_people()
            ),
        }
    }
}

/// With its line.
type Row = (KeyId, (u64, ImportedKey));

/// What one transaction wrote: so many rows, and among them keys that are brought back.
struct Step {
    written: usize,
    revived: Vec<KeyId>,
}

/// Writes rows in order until it is time to stop, or up to the first that is refused.
fn insert(
    db: &Connection,
    pending: Pending,
    rows: &[Row],
    revoked: Revoked,
    now: Time,
    is_time: impl Fn() -> bool,
) -> Result<Result<Step, Refusal>> {
    pending.lost(db)?;
    let mut statement = db
        .prepare_cached(
            "INSERT INTO keys (id, digest, owner_id, name, prefix, hint, scopes, enabled, created_at, expires_at, lifetime, allowed_ips, rate_limit, metadata)
             VALUES (:id, :digest, :owner, :name, :prefix, :hint, :scopes, :enabled, :created, :expires, :lifetime, :ips, :limit, :metadata)",
        )
        .map_err(sql)?;
    let (mut owners, mut revived) = (HashMap::new(), Vec::new());
    for (written, (id, (line, key))) in rows.iter().enumerate() {
        if written >= FEWEST && written.is_multiple_of(64) && is_time() {
            return Ok(Ok(Step { written, revived }));
        }
        let refused = |why| Ok(Err(Refusal { line: *line, why }));
        let Some(owner) = owner(db, &mut owners, &key.owner)? else { return refused(Why::NoOwner(key.owner.clone())) };
        if let Some(at) = tombstones::revoked_at(db, &key.digest)? {
            if revoked == Revoked::Refuse {
                return refused(Why::Revoked(at));
            }
            revived.push(*id);
        }
        let inserted = statement.execute(named_params! {
            ":id": id.as_bytes(),
            ":digest": key.digest.as_bytes(),
            ":owner": owner,
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
            Err(error) if is_unique_violation(&error) => return refused(Why::Here),
            other => other.map_err(sql)?,
        };
    }
    Ok(Ok(Step { written: rows.len(), revived }))
}

/// What [`insert`] would refuse; of two lines with one key, neither.
fn refusals_among(db: &Connection, rows: &[(u64, ImportedKey)], revoked: Revoked) -> Result<Vec<Refusal>> {
    let mut owners = HashMap::new();
    let mut here = db.prepare_cached("SELECT EXISTS (SELECT 1 FROM keys WHERE digest = ?1)").map_err(sql)?;
    let mut refusals = Vec::new();
    for (line, key) in rows {
        let why = if owner(db, &mut owners, &key.owner)?.is_none() {
            Some(Why::NoOwner(key.owner.clone()))
        } else if here.query_row([key.digest.as_bytes()], |row| row.get(0)).map_err(sql)? {
            Some(Why::Here)
        } else if revoked == Revoked::Refuse {
            tombstones::revoked_at(db, &key.digest)?.map(Why::Revoked)
        } else {
            None
        };
        refusals.extend(why.map(|why| Refusal { line: *line, why }));
    }
    Ok(refusals)
}

fn owner(db: &Connection, known: &mut HashMap<Email, Option<[u8; 16]>>, email: &Email) -> Result<Option<[u8; 16]>> {
    if let Some(id) = known.get(email) {
        return Ok(*id);
    }
    let mut query = db.prepare_cached("SELECT id FROM users WHERE email = ?1").map_err(sql)?;
    let id = query.query_row([email.as_str()], |row| row.get(0)).optional().map_err(sql)?;
    known.insert(email.clone(), id);
    Ok(id)
}

/// The last transaction: from its commit on, all rows are keys.
fn complete(
    db: &Connection,
    pending: Pending,
    number: u64,
    revived: &[KeyId],
    now: Time,
    origin: &Origin,
) -> Result<u64> {
    let lost = pending.lost(db)?;
    if lost > 0 {
        return Err(Error::conflict(format!(
            "The owner of {lost} of these keys was removed during the import. Nothing was imported."
        )));
    }
    pending.complete(db)?;
    for id in revived {
        let record = keys::record(db, *id, keys::Reach::Anyone)?;
        tombstones::remove(db, &record.digest)?;
        keys::log(db, Action::KeyRevived, &record, now, origin)?;
    }
    let label = format!("{number} keys");
    let event = NewEvent { at: now, origin: origin.clone(), action: Action::KeysImported, object: None, label };
    events::append(db, &event)?;
    Ok(number)
}
