//! Lists and searches keys in a time that hardly depends on their number. Any part of a text is matched among the
//! newest keys only; older keys must be found by an index. The caller decides who can search what, in `reach`.

use super::keys::{KEY, record};
use super::pending_imports::{Id, is_key};
use crate::error::Result;
use crate::model::{Cursor, KeyFilter, KeyId, KeyRecord, Page, Reach, UserId};
use crate::store::Tx;
use crate::store::columns::like_pattern;
use crate::store::value::{ToValue, named};

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
            Some(text) => self.at_one_moment(|| search(self, &wanted, text, &BOUNDS))?,
            None => list(self, &wanted)?,
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
    values: [&'a dyn ToValue; 2],
}

/// SQLite: LIKE and NOCASE ignore the case of ASCII letters. PostgreSQL: so do ILIKE and lower() in the collation "C",
/// which all our columns have.
const PART: [&str; 2] = [
    "(k.name LIKE ?5 ESCAPE '\\' OR k.hint LIKE ?5 ESCAPE '\\' OR u.email LIKE ?5 ESCAPE '\\' OR k.id = ?6)",
    "(k.name ILIKE ?5 ESCAPE '\\' OR k.hint ILIKE ?5 ESCAPE '\\' OR u.email ILIKE ?5 ESCAPE '\\' OR k.id = ?6)",
];
const BEGINS: [&str; 2] = [
    "(k.name COLLATE NOCASE >= ?5 AND k.name COLLATE NOCASE < ?6)",
    "(lower(k.name) >= lower(?5) AND lower(k.name) < lower(?6))",
];

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
const OWNED: &str = concat!(
    "SELECT k.id FROM keys k WHERE k.owner_id = ?1 AND k.id < ?2 AND k.is_token <> 1 AND (k.enabled = ?3 OR ?3 IS NULL) AND ",
    is_key!(),
    " ORDER BY k.id DESC LIMIT ?4"
);
/// On SQLite a cross join, which is not reordered.
const HINTED: [&str; 2] = [
    concat!(
        "SELECT k.id FROM key_hints h CROSS JOIN keys k ON k.id = h.id WHERE h.hint = ?1 AND h.id < ?2 \
         AND k.is_token <> 1 AND (k.owner_id = ?3 OR ?3 IS NULL) AND (k.enabled = ?4 OR ?4 IS NULL) AND ",
        is_key!(),
        " ORDER BY h.id DESC LIMIT ?5"
    ),
    concat!(
        "SELECT k.id FROM keys k WHERE k.hint = ?1 AND k.id < ?2 AND k.is_token <> 1 \
         AND (k.owner_id = ?3 OR ?3 IS NULL) AND (k.enabled = ?4 OR ?4 IS NULL) AND ",
        is_key!(),
        " ORDER BY k.id DESC LIMIT ?5"
    ),
];

fn list(tx: &Tx<'_>, filter: &Wanted) -> Result<Vec<KeyRecord>> {
    let text = format!(
        "{KEY} AND {} AND k.is_token <> 1 AND k.id > :above AND k.id < :below AND length(k.id) = 16
         AND (k.enabled = :enabled OR :enabled IS NULL) ORDER BY k.id DESC LIMIT :limit",
        owned(tx, filter, ":owner")
    );
    let mut found = Vec::new();
    for (above, below) in tx.spans(after(filter))? {
        let values = named! {
            ":owner": filter.reach.owner(),
            ":above": above,
            ":below": below,
            ":enabled": filter.enabled,
            ":limit": (wanted(filter) - found.len()) as i64,
        };
        found.extend(tx.rows(&text, values, record)?);
    }
    Ok(found)
}

/// Keys in the window are newer than all others, so the indexes are used only if the page still has room. Must see one
/// moment, so that a key that is revoked meanwhile is found completely or not at all.
fn search(tx: &Tx<'_>, filter: &Wanted, text: &str, bounds: &SearchBounds) -> Result<Vec<KeyRecord>> {
    let text = text.trim();
    let id = KeyId::parse(text).ok().map(|id| *id.as_bytes());
    let [sqlite, postgres] = PART;
    let part = WalkCondition { sql: tx.dialect(sqlite, postgres), values: [&like_pattern(text), &id] };
    let window = walk(tx, filter, &part, after(filter), bounds.window, wanted(filter))?;
    let mut found = window.found;
    let is_full = found.len() == wanted(filter);
    if !is_full && !window.is_over {
        let mut older = named_keys(tx, filter, &Prefix::new(text.to_owned()), window.floor, bounds)?;
        older.extend(of_people(tx, filter, &Prefix::new(text.to_ascii_lowercase()), window.floor, bounds)?);
        older.extend(hinted(tx, filter, text, window.floor)?);
        older.extend(id.filter(|id| *id < window.floor));
        older.sort_unstable_by(|a, b| b.cmp(a));
        older.dedup();
        found.extend(older);
    }
    let rows = found.iter().filter_map(|id| kept(tx, filter, id).transpose());
    rows.take(wanted(filter)).collect()
}

