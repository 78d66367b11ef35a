//! Pages of a sorted list that can be turned in both directions. A cursor is a boundary between two rows: the values by
//! which one of them is sorted, and the list to which it belongs. A forged one can only return another page of what its
//! caller may see.

use data_encoding::BASE64URL_NOPAD;

use super::Digest;
use crate::error::{Error, Result};

/// The value by which a row is sorted. Rows without one come after all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SortValue {
    Missing,
    Number(i64),
    Text(String),
}

/// A row's place in a list: of rows with the same value, the id decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPlace {
    pub value: SortValue,
    pub id: [u8; 16],
}

/// Which list a cursor belongs to: a digest of its filter and its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListMark([u8; 4]);

impl ListMark {
    pub fn of(parts: &[&str]) -> Self {
        let lengths = parts.iter().flat_map(|part| part.len().to_be_bytes());
        let bytes: Vec<u8> = lengths.chain(parts.iter().flat_map(|part| part.bytes())).collect();
        let digest = Digest::of(&bytes);
        let mut mark = [0; 4];
        mark.copy_from_slice(&digest.as_bytes()[..4]);
        ListMark(mark)
    }
}

/// The boundary at which a page begins or, if it is read backwards, ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListCursor {
    pub list: ListMark,
    pub is_backwards: bool,
    /// Whether the row at this place is on the page.
    pub is_inclusive: bool,
    /// The number of rows before the boundary, for people.
    pub rows_before: u32,
    pub place: ListPlace,
}

impl ListCursor {
    /// Bytes before the sort value.
    const FIXED: usize = 25;
    /// Maximum length in characters; the longest name takes a part of it.
    pub const MAX: usize = 2_000;

    pub fn parse(text: &str) -> Result<Self> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok().filter(|_| text.len() <= Self::MAX);
        bytes
            .and_then(|bytes| Self::read(&bytes))
            .ok_or_else(|| Error::invalid("cursor", "This page link is no longer valid. Go back to the list."))
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (fixed, value) = bytes.split_at_checked(Self::FIXED)?;
        let flags = fixed[0];
        let value = match flags >> 2 {
            0 if value.is_empty() => SortValue::Missing,
            1 => SortValue::Number(i64::from_be_bytes(value.try_into().ok()?)),
            2 => SortValue::Text(str::from_utf8(value).ok().filter(|text| !text.contains('\0'))?.to_owned()),
            _ => return None,
        };
        Some(ListCursor {
            list: ListMark(fixed[1..5].try_into().ok()?),
            is_backwards: flags & 1 != 0,
            is_inclusive: flags & 2 != 0,
            rows_before: u32::from_be_bytes(fixed[5..9].try_into().ok()?),
            place: ListPlace { value, id: fixed[9..].try_into().ok()? },
        })
    }

    pub fn text(&self) -> String {
        let (kind, value) = match &self.place.value {
            SortValue::Missing => (0, Vec::new()),
            SortValue::Number(number) => (1, number.to_be_bytes().to_vec()),
            SortValue::Text(text) => (2, text.as_bytes().to_vec()),
        };
        let flags = u8::from(self.is_backwards) | u8::from(self.is_inclusive) << 1 | kind << 2;
        let parts = [&[flags][..], &self.list.0, &self.rows_before.to_be_bytes(), &self.place.id, &value];
        BASE64URL_NOPAD.encode(&parts.concat())
    }

    /// The same boundary, seen from its other side.
    pub fn flipped(&self) -> Self {
        ListCursor { is_backwards: !self.is_backwards, is_inclusive: !self.is_inclusive, ..self.clone() }
    }

    pub fn check_list(&self, list: ListMark) -> Result<()> {
        if self.list == list {
            return Ok(());
        }
        let message = "This cursor belongs to a list with another filter or order. Begin again without a cursor.";
        Err(Error::invalid("cursor", message))
    }
}

/// One page of a list.
#[derive(Debug, Clone)]
pub struct ListPage<T> {
    pub rows: Vec<T>,
    /// The number of rows before this page.
    pub rows_before: u32,
    pub previous: Option<ListCursor>,
    pub next: Option<ListCursor>,
    /// Whether the server stopped looking before the page was full. The next page continues there.
    pub is_cut: bool,
}

/// What was found in one direction from a cursor, in that direction's order.
#[derive(Debug)]
pub struct FoundPlaces {
    /// Up to one more than fits on the page.
    pub places: Vec<ListPlace>,
    /// The last row that was looked at, if the search ended before the list did.
    pub stopped_at: Option<ListPlace>,
}

impl ListPage<ListPlace> {
    /// The page of these places: of those beyond `limit`, only the existence matters. `None` if they were read
    /// backwards and begin the list: then the first page is the better answer.
    pub fn of(found: FoundPlaces, list: ListMark, from: Option<&ListCursor>, limit: usize) -> Option<Self> {
        let FoundPlaces { mut places, stopped_at } = found;
        let is_backwards = from.is_some_and(|cursor| cursor.is_backwards);
        let onwards = if places.len() > limit {
            places.truncate(limit);
            places.last().cloned()
        } else {
            stopped_at.clone()
        };
        if is_backwards && onwards.is_none() {
            return None;
        }
        let is_cut = places.len() < limit && stopped_at.is_some();
        let boundary = from.map_or(0, |cursor| cursor.rows_before);
        let count = places.len() as u32;
        let far = if is_backwards { boundary.saturating_sub(count) } else { boundary.saturating_add(count) };
        let onwards =
            onwards.map(|place| ListCursor { list, is_backwards, is_inclusive: false, rows_before: far, place });
        let back = from.map(ListCursor::flipped);
        if is_backwards {
            places.reverse();
            return Some(ListPage { rows: places, rows_before: far, previous: onwards, next: back, is_cut });
        }
        Some(ListPage { rows: places, rows_before: boundary, previous: back, next: onwards, is_cut })
    }
}

impl<T> ListPage<T> {
    pub fn with_rows<U>(self, rows: Vec<U>) -> ListPage<U> {
        let ListPage { rows: _, rows_before, previous, next, is_cut } = self;
        ListPage { rows, rows_before, previous, next, is_cut }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written_and_only_for_its_own_list() {
        let (list, other) = (ListMark::of(&["a", "bc"]), ListMark::of(&["ab", "c"]));
        for value in [SortValue::Missing, SortValue::Number(-5), SortValue::Text("Ärger".to_owned())] {
            let place = ListPlace { value, id: [7; 16] };
            let cursor = ListCursor { list, is_backwards: true, is_inclusive: false, rows_before: 50, place };
            assert_eq!(ListCursor::parse(&cursor.text()).unwrap(), cursor);
            assert_eq!(cursor.flipped().flipped(), cursor);
            assert!(cursor.check_list(list).is_ok() && cursor.check_list(other).is_err());
            let text = cursor.text();
            for bad in ["", "x", "AAAA", &text[..20], &format!("{text}="), &"A".repeat(3000)] {
                assert_eq!(ListCursor::parse(bad).unwrap_err().field, Some("cursor"), "{bad}");
            }
        }
    }
}
