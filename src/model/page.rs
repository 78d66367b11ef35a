//! Pages of a list. A cursor is only the id of the last row seen, so that a forged one can only return another page of
//! what its caller may see.

use crate::error::{Error, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor(pub [u8; 16]);

impl Cursor {
    pub fn parse(text: &str) -> Result<Self> {
        let bytes = data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).ok();
        bytes
            .and_then(|bytes| bytes.try_into().ok())
            .map(Cursor)
            .ok_or_else(|| Error::invalid("cursor", "This page link is no longer valid. Go back to the list."))
    }

    pub fn text(&self) -> String {
        data_encoding::BASE64URL_NOPAD.encode(&self.0)
    }
}

/// One page of rows, newest first; `next` is present if older rows follow.
#[derive(Debug, Clone)]
pub struct Page<T> {
    pub rows: Vec<T>,
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    pub const MAX: usize = 100;

    /// Makes a page from up to `limit + 1` rows: the extra row shows that there are more.
    pub fn cut(mut rows: Vec<T>, limit: usize, id: impl Fn(&T) -> [u8; 16]) -> Self {
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|row| Cursor(id(row)));
        Page { rows, next }
    }

    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page { rows: self.rows.into_iter().map(f).collect(), next: self.next }
    }
}
