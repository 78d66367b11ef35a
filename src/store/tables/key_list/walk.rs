//! Walks an index in the order of the list, key by key, up to a number of rows. Whether a key matches is a column of
//! the statement and not in WHERE, so that each step of the engine goes only to the next key.

use std::time::Duration;

use super::conditions::{KeySource, LAST_USE, conditions, ending, is_disabled};
use super::{ListPart, ListStatement, ListStep};
use crate::error::Result;
use crate::model::{FoundPlaces, KeyId, ListPlace, Reach, SortValue, SortedBy};
use crate::store::Tx;
use crate::store::tables::pending_imports::Id;

const MILLISECOND: Duration = Duration::from_millis(1);

/// What a walk has found, and how far it may still go.
struct KeyWalk {
    found: Vec<ListPlace>,
    last: Option<ListPlace>,
    /// Rows that may still be looked at.
    left: usize,
}

impl KeyWalk {
    fn is_done(&self, step: &ListStep<'_>) -> bool {
        self.left == 0 || self.found.len() == step.wanted
    }

    fn run(
        &mut self,
        tx: &Tx<'_>,
        step: &ListStep<'_>,
        text: &str,
        statement: &ListStatement,
        value: ValueColumn,
    ) -> Result<()> {
        tx.each(text, &statement.values()[..], |row| {
            let value = match value {
                ValueColumn::None => SortValue::Missing,
                // A damaged value comes last, as SQLite sorts it.
                ValueColumn::Number => SortValue::Number(row.get(2).unwrap_or(i64::MAX)),
                ValueColumn::Text => SortValue::Text(row.text(2).unwrap_or_default().to_owned()),
            };
            let place = ListPlace { value, id: row.get(0)? };
            self.left -= 1;
            if row.get(1)? {
                self.found.push(place.clone());
            }
            self.last = Some(place);
            Ok(!self.is_done(step))
        })
    }
}

#[derive(Clone, Copy)]
enum ValueColumn {
    None,
    Number,
    Text,
}

pub(super) fn find(tx: &Tx<'_>, step: &ListStep<'_>, rows: usize) -> Result<FoundPlaces> {
    let mut walk = KeyWalk { found: Vec::new(), last: None, left: rows };
    let ends = ending(step.question.filter, step.question.now).1.is_some();
    for (part, from) in step.parts() {
        if walk.is_done(step) {
            break;
        }
        match (step.sort().by, part) {
            (SortedBy::CreatedAt, _) => by_id(tx, step, &mut walk, "1 = 1", from)?,
            (SortedBy::ExpiresAt, ListPart::Rest) if ends => {}
            (SortedBy::ExpiresAt, ListPart::Rest) => by_id(tx, step, &mut walk, "k.expires_at IS NULL", from)?,
            (SortedBy::LastUsedAt, ListPart::Rest) => {
                by_id(tx, step, &mut walk, &format!("{LAST_USE} IS NULL"), from)?;
            }
            (SortedBy::ExpiresAt, ListPart::Valued) => by_expiry(tx, step, &mut walk, from)?,
            (SortedBy::LastUsedAt, ListPart::Valued) => by_last_use(tx, step, &mut walk, from)?,
            (SortedBy::Name, _) => by_name(tx, step, &mut walk, from)?,
        }
    }
    let stopped_at = walk.last.filter(|_| walk.left == 0 && walk.found.len() < step.wanted);
    Ok(FoundPlaces { places: walk.found, stopped_at })
}

/// In the order of the ids, for keys that also pass `check`.
fn by_id(
    tx: &Tx<'_>,
    step: &ListStep<'_>,
    walk: &mut KeyWalk,
    check: &str,
    from: Option<(&ListPlace, bool)>,
) -> Result<()> {
    let is_descending = step.is_descending();
    let (mut above, mut below) = ([0; 16], [0xff; 16]);
    if let Some((place, is_inclusive)) = from {
        match (is_descending, is_inclusive) {
            (true, true) => below = next(place.id),
            (true, false) => below = place.id,
            (false, true) => above = before(place.id),
            (false, false) => above = place.id,
        }
    }
    // Keys that are unused for long are old, and an id contains the time: the walk spends half of its rows on the younger
    // ones, if there are so many, and skips the rest of them.
    let oldest = step.question.filter.unused_for.map(|span| step.question.now.minus(span));
    let young = oldest.map(|time| *KeyId::in_sequence(time.plus(MILLISECOND), 0, [0; 10]).as_bytes());
    match young.filter(|young| is_descending && above < *young && *young < below) {
        Some(young) => {
            let for_old = walk.left / 2;
            walk.left -= for_old;
            between(tx, step, walk, check, (before(young), below))?;
            walk.left += for_old;
            between(tx, step, walk, check, (above, young))
        }
        None => between(tx, step, walk, check, (above, below)),
    }
}

/// Between these ids, past the rows of incomplete imports.
fn between(tx: &Tx<'_>, step: &ListStep<'_>, walk: &mut KeyWalk, check: &str, (above, below): (Id, Id)) -> Result<()> {
    let filter = step.question.filter;
    let source = match step.question.reach {
        Reach::Own(_) => KeySource::Owner,
        Reach::Anyone if is_disabled(filter) => KeySource::Disabled,
        Reach::Anyone if filter.never_expires == Some(true) || step.sort().by == SortedBy::ExpiresAt => {
            KeySource::WithoutEnd
        }
        Reach::Anyone => KeySource::All,
    };
    let mut spans = tx.spans(below)?;
    if !step.is_descending() {
        spans.reverse();
    }
    for (lower, upper) in spans {
        let lower = lower.max(above);
        if walk.is_done(step) || lower >= upper {
            continue;
        }
        let mut statement = ListStatement::default();
        let indexed = source.condition(step.question, &mut statement);
        let matches = conditions(tx, step.question, &mut statement);
        let (lower, upper) = (statement.bind(lower), statement.bind(upper));
        let (limit, direction) = (statement.bind(walk.left as i64), step.direction());
        let text = format!(
            "SELECT k.id, CASE WHEN {check} AND {matches} THEN 1 ELSE 0 END FROM {} \
             WHERE {indexed} AND k.id > {lower} AND k.id < {upper} AND k.is_token <> 1 AND length(k.id) = 16 \
             ORDER BY k.id {direction} LIMIT {limit}",
            source.table(tx)
        );
        walk.run(tx, step, &text, &statement, ValueColumn::None)?;
    }
    Ok(())
}

