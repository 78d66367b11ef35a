//! Searches many keys in a time that hardly depends on their number. Any part of a text is matched among the newest keys
//! only; older keys must be found by an index. The caller decides who can search what, in `reach`.

use super::{KeyQuestion, KeySource, ListStatement, conditions};
use crate::error::Result;
use crate::model::{KeyFilter, KeyId, KeyRecord, Reach, UserId};
use crate::store::Tx;
use crate::store::tables::keys::{KEY, record};
use crate::store::tables::pending_imports::Id;
use crate::store::value::ToValue;

/// The bounds of a search.
pub(super) struct SearchBounds {
    /// How many of the newest keys are searched for any part of the text.
    window: usize,
    /// Max number of names beginning with the text that are sorted by age, which takes 10 ms; if there are more,
    /// walking the keys finds them sooner.
    few: usize,
    /// Max number of keys that are walked, which takes 20 ms. With ten million keys a page is full after a fifth of
    /// that, unless all such names are old.
    walk: usize,
    /// How many matching owners to expand.
    people: usize,
}

pub(super) const BOUNDS: SearchBounds = SearchBounds { window: 10_000, few: 50_000, walk: 50_000, people: 50 };

/// The index bounds of everything that begins with the text.
struct Prefix {
    from: String,
    to: String,
}

impl Prefix {
    fn new(text: String) -> Self {
        // No assigned character sorts after it, in UTF-8 or in Unicode.
        Prefix { to: format!("{text}\u{10ffff}"), from: text }
    }
}

/// The matching keys, newest first, and how far the walk got.
struct Walk {
    found: Vec<Id>,
    floor: Id,
    is_over: bool,
}

const COUNT_NAMED: [&str; 2] = [
    "SELECT count(*) FROM (SELECT 1 FROM key_names WHERE name >= ?1 AND name < ?2 LIMIT ?3)",
    "SELECT count(*) FROM (SELECT 1 FROM keys WHERE lower(name) >= lower(?1) AND lower(name) < lower(?2) LIMIT ?3) AS few",
];
const NEWEST_NAMED: [&str; 2] = [
    "SELECT id FROM key_names WHERE name >= ?1 AND name < ?2 AND id < ?3 ORDER BY id DESC LIMIT ?4",
    "SELECT id FROM keys WHERE lower(name) >= lower(?1) AND lower(name) < lower(?2) \
    AND id < ?3 ORDER BY id DESC LIMIT ?4",
];
const PEOPLE: &str =
    "SELECT id FROM users WHERE email >= ?1 AND email < ?2 AND (id = ?3 OR ?3 IS NULL) ORDER BY email LIMIT ?4";

/// One more key than fits on the page, newest first. Keys in the window are newer than all others, so the indexes are
/// used only if the page still has room. Must see one moment, so that a key that is revoked meanwhile is found completely
/// or not at all.
pub(super) fn search(
    tx: &Tx<'_>,
    question: &KeyQuestion<'_>,
    text: &str,
    below: Id,
    bounds: &SearchBounds,
) -> Result<Vec<KeyRecord>> {
    let text = text.trim();
    let id = KeyId::parse(text).ok().map(|id| *id.as_bytes());
    let wanted = wanted(question);
    let window = walk(tx, question, None, below, bounds.window, wanted)?;
    let mut found = window.found;
    let without_text = KeyFilter { search: None, ..question.filter.clone() };
    let rest = KeyQuestion { filter: &without_text, reach: question.reach, now: question.now };
    if found.len() < wanted && !window.is_over {
        let mut older = named_keys(tx, &rest, &Prefix::new(text.to_owned()), window.floor, bounds)?;
        older.extend(of_people(tx, &rest, &Prefix::new(text.to_ascii_lowercase()), window.floor, bounds)?);
        older.extend(hinted(tx, &rest, text, window.floor)?);
        older.extend(id.filter(|id| *id < window.floor));
        older.sort_unstable_by(|a, b| b.cmp(a));
        older.dedup();
        found.extend(older);
    }
    let rows = found.iter().filter_map(|id| kept(tx, &rest, id).transpose());
    rows.take(wanted).collect()
}

/// Checks up to `rows` keys below an id, until `wanted` are found that match the question and whose name begins with
/// the prefix.
fn walk(
    tx: &Tx<'_>,
    question: &KeyQuestion<'_>,
    name: Option<&Prefix>,
    below: Id,
    rows: usize,
    wanted: usize,
) -> Result<Walk> {
    let mut walk = Walk { found: Vec::new(), floor: below, is_over: false };
    let mut left = rows;
    for span in tx.spans(below)? {
        if walk.found.len() == wanted || left == 0 {
            break;
        }
        let (text, statement) = walk_sql(tx, question, name, span, left);
        tx.each(&text, &statement.values()[..], |key| {
            left -= 1;
            walk.floor = key.get(0)?;
            if key.get(1)? {
                walk.found.push(walk.floor);
            }
            Ok(walk.found.len() < wanted && left > 0)
        })?;
    }
    walk.is_over = left > 0 && walk.found.len() < wanted;
    Ok(walk)
}

