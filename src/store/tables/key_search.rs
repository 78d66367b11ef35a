//! Lists and searches keys in a time that hardly depends on their number. Any part of a text is matched among the
//! newest keys only; older keys must be found by an index. The caller decides who can search what, in `reach`.

use rusqlite::{Connection, OptionalExtension, ToSql, named_params};

use super::keys::{KEY, record};
use super::pending_imports::{Id, is_key};
use crate::error::Result;
use crate::model::{Cursor, KeyFilter, KeyId, KeyRecord, Page, Reach, UserId};
use crate::store::Tx;
use crate::store::rows::{like_pattern, sql};

/// The filters of a list, and whose keys it can contain.
struct Wanted {
    reach: Reach,
    enabled: Option<bool>,
    after: Option<Cursor>,
    limit: usize,
}

impl Tx<'_> {
    /// The keys that match the filter, newest first. See [`KeyFilter`] for what a search text finds. `reach` narrows
    /// the filter's owner.
    pub fn keys_page(&self, filter: &KeyFilter, reach: Reach) -> Result<Page<KeyRecord>> {
        let reach = match (reach, filter.owner) {
            (Reach::Anyone, Some(owner)) => Reach::Own(owner),
            _ => reach,
        };
        let wanted = Wanted { reach, enabled: filter.enabled, after: filter.after, limit: filter.limit };
        let rows = match &filter.search {
            Some(text) => search(self.db, &wanted, text, &BOUNDS)?,
            None => list(self.db, &wanted)?,
        };
        Ok(Page::cut(rows, filter.limit, |row| *row.id.as_bytes()))
    }
}

