//! Lines that cannot be imported, and why.

use std::collections::HashMap;

use super::input::{ImportedLine, RevokedLines};
use crate::auth::Auth;
use crate::error::{Error, Result};
use crate::model::{Email, Time, UserId};
use crate::store::Tx;

/// Maximum number of refused lines in one message, how many lines after the first are searched for more, and how many
/// at once.
const MAX_REFUSED: usize = 20;
const SEARCHED: usize = 100_000;
const SEARCHED_AT_ONCE: usize = 16_384;

impl Auth {
    /// Names a refused line, and others among a limited number of lines that were not written.
    pub(super) async fn refuse_lines(
        &self,
        first: RefusedLine,
        others: impl Iterator<Item = Result<ImportedLine>>,
        revoked: RevokedLines,
    ) -> Result<Error> {
        let (mut refusals, mut others) = (vec![first], others.take(SEARCHED));
        while refusals.len() < MAX_REFUSED {
            let some = others.by_ref().take(SEARCHED_AT_ONCE).collect::<Result<Vec<_>>>()?;
            if some.is_empty() {
                break;
            }
            refusals.extend(self.store.read(move |tx| refusals_among(tx, &some, revoked)).await?);
        }
        refusals.sort_by_key(|refused| refused.line);
        let lines: Vec<String> = refusals.iter().take(MAX_REFUSED).map(RefusedLine::text).collect();
        Ok(Error::conflict(format!("{}\nNothing was imported.", lines.join("\n"))))
    }
}

/// Why a line cannot be imported.
pub(super) struct RefusedLine {
    pub line: u64,
    pub why: Why,
}

pub(super) enum Why {
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

/// The rows that [`insert`](super::insert::insert) would refuse. It does not detect that two of them have the same key.
fn refusals_among(tx: &Tx<'_>, rows: &[ImportedLine], revoked: RevokedLines) -> Result<Vec<RefusedLine>> {
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

/// The user with this address; `known` saves looking again.
pub(super) fn owner(tx: &Tx<'_>, known: &mut HashMap<Email, Option<UserId>>, email: &Email) -> Result<Option<UserId>> {
    if let Some(id) = known.get(email) {
        return Ok(*id);
    }
    let id = tx.user_id_of(email)?;
    known.insert(email.clone(), id);
    Ok(id)
}
