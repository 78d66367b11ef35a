//! Importing keys by their digests from another system, all or nothing.
//!
//! An import consists of many transactions, so that a revocation never waits long behind it, and is still all or
//! nothing: its rows are `pending` until the last transaction. A failed import removes its own rows; those of a killed
//! import are removed by the next import or by the server, whichever comes first.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::{find, log};
use crate::ambient::Clock;
use crate::auth::by::By;
use crate::auth::caller::Asking;
use crate::auth::{Auth, Urgency, audit};
use crate::error::{Error, Result};
use crate::model::{Action, Email, ImportedKey, KeyId, Reach, Time, UserId, counted};
use crate::store::{ImportLock, KeyRow, PendingImport, Store, Tx};

/// A transaction stops after this time or this many rows, or as soon as another process waits for the write lock, but
/// not before the minimum. Long transactions write fewer pages in all, because each row goes to a different page of the
/// digest index.
const MAX_TRANSACTION_TIME: Duration = Duration::from_millis(150);
const MAX_ROWS: usize = 16_384;
const MIN_ROWS: usize = 256;
/// Rows per transaction on an engine that writes them at once.
const AT_ONCE: usize = 4096;
/// From this many rows on, the digest index should stay in memory: each row goes to a different page of it.
const MANY: u64 = 50_000;
/// Maximum number of keys restored by one import: their events are written in one transaction.
const MAX_REVIVED: usize = 10_000;
/// Maximum number of refused lines in one message, and how many lines after the first are searched for more.
const MAX_REFUSED: usize = 20;
const SEARCHED: usize = 100_000;
/// Pending rows removed per transaction.
const REMOVED_AT_ONCE: i64 = 1000;
const WAIT: Duration = Duration::from_millis(200);

/// Keys with their line numbers.
pub type ImportRows = Box<dyn Iterator<Item = Result<(u64, ImportedKey)>> + Send>;

/// What to do with a line whose key was revoked here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevokedLines {
    /// Refuse the whole import.
    Refuse,
    /// Restore the key, with an event for each.
    Revive,
}

/// The rows to import, and callbacks for its progress.
pub struct ImportInput {
    /// Number of rows.
    pub count: u64,
    pub rows: ImportRows,
    pub revoked: RevokedLines,
    /// Called with the number of rows written so far.
    pub tick: Box<dyn Fn(u64) + Send>,
    /// Called once if the import has to wait for another one.
    pub waiting: Box<dyn Fn() + Send>,
}

impl Auth {
    /// Imports all rows, in the order of `input`, or none. Writes one event, and one for each restored key.
    pub async fn import_keys(&self, asking: &Asking, input: ImportInput) -> Result<u64> {
        asking.caller.must_be_admin()?;
        let _lock = self.import_lock(&input.waiting).await?;
        self.remove_pending().await?;
        match self.import_locked(asking, input).await {
            Err(error) if self.remove_pending().await.is_err() => {
                let rest = "Its rows are still in the database but have no effect: the next import or the server \
                            removes them.";
                Err(Error { message: format!("{} {rest}", error.message).into(), ..error })
            }
            imported => imported,
        }
    }

    async fn import_lock(&self, waiting: &dyn Fn()) -> Result<ImportLock> {
        let mut has_said_so = false;
        loop {
            if let Some(lock) = self.store.try_lock_import()? {
                return Ok(lock);
            }
            if !std::mem::replace(&mut has_said_so, true) {
                waiting();
            }
            tokio::time::sleep(WAIT).await;
        }
    }

