//! Pages of a list of keys, in a time that hardly depends on their number. If few keys come into question, all of them
//! are read and sorted. Otherwise a page walks an index in the order of the list, and only so far: if few rows match,
//! it ends before it is full, and the next one continues there.

mod conditions;
mod count;
mod few;
mod search;
mod statement;
#[cfg(test)]
mod tests;
mod walk;

use crate::error::{Error, Result};
use crate::model::{
    FoundPlaces, KeyFilter, KeyRecord, KeySort, ListMark, ListPage, ListPlace, Reach, SortValue, SortedBy, Time,
};
use crate::store::Tx;
use crate::store::tables::keys::{KEY, record};
use crate::store::tables::pending_imports::Id;
use conditions::{KeySource, conditions};
use statement::ListStatement;

/// How much one page may read.
struct ListBounds {
    /// So many keys are read and sorted if no index has them in the order of the list, which takes 30 ms.
    few: usize,
    /// Rows of an index that are walked, which takes 50 ms.
    walk: usize,
}

const BOUNDS: ListBounds = ListBounds { few: 20_000, walk: 50_000 };

/// A filter, whose keys it can contain, and when.
#[derive(Clone, Copy)]
struct KeyQuestion<'a> {
    filter: &'a KeyFilter,
    reach: Reach,
    now: Time,
}

/// Where to look and in which direction.
struct ListStep<'a> {
    question: &'a KeyQuestion<'a>,
    from: Option<(&'a ListPlace, bool)>,
    is_backwards: bool,
    /// How many places are wanted.
    wanted: usize,
}

impl ListStep<'_> {
    fn sort(&self) -> KeySort {
        self.question.filter.sort
    }

    /// Whether the values fall in the direction of this step.
    fn is_descending(&self) -> bool {
        self.sort().is_descending != self.is_backwards
    }

    fn direction(&self) -> &'static str {
        if self.is_descending() { "DESC" } else { "ASC" }
    }

    /// The comparison that a row after the cursor passes.
    fn comparison(&self, is_inclusive: bool) -> &'static str {
        match (self.is_descending(), is_inclusive) {
            (true, false) => "<",
            (true, true) => "<=",
            (false, false) => ">",
            (false, true) => ">=",
        }
    }

    /// The two parts of the list, in the direction of this step, that are not behind it: keys that have the value, and
    /// keys that do not. For each, the cursor in it.
    fn parts(&self) -> Vec<(ListPart, Option<(&ListPlace, bool)>)> {
        let mut parts = match self.sort().by {
            SortedBy::CreatedAt | SortedBy::Name => vec![ListPart::Valued],
            SortedBy::ExpiresAt | SortedBy::LastUsedAt => vec![ListPart::Valued, ListPart::Rest],
        };
        if self.is_backwards {
            parts.reverse();
        }
        let is_two = parts.len() == 2;
        let holds = |part: ListPart, place: &ListPlace| {
            !is_two || (part == ListPart::Rest) == (place.value == SortValue::Missing)
        };
        let first = self.from.map_or(0, |(place, _)| parts.iter().position(|part| holds(*part, place)).unwrap_or(0));
        let behind = parts.into_iter().skip(first).enumerate();
        behind.map(|(number, part)| (part, self.from.filter(|_| number == 0))).collect()
    }
}

/// Keys that have the value by which the list is sorted, and the rest, sorted by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ListPart {
    Valued,
    Rest,
}

