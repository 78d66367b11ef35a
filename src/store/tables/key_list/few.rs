//! Lists of so few keys that all of them are read and sorted, whatever the filter and the order.

use super::conditions::{KeySource, LAST_USE, conditions, ending, is_disabled};
use super::{KeyQuestion, ListBounds, ListPart, ListStatement, ListStep};
use crate::error::Result;
use crate::model::{FoundPlaces, ListPlace, Reach, SortValue, SortedBy};
use crate::store::Tx;
use crate::store::row::{Read, Row};

/// The index that leaves only a few keys for the filter, if the order of the list or its search text needs that.
pub(super) fn source(tx: &Tx<'_>, question: &KeyQuestion<'_>, bounds: &ListBounds) -> Result<Option<KeySource>> {
    let filter = question.filter;
    let is_ending = ending(filter, question.now).1.is_some();
    let is_walk_in_order = match filter.sort.by {
        SortedBy::CreatedAt => !is_ending,
        SortedBy::ExpiresAt => is_ending && question.reach == Reach::Anyone,
        SortedBy::LastUsedAt | SortedBy::Name => false,
    };
    if is_walk_in_order && filter.search.is_none() {
        return Ok(None);
    }
    let has = [
        (KeySource::Owner, question.reach != Reach::Anyone),
        (KeySource::Ending, is_ending),
        (KeySource::Disabled, is_disabled(filter)),
        (KeySource::All, filter.search.is_some()),
    ];
    for (source, is_narrowing) in has {
        if is_narrowing && count(tx, question, source, bounds.few + 1)? <= bounds.few {
            return Ok(Some(source));
        }
    }
    Ok(None)
}

/// How many rows the index finds, up to `most`.
pub(super) fn count(tx: &Tx<'_>, question: &KeyQuestion<'_>, source: KeySource, most: usize) -> Result<usize> {
    let mut statement = ListStatement::default();
    let (table, condition) = (source.table(tx), source.condition(question, &mut statement));
    let most = statement.bind(most as i64);
    let text = format!("SELECT count(*) FROM (SELECT 1 FROM {table} WHERE {condition} LIMIT {most}) AS few");
    let count: i64 = tx.one(&text, &statement.values()[..], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

pub(super) fn find(tx: &Tx<'_>, step: &ListStep<'_>, source: KeySource) -> Result<FoundPlaces> {
    let mut places = Vec::new();
    for (part, from) in step.parts() {
        if places.len() < step.wanted {
            places.extend(find_in(tx, step, source, part, from, step.wanted - places.len())?);
        }
    }
    Ok(FoundPlaces { places, stopped_at: None })
}

fn find_in(
    tx: &Tx<'_>,
    step: &ListStep<'_>,
    source: KeySource,
    part: ListPart,
    from: Option<(&ListPlace, bool)>,
    wanted: usize,
) -> Result<Vec<ListPlace>> {
    let mut statement = ListStatement::default();
    let indexed = source.condition(step.question, &mut statement);
    // PostgreSQL would otherwise often prefer to walk the index of the order, through all keys.
    let rows = tx.dialect(
        format!("{} WHERE {indexed}", source.table(tx)),
        format!("(SELECT * FROM keys k WHERE {indexed} OFFSET 0) k WHERE 1 = 1"),
    );
    let matches = conditions(tx, step.question, &mut statement);
    let (value, value_of): (Option<&str>, fn(&Row<'_>) -> SortValue) = match step.sort().by {
        SortedBy::CreatedAt => (None, missing),
        SortedBy::ExpiresAt => (Some("k.expires_at"), number),
        SortedBy::LastUsedAt => (Some(LAST_USE), number),
        SortedBy::Name => (Some(tx.dialect("k.name COLLATE NOCASE", "lower(k.name)")), text),
    };
    let (value, value_of) = match part {
        ListPart::Valued => (value, value_of),
        ListPart::Rest => (None, missing as fn(&Row<'_>) -> SortValue),
    };
    let direction = step.direction();
    let in_part = match (step.sort().by, part) {
        (SortedBy::ExpiresAt, ListPart::Rest) => "k.expires_at IS NULL".to_owned(),
        (SortedBy::LastUsedAt, ListPart::Rest) => format!("{LAST_USE} IS NULL"),
        (_, ListPart::Rest) => "1 = 0".to_owned(),
        (SortedBy::ExpiresAt | SortedBy::LastUsedAt, ListPart::Valued) => {
            format!("{} IS NOT NULL", value.unwrap_or("k.id"))
        }
        (_, ListPart::Valued) => "1 = 1".to_owned(),
    };
    let after = match from {
        None => "1 = 1".to_owned(),
        Some((place, is_inclusive)) => {
            let comparison = step.comparison(is_inclusive);
            let id = |statement: &mut ListStatement| statement.bind(place.id);
            match (&place.value, value) {
                (SortValue::Number(number), Some(value)) => {
                    let number = statement.bind(*number);
                    format!("({value}, k.id) {comparison} ({number}, {})", id(&mut statement))
                }
                (SortValue::Text(text), Some(value)) => {
                    let text = statement.bind(text.clone());
                    format!("({value}, k.id) {comparison} ({text}, {})", id(&mut statement))
                }
                _ => format!("k.id {comparison} {}", id(&mut statement)),
            }
        }
    };
    let order = value.map_or_else(String::new, |value| format!("{value} {direction}, "));
    let column = value.map_or_else(String::new, |value| format!(", {value}"));
    let limit = statement.bind(wanted as i64);
    let text = format!(
        "SELECT k.id{column} FROM {rows} AND length(k.id) = 16 AND {in_part} AND {after} AND {matches} \
         ORDER BY {order}k.id {direction} LIMIT {limit}"
    );
    tx.rows(&text, &statement.values()[..], |row| place(row, value_of))
}

fn place(row: &Row<'_>, value: fn(&Row<'_>) -> SortValue) -> Read<ListPlace> {
    Ok(ListPlace { id: row.get(0)?, value: value(row) })
}

fn missing(_: &Row<'_>) -> SortValue {
    SortValue::Missing
}

/// A damaged value comes last, as SQLite sorts it.
fn number(row: &Row<'_>) -> SortValue {
    SortValue::Number(row.get(1).unwrap_or(i64::MAX))
}

fn text(row: &Row<'_>) -> SortValue {
    SortValue::Text(row.text(1).unwrap_or_default().to_owned())
}