    async fn import_locked(&self, asking: &Asking, input: ImportInput) -> Result<u64> {
        let ImportInput { count, mut rows, revoked, tick, .. } = input;
        let by = self.by(&asking.origin);
        let now = by.at;
        let begin = move |tx: &Tx<'_>| {
            tx.keep_many_pages(count >= MANY)?;
            tx.begin_import(now)
        };
        let pending = self.store.write(Urgency::Ordinary, begin).await?;
        let (mut number, mut revived) = (0, Vec::new());
        let (mut batch, mut done) = (Arc::new(Vec::new()), 0);
        loop {
            if done == batch.len() {
                let next = rows.by_ref().take(MAX_ROWS).zip(number..);
                let next = next.map(|(row, number)| Ok((pending.id(number, self.entropy.bytes()?), row?)));
                (batch, done) = (Arc::new(next.collect::<Result<Vec<ImportRow>>>()?), 0);
            }
            if batch.is_empty() {
                break;
            }
            match self.write_some(Arc::clone(&batch), done, pending, revoked, now).await? {
                Ok(ImportStep { written, revived: some }) => {
                    (number, done) = (number + written as u64, done + written);
                    revived.extend(some);
                }
                Err(refusal) => {
                    let later: Vec<_> =
                        batch.iter().filter(|row| row.1.0 > refusal.line).map(|row| Ok(row.1.clone())).collect();
                    return Err(self.refuse_lines(refusal, later.into_iter().chain(rows), revoked).await?);
                }
            }
            if revived.len() > MAX_REVIVED {
                return Err(Error::conflict(format!(
                    "More than {MAX_REVIVED} of these keys were revoked here, the maximum that one import can restore. \
                     Nothing was imported. Split the file."
                )));
            }
            tick(number);
        }
        if number != count {
            return Err(Error::conflict("The file changed while it was being read. Nothing was imported; try again."));
        }
        let by = self.by(&asking.origin);
        self.act(Urgency::Ordinary, by, move |tx, by| complete(tx, by, &pending, number, &revived)).await
    }

    /// Writes as many of `rows`, starting at `done`, as fit into one transaction.
    async fn write_some(
        &self,
        rows: Arc<Vec<ImportRow>>,
        done: usize,
        pending: PendingImport,
        revoked: RevokedLines,
        now: Time,
    ) -> Result<Result<ImportStep, RefusedLine>> {
        let (clock, store): (Arc<dyn Clock>, Arc<Store>) = (Arc::clone(&self.clock), Arc::clone(&self.store));
        let step = move |tx: &Tx<'_>| {
            let began = clock.steady();
            let is_time = || store.is_write_lock_wanted() || clock.steady() - began >= MAX_TRANSACTION_TIME;
            insert(tx, &pending, &rows[done..], revoked, now, is_time)
        };
        self.store.write(Urgency::Ordinary, step).await
    }

    /// Names the first refused line, and refused lines within a limited distance after it.
    async fn refuse_lines(
        &self,
        first: RefusedLine,
        later: impl Iterator<Item = Result<(u64, ImportedKey)>>,
        revoked: RevokedLines,
    ) -> Result<Error> {
        let (mut refusals, mut later) = (vec![first], later.take(SEARCHED));
        while refusals.len() < MAX_REFUSED {
            let some = later.by_ref().take(MAX_ROWS).collect::<Result<Vec<_>>>()?;
            if some.is_empty() {
                break;
            }
            refusals.extend(self.store.read(move |tx| refusals_among(tx, &some, revoked)).await?);
        }
        let lines: Vec<String> = refusals.iter().take(MAX_REFUSED).map(RefusedLine::text).collect();
        Ok(Error::conflict(format!("{}\nNothing was imported.", lines.join("\n"))))
    }

    pub(in crate::auth) async fn remove_pending(&self) -> Result<()> {
        if self.store.read(|tx| tx.has_pending_import()).await? {
            while self.store.write(Urgency::Ordinary, |tx| tx.remove_pending_rows(REMOVED_AT_ONCE)).await? {}
        }
        Ok(())
    }
}

/// Removes some of the rows of a killed import, unless an import is running. Returns whether there may be more.
pub(in crate::auth) async fn remove_abandoned(store: &Store) -> Result<bool> {
    if !store.read(|tx| tx.has_pending_import()).await? {
        return Ok(false);
    }
    match store.try_lock_import()? {
        Some(_lock) => store.write(Urgency::Ordinary, |tx| tx.remove_pending_rows(REMOVED_AT_ONCE)).await,
        None => Ok(false),
    }
}

/// Why a line cannot be imported.
struct RefusedLine {
    line: u64,
    why: Why,
}

enum Why {
    NoOwner(Email),
    Here,
    Revoked(Time),
}

impl RefusedLine {
    fn text(&self) -> String {
        let line = self.line;
        match &self.why {
            Why::NoOwner(email) => {
                format!("line {line}: user {email} does not exist. Add the user first (keybearer users add).")
            }
            Why::Here => format!("line {line}: this key already exists, or is in the file twice."),
            Why::Revoked(at) => format!(
                "line {line}: this key was revoked on {}. Remove the line, or restore the key with --allow-revoked.",
                at.for_people()
            ),
        }
    }
}

/// A row with its line number.
type ImportRow = (KeyId, (u64, ImportedKey));

/// The result of one transaction: the number of rows, and the restored keys among them.
struct ImportStep {
    written: usize,
    revived: Vec<KeyId>,
}