/// The bounds of a search.
struct SearchBounds {
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

const BOUNDS: SearchBounds = SearchBounds { window: 10_000, few: 50_000, walk: 50_000, people: 50 };

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

/// The condition that a walk checks for each key, with the values `?5` and `?6`.
struct WalkCondition<'a> {
    sql: &'static str,
    values: [&'a dyn ToSql; 2],
}

const PART: &str =
    "(k.name LIKE ?5 ESCAPE '\\' OR k.hint LIKE ?5 ESCAPE '\\' OR u.email LIKE ?5 ESCAPE '\\' OR k.id IS ?6)";
const BEGINS: &str = "(k.name COLLATE NOCASE >= ?5 AND k.name COLLATE NOCASE < ?6)";

/// The matching keys, newest first, and how far the walk got.
struct Walk {
    found: Vec<Id>,
    floor: Id,
    is_over: bool,
}

const COUNT_NAMED: &str =
    "SELECT count(*) FROM (SELECT 1 FROM keys WHERE name COLLATE NOCASE >= ?1 AND name COLLATE NOCASE < ?2 LIMIT ?3)";
const NEWEST_NAMED: &str = "SELECT id FROM keys INDEXED BY keys_by_name WHERE name COLLATE NOCASE >= ?1 AND name COLLATE NOCASE < ?2 \
    AND id < ?3 ORDER BY id DESC LIMIT ?4";
const PEOPLE: &str =
    "SELECT id FROM users WHERE email >= ?1 AND email < ?2 AND (?3 IS NULL OR id = ?3) ORDER BY email LIMIT ?4";
const OWNED: &str = concat!(
    "SELECT k.id FROM keys k WHERE k.owner_id = ?1 AND k.id < ?2 AND k.is_token <> 1 AND (?3 IS NULL OR k.enabled = ?3) AND ",
    is_key!(),
    " ORDER BY k.id DESC LIMIT ?4"
);
const HINTED: &str = concat!(
    "SELECT k.id FROM keys k WHERE k.hint = ?1 AND k.id < ?2 AND k.is_token <> 1 AND (?3 IS NULL OR k.owner_id = ?3) \
     AND (?4 IS NULL OR k.enabled = ?4) AND ",
    is_key!(),
    " ORDER BY k.id DESC LIMIT ?5"
);

fn list(db: &Connection, filter: &Wanted) -> Result<Vec<KeyRecord>> {
    let mut query = db
        .prepare_cached(&format!(
            "{KEY} AND {} AND k.is_token <> 1 AND k.id > :above AND k.id < :below AND length(k.id) = 16
             AND (:enabled IS NULL OR k.enabled = :enabled) ORDER BY k.id DESC LIMIT :limit",
            owned(filter, ":owner")
        ))
        .map_err(sql)?;
    let mut found = Vec::new();
    for (above, below) in Tx::new(db).spans(after(filter))? {
        let values = named_params! {
            ":owner": filter.reach.owner(),
            ":above": above,
            ":below": below,
            ":enabled": filter.enabled,
            ":limit": (wanted(filter) - found.len()) as i64,
        };
        let rows = query.query_map(values, record).map_err(sql)?;
        found.extend(rows.collect::<rusqlite::Result<Vec<_>>>().map_err(sql)?);
    }
    Ok(found)
}

/// Keys in the window are newer than all others, so the indexes are used only if the page still has room.
fn search(db: &Connection, filter: &Wanted, text: &str, bounds: &SearchBounds) -> Result<Vec<KeyRecord>> {
    // A single transaction, so that a key that is revoked meanwhile is found completely or not at all.
    let db = &*db.unchecked_transaction().map_err(sql)?;
    let text = text.trim();
    let id = KeyId::parse(text).ok().map(|id| *id.as_bytes());
    let part = WalkCondition { sql: PART, values: [&like_pattern(text), &id] };
    let window = walk(db, filter, &part, after(filter), bounds.window, wanted(filter))?;
    let mut found = window.found;
    let is_full = found.len() == wanted(filter);
    if !is_full && !window.is_over {
        let mut older = named(db, filter, &Prefix::new(text.to_owned()), window.floor, bounds)?;
        older.extend(of_people(db, filter, &Prefix::new(text.to_ascii_lowercase()), window.floor, bounds)?);
        older.extend(hinted(db, filter, text, window.floor)?);
        older.extend(id.filter(|id| *id < window.floor));
        older.sort_unstable_by(|a, b| b.cmp(a));
        older.dedup();
        found.extend(older);
    }
    let rows = found.iter().filter_map(|id| kept(db, filter, id).transpose());
    rows.take(wanted(filter)).collect()
}

/// Checks up to `rows` keys below an id, until `wanted` are found.
fn walk(
    db: &Connection,
    filter: &Wanted,
    question: &WalkCondition<'_>,
    below: Id,
    rows: usize,
    wanted: usize,
) -> Result<Walk> {
    let mut query = db.prepare_cached(&walk_sql(filter, question.sql)).map_err(sql)?;
    let [first, second] = question.values;
    let owner = filter.reach.owner();
    let mut walk = Walk { found: Vec::new(), floor: below, is_over: false };
    let mut left = rows;
    for (above, below) in Tx::new(db).spans(below)? {
        let values: [&dyn ToSql; 7] = [&owner, &below, &filter.enabled, &(left as i64), first, second, &above];
        let mut keys = query.query(values).map_err(sql)?;
        while walk.found.len() < wanted && left > 0 {
            let Some(key) = keys.next().map_err(sql)? else { break };
            left -= 1;
            walk.floor = key.get(0).map_err(sql)?;
            if key.get(1).map_err(sql)? {
                walk.found.push(walk.floor);
            }
        }
    }
    walk.is_over = left > 0 && walk.found.len() < wanted;
    Ok(walk)
}

/// The condition is a column, not in WHERE, so that each step of SQLite goes only to the next key. The join is a cross
/// join, because SQLite does not reorder those.
fn walk_sql(filter: &Wanted, question: &str) -> String {
    format!(
        "SELECT k.id, (?3 IS NULL OR k.enabled = ?3) AND {question} FROM keys k CROSS JOIN users u ON u.id = k.owner_id \
         WHERE {} AND k.is_token <> 1 AND k.id < ?2 AND k.id > ?7 AND length(k.id) = 16 ORDER BY k.id DESC LIMIT ?4",
        owned(filter, "?1")
    )
}

/// The newest keys whose name begins with this prefix.
fn named(db: &Connection, filter: &Wanted, name: &Prefix, below: Id, bounds: &SearchBounds) -> Result<Vec<Id>> {
    let wanted = wanted(filter);
    let mut walked = Walk { found: Vec::new(), floor: below, is_over: false };
    if are_more_than(db, bounds.few, name)? {
        let begins = WalkCondition { sql: BEGINS, values: [&name.from, &name.to] };
        walked = walk(db, filter, &begins, below, bounds.walk, wanted)?;
    }
    let Walk { mut found, mut floor, mut is_over } = walked;
    // Each round reads all such names. The index contains ids, so most need no access to the key's row.
    let mut many = wanted;
    while found.len() < wanted && !is_over {
        let newest = ids(db, NEWEST_NAMED, &[&name.from, &name.to, &floor, &(many as i64)])?;
        is_over = newest.len() < many;
        for id in newest {
            floor = id;
            if found.len() < wanted && kept(db, filter, &id)?.is_some() {
                found.push(id);
            }
        }
        many = many.saturating_mul(10);
    }
    Ok(found)
}

fn are_more_than(db: &Connection, few: usize, name: &Prefix) -> Result<bool> {
    let mut query = db.prepare_cached(COUNT_NAMED).map_err(sql)?;
    let count: i64 = query.query_row((&name.from, &name.to, few as i64 + 1), |row| row.get(0)).map_err(sql)?;
    Ok(count > few as i64)
}

/// The newest keys of each user whose email begins with this prefix.
fn of_people(db: &Connection, filter: &Wanted, email: &Prefix, below: Id, bounds: &SearchBounds) -> Result<Vec<Id>> {
    let people = ids(db, PEOPLE, &[&email.from, &email.to, &filter.reach.owner(), &(bounds.people as i64)])?;
    let mut found = Vec::new();
    for person in people {
        let person = UserId::from_bytes(person);
        found.extend(ids(db, OWNED, &[person.as_bytes(), &below, &filter.enabled, &(wanted(filter) as i64)])?);
    }
    Ok(found)
}

fn hinted(db: &Connection, filter: &Wanted, hint: &str, below: Id) -> Result<Vec<Id>> {
    ids(db, HINTED, &[&hint, &below, &filter.reach.owner(), &filter.enabled, &(wanted(filter) as i64)])
}

/// The record, if it is within reach and matches the filters.
fn kept(db: &Connection, filter: &Wanted, id: &Id) -> Result<Option<KeyRecord>> {
    let mut query = db
        .prepare_cached(&format!(
            "{KEY} AND k.id = ?1 AND k.is_token <> 1 AND (?2 IS NULL OR k.owner_id = ?2) AND (?3 IS NULL OR k.enabled = ?3)"
        ))
        .map_err(sql)?;
    query.query_row((id, filter.reach.owner(), filter.enabled), record).optional().map_err(sql)
}

fn ids(db: &Connection, query: &str, values: &[&dyn ToSql]) -> Result<Vec<Id>> {
    let mut query = db.prepare_cached(query).map_err(sql)?;
    let found = query.query_map(values, |row| Ok(row.get(0).ok())).map_err(sql)?;
    Ok(found.collect::<rusqlite::Result<Vec<_>>>().map_err(sql)?.into_iter().flatten().collect())
}

/// The condition on the owner, which uses an index unless all owners are searched.
fn owned(filter: &Wanted, owner: &str) -> String {
    match filter.reach {
        Reach::Own(_) => format!("k.owner_id = {owner}"),
        Reach::Anyone => format!("{owner} IS NULL"),
    }
}

fn after(filter: &Wanted) -> Id {
    filter.after.map_or([0xff; 16], |cursor| cursor.0)
}

/// One more key than fits on the page.
fn wanted(filter: &Wanted) -> usize {
    filter.limit + 1
}

#[cfg(test)]
mod tests;
