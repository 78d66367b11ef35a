//! Writes rows of an import.

use std::collections::HashMap;

use super::input::{ImportRow, RevokedLines};
use super::refusals::{RefusedLine, Why, owner};
use crate::error::{Error, Result};
use crate::model::{ImportedKey, KeyId, Time, UserId};
use crate::store::{KeyRow, PendingImport, Tx};

/// Rows per transaction on an engine that writes them at once.
const AT_ONCE: usize = 4096;

/// The result of one transaction: the number of rows, and the restored keys among them.
pub(super) struct ImportStep {
    pub written: usize,
    pub revived: Vec<KeyId>,
}

/// Writes rows in order until the transaction has to end, or up to the first refused row.
pub(super) fn insert(
    tx: &Tx<'_>,
    pending: &PendingImport,
    rows: &[ImportRow],
    revoked: RevokedLines,
    now: Time,
    is_over: impl Fn(usize) -> bool,
) -> Result<Result<ImportStep, RefusedLine>> {
    must_be_whole(tx, pending)?;
    if tx.writes_many_at_once() {
        return insert_at_once(tx, &rows[..rows.len().min(AT_ONCE)], revoked, now);
    }
    // None in a new database, where a large import is most likely.
    let has_tombstones = tx.has_tombstones()?;
    let (mut owners, mut revived) = (HashMap::new(), Vec::new());
    for (written, (id, (line, key))) in rows.iter().enumerate() {
        if is_over(written) {
            return Ok(Ok(ImportStep { written, revived }));
        }
        let refused = |why| Ok(Err(RefusedLine { line: *line, why }));
        let Some(owner) = owner(tx, &mut owners, &key.owner)? else { return refused(Why::NoOwner(key.owner.clone())) };
        if has_tombstones && let Some(at) = tx.revoked_at(&key.digest)? {
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

/// An error if this import is no longer pending, or if others have deleted rows of it.
pub(super) fn must_be_whole(tx: &Tx<'_>, pending: &PendingImport) -> Result<()> {
    match tx.lost_rows(pending)? {
        Some(0) => Ok(()),
        Some(lost) => Err(Error::conflict(format!(
            "The owner of {lost} of these keys was removed during the import. Nothing was imported."
        ))),
        None => Err(Error::conflict("Another process cancelled this import. Nothing was imported; try again.")),
    }
}