/// Writes rows in order until it is time to stop, or up to the first refused row.
fn insert(
    tx: &Tx<'_>,
    pending: &PendingImport,
    rows: &[ImportRow],
    revoked: RevokedLines,
    now: Time,
    is_time: impl Fn() -> bool,
) -> Result<Result<ImportStep, RefusedLine>> {
    lost_rows(tx, pending)?;
    if tx.writes_many_at_once() {
        return insert_at_once(tx, &rows[..rows.len().min(AT_ONCE)], revoked, now);
    }
    let (mut owners, mut revived) = (HashMap::new(), Vec::new());
    for (written, (id, (line, key))) in rows.iter().enumerate() {
        if written >= MIN_ROWS && written.is_multiple_of(64) && is_time() {
            return Ok(Ok(ImportStep { written, revived }));
        }
        let refused = |why| Ok(Err(RefusedLine { line: *line, why }));
        let Some(owner) = owner(tx, &mut owners, &key.owner)? else { return refused(Why::NoOwner(key.owner.clone())) };
        if let Some(at) = tx.revoked_at(&key.digest)? {
            if revoked == RevokedLines::Refuse {
                return refused(Why::Revoked(at));
            }
            revived.push(*id);
        }
        if !tx.put_key(&row_of(*id, owner, key, now))? {
            return refused(Why::Here);
        }
    }
    Ok(Ok(ImportStep { written: rows.len(), revived }))
}

/// Writes all of these rows, or returns the first refused one.
fn insert_at_once(
    tx: &Tx<'_>,
    rows: &[ImportRow],
    revoked: RevokedLines,
    now: Time,
) -> Result<Result<ImportStep, RefusedLine>> {
    let mut owners = HashMap::new();
    let (mut fresh, mut refused) = (Vec::with_capacity(rows.len()), None);
    for (place, (id, (_, key))) in rows.iter().enumerate() {
        match owner(tx, &mut owners, &key.owner)? {
            Some(owner) => fresh.push(row_of(*id, owner, key, now)),
            None => {
                refused = Some((place, Why::NoOwner(key.owner.clone())));
                break;
            }
        }
    }
    let written = tx.put_keys_at_once(&fresh)?;
    let revoked_here = written.revoked.first().filter(|_| revoked == RevokedLines::Refuse);
    let others = [revoked_here.map(|(place, at)| (*place, Why::Revoked(*at))), written.taken.map(|at| (at, Why::Here))];
    refused = others.into_iter().chain([refused]).flatten().min_by_key(|(place, _)| *place);
    Ok(match refused {
        Some((place, why)) => {
            tx.take_back_from(place)?;
            Err(RefusedLine { line: rows[place].1.0, why })
        }
        None => {
            let revived = written.revoked.iter().map(|(place, _)| rows[*place].0).collect();
            Ok(ImportStep { written: rows.len(), revived })
        }
    })
}

fn row_of(id: KeyId, owner: UserId, key: &ImportedKey, now: Time) -> KeyRow {
    KeyRow {
        id,
        digest: key.digest,
        owner,
        prefix: key.prefix.clone(),
        hint: key.hint.clone(),
        settings: key.settings.clone(),
        enabled: key.enabled,
        created_at: now,
        lifetime: key.lifetime(now),
        limit_bucket: None,
        is_token: false,
    }
}

/// The rows that [`insert`] would refuse. It does not detect that two of them have the same key.
fn refusals_among(tx: &Tx<'_>, rows: &[(u64, ImportedKey)], revoked: RevokedLines) -> Result<Vec<RefusedLine>> {
    let mut owners = HashMap::new();
    let mut refusals = Vec::new();
    for (line, key) in rows {
        let why = if owner(tx, &mut owners, &key.owner)?.is_none() {
            Some(Why::NoOwner(key.owner.clone()))
        } else if tx.has_key_row(&key.digest)? {
            Some(Why::Here)
        } else if revoked == RevokedLines::Refuse {
            tx.revoked_at(&key.digest)?.map(Why::Revoked)
        } else {
            None
        };
        refusals.extend(why.map(|why| RefusedLine { line: *line, why }));
    }
    Ok(refusals)
}

fn owner(tx: &Tx<'_>, known: &mut HashMap<Email, Option<UserId>>, email: &Email) -> Result<Option<UserId>> {
    if let Some(id) = known.get(email) {
        return Ok(*id);
    }
    let id = tx.user_id_of(email)?;
    known.insert(email.clone(), id);
    Ok(id)
}

fn lost_rows(tx: &Tx<'_>, pending: &PendingImport) -> Result<i64> {
    tx.lost_rows(pending)?
        .ok_or_else(|| Error::conflict("Another process cancelled this import. Nothing was imported; try again."))
}

/// The last transaction: once it is committed, all rows are keys.
fn complete(tx: &Tx<'_>, by: &By, pending: &PendingImport, number: u64, revived: &[KeyId]) -> Result<u64> {
    let lost = lost_rows(tx, pending)?;
    if lost > 0 {
        return Err(Error::conflict(format!(
            "The owner of {lost} of these keys was removed during the import. Nothing was imported."
        )));
    }
    tx.complete_import(pending)?;
    for id in revived {
        let record = find(tx, *id, Reach::Anyone)?;
        tx.delete_tombstone(&record.digest)?;
        log(tx, by, Action::KeyRevived, &record)?;
    }
    audit::append(tx, by, Action::KeysImported, None, counted(number, "key"))?;
    Ok(number)
}
