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

/// Maximum number of rows of a page of the API, and the default.
pub const MAX_ROWS: usize = 100;