impl Tx<'_> {
    /// The keys that match the filter, in its order. See [`KeyFilter`] for what a search text finds. `reach` narrows the
    /// filter's owner.
    pub fn keys_page(&self, filter: &KeyFilter, reach: Reach, now: Time) -> Result<ListPage<KeyRecord>> {
        let mark = filter.mark();
        if let Some(cursor) = &filter.at {
            cursor.check_list(mark)?;
            if !fits(&cursor.place.value, filter.sort.by) {
                return Err(Error::invalid("cursor", "This page link is no longer valid. Go back to the list."));
            }
        }
        let reach = match (reach, filter.owner) {
            (Reach::Anyone, Some(owner)) => Reach::Own(owner),
            _ => reach,
        };
        let question = KeyQuestion { filter, reach, now };
        let few = few::source(self, &question, &BOUNDS)?;
        match (&filter.search, few) {
            (Some(text), None) => self.at_one_moment(|| searched(self, &question, text, mark)),
            (_, few) => paged(self, &question, few, mark, &BOUNDS),
        }
    }

    /// These keys, in their order; those that are gone are left out.
    fn keys_at(&self, places: &[ListPlace]) -> Result<Vec<KeyRecord>> {
        let Some(first) = places.first() else { return Ok(Vec::new()) };
        let mut statement = ListStatement::default();
        // Few different numbers of values, so that there are few statements to prepare.
        let padded = places.len().next_power_of_two();
        let ids: Vec<String> = places
            .iter()
            .chain(std::iter::repeat_n(first, padded - places.len()))
            .map(|place| statement.bind(place.id))
            .collect();
        let text = format!("{KEY} AND k.id IN ({})", ids.join(", "));
        let mut records = self.rows(&text, &statement.values()[..], record)?;
        records.sort_by_key(|record| places.iter().position(|place| place.id == *record.id.as_bytes()));
        Ok(records)
    }
}

/// Whether lists in this order have such cursors.
fn fits(value: &SortValue, by: SortedBy) -> bool {
    match by {
        SortedBy::CreatedAt => *value == SortValue::Missing,
        SortedBy::ExpiresAt | SortedBy::LastUsedAt => !matches!(value, SortValue::Text(_)),
        SortedBy::Name => matches!(value, SortValue::Text(_)),
    }
}

fn paged(
    tx: &Tx<'_>,
    question: &KeyQuestion<'_>,
    few: Option<KeySource>,
    mark: ListMark,
    bounds: &ListBounds,
) -> Result<ListPage<KeyRecord>> {
    let filter = question.filter;
    let cursor = filter.at.as_ref();
    let find = |step: &ListStep<'_>| match few {
        Some(source) => few::find(tx, step, source),
        None => walk::find(tx, step, bounds.walk),
    };
    let step = ListStep {
        question,
        from: cursor.map(|cursor| (&cursor.place, cursor.is_inclusive)),
        is_backwards: cursor.is_some_and(|cursor| cursor.is_backwards),
        wanted: filter.limit + 1,
    };
    let page = match ListPage::of(find(&step)?, mark, cursor, filter.limit) {
        Some(page) => page,
        None => {
            let first = ListStep { from: None, is_backwards: false, ..step };
            ListPage::of(find(&first)?, mark, None, filter.limit)
                .ok_or_else(|| Error::internal("a page from the beginning is read forwards"))?
        }
    };
    let rows = tx.keys_at(&page.rows)?;
    Ok(page.with_rows(rows))
}

/// A search among more than a few keys finds the newest first, and only forwards.
fn searched(tx: &Tx<'_>, question: &KeyQuestion<'_>, text: &str, mark: ListMark) -> Result<ListPage<KeyRecord>> {
    let filter = question.filter;
    if filter.sort != KeySort::NEWEST {
        let message = "This searches too many keys to sort what is found. Leave sort out, or name an owner.";
        return Err(Error::invalid("sort", message));
    }
    let cursor = filter.at.as_ref().filter(|cursor| !cursor.is_backwards);
    let below: Id = cursor.map_or([0xff; 16], |cursor| cursor.place.id);
    let rows = search::search(tx, question, text, below, &search::BOUNDS)?;
    let place = |row: &KeyRecord| ListPlace { value: SortValue::Missing, id: *row.id.as_bytes() };
    let found = FoundPlaces { places: rows.iter().map(place).collect(), stopped_at: None };
    let page =
        ListPage::of(found, mark, cursor, filter.limit).ok_or_else(|| Error::internal("a search is read forwards"))?;
    let rows = rows.into_iter().take(filter.limit).collect();
    Ok(page.with_rows(rows))
}