fn by_expiry(tx: &Tx<'_>, step: &ListStep<'_>, walk: &mut KeyWalk, from: Option<(&ListPlace, bool)>) -> Result<()> {
    if step.question.filter.never_expires == Some(true) {
        return Ok(());
    }
    let mut statement = ListStatement::default();
    let mut range = vec!["k.expires_at IS NOT NULL".to_owned()];
    // The side of the range that the cursor bounds needs no other bound.
    let (after, until) = ending(step.question.filter, step.question.now);
    let is_bounded_above = from.is_some() && step.is_descending();
    let is_bounded_below = from.is_some() && !step.is_descending();
    if let Some(after) = after.filter(|_| !is_bounded_below) {
        range.push(format!("k.expires_at > {}", statement.bind(after.millis())));
    }
    if let Some(until) = until.filter(|_| !is_bounded_above) {
        range.push(format!("k.expires_at <= {}", statement.bind(until.millis())));
    }
    range.extend(beyond(step, "k.expires_at, k.id", from, &mut statement));
    let matches = conditions(tx, step.question, &mut statement);
    let (limit, direction) = (statement.bind(walk.left as i64), step.direction());
    let text = format!(
        "SELECT k.id, CASE WHEN {matches} THEN 1 ELSE 0 END, k.expires_at FROM {} WHERE {} AND length(k.id) = 16 \
         ORDER BY k.expires_at {direction}, k.id {direction} LIMIT {limit}",
        KeySource::Ending.table(tx),
        range.join(" AND "),
    );
    walk.run(tx, step, &text, &statement, ValueColumn::Number)
}

fn by_last_use(tx: &Tx<'_>, step: &ListStep<'_>, walk: &mut KeyWalk, from: Option<(&ListPlace, bool)>) -> Result<()> {
    let mut statement = ListStatement::default();
    let mut range = vec!["length(l.key_id) = 16".to_owned()];
    range.extend(beyond(step, "l.at, l.key_id", from, &mut statement));
    let is_bounded_above = from.is_some() && step.is_descending();
    if let Some(span) = step.question.filter.unused_for.filter(|_| !is_bounded_above) {
        range.push(format!("l.at <= {}", statement.bind(step.question.now.minus(span).millis())));
    }
    let matches = conditions(tx, step.question, &mut statement);
    let (limit, direction) = (statement.bind(walk.left as i64), step.direction());
    let join = tx.dialect(
        "key_last_use l INDEXED BY key_last_use_by_time CROSS JOIN keys k ON k.id = l.key_id",
        "key_last_use l CROSS JOIN LATERAL (SELECT * FROM keys k WHERE k.id = l.key_id OFFSET 0) k",
    );
    let text = format!(
        "SELECT l.key_id, CASE WHEN {matches} THEN 1 ELSE 0 END, l.at FROM {join} WHERE {} \
         ORDER BY l.at {direction}, l.key_id {direction} LIMIT {limit}",
        range.join(" AND "),
    );
    walk.run(tx, step, &text, &statement, ValueColumn::Number)
}

fn by_name(tx: &Tx<'_>, step: &ListStep<'_>, walk: &mut KeyWalk, from: Option<(&ListPlace, bool)>) -> Result<()> {
    let mut statement = ListStatement::default();
    let (rows, name, id) = tx.dialect(
        ("key_names n CROSS JOIN keys k ON k.id = n.id", "n.name", "n.id"),
        ("keys k", "lower(k.name)", "k.id"),
    );
    let range = beyond(step, &format!("{name}, {id}"), from, &mut statement).unwrap_or_else(|| "1 = 1".to_owned());
    let matches = conditions(tx, step.question, &mut statement);
    let (limit, direction) = (statement.bind(walk.left as i64), step.direction());
    let text = format!(
        "SELECT {id}, CASE WHEN {matches} THEN 1 ELSE 0 END, {name} FROM {rows} WHERE {range} AND length({id}) = 16 \
         ORDER BY {name} {direction}, {id} {direction} LIMIT {limit}"
    );
    walk.run(tx, step, &text, &statement, ValueColumn::Text)
}

/// The condition that a row is beyond the cursor.
fn beyond(
    step: &ListStep<'_>,
    columns: &str,
    from: Option<(&ListPlace, bool)>,
    statement: &mut ListStatement,
) -> Option<String> {
    let (place, is_inclusive) = from?;
    let value = match &place.value {
        SortValue::Missing => return None,
        SortValue::Number(number) => statement.bind(*number),
        SortValue::Text(text) => statement.bind(text.clone()),
    };
    let id = statement.bind(place.id);
    Some(format!("({columns}) {} ({value}, {id})", step.comparison(is_inclusive)))
}

fn next(id: Id) -> Id {
    u128::from_be_bytes(id).saturating_add(1).to_be_bytes()
}

fn before(id: Id) -> Id {
    u128::from_be_bytes(id).saturating_sub(1).to_be_bytes()
}