/// The condition is a column, not in WHERE, so that each step of the engine goes only to the next key.
fn walk_sql(
    tx: &Tx<'_>,
    question: &KeyQuestion<'_>,
    name: Option<&Prefix>,
    (above, below): (Id, Id),
    rows: usize,
) -> (String, ListStatement) {
    let mut statement = ListStatement::default();
    let source = if question.reach == Reach::Anyone { KeySource::All } else { KeySource::Owner };
    let indexed = source.condition(question, &mut statement);
    let begins = name.map_or_else(|| "1 = 1".to_owned(), |name| begins(tx, name, &mut statement));
    let matches = conditions(tx, question, &mut statement);
    let (above, below, rows) = (statement.bind(above), statement.bind(below), statement.bind(rows as i64));
    let text = format!(
        "SELECT k.id, CASE WHEN {begins} AND {matches} THEN 1 ELSE 0 END FROM {} WHERE {indexed} AND k.is_token <> 1 \
         AND k.id < {below} AND k.id > {above} AND length(k.id) = 16 ORDER BY k.id DESC LIMIT {rows}",
        source.table(tx)
    );
    (text, statement)
}

fn begins(tx: &Tx<'_>, name: &Prefix, statement: &mut ListStatement) -> String {
    let (from, to) = (statement.bind(name.from.clone()), statement.bind(name.to.clone()));
    tx.dialect(
        format!("(k.name COLLATE NOCASE >= {from} AND k.name COLLATE NOCASE < {to})"),
        format!("(lower(k.name) >= lower({from}) AND lower(k.name) < lower({to}))"),
    )
}

/// The newest keys whose name begins with this prefix.
fn named_keys(tx: &Tx<'_>, rest: &KeyQuestion<'_>, name: &Prefix, below: Id, bounds: &SearchBounds) -> Result<Vec<Id>> {
    let wanted = wanted(rest);
    let mut walked = Walk { found: Vec::new(), floor: below, is_over: false };
    if are_more_than(tx, bounds.few, name)? {
        walked = walk(tx, rest, Some(name), below, bounds.walk, wanted)?;
    }
    let Walk { mut found, mut floor, mut is_over } = walked;
    let [sqlite, postgres] = NEWEST_NAMED;
    // Each round reads all such names. The index contains ids, so most need no access to the key's row.
    let mut many = wanted;
    while found.len() < wanted && !is_over {
        let newest = ids(tx, tx.dialect(sqlite, postgres), [&name.from, &name.to, &floor, &(many as i64)])?;
        is_over = newest.len() < many;
        for id in newest {
            floor = id;
            if found.len() < wanted && kept(tx, rest, &id)?.is_some() {
                found.push(id);
            }
        }
        many = many.saturating_mul(10);
    }
    Ok(found)
}

fn are_more_than(tx: &Tx<'_>, few: usize, name: &Prefix) -> Result<bool> {
    let [sqlite, postgres] = COUNT_NAMED;
    let values = (&name.from, &name.to, few as i64 + 1);
    let count: i64 = tx.one(tx.dialect(sqlite, postgres), values, |row| row.get(0))?;
    Ok(count > few as i64)
}

/// The newest keys of each user whose email begins with this prefix.
fn of_people(tx: &Tx<'_>, rest: &KeyQuestion<'_>, email: &Prefix, below: Id, bounds: &SearchBounds) -> Result<Vec<Id>> {
    let people = ids(tx, PEOPLE, [&email.from, &email.to, &rest.reach.owner(), &(bounds.people as i64)])?;
    let mut found = Vec::new();
    for person in people {
        let theirs = KeyQuestion { reach: Reach::Own(UserId::from_bytes(person)), ..*rest };
        found.extend(walk(tx, &theirs, None, below, bounds.walk, wanted(rest))?.found);
    }
    Ok(found)
}

fn hinted(tx: &Tx<'_>, rest: &KeyQuestion<'_>, hint: &str, below: Id) -> Result<Vec<Id>> {
    let (text, statement) = hinted_sql(tx, rest, hint, below);
    let found = tx.rows(&text, &statement.values()[..], |row| Ok(row.get(0).ok()))?;
    Ok(found.into_iter().flatten().collect())
}

/// On SQLite a cross join, which is not reordered.
fn hinted_sql(tx: &Tx<'_>, rest: &KeyQuestion<'_>, hint: &str, below: Id) -> (String, ListStatement) {
    let mut statement = ListStatement::default();
    let (hint, below) = (statement.bind(hint.to_owned()), statement.bind(below));
    let rows = tx.dialect(
        format!("key_hints h CROSS JOIN keys k ON k.id = h.id WHERE h.hint = {hint} AND h.id < {below}"),
        format!("keys k WHERE k.hint = {hint} AND k.id < {below}"),
    );
    let matches = conditions(tx, rest, &mut statement);
    let limit = statement.bind(wanted(rest) as i64);
    let order = tx.dialect("h.id", "k.id");
    (format!("SELECT k.id FROM {rows} AND {matches} ORDER BY {order} DESC LIMIT {limit}"), statement)
}

/// The record, if it is within reach and matches the rest of the filter.
fn kept(tx: &Tx<'_>, rest: &KeyQuestion<'_>, id: &Id) -> Result<Option<KeyRecord>> {
    let mut statement = ListStatement::default();
    let id = statement.bind(*id);
    let matches = conditions(tx, rest, &mut statement);
    tx.row(&format!("{KEY} AND k.id = {id} AND {matches}"), &statement.values()[..], record)
}

fn ids<const N: usize>(tx: &Tx<'_>, text: &str, values: [&dyn ToValue; N]) -> Result<Vec<Id>> {
    Ok(tx.rows(text, values, |row| Ok(row.get(0).ok()))?.into_iter().flatten().collect())
}

/// One more key than fits on the page.
fn wanted(question: &KeyQuestion<'_>) -> usize {
    question.filter.limit + 1
}

#[cfg(test)]
mod tests;