/// Checks up to `rows` keys below an id, until `wanted` are found.
fn walk(
    tx: &Tx<'_>,
    filter: &Wanted,
    question: &WalkCondition<'_>,
    below: Id,
    rows: usize,
    wanted: usize,
) -> Result<Walk> {
    let text = walk_sql(tx, filter, question.sql);
    let [first, second] = question.values;
    let owner = filter.reach.owner();
    let mut walk = Walk { found: Vec::new(), floor: below, is_over: false };
    let mut left = rows;
    for (above, below) in tx.spans(below)? {
        if walk.found.len() == wanted || left == 0 {
            break;
        }
        let values: [&dyn ToValue; 7] = [&owner, &below, &filter.enabled, &(left as i64), first, second, &above];
        tx.each(&text, values, |key| {
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

/// The condition is a column, not in WHERE, so that each step of SQLite goes only to the next key. The join is a cross
/// join, because SQLite does not reorder those.
fn walk_sql(tx: &Tx<'_>, filter: &Wanted, question: &str) -> String {
    let join = tx.dialect("CROSS JOIN", "JOIN");
    format!(
        "SELECT k.id, CASE WHEN (k.enabled = ?3 OR ?3 IS NULL) AND {question} THEN 1 ELSE 0 END FROM keys k \
         {join} users u ON u.id = k.owner_id \
         WHERE {} AND k.is_token <> 1 AND k.id < ?2 AND k.id > ?7 AND length(k.id) = 16 ORDER BY k.id DESC LIMIT ?4",
        owned(tx, filter, "?1")
    )
}

/// The newest keys whose name begins with this prefix.
fn named_keys(tx: &Tx<'_>, filter: &Wanted, name: &Prefix, below: Id, bounds: &SearchBounds) -> Result<Vec<Id>> {
    let wanted = wanted(filter);
    let mut walked = Walk { found: Vec::new(), floor: below, is_over: false };
    if are_more_than(tx, bounds.few, name)? {
        let [sqlite, postgres] = BEGINS;
        let begins = WalkCondition { sql: tx.dialect(sqlite, postgres), values: [&name.from, &name.to] };
        walked = walk(tx, filter, &begins, below, bounds.walk, wanted)?;
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
            if found.len() < wanted && kept(tx, filter, &id)?.is_some() {
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
fn of_people(tx: &Tx<'_>, filter: &Wanted, email: &Prefix, below: Id, bounds: &SearchBounds) -> Result<Vec<Id>> {
    let people = ids(tx, PEOPLE, [&email.from, &email.to, &filter.reach.owner(), &(bounds.people as i64)])?;
    let mut found = Vec::new();
    for person in people {
        let person = UserId::from_bytes(person);
        found.extend(ids(tx, OWNED, [person.as_bytes(), &below, &filter.enabled, &(wanted(filter) as i64)])?);
    }
    Ok(found)
}

fn hinted(tx: &Tx<'_>, filter: &Wanted, hint: &str, below: Id) -> Result<Vec<Id>> {
    let [sqlite, postgres] = HINTED;
    ids(
        tx,
        tx.dialect(sqlite, postgres),
        [&hint, &below, &filter.reach.owner(), &filter.enabled, &(wanted(filter) as i64)],
    )
}

/// The record, if it is within reach and matches the filters.
fn kept(tx: &Tx<'_>, filter: &Wanted, id: &Id) -> Result<Option<KeyRecord>> {
    let text = format!(
        "{KEY} AND k.id = ?1 AND k.is_token <> 1 AND (k.owner_id = ?2 OR ?2 IS NULL) AND (k.enabled = ?3 OR ?3 IS NULL)"
    );
    tx.row(&text, (id, filter.reach.owner(), filter.enabled), record)
}

fn ids<const N: usize>(tx: &Tx<'_>, text: &str, values: [&dyn ToValue; N]) -> Result<Vec<Id>> {
    Ok(tx.rows(text, values, |row| Ok(row.get(0).ok()))?.into_iter().flatten().collect())
}

/// The condition on the owner, which uses an index unless all owners are searched.
fn owned(tx: &Tx<'_>, filter: &Wanted, owner: &str) -> String {
    match filter.reach {
        Reach::Own(_) => format!("k.owner_id = {owner}"),
        Reach::Anyone => format!("CAST({owner} AS {}) IS NULL", tx.dialect("BLOB", "BYTEA")),
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
